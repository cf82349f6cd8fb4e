"""How plots look: colours that stay apart in grey and to colour-blind eyes, sizes in points."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """Colours and sizes of a plot.

    Parameters
    ----------
    ink, quiet
        Of text and lines, and of what stands back: the lines of no effect and of the pooled estimate, the rules.
    square, diamond, prediction
        Fills of studies, pooled estimates and prediction intervals. Their lightness differs, so that they stay apart in
        grey.
    smallest_font
        Font size, in points, below which a plot refuses to go.
    line_width
        Of intervals, in points; other lines are thinner in proportion.
    leading
        Distance between two rows, as a multiple of the font size.
    page, band
        Of a new figure's page, and of the tinted bands that some layouts put behind every other row.
    """

    ink: str = "#111111"
    quiet: str = "#5a5a5a"
    square: str = "#6f93bd"
    diamond: str = "#1b3a5f"
    prediction: str = "#d9a441"
    smallest_font: float = 5.0
    line_width: float = 0.9
    leading: float = 1.5
    page: str = "#ffffff"
    band: str = "#f0f2f5"


DEFAULT = Style()
# On a dark page: ink is light, and the fills keep their distance from it and from the page.
DARK = Style(
    ink="#f0f0f0",
    quiet="#b4b4b4",
    square="#5b86b8",
    diamond="#b5cdea",
    prediction="#d9a441",
    page="#16181c",
    band="#23262c",
)
STYLES: dict[str, Style] = {"default": DEFAULT, "dark": DARK}
