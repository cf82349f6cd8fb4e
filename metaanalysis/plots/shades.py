"""Shades between the page and a colour, and what can be read on them."""

from __future__ import annotations

from matplotlib.colors import to_hex, to_rgb

from metaanalysis.plots.style import Style


def mixed(one: str, other: str, amount: float) -> str:
    """A colour between two."""
    (r1, g1, b1), (r2, g2, b2) = to_rgb(one), to_rgb(other)
    return to_hex((r1 + amount * (r2 - r1), g1 + amount * (g2 - g1), b1 + amount * (b2 - b1)))


def lightness(colour: str) -> float:
    """Relative luminance, from 0 for black to 1 for white (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """How much two colours stand out from each other: from 1 for the same to 21 for black and white (WCAG 2)."""
    low, high = sorted([lightness(one), lightness(other)])
    return (high + 0.05) / (low + 0.05)


def readable_on(shade: str, style: Style) -> str:
    """Ink or page, whichever stands out more from a shade."""
    return max(style.ink, style.page, key=lambda colour: contrast(colour, shade))
