"""Which font has the characters of a text, and how wide a text is."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager, ft2font
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from metaanalysis.errors import MetaAnalysisWarning, OptionError, nearest

# Fonts with the world's scripts, as they come with the usual systems; asked for only where a text needs them.
FALLBACKS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans CJK TC",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Noto Sans TC",
    "Source Han Sans SC",
    "Source Han Sans",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Hiragino Sans GB",
    "Heiti SC",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "SimHei",
    "Yu Gothic",
    "MS Gothic",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Thai",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans",
    "Geeza Pro",
    "Segoe UI",
    "Tahoma",
    "Leelawadee UI",
    "Nirmala UI",
    "Arial Unicode MS",
    "Arial",
    "FreeSans",
    "Unifont",
)
# Widths are measured once, at this size, and scaled: without hinting they are proportional to the size at every resolution.
MEASURED_SIZE = 10.0
MEASURED_DPI = 720.0
MEASURED_TEXTS = 20_000


@cache
def installed() -> frozenset[str]:
    """The names of all installed fonts."""
    return frozenset(entry.name for entry in font_manager.fontManager.ttflist)


@cache
def characters_of(family: str) -> frozenset[int]:
    """The code points that a font has."""
    path = font_manager.findfont(FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())


def base_family(font: str | None) -> str:
    """The font asked for, or the first installed one of matplotlib's settings; OptionError where it isn't installed."""
    if font is not None:
        if font not in installed():
            raise OptionError(f"font={font!r} is not installed.{nearest(font, installed())}")
        return font
    settings: Any = mpl.rcParams
    for name in settings["font.family"]:
        for family in settings.get(f"font.{name}", [name]):
            if family in installed():
                return str(family)
    return "DejaVu Sans"


def needs_glyph(character: str) -> bool:
    """Whether a character is drawn: blanks, controls and joiners are not."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf", "Mn")


@contextmanager
def steadily(covered: bool) -> Iterator[None]:
    """Letters of the same proportions at every size and resolution; no warning a character where one was given for all."""
    before = mpl.rcParams["text.hinting"]
    mpl.rcParams["text.hinting"] = "no_hinting"
    try:
        with nullcontext() if covered else warnings.catch_warnings():
            if not covered:
                warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
            yield
    finally:
        mpl.rcParams["text.hinting"] = before


def shapes_text() -> bool:
    """Whether matplotlib sets scripts that run from right to left or join their letters."""
    return hasattr(ft2font, "__libraqm_version__")


class SteadyText(Text):
    """A text that is as wide, in points, on the screen as in print: what is laid out for one has room in the other."""

    def __init__(self, text: str, typeface: Typeface, size: float, bold: bool) -> None:
        families, self._covered = typeface.families(text)
        font = FontProperties(family=families, size=size, weight="bold" if bold else "normal")
        super().__init__(text=text, fontproperties=font, usetex=False, parse_math=False)

    def draw(self, *args: Any, **kwargs: Any) -> None:
        """Draw the text."""
        with steadily(self._covered):
            super().draw(*args, **kwargs)

    def get_window_extent(self, *args: Any, **kwargs: Any) -> Bbox:
        """The box of the text."""
        with steadily(self._covered):
            return super().get_window_extent(*args, **kwargs)


@lru_cache(maxsize=MEASURED_TEXTS)
def measured(text: str, families: tuple[str, ...], covered: bool, bold: bool) -> float:
    """The width of a text in multiples of the font size; remembered, as the next plot has many of the same numbers."""
    font = FontProperties(family=list(families), size=MEASURED_SIZE, weight="bold" if bold else "normal")
    with steadily(covered):
        dots = measuring_renderer().get_text_width_height_descent(text, font, False)[0]
    return float(dots * 72.0 / MEASURED_DPI / MEASURED_SIZE)


@cache
def measuring_renderer() -> Any:
    """What measures texts; nothing is drawn with it."""
    agg: Any = RendererAgg
    return agg(1, 1, MEASURED_DPI)


class Typeface:
    """A font with its fallbacks, and the widths of texts set in it.

    Parameters
    ----------
    font
        The name of an installed font; by default the one of matplotlib's settings (``font.family``).
    """

    def __init__(self, font: str | None) -> None:
        self.base = base_family(font)
        self.missing: set[str] = set()
        self.right_to_left = False
        self._widths: dict[tuple[str, bool], float] = {}
        self._families: dict[str, tuple[list[str], bool]] = {}

    def families(self, text: str) -> tuple[list[str], bool]:
        """The fonts for a text, and whether together they have all its characters."""
        if text.isascii():
            return [self.base], True
        if text not in self._families:
            self.right_to_left |= any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
            chosen = [self.base]
            lacking = {c for c in text if needs_glyph(c) and ord(c) not in characters_of(self.base)}
            for name in FALLBACKS:
                if lacking and name in installed() and name != self.base:
                    found = {c for c in lacking if ord(c) in characters_of(name)}
                    chosen += [name] if found else []
                    lacking -= found
            self.missing |= lacking
            self._families[text] = (chosen, not lacking)
        return self._families[text]

    def width(self, text: str, size: float, bold: bool = False) -> float:
        """How wide a line of text is, in points."""
        if not text:
            return 0.0
        if (text, bold) not in self._widths:
            families, covered = self.families(text)
            self._widths[text, bold] = measured(text, tuple(families), covered, bold)
        return self._widths[text, bold] * size

    def warn_of_missing(self) -> None:
        """Say which characters no installed font has, and where letters would stand in the wrong order."""
        if self.right_to_left and not shapes_text():
            warnings.warn(
                f"matplotlib {mpl.__version__} sets Arabic and Hebrew letters from left to right in PNG and PDF files: save as "
                f".svg, which a browser sets rightly, or use matplotlib 3.11 or later.",
                MetaAnalysisWarning,
                stacklevel=3,
            )
        if self.missing:
            shown = "".join(sorted(self.missing)[:20])
            warnings.warn(
                f"no installed font has the characters {shown!r}: pictures show boxes in their place (an SVG file keeps "
                f"the text itself). Install a font that has them, such as Noto Sans CJK, or name one in font=.",
                MetaAnalysisWarning,
                stacklevel=3,
            )
