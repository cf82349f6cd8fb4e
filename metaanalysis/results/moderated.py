"""What every regression on moderators answers: its coefficients with their tests, its predictions, its likelihoods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.inference import quantile, two_sided_p
from metaanalysis.formulas.regression import InformationCriteria
from metaanalysis.options import PoolOptions

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.effects.design import Design


@dataclass(frozen=True, eq=False, kw_only=True)
class Moderated:
    """The fields and answers that `Regression` and `LocationScale` share; each says what they mean."""

    estimates: FloatArray
    covariance: FloatArray
    covariance_root: FloatArray = field(repr=False)
    df: float
    names: tuple[str, ...]
    k: int
    q_moderators: float
    q_moderators_df: tuple[float, float]
    q_moderators_p_value: float
    q_residual: float
    q_residual_df: float
    q_residual_p_value: float
    level: float
    formula: str
    measure: str
    options: PoolOptions = field(repr=False)
    effects: Effects = field(repr=False)
    design: Design = field(repr=False)
    fit_ml: InformationCriteria = field(repr=False)
    fit_reml: InformationCriteria = field(repr=False)
    tau2_method: str = ""
    ci_method: str = ""
    convention: str = "metafor"
    excluded: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row a (location) coefficient: estimate, se, statistic, df, p_value, ci_low, ci_high; on the scale of analysis."""
        import pandas as pd

        columns = with_tests(self.estimates, np.sqrt(np.diagonal(self.covariance)), self.df, self.level)
        return pd.DataFrame(columns, index=pd.Index(self.names, name="term"))

    def standard_errors(self, rows: FloatArray) -> FloatArray:
        """Of rows (n, p) times the (location) coefficients, on the scale of analysis: lengths, in which nothing cancels."""
        return np.asarray(np.sqrt(((rows @ self.covariance_root) ** 2).sum(axis=-1)))

    def predicted(self, X: FloatArray, tau2: FloatArray, level: float, transform: bool) -> pd.DataFrame:
        """Mean effects, their intervals and those of new studies at rows X (n, p) and variances tau2 () or (n,)."""
        import pandas as pd

        estimate, se = X @ self.estimates, self.standard_errors(X)
        critical = quantile(level, np.asarray(self.df))
        spread = np.sqrt(se**2 + tau2)
        columns = {
            "estimate": estimate,
            "ci_low": estimate - critical * se,
            "ci_high": estimate + critical * se,
            "prediction_low": estimate - critical * spread,
            "prediction_high": estimate + critical * spread,
        }
        if transform:
            columns = {name: self.effects.back_transform(values) for name, values in columns.items()}
        frame = pd.DataFrame(columns)
        frame.insert(1, "se", se)
        return frame

    def information(self) -> pd.DataFrame:
        """Log-likelihood, deviance (-2 log-likelihood), AIC, BIC and AICc, by ML and REML, at the fitted tau2.

        Compare fits with different moderators of the mean effect by ML alone.
        """
        import pandas as pd

        rows = {"ML": self.fit_ml, "REML": self.fit_reml}
        return pd.DataFrame(
            {name: [float(x) for x in fit] for name, fit in rows.items()},
            index=["log_likelihood", "deviance", "aic", "bic", "aicc"],
        ).T

    def summary(self) -> str:
        """The summary that a reviewer reads."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.summary()


def with_tests(estimates: FloatArray, se: FloatArray, df: float, level: float) -> dict[str, Any]:
    """Estimates (p,) with their tests and intervals, by column."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimates / se
    half = quantile(level, np.asarray(df)) * se
    return {
        "estimate": np.array(estimates),
        "se": se,
        "statistic": statistic,
        "df": np.full(estimates.shape, df),
        "p_value": two_sided_p(statistic, np.asarray(df)),
        "ci_low": estimates - half,
        "ci_high": estimates + half,
    }
