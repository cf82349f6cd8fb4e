"""The result of pooling one set of effect sizes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from metaanalysis.effects import Effects, measure_named
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import h2_from_tau2, i2_from_tau2, typical_variance
from metaanalysis.formulas.inference import lower_tail
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS
from metaanalysis.options import PoolOptions, checked_level

if TYPE_CHECKING:
    import pandas as pd


class Interval(NamedTuple):
    """A confidence interval; `note` says in words what is special about it, or is empty."""

    low: float
    high: float
    level: float
    method: str
    note: str = ""


class BackTransformed(NamedTuple):
    """The pooled estimate and its intervals on the scale on which the measure is read."""

    estimate: float
    ci_low: float
    ci_high: float
    prediction_low: float
    prediction_high: float
    scale: str


@dataclass(frozen=True, eq=False)
class Pooled:
    """A pooled estimate, its uncertainty and the heterogeneity around it. Made by `pool`.

    Attributes
    ----------
    estimate, se, ci_low, ci_high
        On the scale of analysis (log for ratios); see `back_transformed` for the other.
    statistic, df, p_value
        Test of no effect: z where `df` is infinite, t otherwise; two-sided p.
    k
        Number of studies.
    tau2, tau
        Between-study variance and standard deviation; NaN under the common-effect model and for a single study.
    i2, h2
        I2 in per cent, and H2.
    q, q_df, q_p_value
        Cochran's Q, its degrees of freedom and p.
    prediction_low, prediction_high
        Prediction interval, on the scale of analysis; NaN where there is none (`notes` says why).
    weights
        Per cent a study, adding up to 100.
    level
        Of the intervals.
    measure, model, method
        What was pooled, and how.
    notes
        What is not applicable, and why: sentences.
    method_title, details
        For models of counts: the model in words, and what else it answers (``log_likelihood``, ``tau2_se``, ``sigma2``, ``rho``,
        ``wald`` with ``wald_df`` and ``wald_p_value``; ``tau2_ci_low`` and ``tau2_ci_high`` with ``ci="profile-likelihood"``, NaN
        else); `q` is then the likelihood-ratio statistic of heterogeneity.
    """

    estimate: float
    se: float
    ci_low: float
    ci_high: float
    statistic: float
    df: float
    p_value: float
    k: int
    tau2: float
    i2: float
    h2: float
    q: float
    q_df: float
    q_p_value: float
    prediction_low: float
    prediction_high: float
    weights: FloatArray
    level: float
    measure: str
    model: str
    method: str
    options: PoolOptions = field(repr=False)
    effects: Effects = field(repr=False)
    convention: str = "metafor"
    tau2_method: str = ""
    ci_method: str = ""
    prediction_method: str = ""
    notes: tuple[str, ...] = ()
    method_title: str = ""
    details: Mapping[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.weights.flags.writeable = False

    @property
    def tau(self) -> float:
        """Between-study standard deviation, on the scale of analysis."""
        return math.sqrt(self.tau2) if self.tau2 >= 0 else math.nan

    @property
    def i2_source(self) -> str:
        """What I2 and H2 come from: ``tau2`` and the typical sampling variance, or ``q``."""
        return "tau2" if self.options.i2 == "tau2" and self.model == "random" and self.tau2_method else "q"

    def tau2_interval(self, level: float | None = None, method: str | None = None) -> Interval:
        """Confidence interval of the between-study variance.

        Parameters
        ----------
        level
            By default the level of the other intervals.
        method
            ``q-profile`` (default), ``biggerstaff-jackson``, ``jackson``, ``profile-likelihood`` (restricted; with ``-ml`` at its
            end of the full likelihood), ``wald`` and ``wald-ml``, the same not cut off at 0 as ``wald-untruncated`` and
            ``wald-untruncated-ml``, ``sidik-jonkman``, ``higgins-thompson`` (test-based, from Q), or ``biggerstaff-tweedie``
            (approximate). A generalised linear mixed model has the profile likelihood's alone (``profile-likelihood-ml``), and
            that where it was fitted with ``ci="profile-likelihood"``.

        Returns
        -------
        Interval
            NaN with a note where there is none: fewer than two studies, or effects more alike than chance allows at the
            level asked for, so that no variance from 0 upward fits and the interval is empty.
        """
        level = self.level if level is None else checked_level(level)
        if self.method in ("glmm", "beta-binomial"):
            return self._tau2_interval_of_counts(level, method)
        entry = TAU2_INTERVALS.entry("q-profile" if method is None else method)
        nothing = Interval(math.nan, math.nan, level, entry.title)
        if self.k < 2:
            return nothing._replace(note="k = 1: a single study says nothing of the variance between studies")
        limits = entry.function(np.asarray(self.effects.y), np.asarray(self.effects.v), None, level)
        if Status(int(limits.high_status)) is Status.NO_SOLUTION:
            return nothing._replace(
                note="the interval is empty: the effects are more alike than their sampling variances allow"
            )
        return Interval(float(limits.low), float(limits.high), level, entry.title)

    def _tau2_interval_of_counts(self, level: float, method: str | None) -> Interval:
        """The limits that the fit found along its profile likelihood, or why there are none."""
        entry = TAU2_INTERVALS.entry("profile-likelihood-ml" if method is None else method)
        nothing = Interval(math.nan, math.nan, level, entry.title)
        if self.method == "beta-binomial" or self.model == "common":
            return nothing._replace(note="the model has no variance between studies")
        if method is not None and not method.startswith("profile-likelihood"):
            return nothing._replace(
                note="this interval is for effect sizes with known variances, not for models of counts"
            )
        if self.k < 2:
            return nothing._replace(note="k = 1: a single study says nothing of the variance between studies")
        title = TAU2_INTERVALS.entry("profile-likelihood-ml").title
        if self.options.ci != "profile-likelihood":
            return nothing._replace(
                method=title,
                note='models of counts have the profile likelihood\'s interval alone: pool with ci="profile-likelihood"',
            )
        if level != self.level:
            return nothing._replace(
                method=title,
                note=f"the profile likelihood was followed to the {100 * self.level:g}% limits: pool with level={level:g}",
            )
        low, high = (self.details.get(name, math.nan) for name in ("tau2_ci_low", "tau2_ci_high"))
        unknown = "a climb along the profile likelihood did not converge" if math.isnan(low) or math.isnan(high) else ""
        return Interval(low, high, level, title, unknown)

    def tau_interval(self, level: float | None = None, method: str | None = None) -> Interval:
        """Confidence interval of the between-study standard deviation: the square roots of that of tau2.

        `method` is one of those of `tau2_interval`, ``higgins-thompson`` among them; what lies below 0 by ``wald-untruncated`` or
        ``wald-untruncated-ml`` counts as 0.
        """
        limits = self.tau2_interval(level, method)
        return limits._replace(low=root(limits.low), high=root(limits.high))

    def i2_interval(self, level: float | None = None, method: str | None = None) -> Interval:
        """Confidence interval of I2, in per cent: the interval of tau2, put through I2 = tau2 / (tau2 + s2)."""
        limits = self.tau2_interval(level, method)
        s2 = typical_variance(np.asarray(self.effects.v))
        low, high = (float(i2_from_tau2(np.asarray(t), s2)) for t in (limits.low, limits.high))
        return limits._replace(low=low, high=high)

    def h2_interval(self, level: float | None = None, method: str | None = None) -> Interval:
        """Confidence interval of H2: the interval of tau2, put through H2 = 1 + tau2 / s2."""
        limits = self.tau2_interval(level, method)
        s2 = typical_variance(np.asarray(self.effects.v))
        low, high = (float(h2_from_tau2(np.asarray(t), s2)) for t in (limits.low, limits.high))
        return limits._replace(low=low, high=high)

    def probability_beyond(self, threshold: float, *, above: bool = True) -> float:
        """The probability that the effect in a new study lies beyond a threshold, on the scale of analysis.

        Parameters
        ----------
        threshold
            On the scale of analysis: log for ratios, as in ``numpy.log(0.8)``.
        above
            Whether above the threshold, or below it.

        Notes
        -----
        The new effect is taken as the estimate plus sqrt(se^2 + tau2) times a variable with the distribution of the
        confidence interval (normal, or t with `df`); under the common-effect model tau2 is 0.
        """
        spread = math.sqrt(self.se**2 + (self.tau2 if self.tau2 > 0 else 0.0))
        if spread == 0:
            return math.nan
        distance = (self.estimate - threshold) / spread if above else (threshold - self.estimate) / spread
        return float(lower_tail(np.asarray(distance), np.asarray(self.df)))

    def back_transformed(self) -> BackTransformed:
        """The estimate and its intervals on the scale on which the measure is read, such as the risk ratio."""
        entry = measure_named(self.measure)
        own = (self.estimate, self.ci_low, self.ci_high, self.prediction_low, self.prediction_high)
        misled = self.effects.misled(*own[:3])
        if misled:
            warnings.warn(misled, MetaAnalysisWarning, stacklevel=2)
        estimate, ci_low, ci_high, low, high = self.effects.back_transform(np.array(own)).tolist()
        return BackTransformed(estimate, ci_low, ci_high, low, high, entry.title)

    def to_dict(self) -> dict[str, Any]:
        """Every number and every choice by name, ready for JSON but for NaN and infinity."""
        names = [
            "estimate",
            "se",
            "ci_low",
            "ci_high",
            "statistic",
            "df",
            "p_value",
            "k",
            "tau2",
            "tau",
            "i2",
            "h2",
            "i2_source",
            "q",
            "q_df",
            "q_p_value",
            "prediction_low",
            "prediction_high",
            "level",
            "measure",
            "model",
            "method",
            "tau2_method",
            "ci_method",
            "prediction_method",
            "convention",
        ]
        answer: dict[str, Any] = {name: getattr(self, name) for name in names}
        back = self.back_transformed()
        answer["back_transformed"] = back._asdict()
        answer["weights"] = self.weights.tolist()
        answer["labels"] = list(self.effects.label)
        answer["notes"] = list(self.notes)
        return answer

    def to_frame(self) -> pd.DataFrame:
        """One row with the columns of `to_dict`, without the weights."""
        import pandas as pd

        skip = {"back_transformed", "weights", "labels", "notes"}
        return pd.DataFrame([{name: value for name, value in self.to_dict().items() if name not in skip}])

    def summary(self) -> str:
        """The summary that a reviewer reads, both scales where there are two."""
        from metaanalysis.results.text import pooled_summary

        return pooled_summary(self)

    def describe(self) -> str:
        """The methods sentences with their references, in the words of a paper."""
        from metaanalysis.results.describe import describe_pooled

        return describe_pooled(self)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        entry = measure_named(self.measure)
        return (
            f"<Pooled: {entry.analysis_scale} {self.estimate:.4g} "
            f"({100 * self.level:g}% CI {self.ci_low:.4g} to {self.ci_high:.4g}), {self.model} model, k = {self.k}>"
        )


def root(variance: float) -> float:
    """The square root of a limit of a variance; 0 of one below 0, NaN of one that is not there."""
    return variance if math.isnan(variance) else math.sqrt(max(variance, 0.0))


def joined(sentences: Iterable[str]) -> tuple[str, ...]:
    """Notes without the empty ones."""
    return tuple(sentence for sentence in sentences if sentence)
