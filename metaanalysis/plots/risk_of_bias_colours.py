"""Judgements of the risk of bias as coloured signs: each tool's colours differ in lightness, and each sign is its own."""

from __future__ import annotations

from dataclasses import dataclass

from metaanalysis.errors import DataError, nearest


@dataclass(frozen=True)
class Judgement:
    """A judgement: its words, the sign that stands for it in grey, and its colours."""

    key: str
    title: str
    sign: str
    fill: str
    ink: str


_LIGHT, _DARK = "#ffffff", "#1a1a1a"

# From least to most serious; the same colour stands for the same step in each tool.
JUDGEMENTS: dict[str, Judgement] = {
    "low": Judgement("low", "Low risk", "+", "#2b8f82", _LIGHT),
    "some concerns": Judgement("some concerns", "Some concerns", "!", "#f2cd5c", _DARK),
    "unclear": Judgement("unclear", "Unclear risk", "?", "#f2cd5c", _DARK),
    "moderate": Judgement("moderate", "Moderate risk", "~", "#f2cd5c", _DARK),
    "high": Judgement("high", "High risk", "\u2212", "#ad2e24", _LIGHT),
    "serious": Judgement("serious", "Serious risk", "\u00d7", "#ad2e24", _LIGHT),
    "critical": Judgement("critical", "Critical risk", "!!", "#4a0d18", _LIGHT),
    "no information": Judgement("no information", "No information", "NI", "#ffffff", _DARK),
}

# Which judgements each tool knows.
TOOLS: dict[str, tuple[str, ...]] = {
    "rob2": ("low", "some concerns", "high", "no information"),
    "robins-i": ("low", "moderate", "serious", "critical", "no information"),
    "cochrane-2011": ("low", "unclear", "high"),
}

# Other ways to write them.
ALIASES: dict[str, str] = {
    "+": "low",
    "!": "some concerns",
    "?": "unclear",
    "~": "moderate",
    "-": "high",
    "\u2212": "high",
    "\u2013": "high",
    "x": "serious",
    "\u00d7": "serious",
    "!!": "critical",
    "ni": "no information",
    "no info": "no information",
    "some": "some concerns",
    "some concern": "some concerns",
    "l": "low",
    "h": "high",
    "u": "unclear",
    "m": "moderate",
    "s": "serious",
    "c": "critical",
}
_ENDINGS = (" risk of bias", " risk")


def judgement(value: object, where: str = "") -> Judgement:
    """A judgement by its name, its sign or another way to write it, in large or small letters.

    where: as in "study 'Aronson 1948', column 'blinding'", for the DataError about what is no judgement.
    """
    text = " ".join(str(value).lower().split())
    for ending in _ENDINGS:
        text = text.removesuffix(ending)
    key = ALIASES.get(text, text)
    if key in JUDGEMENTS:
        return JUDGEMENTS[key]
    place = f" ({where})" if where else ""
    raise DataError(
        f"{value!r}{place} is not a judgement of the risk of bias.{nearest(text, JUDGEMENTS)} "
        f"The judgements are: {', '.join(JUDGEMENTS)}."
    )
