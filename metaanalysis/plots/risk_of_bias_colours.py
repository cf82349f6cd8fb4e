"""Judgements of the risk of bias as coloured signs: each tool's colours differ in lightness, and each sign is its own."""

from __future__ import annotations

from dataclasses import dataclass

from metaanalysis.effects.risk_of_bias import judgement_word


@dataclass(frozen=True)
class Judgement:
    """A judgement: its words, the sign that stands for it in grey, and its colours."""

    key: str
    title: str
    sign: str
    fill: str
    ink: str


_LIGHT, _DARK = "#ffffff", "#1a1a1a"

# From least to most serious; the same colour stands for the same step in each tool. In grey low is a light step, high a dark one:
# of L* from 0 to 100 the steps are at 63, 87, 37 and 11.
JUDGEMENTS: dict[str, Judgement] = {
    "low": Judgement("low", "Low risk", "+", "#45a899", _DARK),
    "some concerns": Judgement("some concerns", "Some concerns", "!", "#f5d76e", _DARK),
    "unclear": Judgement("unclear", "Unclear risk", "?", "#f5d76e", _DARK),
    "moderate": Judgement("moderate", "Moderate risk", "~", "#f5d76e", _DARK),
    "high": Judgement("high", "High risk", "\u2212", "#a3271e", _LIGHT),
    "serious": Judgement("serious", "Serious risk", "\u00d7", "#a3271e", _LIGHT),
    "critical": Judgement("critical", "Critical risk", "!!", "#3f0a14", _LIGHT),
    "no information": Judgement("no information", "No information", "NI", "#ffffff", _DARK),
}


def judgement(value: object, where: str = "") -> Judgement:
    """A judgement by its name, its sign or another way to write it, in large or small letters.

    where: as in "study 'Aronson 1948', column 'blinding'", for the DataError about what is no judgement.
    """
    return JUDGEMENTS[judgement_word(value, where)]
