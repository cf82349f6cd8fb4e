"""A table of studies -> effect sizes: the door at which data are checked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects.checks import (
    BLOCK,
    LARGEST_EFFECT,
    LARGEST_VARIANCE,
    SMALLEST_VARIANCE,
    StudyData,
    blocks,
    check_all,
    check_effects,
    check_given,
    extremes_of,
    extremes_of_one,
    users_line,
)
from metaanalysis.effects.checks_of_inputs import check_inputs, check_variants
from metaanalysis.effects.columns import (
    FrameLike,
    find_column,
    height,
    labels,
    numbers_of,
    open_frame,
    plain_array,
)
from metaanalysis.effects.effects import Effects, closed
from metaanalysis.effects.labels import Labels
from metaanalysis.effects.measures import Computed, Measure, measure_named
from metaanalysis.effects.zero_cells import with_stata_zero_cells
from metaanalysis.errors import DataError, ExcludedStudiesWarning, OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.options import EffectOptions, checked_level

# The ways in which an estimate may be given: on the scale of analysis, or as published for a ratio.
GIVEN = (
    ("y", "v"),
    ("y", "se"),
    ("y", "ci_low", "ci_high"),
    ("estimate", "ci_low", "ci_high"),
)
GIVEN_NAMES = ("y", "v", "se", "estimate", "ci_low", "ci_high")
OPTION_NAMES = tuple(entry.name for entry in fields(EffectOptions))
# Of effects that are given there is nothing to choose.
GIVEN_EFFECTS = EffectOptions()


def effect_sizes(
    data: FrameLike,
    measure: str,
    *,
    label: str | None = None,
    convention: str = "metafor",
    ci_level: float = 0.95,
    **columns_and_options: Any,
) -> Effects:
    """Compute the effect size and the sampling variance of every study in a table.

    Parameters
    ----------
    data
        One row a study: a pandas, Polars or Arrow frame, or a dict of columns. It is not changed.
    measure
        A key of `measures`, which says of each what it needs and which variants it has: two groups' counts (``RR OR RD
        PETO AS PHI YUQ YUY RTET PBIT OR2DL OR2DN``), person-time (``IRR IRD IRSD``), matched pairs (``MPRR MPOR MPRD MPORC
        MPPETO``), means (``MD SMD SMDH SMD1 SMD1H ROM CVR VR RPB ZPB RBIS ZBIS D2ORL D2ORN CLES``), before and after (``MC
        SMCC SMCR SMCRH ROMC CVRC VRC``), one group (``PR PLN PLO PAS PFT IR IRLN IRS IRFT MN SMN MNLN CVLN SDLN``),
        association (``COR UCOR ZCOR PCOR ZPCOR SPCOR R2 ZR2``), reliability (``ARAW AHW ABT``), and ``HR`` and ``GEN`` from
        given estimates. Group 1 is the treated group, or the later time; ``SMCR`` and ``SMCRH`` divide by ``sd1`` all the
        same: for the standard deviation before, map it, as in ``sd1="sd_before"``. Any measure may also be given: ``y`` with
        ``v``, ``se`` or ``ci_low ci_high`` on the scale of analysis (log for ratios), or, for ratios, the published
        ``estimate ci_low ci_high``.
    label
        The column that names the studies; by default ``study``, ``label`` or ``author`` where there is one.
    convention
        The program whose rules are followed: ``metafor`` (default), ``meta``, ``revman5``, ``revman`` or ``stata``.
    ci_level
        The confidence level of intervals that are given.
    **columns_and_options
        Columns by our names where yours differ, as in ``events1="tpos"``; and the fields of `EffectOptions`, as in
        ``add=0.25`` or ``smd_correction="approximate"``; for odds ratios and risk ratios also Stata's ``zerocells``:
        ``only0``, ``allif0``, ``none``, ``tacc`` (odds ratios), or with an amount, as in ``"0.25, allif0"``.

    Returns
    -------
    Effects
        ``y``, ``v``, who was corrected and who was left out. A study with missing values is left out with a warning.

    Raises
    ------
    DataError
        Where data cannot be right; the message names study, column, value and remedy. Rows are counted from 1.
    OptionError
        Where an option has no such value.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")
    >>> effects
    <Effects: 13 studies, log risk ratio>
    >>> print(f"{effects.label[0]}: {effects.y[0]:.4f} ({effects.v[0]:.4f})")
    Aronson: -0.8893 (0.3256)
    """
    entry = measure_named(measure)
    frame = open_frame(data)
    if height(frame) == 0:
        raise DataError("the table has no rows: there is no study to compute an effect size of.")
    level = checked_level(ci_level)
    columns, given_options = split_keywords(columns_and_options, entry)
    options = override(convention_named(convention).effects, given_options)
    check_variants(entry, options)
    if not entry.corrected and given_options.get("add") is None:
        options = replace(options, add=0.0)
    names = inputs_wanted(entry, list(frame.columns), columns)
    found = {name: find_column(frame, columns.get(name, name), name) for name in names}
    names_of_studies = labels(frame, label)
    read = {name: numbers_of(frame, column, names_of_studies) for name, column in found.items()}
    inputs = {name: closed(values) for name, (values, _) in read.items()}
    whole = frozenset(name for name, (_, is_whole) in read.items() if is_whole)
    return from_inputs(entry, inputs, found, names_of_studies, options, convention, level, frame, None, whole)


def effects_from_arrays(
    y: Sequence[float] | FloatArray,
    v: Sequence[float] | FloatArray,
    measure: str = "GEN",
    label: Sequence[str] | None = None,
) -> Effects:
    """Effects from plain arrays of effect sizes and sampling variances, with the same checks."""
    entry = measure_named(measure)
    arrays: dict[str, FloatArray] = {}
    for name, values in (("y", y), ("v", v)):
        arrays[name] = closed(plain_array(values, name))
    sizes = {name: array.size for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"y has {sizes['y']} values and v has {sizes['v']}: each study needs one of both.")
    if sizes["y"] == 0:
        raise DataError("y and v are empty: there is no study to pool.")
    if label is not None and len(label) != sizes["y"]:
        raise DataError(f"label has {len(label)} values for {sizes['y']} studies.")
    names = Labels(None if label is None else tuple(map(str, label)), sizes["y"])
    return from_inputs(entry, arrays, {"y": "y", "v": "v"}, names, GIVEN_EFFECTS, "metafor", 0.95, None, None)


def under_convention(effects: Effects, convention: str, measure: str | None = None) -> Effects:
    """The same studies' effect sizes under another program's rules and, where one is named, as another measure.

    Given effects stay as they are; options that the user had set apart from the former convention are kept. The effects are
    computed anew once, so that studies that are left out are named once.
    """
    if measure is not None and measure_named(measure).key != effects.measure:
        return converted(effects, measure_named(measure), options_under(effects, convention), convention)
    if convention == effects.convention or effects.given:
        return effects
    return recomputed(effects, effects.measure_entry, options_under(effects, convention), convention)


def options_under(effects: Effects, convention: str) -> EffectOptions:
    """A convention's options with those that the user had set apart from the former one."""
    if convention == effects.convention:
        return effects.options
    usual = convention_named(effects.convention).effects
    own = {name: getattr(effects.options, name) for name in OPTION_NAMES}
    chosen = {name: value for name, value in own.items() if value != getattr(usual, name)}
    return override(convention_named(convention).effects, chosen)


def as_measure(effects: Effects, measure: str) -> Effects:
    """The same studies' data as another measure; DataError where the effects were given without data."""
    return under_convention(effects, effects.convention, measure)


def converted(effects: Effects, entry: Measure, options: EffectOptions, convention: str) -> Effects:
    """The same studies' data as another measure under a convention; DataError where the effects were given without data."""
    if effects.given or not set(entry.inputs) <= set(effects.all_data) or not entry.inputs:
        raise DataError(
            f"{entry.title} ({entry.key}) needs {' '.join(entry.inputs)} of each study, and these effects were made "
            f"without them. Make them by effect_sizes from a table that has these columns."
        )
    if entry.corrected != effects.measure_entry.corrected:
        usual = convention_named(convention).effects
        options = replace(options, add=usual.add if entry.corrected else 0.0)
    # A variant of one measure is none of another.
    return recomputed(effects, entry, replace(options, variance=None, correction=None), convention)


def recomputed(effects: Effects, entry: Measure, options: EffectOptions, convention: str) -> Effects:
    """The effects of the same data by another formula or under other options."""
    return from_inputs(
        entry,
        effects.all_data,
        effects.columns,
        effects.all_labels,
        options,
        convention,
        0.95,
        effects.source,
        effects.all_rows,
    )


def split_keywords(given: Mapping[str, Any], entry: Measure) -> tuple[dict[str, str], dict[str, Any]]:
    """Keywords -> columns by our names, and options; a keyword that is neither is refused with the nearest names."""
    column_names = (*entry.inputs, *GIVEN_NAMES)
    columns = {name: value for name, value in given.items() if name in column_names and value is not None}
    options = {name: value for name, value in given.items() if name in OPTION_NAMES or name == "zerocells"}
    for name in given:
        if name not in column_names and name not in options:
            known = [*column_names, *OPTION_NAMES, "zerocells"]
            raise OptionError(
                f"effect_sizes has no keyword {name!r} for the measure {entry.key}.{nearest(name, known)} "
                f"Columns: {', '.join(column_names)}. Options: {', '.join(OPTION_NAMES)}."
            )
    return columns, with_stata_zero_cells(options, entry)


def inputs_wanted(entry: Measure, have: Sequence[str], mapped: Mapping[str, str]) -> tuple[str, ...]:
    """Which columns to read: the measure's own, or a given estimate where it is mapped or all there is."""
    given = [names for names in GIVEN if names[0] != "estimate" or entry.back == "exp"]
    asks_for_given = any(name in mapped for name in GIVEN_NAMES)
    own = bool(entry.inputs) and not asks_for_given
    if own and (
        all(name in have or name in mapped for name in entry.inputs) or any(name in mapped for name in entry.inputs)
    ):
        return entry.inputs
    for names in given:
        if all(name in have or name in mapped for name in names) and all(
            name in names for name in mapped if name in GIVEN_NAMES
        ):
            return names
    if own:
        return entry.inputs
    ways = "; ".join(" ".join(names) for names in given)
    raise DataError(
        f"the measure {entry.key} needs given estimates, as one of: {ways}. The columns are: "
        f'{", ".join(have) or "none"}. Name those that hold them, as in y="…", se="…".'
    )


def from_inputs(
    entry: Measure,
    inputs: Mapping[str, FloatArray],
    columns: Mapping[str, str],
    label: Labels | tuple[str, ...],
    options: EffectOptions,
    convention: str,
    level: float,
    source: Any,
    rows: IntArray | None,
    whole: frozenset[str] = frozenset(),
) -> Effects:
    """Check the inputs, compute the effects and leave out, with a warning, the studies that have none.

    inputs: arrays of our own, closed to changes; rows: which rows of the source they are, None where they are all; whole:
    the inputs that are known to hold whole numbers alone.
    """
    total = len(label)
    everyone = label if isinstance(label, Labels) else Labels(label, total)
    reasons: dict[int, str] = {}
    complete = np.ones(total, dtype=np.bool_)

    def leave_out(bad: BoolArray, why: str) -> None:
        reasons.update(dict.fromkeys(np.flatnonzero(bad & complete).tolist(), why))
        np.logical_and(complete, ~bad, out=complete)

    extremes = extremes_of(inputs)
    for bad, why in incomplete(inputs, columns, extremes):
        leave_out(bad, why)
    given = "y" in inputs or "estimate" in inputs
    checked = StudyData(inputs, columns, label, complete, extremes=extremes, whole=whole)
    check_all(checked, check_given if given else lambda data: check_inputs(data, entry))
    kept = inputs if not reasons else {name: closed(values[complete]) for name, values in inputs.items()}
    computed = computed_from_given(kept, level) if given else computed_from_data(entry, kept, options)
    at: IntArray | None = None
    # What was given as it is used has been looked at already.
    as_given = computed.y is inputs.get("y") and computed.v is inputs.get("v")
    good = within_limits(extremes["y"], extremes["v"]) if as_given else usable(computed)
    if reasons or computed.left_out.any() or not good:
        known = np.isfinite(computed.y) & np.isfinite(computed.v) & (computed.v > 0)
        keep = ~computed.left_out & (given | known)
        at = np.flatnonzero(complete)[keep]
        inestimable, undefined = np.zeros((2, total), dtype=np.bool_)
        inestimable[complete] = computed.left_out
        undefined[complete] = ~known & ~given
        leave_out(inestimable, computed.reason)
        leave_out(undefined, "its effect size or its sampling variance is not defined")
        if not keep.all():
            y, v, corrected, _, reason = computed
            computed = Computed(y[keep], v[keep], corrected[keep], np.zeros(at.size, dtype=np.bool_), reason)
            kept = {name: closed(values[keep]) for name, values in kept.items()}
        check_effects(computed.y, computed.v, everyone.take(at), at)
    left_out: tuple[tuple[str, str], ...] = ()
    if reasons:
        places = np.array(sorted(reasons), dtype=np.intp)
        left_out = tuple(zip(everyone.take(places), (reasons[row] for row in places.tolist()), strict=True))
        warn_of_exclusions(left_out, total)
    if at is not None and at.size == 0:
        raise DataError(
            f"no study is left: all {total} were left out. The first, '{left_out[0][0]}': {left_out[0][1]}."
        )
    return Effects(
        y=closed(computed.y),
        v=closed(computed.v),
        measure=entry.key,
        label=everyone if at is None else everyone.take(at),
        inputs=dict(kept) if not given else {},
        options=options,
        convention=convention,
        given=given,
        source=source,
        rows=rows if at is None else at if rows is None else rows[at],
        was_corrected=computed.corrected,
        left_out=left_out,
        columns=dict(columns),
        all_data=dict(inputs),
        all_labels=label,
        all_rows=rows,
    )


def incomplete(
    inputs: Mapping[str, FloatArray], columns: Mapping[str, str], extremes: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[BoolArray, str]]:
    """Which studies have a missing value, or a group of nobody, and how to say so."""
    for name, values in inputs.items():
        # The least of numbers of which one is missing is missing.
        if np.isnan(extremes[name][0]):
            yield np.isnan(values), f"{columns[name]} is missing"
    for name, events in (("n1", "events1"), ("n2", "events2"), ("n", "events")):
        if name in inputs and not extremes[name][0] > 0:
            nobody = (inputs[name] == 0) & (inputs[events] == 0 if events in inputs else True)
            yield nobody, f"{columns[name]} is 0: nobody was observed"


def usable(computed: Computed) -> bool:
    """Whether all effects and variances are numbers to compute with."""
    return computed.y.size > 0 and within_limits(extremes_of_one(computed.y), extremes_of_one(computed.v))


def within_limits(of_effects: tuple[float, float], of_variances: tuple[float, float]) -> bool:
    """Whether the least and the greatest effect, and variance, can be computed with."""
    (least, most), (smallest, largest) = of_effects, of_variances
    # A missing value is neither.
    return (
        least >= -LARGEST_EFFECT
        and most <= LARGEST_EFFECT
        and smallest >= SMALLEST_VARIANCE
        and largest <= LARGEST_VARIANCE
    )


def computed_from_data(entry: Measure, kept: Mapping[str, FloatArray], options: EffectOptions) -> Computed:
    """The measure's own formula; the caller has checked the inputs."""
    if entry.compute is None:
        raise DataError(f"the measure {entry.key} can't be computed from study data; give y with v or se.")
    k = next(iter(kept.values())).size
    if k == 0:
        empty, nobody = np.empty(0), np.empty(0, dtype=np.bool_)
        return Computed(empty, empty, nobody, nobody, "")
    # What overflows or is not defined is found by its value, and named, after this.
    with np.errstate(all="ignore"):
        if k <= BLOCK or looks_at_all_studies(options):
            return entry.compute(kept, options)
        y, v = np.empty(k), np.empty(k)
        corrected, left_out = np.empty(k, dtype=np.bool_), np.empty(k, dtype=np.bool_)
        reason = ""
        for part in blocks(k):
            found = entry.compute({name: values[part] for name, values in kept.items()}, options)
            y[part], v[part], corrected[part], left_out[part], reason = found
        return Computed(y, v, corrected, left_out, reason)


def looks_at_all_studies(options: EffectOptions) -> bool:
    """Whether what is computed of a study depends on the others: on their average, or on whether one has a zero cell."""
    variances = (options.variance, options.smd_variance, options.md_variance)
    return options.to == "if0all" or any(name is not None and name.startswith("AV") for name in variances)


def computed_from_given(kept: Mapping[str, FloatArray], level: float) -> Computed:
    """Given estimates to y and v: from variances, standard errors or confidence intervals."""
    transform = np.log if "estimate" in kept else np.positive
    # Effects that are given are taken as they are: a copy of millions costs as much as a look at them.
    y = np.log(kept["estimate"]) if "estimate" in kept else kept["y"]
    if "v" in kept:
        v = kept["v"]
    else:
        if "se" in kept:
            se = kept["se"]
        else:
            width = transform(kept["ci_high"]) - transform(kept["ci_low"])
            se = width / (2.0 * quantile(level, np.asarray(np.inf)))
        with np.errstate(over="ignore", under="ignore"):
            v = se**2
    nothing = np.zeros(y.shape, dtype=np.bool_)
    return Computed(y, v, nothing, nothing, "")


def warn_of_exclusions(left_out: Sequence[tuple[str, str]], total: int) -> None:
    """Say who was left out: all of a few, the first of many."""
    shown = "; ".join(f"'{label}' ({reason})" for label, reason in left_out[:5])
    more = f"; and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    warnings.warn(
        f"{len(left_out)} of {total} studies left out: {shown}{more}. See .excluded.",
        ExcludedStudiesWarning,
        stacklevel=users_line(),
    )
