"""The result of a meta-regression."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.heterogeneity import h2_from_tau2, i2_from_tau2, typical_variance
from metaanalysis.formulas.regression import WaldTest, variance_inflation, wald_test
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS
from metaanalysis.options import checked_level
from metaanalysis.results.moderated import Moderated, with_tests
from metaanalysis.results.pooled import Interval, root

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True)
class Regression(Moderated):
    """Coefficients of moderators, and the heterogeneity that they leave. Made by `meta_regression`.

    Attributes
    ----------
    estimates, covariance, df
        Coefficients (p,), their covariance (p, p) and degrees of freedom (infinite: normal), on the scale of analysis.
    covariance_root
        L (p, p) with LL' the covariance: the standard error of x'b is the length of L'x.
    tau2, i2, h2
        Residual between-study variance, and its share in the residual variation (I2 in per cent).
    r2
        Share of the between-study variance that the moderators account for, in per cent; under the common-effect model that of
        the mean square Q / df; NaN where there are none, or the model has no intercept to do without them.
    q_moderators, q_moderators_df, q_moderators_p_value
        Omnibus test of all coefficients but the intercept: chi-squared, or F where `df` is finite.
    q_residual, q_residual_df, q_residual_p_value
        Test of residual heterogeneity.
    weighting
        What took the place of inverse variances as weights, or "".
    """

    tau2: float
    i2: float
    h2: float
    r2: float
    model: str
    weighting: str = ""

    @property
    def tau(self) -> float:
        """Residual between-study standard deviation."""
        return math.sqrt(self.tau2) if self.tau2 >= 0 else math.nan

    def tau2_interval(self, level: float | None = None, method: str = "q-profile") -> Interval:
        """Confidence interval of the residual between-study variance.

        Parameters
        ----------
        level
            By default the level of the other intervals.
        method
            ``q-profile`` (default), ``biggerstaff-jackson``, ``jackson``, ``profile-likelihood``, ``profile-likelihood-ml``,
            ``wald``, ``wald-ml``, ``wald-untruncated``, ``wald-untruncated-ml``, ``sidik-jonkman``, ``higgins-thompson`` or
            ``biggerstaff-tweedie``, as for `Pooled.tau2_interval`.

        Returns
        -------
        Interval
            NaN with a note where the studies differ less than chance allows, so that the interval is empty.
        """
        level = self.level if level is None else checked_level(level)
        entry = TAU2_INTERVALS.entry(method)
        limits = entry.function(np.asarray(self.effects.y), np.asarray(self.effects.v), self.design.X, level)
        if Status(int(limits.high_status)) is Status.NO_SOLUTION:
            note = "the interval is empty: the effects are more alike than their sampling variances allow"
            return Interval(math.nan, math.nan, level, entry.title, note)
        return Interval(float(limits.low), float(limits.high), level, entry.title)

    def tau_interval(self, level: float | None = None, method: str = "q-profile") -> Interval:
        """Confidence interval of the residual between-study standard deviation: the square roots of that of tau2."""
        limits = self.tau2_interval(level, method)
        return limits._replace(low=root(limits.low), high=root(limits.high))

    def i2_interval(self, level: float | None = None, method: str = "q-profile") -> Interval:
        """Confidence interval of I2, in per cent: the interval of tau2, put through I2 = tau2 / (tau2 + s2)."""
        limits = self.tau2_interval(level, method)
        s2 = typical_variance(np.asarray(self.effects.v), self.design.X)
        low, high = (float(i2_from_tau2(np.asarray(t), s2)) for t in (limits.low, limits.high))
        return limits._replace(low=low, high=high)

    def h2_interval(self, level: float | None = None, method: str = "q-profile") -> Interval:
        """Confidence interval of H2: the interval of tau2, put through H2 = 1 + tau2 / s2."""
        limits = self.tau2_interval(level, method)
        s2 = typical_variance(np.asarray(self.effects.v), self.design.X)
        low, high = (float(h2_from_tau2(np.asarray(t), s2)) for t in (limits.low, limits.high))
        return limits._replace(low=low, high=high)

    def predict(self, data: Any = None, *, level: float | None = None, transform: bool = False) -> pd.DataFrame:
        """The mean effect, its confidence interval and the prediction interval of a new study, for given moderators.

        Parameters
        ----------
        data
            A frame with the moderators of the formula; by default the studies' own.
        level
            By default that of the regression.
        transform
            Whether to give the scale on which the measure is read (such as risk ratios) instead of the scale of analysis.

        Returns
        -------
        pandas.DataFrame
            One row a row of the data: estimate, se (on the scale of analysis), ci_low, ci_high, prediction_low,
            prediction_high.
        """
        level = self.level if level is None else checked_level(level)
        X = self.design.X if data is None else self.design.rows_for(data)
        return self.predicted(X, np.asarray(self.tau2), level, transform)

    def contrast(self, expression: str) -> pd.DataFrame:
        """A linear combination of coefficients, such as ``"alloc[random] - alloc[alternate]"``.

        Parameters
        ----------
        expression
            Names of coefficients, or ``factor[level]``, added and subtracted, each with a number before it if need be
            (``2 * ablat``). The reference level of a factor counts 0.

        Returns
        -------
        pandas.DataFrame
            One row: estimate, se, statistic, df, p_value, ci_low, ci_high.
        """
        import pandas as pd

        row = self._combination(expression)
        estimate = np.array([row @ self.estimates])
        se = self.standard_errors(row[np.newaxis])
        return pd.DataFrame(
            with_tests(estimate, se, self.df, self.level), index=pd.Index([expression], name="contrast")
        )

    def _combination(self, expression: str) -> FloatArray:
        row = np.zeros(len(self.names))
        rest = expression.strip()
        # Long names first, so that "ablat" does not eat the start of "ablat:year".
        terms = sorted(self._terms().items(), key=lambda item: -len(item[0]))
        first = True
        while rest:
            sign = re.match(r"[+-]", rest)
            if sign is None and not first:
                raise OptionError(f"the contrast {expression!r} can't be read at {rest!r}: join terms by + or -.")
            factor = -1.0 if sign is not None and sign.group() == "-" else 1.0
            rest = rest[1:].lstrip() if sign is not None else rest
            number = re.match(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*\*\s*", rest)
            if number is not None:
                factor *= float(number.group(1))
                rest = rest[number.end() :]
            for name, at in terms:
                after = rest[len(name) :].lstrip()
                if rest.startswith(name) and (not after or after[0] in "+-"):
                    if at is not None:
                        row[at] += factor
                    rest = after
                    break
            else:
                word = re.split(r"\s*[+-]\s*", rest, maxsplit=1)[0]
                known = [name for name, _ in terms]
                raise OptionError(
                    f"the contrast {expression!r} names {word!r}, which is no coefficient.{nearest(word, known)} "
                    f"There are: {', '.join(sorted(known))}. A number goes before its name (0.5 * x); brackets are not read."
                )
            first = False
        if first:
            raise OptionError("the contrast is empty: name coefficients, as in 'alloc[random] - alloc[alternate]'.")
        return row

    def _terms(self) -> dict[str, int | None]:
        """Each name by which a coefficient may be called, and the coefficient; None for a reference level."""
        terms: dict[str, int | None] = {}
        for at, name in enumerate(self.names):
            terms[name] = at
            factor = re.fullmatch(r"(?:C\((.+?)(?:,.*)?\)|([^\[\]:]+))\[(?:T\.)?(.+)\]", name)
            if factor is not None:
                terms[f"{factor.group(1) or factor.group(2)}[{factor.group(3)}]"] = at
        for variable, levels in self.design.levels().items():
            for value in levels:
                terms.setdefault(f"{variable}[{value}]", None)
        return terms

    def wald_test(self, names: list[str] | None = None) -> WaldTest:
        """Test that several coefficients are all 0; by default all but the intercept.

        Parameters
        ----------
        names
            Coefficients as in the index of `coefficients`.
        """
        wanted = [name for name in self.names if name != "intercept"] if names is None else list(names)
        for name in wanted:
            if name not in self.names:
                raise OptionError(
                    f"there is no coefficient {name!r}.{nearest(name, self.names)} There are: {', '.join(self.names)}."
                )
        at = [self.names.index(name) for name in wanted]
        return wald_test(self.estimates[at], self.covariance[np.ix_(at, at)], np.asarray(self.df))

    def vif(self) -> pd.Series[float]:
        """Variance inflation factors of the coefficients, the intercept apart."""
        import pandas as pd

        at = [i for i, name in enumerate(self.names) if name != "intercept"]
        values = variance_inflation(self.covariance[np.ix_(at, at)]) if at else np.empty(0)
        return pd.Series(values, index=pd.Index([self.names[i] for i in at], name="term"), name="vif")

    def to_dict(self) -> dict[str, Any]:
        """Every number and every choice by name."""
        names = (
            "k tau2 tau i2 h2 r2 q_moderators q_moderators_df q_moderators_p_value q_residual q_residual_df "
            "q_residual_p_value level formula measure model df tau2_method ci_method convention"
        ).split()
        answer: dict[str, Any] = {name: getattr(self, name) for name in names}
        answer["coefficients"] = self.coefficients.to_dict(orient="index")
        answer["notes"] = list(self.notes)
        return answer

    def to_frame(self) -> pd.DataFrame:
        """The coefficients; the same as `coefficients`."""
        return self.coefficients

    def summary(self) -> str:
        """The summary that a reviewer reads."""
        from metaanalysis.results.text import regression_summary

        return regression_summary(self)

    def describe(self) -> str:
        """The methods sentences with their references, in the words of a paper."""
        from metaanalysis.results.describe import describe_regression

        return describe_regression(self)

    def __repr__(self) -> str:
        return f"<Regression: {self.formula}, {self.model} model, k = {self.k}>"
