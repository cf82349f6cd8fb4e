"""Compare nested fits by their likelihoods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metaanalysis.errors import DataError, OptionError
from metaanalysis.results import Regression

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio test of a smaller model within a larger one. Made by `likelihood_ratio_test`.

    Attributes
    ----------
    statistic, df, p_value
        Twice the difference of the log-likelihoods, chi-squared with `df` degrees of freedom.
    smaller, larger
        The two formulas.
    likelihood
        ``ML`` or ``REML``.
    """

    statistic: float
    df: int
    p_value: float
    smaller: str
    larger: str
    likelihood: str
    log_likelihoods: tuple[float, float]

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        return pd.DataFrame(
            [{"statistic": self.statistic, "df": self.df, "p_value": self.p_value, "likelihood": self.likelihood}]
        )

    def __str__(self) -> str:
        return (
            f"Likelihood-ratio test ({self.likelihood}): {self.smaller} within {self.larger}: "
            f"chi² = {self.statistic:.2f}, df = {self.df}, p = {self.p_value:.4f}"
        )


def parameters(fit: Regression) -> int:
    """How many parameters a fit has: its coefficients, and the between-study variance."""
    return int(fit.design.X.shape[1]) + (fit.model == "random")


def likelihood_ratio_test(smaller: Regression, larger: Regression) -> LikelihoodRatio:
    """Test whether the larger of two nested regressions fits better.

    Parameters
    ----------
    smaller, larger
        Fits of the same studies, in either order: with ``tau2="ML"`` where they differ in their moderators, or the
        common-effect model against the random-effects model of the same moderators (then REML will do too).

    Returns
    -------
    LikelihoodRatio
        Where the random-effects model is tested against the common-effect model, tau2 = 0 lies on the boundary of what is
        possible: the p-value is conservative.

    Raises
    ------
    DataError, OptionError
        Where the two are not nested fits of the same studies by maximum likelihood.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR")
    >>> smaller = ma.meta_regression(effects, "~ 1", tau2="ML")
    >>> larger = ma.meta_regression(effects, "~ ablat", tau2="ML")
    >>> print(ma.likelihood_ratio_test(smaller, larger))
    Likelihood-ratio test (ML): ~ 1 within ~ ablat: chi² = 9.96, df = 1, p = 0.0016
    """
    for fit in (smaller, larger):
        if not isinstance(fit, Regression):
            raise OptionError(
                f"likelihood_ratio_test compares fits of meta_regression, not a {type(fit).__name__}: for the mean alone "
                f'fit meta_regression(effects, "~ 1", tau2="ML").'
            )
        if fit.weighting:
            raise OptionError(
                f"{fit.formula!r} was fitted with {fit.weighting}, so that its coefficients do not maximise the likelihood: fit it "
                f"without them."
            )
    same = (
        smaller.k == larger.k
        and np.array_equal(smaller.effects.y, larger.effects.y)
        and np.array_equal(smaller.effects.v, larger.effects.v)
    )
    if not same:
        raise DataError(
            f"the two fits do not have the same studies ({smaller.k} and {larger.k}, perhaps for missing moderators): fit both "
            f"to the studies that have all moderators."
        )
    if parameters(smaller) > parameters(larger):
        smaller, larger = larger, smaller
    X, Z = smaller.design.X, larger.design.X
    basis = np.linalg.qr(Z)[0]
    outside = np.abs(X - basis @ (basis.T @ X)).max() > 1e-8 * max(1.0, float(np.abs(X).max()))
    if outside or X.shape[1] > Z.shape[1]:
        raise DataError(
            f"{smaller.formula!r} is not nested within {larger.formula!r}: its terms must be among the other's."
        )
    same_moderators = X.shape[1] == Z.shape[1]
    methods = {fit.options.tau2 for fit in (smaller, larger) if fit.model == "random"}
    kind = "REML" if same_moderators and methods == {"REML"} else "ML"
    if kind == "ML" and methods - {"ML"}:
        raise OptionError(
            f"a likelihood-ratio test of moderators needs fits by maximum likelihood (tau2='ML'), not by "
            f"{', '.join(sorted(map(str, methods)))}: restricted likelihoods of different moderators can't be compared."
        )
    df = parameters(larger) - parameters(smaller)
    if df < 1:
        raise DataError("the larger model has no more parameters than the smaller one: there is nothing to test.")
    values = [float((fit.fit_reml if kind == "REML" else fit.fit_ml).log_likelihood) for fit in (smaller, larger)]
    statistic = max(2.0 * (values[1] - values[0]), 0.0)
    p = float(special.chdtrc(df, statistic))
    if math.isnan(p):
        raise DataError("one of the log-likelihoods is not a number.")
    return LikelihoodRatio(statistic, df, p, smaller.formula, larger.formula, kind, (values[0], values[1]))
