"""The same studies pooled by each estimator of the between-study variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metaanalysis.conventions import override
from metaanalysis.diagnostics.given import by_inverse_variance
from metaanalysis.effects import Effects
from metaanalysis.errors import ConvergenceError, OptionError
from metaanalysis.formulas.inference import InferenceFunction
from metaanalysis.formulas.mean_intervals import IMPLIED_TAU2
from metaanalysis.formulas.tau2 import TAU2, Tau2Function
from metaanalysis.models import pool
from metaanalysis.models.own_weights import with_generalised_q
from metaanalysis.models.pool import fitted
from metaanalysis.results import Pooled
from metaanalysis.results.comparison import Comparison


def compare(
    effects: Effects | Pooled,
    tau2: str | Sequence[str | Tau2Function] = "all",
    *,
    ci: str | InferenceFunction | None = None,
    **options: Any,
) -> Comparison:
    """How much does the answer depend on the estimator of the between-study variance? Pool by each.

    Parameters
    ----------
    effects
        `Effects`; or a result of `pool`, whose other options are kept.
    tau2
        ``all``, or a list of the estimators of `pool`, functions among them.
    ci
        The confidence interval of each, as for `pool`.
    **options
        The other options of `pool`; ``tau2_weights`` are those of GENQ, which ``all`` leaves out.

    Returns
    -------
    Comparison
        ``fits``, a `Pooled` an estimator, and ``to_frame()``. `metaanalysis.plot` draws it.

    Raises
    ------
    OptionError
        Where the interval belongs to one estimator alone, or to the common-effect model.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> ma.compare(effects, ["DL", "PM", "REML"]).to_frame()[["estimator", "estimate", "tau2"]].round(4)
      estimator  estimate    tau2
    0        DL   -0.7141  0.3088
    1        PM   -0.7150  0.3181
    2      REML   -0.7145  0.3132

    References
    ----------
    Veroniki AA, Jackson D, Viechtbauer W, et al. (2016). Methods to estimate the between-study variance and its uncertainty
    in meta-analysis. Research Synthesis Methods 7, 55-79.
    """
    given = {name: value for name, value in {"ci": ci, **options}.items() if value is not None}
    weights = given.pop("tau2_weights", None)
    interval = given.get("ci", effects.options.ci if isinstance(effects, Pooled) else None)
    if isinstance(interval, str) and interval in IMPLIED_TAU2:
        raise OptionError(
            f"ci={interval!r} goes with tau2={IMPLIED_TAU2[interval]!r} alone: name another ci to compare estimators by."
        )
    if isinstance(effects, Pooled):
        fit = effects
        base = override(fit.options, given)
    else:
        # For what the convention implies; the estimator is replaced below.
        fit = pool(effects, **given, tau2="DL")
        base = fit.options
    by_inverse_variance(fit, "compare")
    if base.model == "common":
        raise OptionError("compare varies the between-study variance, which the common-effect model does not have.")
    chosen = estimators(tau2)
    fits: dict[str, Pooled] = {}
    failed: dict[str, str] = {}
    for estimator in chosen:
        with_weights = isinstance(estimator, str) and estimator.upper() == "GENQ"
        name = "GENQ" if with_weights else TAU2.key(estimator)
        function = with_generalised_q(fit.effects, estimator, weights if with_weights else None)
        try:
            fits[name] = fitted(fit.effects, override(base, {"tau2": function}), fit.convention)
        except ConvergenceError as error:
            failed[name] = str(error)
    if not fits:
        raise ConvergenceError(f"no estimator found an answer. {next(iter(failed.values()))}")
    return Comparison(fits, failed)


def estimators(tau2: str | Sequence[str | Tau2Function]) -> list[str | Tau2Function]:
    """The estimators that were asked for; OptionError where there is none."""
    if isinstance(tau2, str):
        return list(TAU2) if tau2.lower() == "all" else [tau2]
    if len(tau2) == 0:
        raise OptionError(f"tau2 names no estimator. The choices are: all, {', '.join(TAU2)}.")
    return list(tau2)
