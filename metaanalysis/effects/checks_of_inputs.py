"""What each input may be, by its name: counts, sizes, times, standard deviations, correlations and the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from metaanalysis.effects.checks import StudyData, check_finite, check_sizes, warn_of_fractions
from metaanalysis.effects.measure import Measure
from metaanalysis.errors import OptionError, nearest
from metaanalysis.options import EffectOptions

COUNTS = ("events1", "n1", "events2", "n2", "events", "n", "both", "only1", "only2", "neither", "items", "predictors")
SIZES = ("n1", "n2", "n")
EVENTS_OF = (("events1", "n1"), ("events2", "n2"), ("events", "n"))
# The least positive number: what is at least this is above 0.
TINY = 5e-324
# Papers print t to one decimal at least and R² to two: numbers may be off by half of the last one.
ROUNDING_OF_T, ROUNDING_OF_R2 = 0.05, 0.005
LEAVE_OUT = "correct it, or make it missing to leave the study out"


def check_inputs(data: StudyData, measure: Measure) -> None:
    """Refuse what cannot be, for the inputs of a measure; warn of counts that are not whole numbers."""
    check_finite(data)
    counts = [name for name in COUNTS if name in data.inputs]
    data.refuse_each(data.beyond(counts, 0), lambda x: x < 0, "is negative", "a count is 0 or more; correct it")
    for events, n in EVENTS_OF:
        if events in data.inputs and n in data.inputs:
            check_events(data, events, n)
    check_times(data)
    check_standard_deviations(data)
    check_sizes(data, [name for name in SIZES if name in data.inputs], smallest_size(data, measure))
    check_association(data)
    check_predictors(data, measure)
    for name in measure.checks:
        FURTHER[name](data)
    warn_of_fractions(data, counts)


def smallest_size(data: StudyData, measure: Measure) -> float:
    """How many people a group needs: as the measure says, and 2 for a standard deviation or anything like it."""
    spread = any(name in data.inputs for name in ("sd", "sd1", "sd2", "alpha", "r2", "r"))
    return max(measure.smallest, 2 if spread else 1)


def check_events(data: StudyData, events: str, n: str) -> None:
    """No more events than people."""
    data.refuse(
        data.inputs[events] > data.inputs[n],
        lambda row: f"{data.shown(events, row)} exceeds {data.shown(n, row)}",
        f"are the columns swapped, or is {data.columns[n]} the number without the event? Correct it, or map the "
        f'columns by name, as in {events}="…"',
    )


def check_times(data: StudyData) -> None:
    """Person-time above 0."""
    data.refuse_each(
        [name for name in ("time1", "time2", "time") if name in data.inputs],
        lambda x: x <= 0,
        "is not a positive person-time",
        LEAVE_OUT,
    )


def check_standard_deviations(data: StudyData) -> None:
    """Standard deviations above 0."""
    names = [name for name in ("sd1", "sd2", "sd") if name in data.inputs]
    names = data.beyond(names, TINY)
    data.refuse_each(names, lambda x: x < 0, "is negative", "a standard deviation is positive; correct it")
    data.refuse_each(names, lambda x: x == 0, "is zero", f"everyone would have had the same value; {LEAVE_OUT}")


def check_association(data: StudyData) -> None:
    """Correlations, explained variances, reliabilities, and enough people for the predictors."""
    have = data.inputs
    if "r" in have:
        data.refuse_each(("r",), lambda r: np.abs(r) >= 1, "is not a correlation strictly between -1 and 1", LEAVE_OUT)
    if "r2" in have:
        data.refuse_each(
            ("r2",), lambda x: (x < 0) | (x >= 1), "is not an explained variance from 0 to below 1", LEAVE_OUT
        )
    if "alpha" in have:
        data.refuse_each(("alpha",), lambda x: x >= 1, "is not a reliability below 1", LEAVE_OUT)
        data.refuse_each(("items",), lambda x: x < 2, "is below 2", f"alpha needs two items at least; {LEAVE_OUT}")
        check_sizes(data, ("n",), 3)


def check_predictors(data: StudyData, measure: Measure) -> None:
    """Enough people for the predictors: n - predictors - 1 degrees of freedom, one fewer under Fisher's transformation."""
    have = data.inputs
    if "predictors" not in have:
        return
    least = 3 if measure.back == "tanh" else 2
    data.refuse_each(("predictors",), lambda x: x < 1, "is below 1", f"count the predictor itself too; {LEAVE_OUT}")
    data.refuse(
        have["n"] - have["predictors"] < least,
        lambda row: f"{data.shown('n', row)} leaves too few people for {data.shown('predictors', row)}",
        f"the variance needs n above the number of predictors by {least} at least; {LEAVE_OUT}",
    )
    if "r2" in have:
        check_share_of_one_predictor(data)


def check_share_of_one_predictor(data: StudyData) -> None:
    """One predictor does not explain more than all of them, however t and R² were rounded."""
    have = data.inputs
    df = have["n"] - have["predictors"] - 1.0
    least = np.square(np.maximum(np.abs(have["t"]) - ROUNDING_OF_T, 0.0)) * (1.0 - have["r2"] - ROUNDING_OF_R2) / df
    data.refuse(
        least > have["r2"] + ROUNDING_OF_R2,
        lambda row: f"{data.shown('t', row)} is too large for {data.shown('r2', row)}",
        "one predictor can't explain more than the whole model; is r2 that of all predictors, and t not an F? Correct them, "
        "or make them missing to leave the study out",
    )


def check_means_of_one_sign(data: StudyData) -> None:
    """A ratio of means needs two means of the same sign, neither of them 0."""
    data.refuse(
        data.inputs["mean1"] * data.inputs["mean2"] <= 0,
        lambda row: f"{data.shown('mean1', row)} and {data.shown('mean2', row)} are not of one sign",
        f"a ratio of means has no logarithm then: use a difference (MD or SMD), or {LEAVE_OUT.removeprefix('correct it, or ')}",
    )


def check_positive_means(data: StudyData) -> None:
    """A coefficient of variation needs a positive mean."""
    data.refuse_each(
        [name for name in ("mean1", "mean2", "mean") if name in data.inputs],
        lambda x: x <= 0,
        "is not a positive mean",
        f"its logarithm, or a coefficient of variation, is not defined; {LEAVE_OUT}",
    )


def check_changes_that_vary(data: StudyData) -> None:
    """The standard deviation of the changes is not 0."""
    sd1, sd2, r = (data.inputs[name] for name in ("sd1", "sd2", "r"))
    data.refuse(
        sd1**2 + sd2**2 - 2.0 * r * sd1 * sd2 <= 0,
        lambda row: f"{data.shown('r', row)} leaves no variation of the changes",
        LEAVE_OUT,
    )


FURTHER: Mapping[str, Callable[[StudyData], None]] = {
    "means of one sign": check_means_of_one_sign,
    "positive means": check_positive_means,
    "changes that vary": check_changes_that_vary,
}


def check_variants(measure: Measure, options: EffectOptions) -> None:
    """A variance or correction that was asked for is one of the measure's; OptionError lists them."""
    for option, value, choices in (
        ("variance", options.variance, measure.variances),
        ("correction", options.correction, measure.corrections),
    ):
        if value is not None and value not in choices:
            known = f"The choices are: {', '.join(choices)}." if choices else f"{measure.key} has no variants of it."
            raise OptionError(
                f"{option}={value!r} is not a choice for {measure.key}.{nearest(str(value), choices)} {known}"
            )
