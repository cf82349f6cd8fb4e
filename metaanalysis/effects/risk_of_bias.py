"""Tools for the risk of bias: their domains, the judgements that they know, and how these may be written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from metaanalysis.errors import DataError, OptionError, nearest


@dataclass(frozen=True)
class Tool:
    """A tool: its domains by their short names, the judgements that it knows (none: it gives stars), and its reference."""

    title: str
    domains: Mapping[str, str]
    judgements: tuple[str, ...]
    reference: str


# From least to most serious.
JUDGEMENT_WORDS = (
    "low", "some concerns", "unclear", "moderate", "high", "serious", "critical", "no information"
)  # fmt: skip

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "rob2": Tool(
            "RoB 2",
            {
                "D1": "Bias arising from the randomization process",
                "D1b": "Bias arising from the timing of identification or recruitment of participants",
                "DS": "Bias arising from period and carryover effects",
                "D2": "Bias due to deviations from intended interventions",
                "D3": "Bias due to missing outcome data",
                "D4": "Bias in measurement of the outcome",
                "D5": "Bias in selection of the reported result",
            },
            ("low", "some concerns", "high", "no information"),
            "Sterne JAC, et al. BMJ 2019;366:l4898",
        ),
        "robins-i": Tool(
            "ROBINS-I",
            {
                "D1": "Bias due to confounding",
                "D2": "Bias in selection of participants into the study",
                "D3": "Bias in classification of interventions",
                "D4": "Bias due to deviations from intended interventions",
                "D5": "Bias due to missing data",
                "D6": "Bias in measurement of outcomes",
                "D7": "Bias in selection of the reported result",
            },
            ("low", "moderate", "serious", "critical", "no information"),
            "Sterne JAC, et al. BMJ 2016;355:i4919",
        ),
        "cochrane-2011": Tool(
            "Cochrane 2011",
            {
                "D1": "Random sequence generation (selection bias)",
                "D2": "Allocation concealment (selection bias)",
                "D3": "Blinding of participants and personnel (performance bias)",
                "D4": "Blinding of outcome assessment (detection bias)",
                "D5": "Incomplete outcome data (attrition bias)",
                "D6": "Selective reporting (reporting bias)",
                "D7": "Other bias",
            },
            ("low", "unclear", "high"),
            "Higgins JPT, et al. BMJ 2011;343:d5928",
        ),
        "newcastle-ottawa": Tool(
            "Newcastle-Ottawa",
            {"Selection": "Selection", "Comparability": "Comparability", "Outcome": "Outcome", "Exposure": "Exposure"},
            (),
            "Wells GA, et al. The Newcastle-Ottawa Scale for assessing the quality of nonrandomised studies in meta-analyses",
        ),
    }
)
# The most stars that a domain of Newcastle-Ottawa gives: outcome is for cohorts, exposure for case-control studies.
MOST_STARS = {"Selection": 4, "Comparability": 2, "Outcome": 3, "Exposure": 3}
OVERALL = ("overall", "overallrisk", "overallbias", "overallriskofbias", "overalljudgement")

# Other ways to write the judgements.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "+": "low", "!": "some concerns", "?": "unclear", "~": "moderate", "-": "high", "\u2212": "high",
        "\u2013": "high", "x": "serious", "\u00d7": "serious", "!!": "critical", "ni": "no information",
        "no info": "no information", "some": "some concerns", "some concern": "some concerns", "l": "low", "h": "high",
        "u": "unclear", "m": "moderate", "s": "serious", "c": "critical",
    }
)  # fmt: skip
_ENDINGS = (" risk of bias", " risk")


def reading(value: object) -> str:
    """The word for a judgement however it is written, in large or small letters; a word that is none stays as it is."""
    text = " ".join(str(value).lower().split())
    for ending in _ENDINGS:
        text = text.removesuffix(ending)
    return ALIASES.get(text, text)


def judgement_word(value: object, where: str = "", known: Sequence[str] = JUDGEMENT_WORDS, title: str = "") -> str:
    """A judgement by its name, its sign or another way to write it.

    where: as in "study 'Aronson 1948' (row 1), column 'blinding'"; known, title: of one tool.
    """
    word = reading(value)
    if word in known:
        return word
    place = f" ({where})" if where else ""
    of = f" of {title}" if title else ""
    raise DataError(
        f"{value!r}{place} is not a judgement of the risk of bias{of}.{nearest(word, known)} "
        f"The judgements are: {', '.join(known)}."
    )


def tool_named(tool: object) -> Tool:
    """The tool of a name; OptionError lists the tools."""
    known = {plain(name): own for key, own in TOOLS.items() for name in (key, own.title)}
    found = known.get(plain(tool)) if isinstance(tool, str) else None
    if found is None:
        titles = [own.title for own in TOOLS.values()]
        raise OptionError(
            f"tool={tool!r} is not a tool.{nearest(str(tool), titles)} The tools are: {', '.join(titles)}."
        )
    return found


_LEADING = re.compile(r"^(bias(arisingfrom|dueto|in|of)?)?(the)?")


def plain(name: object) -> str:
    """A name without case, blanks and signs, and with s for z: what tells names apart."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower()).replace("z", "s")


def core(name: str) -> str:
    """What is left of a domain's name without "bias due to", what stands in brackets, and the plural."""
    bare = plain(re.sub(r"\(.*?\)", "", name))
    short = _LEADING.sub("", bare)
    return (short or bare).removesuffix("s")


def known_domain(tool: Tool, column: str) -> str | None:
    """The short name of the domain that a column is called after."""
    for code, title in tool.domains.items():
        if plain(column) in (plain(code), plain(f"domain {code[1:]}")) or core(column) == core(title):
            return code
    return None
