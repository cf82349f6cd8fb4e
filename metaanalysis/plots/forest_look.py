"""The looks of forest plots: which columns stand where, what they are called, and how a house draws and words them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from metaanalysis.effects import Effects
from metaanalysis.plots.forest_spec import Manner
from metaanalysis.plots.forest_wording import BMJ, JAMA, PLAIN, REVMAN5, REVMAN_WEB, Wording
from metaanalysis.plots.style import DEFAULT, Style

# What a study's data are: the columns that stand for them depend on it.
DataKind = Literal["counts", "means", "other", "given"]
# Left and right columns; "*" stands for the data by their names.
Choice = tuple[tuple[str, ...], tuple[str, ...]]

COUNTS = ("events1", "n1", "events2", "n2")
FRACTIONS = ("events1/n1", "events2/n2")
MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
MEANS_AND_SDS = ("mean1 (sd1)", "n1", "mean2 (sd2)", "n2")
SIZES = ("n1", "n2")


@dataclass(frozen=True)
class ForestLook:
    """The look of a house.

    Parameters
    ----------
    title
        What it is.
    wording
        How it says intervals and tests.
    data
        For each kind of data the columns that stand for it, all that is known first, then less for narrow figures.
    left, right
        What stands beside the data, "*".
    study_heading, groups
        What the studies and the two groups are called.
    estimate_heading
        With {measure}, {level}, {method} and {model}; {Measure} and {MEASURE} begin with capitals, and each word with one.
    panel_heading
        What stands over the panel, in the same way; "" for nothing.
    weight_heading, weight_unit
        Over the weights and behind each.
    subtotal, overall
        Names of pooled rows, with {level} and {model}; "" for the model's own name.
    sums_apart
        Whether events are added up on a row of their own.
    quantity_over_groups
        Whether what is counted stands over the groups' names, and not under them, where a group has one column.
    favours, unnamed
        How a direction is worded where the user named the groups, and where not: "" says which group has the lower risk or mean.
    test_of_groups
        Whether each subgroup has its test of the effect.
    method_note
        Whether a note says how the studies were pooled.
    prediction
        How the prediction interval is drawn unless the user says so; "" for not at all.
    indent
        Whether studies in subgroups are set in.
    symmetric
        Whether the axis reaches as far to the left of the line of no effect as to the right.
    axis_named
        Whether the axis has a label of its own, and not the heading over the panel alone.
    manner, style
        How it is drawn; styles by kind of data where they differ.
    """

    title: str
    wording: Wording
    data: Mapping[DataKind, tuple[tuple[str, ...], ...]]
    left: tuple[str, ...] = ("*",)
    right: tuple[str, ...] = ("estimate", "weight")
    study_heading: str = "Study"
    groups: tuple[str, str] = ("Treatment", "Control")
    estimate_heading: str = "{Measure} [{level}\u00a0CI]"
    panel_heading: str = ""
    weight_heading: str = "Weight"
    weight_unit: str = "%"
    subtotal: str = "Subtotal"
    overall: str = ""
    sums_apart: bool = False
    quantity_over_groups: bool = False
    favours: str = "Favours {}"
    unnamed: str = ""
    test_of_groups: bool = False
    method_note: bool = True
    prediction: str = "bar"
    indent: bool = True
    symmetric: bool = False
    axis_named: bool = True
    manner: Manner = field(default_factory=Manner)
    style: Style = DEFAULT
    styles: Mapping[DataKind, Style] = field(default_factory=lambda: MappingProxyType({}))

    def style_for(self, effects: Effects) -> Style:
        """The colours for the studies' kind of data."""
        return self.styles.get(data_kind(effects), self.style)

    def choices(self, effects: Effects) -> list[tuple[list[str], list[str]]]:
        """Left and right columns in the order of preference; the last without data and weights, for narrow figures."""
        kind = data_kind(effects)
        found: list[tuple[list[str], list[str]]] = []
        for data in (*self.data.get(kind, ("*",)), ()):
            own = own_columns(effects, data)
            left = ["study"]
            for name in self.left:
                left += own if name == "*" else [name]
            found.append((left, list(self.right)))
        # Fewer columns still, on whichever side they stand.
        least = [[name for name in side if name in ("study", "estimate")] for side in found[-1]]
        without = [[name for name in side if name != "weight"] for side in found[-2]] if len(found) > 1 else least
        if kind == "counts":
            found.insert(-1, (without[0], without[1]))
        found.append((least[0], least[1]))
        return [choice for i, choice in enumerate(found) if choice not in found[:i]]


def data_kind(effects: Effects) -> DataKind:
    """What the studies' data are."""
    known = set(effects.inputs)
    if set(COUNTS) <= known:
        return "counts"
    if set(MEANS) <= known:
        return "means"
    return "other" if known - {"y", "v", "se"} else "given"


def own_columns(effects: Effects, data: tuple[str, ...]) -> list[str]:
    """The columns of the data; "*" stands for each input, but a correlation, which is its own estimate."""
    found: list[str] = []
    for name in data:
        found += [own for own in effects.inputs if own not in ("y", "v", "se", "r")] if name == "*" else [name]
    return found


USUAL: Mapping[DataKind, tuple[tuple[str, ...], ...]] = {
    "counts": (COUNTS, FRACTIONS),
    "means": (MEANS_AND_SDS, SIZES),
    "other": (("*",),),
    "given": (),
}
REVMAN: Mapping[DataKind, tuple[tuple[str, ...], ...]] = {
    "counts": (COUNTS, FRACTIONS),
    "means": (MEANS, MEANS_AND_SDS, SIZES),
    "other": (("*",),),
    "given": (("y", "se"),),
}
JOURNAL: Mapping[DataKind, tuple[tuple[str, ...], ...]] = {
    "counts": (FRACTIONS,),
    "means": (MEANS_AND_SDS, SIZES),
    "other": (("*",),),
    "given": (),
}

# RevMan draws counts blue, means green and given estimates red; diamonds black.
_REVMAN = Style(diamond="#000000", square="#3c6fd1", prediction="#c9c9c9")

LOOKS: dict[str, ForestLook] = {
    "default": ForestLook("this package's own", PLAIN, USUAL),
    "revman5": ForestLook(
        "Review Manager 5",
        REVMAN5,
        REVMAN,
        left=("*", "weight", "estimate"),
        right=(),
        study_heading="Study or Subgroup",
        groups=("Experimental", "Control"),
        estimate_heading="{MEASURE}\n{method}, {model}, {level}\u00a0CI",
        panel_heading="{MEASURE}\n{method}, {model}, {level}\u00a0CI",
        subtotal="Subtotal ({level}\u00a0CI)",
        overall="Total ({level}\u00a0CI)",
        sums_apart=True,
        unnamed="Favours [{}]",
        test_of_groups=True,
        method_note=False,
        prediction="",
        indent=False,
        symmetric=True,
        axis_named=False,
        manner=Manner(arrows=False, pooled_line=False, crosses=False),
        style=_REVMAN,
        styles={
            "means": Style(diamond="#000000", square="#3f9a52", prediction="#c9c9c9"),
            "given": Style(diamond="#000000", square="#cf4a3c", prediction="#c9c9c9"),
        },
    ),
    "revman-web": ForestLook(
        "RevMan (web)",
        REVMAN_WEB,
        REVMAN,
        left=("*", "weight", "estimate"),
        right=(),
        study_heading="Study or Subgroup",
        groups=("Experimental", "Control"),
        estimate_heading="{Measure}\n{method}, {model}, {level}\u00a0CI",
        panel_heading="{Measure}\n{method}, {model}, {level}\u00a0CI",
        subtotal="Subtotal",
        overall="Total ({level}\u00a0CI)",
        sums_apart=True,
        unnamed="Favours [{}]",
        test_of_groups=True,
        prediction="bar",
        indent=False,
        symmetric=True,
        axis_named=False,
        manner=Manner(arrows=False, pooled_line=False, crosses=False, foot_rule=True),
        style=Style(diamond="#000000", square="#2f78c4", prediction="#7fb2e5"),
    ),
    "jama": ForestLook(
        "JAMA",
        JAMA,
        JOURNAL,
        left=("*", "estimate"),
        right=("weight",),
        study_heading="Source",
        groups=("Intervention", "Control"),
        estimate_heading="{Measure} ({level}\u00a0CI)",
        weight_heading="Weight,\u00a0%",
        weight_unit="",
        quantity_over_groups=True,
        favours="Favors {}",
        unnamed="Favors {}",
        manner=Manner(bands=True, directions_over=True, arrows=False, crosses=False),
        style=Style(square="#6d8fb8", diamond="#25456b", prediction="#d9a441", band="#f0f0f0"),
    ),
    "bmj": ForestLook(
        "The BMJ",
        BMJ,
        JOURNAL,
        right=("weight", "estimate"),
        groups=("Intervention", "Control"),
        estimate_heading="{Measure} ({level}\u00a0CI)",
        panel_heading="{Measure} ({level}\u00a0CI)",
        weight_heading="Weight\u00a0(%)",
        weight_unit="",
        subtotal="Subtotal",
        quantity_over_groups=True,
        unnamed="Favours {}",
        axis_named=False,
        manner=Manner(arrows=False, crosses=False, foot_rule=True),
        style=Style(square="#8f8f8f", diamond="#1f5f9e", prediction="#d6b25e"),
    ),
}
