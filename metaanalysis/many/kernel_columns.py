"""From the sums of the compiled kernels to the columns that were asked for: tests, intervals, heterogeneity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import chi2_upper_tail, h2_from_q, h2_from_tau2, i2_from_q, i2_from_tau2
from metaanalysis.formulas.inference import quantile, two_sided_p
from metaanalysis.formulas.prediction import one_fewer
from metaanalysis.many.columns import MEAN, PREDICTED
from metaanalysis.options import PoolOptions


class Sums(NamedTuple):
    """What the kernels give of each group, (groups,) each; w = 1 / (v + tau2), and the last three only where they are needed."""

    k: FloatArray
    q: FloatArray
    trace_p: FloatArray  # at tau2 = 0
    tau2: FloatArray
    estimate: FloatArray
    total: FloatArray  # sum w
    residual: FloatArray  # sum w (y - estimate)^2
    spread: FloatArray  # the variance of w when drawn in proportion to w
    information: FloatArray  # tr(PP) / 2
    squares: FloatArray  # sum w^2


class Distribution(NamedTuple):
    """The variance of the mean and its degrees of freedom, (groups,); inf for the normal."""

    variance: FloatArray
    df: FloatArray


def wald(sums: Sums, level: float) -> Distribution:  # noqa: ARG001
    """As `formulas.inference.wald`, from the sums; so are the next five."""
    return Distribution(1.0 / sums.total, np.full(sums.k.shape, np.inf))


def student_t(sums: Sums, level: float) -> Distribution:  # noqa: ARG001
    """Wald's variance and k - 1 degrees of freedom."""
    return Distribution(1.0 / sums.total, sums.k - 1.0)


def scale(sums: Sums) -> FloatArray:
    """The mean weighted squared residual; NaN for a single study."""
    df = sums.k - 1.0
    return np.where(df > 0, sums.residual / np.where(df > 0, df, 1.0), np.nan)


def hartung_knapp(sums: Sums, level: float) -> Distribution:  # noqa: ARG001
    """Wald's variance times the scale, k - 1 degrees of freedom."""
    return Distribution(1.0 / sums.total * scale(sums), sums.k - 1.0)


def hartung_knapp_adhoc(sums: Sums, level: float) -> Distribution:  # noqa: ARG001
    """The same with a scale of at least 1."""
    return Distribution(1.0 / sums.total * np.maximum(scale(sums), 1.0), sums.k - 1.0)


def hartung_knapp_or_wald(sums: Sums, level: float) -> Distribution:
    """Hartung-Knapp's, or Wald's where its interval is the wider one."""
    knapp, usual = hartung_knapp(sums, level), wald(sums, level)
    normal = critical(level, np.full(1, np.inf))
    wider = normal * np.sqrt(usual.variance) > critical(level, knapp.df) * np.sqrt(knapp.variance)
    return Distribution(np.where(wider, usual.variance, knapp.variance), np.where(wider, np.inf, knapp.df))


def kenward_roger(sums: Sums, level: float) -> Distribution:  # noqa: ARG001
    """Kenward and Roger's variance, and Satterthwaite's degrees of freedom."""
    variance = (1.0 + 2.0 * sums.spread / sums.information) / sums.total
    df = np.where(sums.k > 1, 2.0 * sums.information / (variance * sums.squares) ** 2, np.nan)
    return Distribution(variance, df)


INTERVALS: Mapping[str, Callable[[Sums, float], Distribution]] = {
    "wald": wald,
    "t": student_t,
    "hksj": hartung_knapp,
    "hksj-adhoc": hartung_knapp_adhoc,
    "hksj-wider": hartung_knapp_or_wald,
    "kenward-roger": kenward_roger,
}
OF_RESIDUALS = ("hksj", "hksj-adhoc", "hksj-wider")
# Prediction intervals: with which variance of the mean (None: that of the confidence interval), and the degrees of freedom, from
# those of that variance and k.
PREDICTIONS: Mapping[str, tuple[str | None, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "ci": (None, lambda df, k: df),  # noqa: ARG005
    "normal": (None, lambda df, k: np.full(k.shape, np.inf)),  # noqa: ARG005
    "hts": (None, lambda df, k: k - 2.0),  # noqa: ARG005
    "t": (None, lambda df, k: k - 1.0),  # noqa: ARG005
    "hksj": ("hksj", lambda df, k: df),  # noqa: ARG005
    "kenward-roger": ("kenward-roger", lambda df, k: one_fewer(df)),  # noqa: ARG005
}


def columns_of(sums: Sums, options: PoolOptions, wanted: frozenset[str]) -> dict[str, FloatArray]:
    """The columns that were asked for, (groups,) each."""
    random = options.model == "random"
    df = sums.k - 1.0
    answer: dict[str, FloatArray] = {"tau2": sums.tau2, "q": sums.q, "q_df": df, "estimate": sums.estimate}
    if "tau" in wanted:
        answer["tau"] = np.sqrt(sums.tau2)
    if "q_p_value" in wanted:
        answer["q_p_value"] = chi2_upper_tail(sums.q, df)
    if wanted & {"i2", "h2"}:
        if random and options.i2 == "tau2":
            s2 = np.where(df > 0, df / np.where(df > 0, sums.trace_p, 1.0), np.nan)
            answer |= {"i2": i2_from_tau2(sums.tau2, s2), "h2": h2_from_tau2(sums.tau2, s2)}
        else:
            answer |= {"i2": i2_from_q(sums.q, df), "h2": h2_from_q(sums.q, df)}
    if wanted & {*MEAN, *PREDICTED} - {"estimate"}:
        answer |= of_the_mean(sums, options, wanted)
    return {name: values for name, values in answer.items() if name in wanted}


def of_the_mean(sums: Sums, options: PoolOptions, wanted: frozenset[str]) -> dict[str, FloatArray]:
    """Test, confidence interval and prediction interval of the mean."""
    variance, df = INTERVALS[str(options.ci)](sums, options.level)
    se = np.sqrt(variance)
    answer = {"se": se, "df": df}
    if wanted & {"ci_low", "ci_high"}:
        half = critical(options.level, df) * se
        answer |= {"ci_low": sums.estimate - half, "ci_high": sums.estimate + half}
    if wanted & {"statistic", "p_value"}:
        answer["statistic"] = statistic = sums.estimate / se
        if "p_value" in wanted:
            answer["p_value"] = p_value(statistic, df)
    if wanted & set(PREDICTED):
        half = np.full(se.shape, np.nan)
        if options.model == "random" and options.prediction != "none":
            own, degrees = PREDICTIONS[str(options.prediction)]
            if own is not None:
                variance, df = INTERVALS[own](sums, options.level)
            half = critical(options.level, degrees(df, sums.k)) * np.sqrt(variance + sums.tau2)
        answer |= {"prediction_low": sums.estimate - half, "prediction_high": sums.estimate + half}
    return answer


def critical(level: float, df: FloatArray) -> FloatArray:
    """The two-sided critical values, (groups,) or (1,): degrees of freedom that are whole numbers are looked up."""
    if np.isinf(df).all():
        return quantile(level, df[:1])
    finite = df[np.isfinite(df)]
    top = float(finite.max(initial=0.0))
    if top >= df.size or (finite != np.floor(finite)).any():
        return quantile(level, df)
    values = np.append(quantile(level, np.arange(top + 1.0)), [quantile(level, np.full(1, np.inf))[0], np.nan])
    place = np.where(df > 0, np.minimum(df, top + 1.0), np.where(np.isnan(df), top + 2.0, 0.0))
    return np.asarray(values[place.astype(np.intp)])


def p_value(statistic: FloatArray, df: FloatArray) -> FloatArray:
    """As `formulas.inference.two_sided_p`, without the tail of t where none is asked for."""
    if np.isinf(df).all():
        return np.asarray(2.0 * special.ndtr(-np.abs(statistic)))
    return two_sided_p(statistic, df)
