"""The result of a location-scale model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import measure_named
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile
from metaanalysis.formulas.location_scale_fit import tau2_for
from metaanalysis.options import checked_level
from metaanalysis.results.moderated import Moderated, with_tests
from metaanalysis.results.text import interval, number, p_value, per_cent

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.effects.design import Design


@dataclass(frozen=True, eq=False, kw_only=True)
class LocationScale(Moderated):
    """Coefficients of the mean effect (location) and of the between-study variance (scale). Made by `location_scale`.

    Attributes
    ----------
    estimates, covariance, df
        Location coefficients (p,), their covariance (p, p) and degrees of freedom (infinite: normal), on the scale of analysis.
    covariance_root
        L (p, p) with LL' the covariance: the standard error of x'b is the length of L'x.
    scale_estimates, scale_covariance, scale_df
        Scale coefficients (q,), of log tau2 or, with the identity link, tau2; infinite or NaN where `notes` says why.
    tau2
        Between-study variance of each study (k,).
    predictor
        Its logarithm or, with the identity link, itself: the scale moderators times their coefficients (k,).
    q_moderators, q_moderators_df, q_moderators_p_value
        Omnibus test of all location coefficients but the intercept: chi-squared, or F where `df` is finite.
    q_scale, q_scale_df, q_scale_p_value
        The same for the scale coefficients.
    likelihood_ratio_scale, likelihood_ratio_scale_df, likelihood_ratio_scale_p_value
        Likelihood-ratio test of the scale moderators, against one tau2 for all studies; NaN where the scale has no intercept.
    q_residual, q_residual_df, q_residual_p_value
        Test of residual heterogeneity.
    status
        How the fit ended, in words; `notes` says more.
    """

    scale_estimates: FloatArray
    scale_covariance: FloatArray
    scale_df: float
    scale_names: tuple[str, ...]
    tau2: FloatArray
    predictor: FloatArray
    link: str
    q_scale: float
    q_scale_df: tuple[float, float]
    q_scale_p_value: float
    likelihood_ratio_scale: float
    likelihood_ratio_scale_df: float
    likelihood_ratio_scale_p_value: float
    scale: str
    scale_design: Design = field(repr=False)
    status: str = ""

    def __post_init__(self) -> None:
        self.tau2.flags.writeable = False
        self.predictor.flags.writeable = False

    @property
    def tau(self) -> FloatArray:
        """Between-study standard deviation of each study (k,)."""
        return np.sqrt(self.tau2)

    @property
    def scale_coefficients(self) -> pd.DataFrame:
        """The same for the scale coefficients, of log tau2 or, with the identity link, tau2."""
        import pandas as pd

        se = np.sqrt(np.diagonal(self.scale_covariance))
        columns = with_tests(self.scale_estimates, se, self.scale_df, self.level)
        return pd.DataFrame(columns, index=pd.Index(self.scale_names, name="term"))

    def predict(self, data: Any = None, *, level: float | None = None, transform: bool = False) -> pd.DataFrame:
        """Mean effect, between-study variance and prediction interval of a new study, for given moderators.

        Parameters
        ----------
        data
            A frame with the moderators of both formulas; by default the studies' own.
        level
            By default that of the fit.
        transform
            Whether to give the effects on the scale on which the measure is read (such as risk ratios). tau2 stays on the scale
            of analysis.

        Returns
        -------
        pandas.DataFrame
            One row a row of the data: estimate, se (on the scale of analysis), ci_low, ci_high, prediction_low,
            prediction_high, tau2, tau2_low, tau2_high (its Wald interval; NaN where the scale coefficients have no standard
            errors).
        """
        level = self.level if level is None else checked_level(level)
        X = self.design.X if data is None else self.design.rows_for(data)
        Z = self.scale_design.X if data is None else self.scale_design.rows_for(data)
        tau2 = np.array(self.tau2)
        if data is not None:
            tau2 = tau2_for(Z, self.scale_design.X, self.predictor, self.scale_estimates, self.link)
        low, high = self._tau2_limits(Z, level)
        return self.predicted(X, tau2, level, transform).assign(tau2=tau2, tau2_low=low, tau2_high=high)

    def _tau2_limits(self, Z: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Wald limits of tau2 at rows of scale moderators, made on the scale of the linear predictor."""
        if not np.isfinite(self.scale_covariance).all():
            nothing = np.full(Z.shape[0], np.nan)
            return nothing, nothing.copy()
        centre = Z @ self.scale_estimates
        squares = np.einsum("np,pq,nq->n", Z, self.scale_covariance, Z)
        half = quantile(level, np.asarray(self.scale_df)) * np.sqrt(np.maximum(squares, 0.0))
        if self.link == "log":
            with np.errstate(over="ignore"):
                return np.exp(centre - half), np.exp(centre + half)
        return np.maximum(centre - half, 0.0), np.maximum(centre + half, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Every number and every choice by name."""
        names = (
            "k link q_moderators q_moderators_df q_moderators_p_value q_scale q_scale_df q_scale_p_value "
            "likelihood_ratio_scale likelihood_ratio_scale_df likelihood_ratio_scale_p_value q_residual q_residual_df "
            "q_residual_p_value level formula scale measure df scale_df status tau2_method ci_method convention"
        ).split()
        answer: dict[str, Any] = {name: getattr(self, name) for name in names}
        answer["coefficients"] = self.coefficients.to_dict(orient="index")
        answer["scale_coefficients"] = self.scale_coefficients.to_dict(orient="index")
        answer["labels"] = list(self.effects.label)
        answer["tau2"] = self.tau2.tolist()
        answer["notes"] = list(self.notes)
        return answer

    def to_frame(self) -> pd.DataFrame:
        """Location and scale coefficients in one frame, indexed by part and term."""
        import pandas as pd

        return pd.concat({"location": self.coefficients, "scale": self.scale_coefficients}, names=["part", "term"])

    def summary(self) -> str:
        """The summary that a reviewer reads."""
        return location_scale_summary(self)

    def describe(self) -> str:
        """The methods sentences with their references, in the words of a paper."""
        return describe_location_scale(self)

    def __repr__(self) -> str:
        return f"<LocationScale: {self.formula}, scale {self.scale}, {self.link} link, k = {self.k}>"


def table_lines(table: pd.DataFrame, letter: str, level: float, width: int) -> list[str]:
    """A coefficient table in words."""
    lines = [f"{'term':<{width}}  {'estimate':>10}  {'SE':>9}  {letter:>7}  {'p':>10}  {per_cent(level)} CI"]
    for name, row in table.iterrows():
        p = p_value(float(row["p_value"])).removeprefix("p ").removeprefix("= ")
        statistic = "n/a" if math.isnan(float(row["statistic"])) else f"{float(row['statistic']):.2f}"
        lines.append(
            f"{name!s:<{width}}  {number(float(row['estimate'])):>10}  {number(float(row['se'])):>9}  "
            f"{statistic:>7}  {p:>10}  {interval(float(row['ci_low']), float(row['ci_high']))}"
        )
    return lines


def omnibus_words(statistic: float, df: tuple[float, float], p: float) -> str:
    """As "chi² = 3.21, df 1, p = 0.0731", "F = 3.21, df 1, 20, p = 0.0883" or "n/a"."""
    if math.isnan(statistic):
        return "n/a"
    if math.isinf(df[1]):
        return f"chi² = {statistic:.2f}, df {df[0]:g}, {p_value(p)}"
    return f"F = {statistic:.2f}, df {df[0]:g}, {df[1]:g}, {p_value(p)}"


def location_scale_summary(fit: LocationScale) -> str:
    """The summary of a location-scale model."""
    entry = measure_named(fit.measure)
    title = f"Location-scale model of {fit.k} studies: {entry.analysis_scale}"
    letter = "z" if math.isinf(fit.df) else "t"
    width = max(len(name) for name in ("term", *fit.names, *fit.scale_names))
    predictor = "log tau²" if fit.link == "log" else "tau²"
    lines = [title, "=" * len(title), f"location {fit.formula}, scale {fit.scale} ({fit.link} link)", ""]
    lines += [f"Fitted by {fit.tau2_method}.", f"Tests and intervals: {fit.ci_method}.", ""]
    lines.append(f"Location ({entry.analysis_scale})")
    lines += table_lines(fit.coefficients, letter, fit.level, width)
    location = omnibus_words(fit.q_moderators, fit.q_moderators_df, fit.q_moderators_p_value)
    lines += ["", f"Test of location moderators  {location}", "", f"Scale ({predictor})"]
    lines += table_lines(fit.scale_coefficients, letter, fit.level, width)
    spread = omnibus_words(fit.q_scale, fit.q_scale_df, fit.q_scale_p_value)
    ratio = omnibus_words(
        fit.likelihood_ratio_scale, (fit.likelihood_ratio_scale_df, math.inf), fit.likelihood_ratio_scale_p_value
    )
    lines += ["", f"Test of scale moderators     {spread}", f"  by likelihood ratio        {ratio}"]
    lines.append(
        f"Residual heterogeneity       Q = {fit.q_residual:.2f}, df {fit.q_residual_df:g}, {p_value(fit.q_residual_p_value)}"
    )
    low, middle, high = (float(x) for x in np.quantile(fit.tau2, [0.0, 0.5, 1.0]))
    lines.append(f"tau² of the studies          {interval(low, high)}, median {number(middle)}")
    lines += [f"Left out: {label} ({reason})." for label, reason in fit.excluded[:10]]
    lines += [f"Note: {note}." for note in fit.notes]
    return "\n".join(lines)


def describe_location_scale(fit: LocationScale) -> str:
    """The methods of a location-scale model, with references."""
    from metaanalysis.results.describe import Citations, effects_sentences, interval_sentence, with_references

    cite = Citations()
    sentences = effects_sentences(fit.effects, cite)
    logarithm = "the logarithm of the variance" if fit.link == "log" else "the variance"
    sentences.append(
        f"In a location-scale model{cite('viechtbauer2022')} of {fit.k} studies, the mean effect was regressed on moderators "
        f"({fit.formula.strip()}) and so was {logarithm} between studies ({fit.scale.strip()}), by {fit.tau2_method}."
    )
    sentences.append(interval_sentence(fit.options, fit.ci_method, cite))
    return with_references(sentences, cite)
