"""Pool subgroups, and test whether they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.effects import Effects, under_convention
from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.heterogeneity import chi2_upper_tail
from metaanalysis.formulas.tau2 import TAU2, estimate_tau2
from metaanalysis.formulas.weighted import inverse_variance_weights, weighted_mean
from metaanalysis.models.own_weights import generalised_q_function, weights_of, with_generalised_q
from metaanalysis.models.pool import fitted, pool, settled
from metaanalysis.options import choose
from metaanalysis.results import Pooled, Subgroups


def subgroups(
    effects: Effects,
    by: str | Sequence[object],
    *,
    tau2_sharing: str = "separate",
    **options: Any,
) -> Subgroups:
    """Pool each subgroup of studies, and test for differences between the subgroups.

    Parameters
    ----------
    effects
        `Effects` from `effect_sizes`.
    by
        A column of the table that the effects were made from, or one value a study.
    tau2_sharing
        ``separate``: each subgroup has its own between-study variance (default, as in Review Manager). ``common``: they
        share one, estimated within subgroups.
    **options
        As for `pool`, ``tau2="GENQ"`` with its `tau2_weights` among them.

    Returns
    -------
    Subgroups
        ``groups``, ``overall``, ``q_between``, ``q_between_df``, ``q_between_p_value``.

    Notes
    -----
    Q between is the weighted sum of squared deviations of the subgroups' estimates, with the reciprocals of their squared
    standard errors for weights; under the null hypothesis chi-squared with one degree of freedom fewer than there are
    subgroups. Under the common-effect inverse-variance model it is Q minus the sum of the subgroups' Q.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> found = ma.subgroups(effects, by="alloc", tau2="DL")
    >>> found.test_sentence()
    'Q = 1.54, df = 2 (p = 0.4638)'
    """
    sharing = choose("tau2_sharing", tau2_sharing, ("separate", "common"))
    given: dict[str, Any] = {"model": None, "ci": None, "tau2": None, "prediction": None, **options}
    name = given.pop("convention", None) or effects.convention
    tau2_weights = given.pop("tau2_weights", None)
    given["tau2"] = with_generalised_q(effects, given["tau2"], tau2_weights)
    chosen = settled(override(convention_named(name).pool, given), given)
    used = under_convention(effects, name, "PETO" if chosen.method == "peto" else None)
    weights = None if tau2_weights is None else weights_of(used, tau2_weights, "tau2_weights")
    overall = pool(used, convention=name, **options_without(options, "convention"))
    values = group_values(used, effects, by)
    names = list(dict.fromkeys(values))
    masks = {group: np.array([value == group for value in values]) for group in names}
    shared: float | None = None
    if sharing == "common":
        if chosen.method != "inverse-variance" or chosen.model != "random":
            raise OptionError("tau2_sharing='common' applies to the random-effects inverse-variance model alone.")
        X = np.stack([mask.astype(np.float64) for mask in masks.values()], axis=-1)
        function = TAU2.entry(chosen.tau2).function if weights is None else generalised_q_function(weights)
        found = estimate_tau2(function, np.asarray(used.y), np.asarray(used.v), X)
        if np.isnan(found.x):
            raise DataError("no subgroup has two studies, so that a common tau2 can't be estimated within subgroups.")
        shared = float(found.x)
    groups: dict[str, Pooled] = {}
    for group, mask in masks.items():
        own = chosen if weights is None else replace(chosen, tau2=generalised_q_function(weights[mask]))
        try:
            groups[group] = fitted(used.subset(mask), own, name, shared)
        except (DataError, ConvergenceError) as error:
            raise type(error)(f"subgroup {group!r}: {error}") from error
    q, df, p = between(list(groups.values()))
    notes = notes_on_groups(groups)
    label = by if isinstance(by, str) else "group"
    return Subgroups(groups, overall, q, df, p, label, sharing, notes)


def options_without(options: dict[str, Any], name: str) -> dict[str, Any]:
    """The options but one."""
    return {key: value for key, value in options.items() if key != name}


def group_values(used: Effects, original: Effects, by: str | Sequence[object]) -> list[str]:
    """The group of each study, as text; DataError where one is missing."""
    if isinstance(by, str):
        raw = list(used.column(by))
    else:
        raw = list(by)
        if len(raw) != used.k:
            also = "" if used.k == original.k else f" ({original.k} before the convention left some out)"
            raise DataError(f"by has {len(raw)} values for {used.k} studies{also}: each study needs one.")
    for value, label in zip(raw, used.label, strict=True):
        if is_missing(value):
            raise DataError(
                f"the subgroup of study '{label}' is missing ({by if isinstance(by, str) else 'by'}): "
                f"name it, or leave the study out first."
            )
    return [str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in raw]


def has_standard_error(fit: Pooled) -> bool:
    """Hartung and Knapp's is none for a single study, and 0 where all effects are equal."""
    return fit.se > 0


def notes_on_groups(groups: Mapping[str, Pooled]) -> tuple[str, ...]:
    """Why subgroups can't be compared, where they can't."""
    if len(groups) == 1:
        return ("there is one group only: nothing to compare",)
    without = [repr(group) for group, fit in groups.items() if not has_standard_error(fit)]
    if without:
        return (f"no test for subgroup differences: {', '.join(without)} has no standard error by this interval",)
    return ()


def between(fits: Sequence[Pooled]) -> tuple[float, int, float]:
    """Q between subgroups, its degrees of freedom and p; NaN where a subgroup has no standard error."""
    df = len(fits) - 1
    if not all(has_standard_error(fit) for fit in fits):
        return math.nan, df, math.nan
    estimates = np.array([fit.estimate for fit in fits])
    variances = np.array([fit.se for fit in fits]) ** 2
    q = weighted_mean(estimates, inverse_variance_weights(variances)).q
    return float(q), df, float(chi2_upper_tail(q, np.asarray(float(df))))
