"""What leaving out each study does to a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.results.text import number

if TYPE_CHECKING:
    import pandas as pd

MEASURES_OF_INFLUENCE = (
    "rstudent dffits cook_distance covariance_ratio tau2_deleted q_deleted hat weight residual residual_se"
).split()


@dataclass(frozen=True, eq=False)
class Influence:
    """Measures of each study's influence. Made by `influence`.

    Attributes
    ----------
    label
        The studies.
    residual, residual_se, rstudent
        The study's effect less what the others predict for it, its standard error, and their ratio.
    dffits
        By how many standard errors the fitted value of the study changes when it is left out.
    cook_distance
        The distance by which the coefficients move, in the metric of their covariance.
    covariance_ratio
        The determinant of the coefficients' covariance without the study, over that with it; below 1 the study costs precision.
    tau2_deleted, q_deleted
        Between-study variance and Q without the study.
    hat, weight
        The study's leverage, and its weight in per cent.
    dfbetas
        By how many standard errors each coefficient changes, shape (k, p).
    influential
        Whether any of the thresholds of Viechtbauer & Cheung (2010) is passed.
    coefficient_names
        The coefficients of `dfbetas`.
    status
        Of each refit, in words.
    """

    label: tuple[str, ...]
    residual: FloatArray
    residual_se: FloatArray
    rstudent: FloatArray
    dffits: FloatArray
    cook_distance: FloatArray
    covariance_ratio: FloatArray
    tau2_deleted: FloatArray
    q_deleted: FloatArray
    hat: FloatArray
    weight: FloatArray
    dfbetas: FloatArray
    influential: BoolArray
    coefficient_names: tuple[str, ...]
    status: tuple[str, ...]
    tau2: float
    q: float

    def __post_init__(self) -> None:
        for name in (*MEASURES_OF_INFLUENCE, "dfbetas", "influential"):
            getattr(self, name).flags.writeable = False

    @property
    def flagged(self) -> tuple[str, ...]:
        """The labels of the influential studies."""
        return tuple(name for name, flag in zip(self.label, self.influential, strict=True) if flag)

    @property
    def thresholds(self) -> dict[str, float]:
        """The values beyond which dffits, cook_distance, hat and dfbetas call a study influential."""
        from scipy import special

        k, p = self.dfbetas.shape
        return {
            "dffits": float(3.0 * np.sqrt(p / (k - p))),
            "cook_distance": float(2.0 * special.gammaincinv(p / 2.0, 0.5)),
            "hat": 3.0 * p / k,
            "dfbetas": 1.0,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a study: label, the measures, dfbetas (one column a coefficient), influential and status."""
        import pandas as pd

        columns: dict[str, Any] = {"label": list(self.label)}
        columns.update({name: np.array(getattr(self, name)) for name in MEASURES_OF_INFLUENCE})
        for j, name in enumerate(self.coefficient_names):
            key = "dfbetas" if len(self.coefficient_names) == 1 else f"dfbetas[{name}]"
            columns[key] = np.array(self.dfbetas[:, j])
        columns["influential"] = np.array(self.influential)
        columns["status"] = list(self.status)
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """One line a study; * marks the influential."""
        width = max(len(name) for name in (*self.label, "study"))
        heads = ("rstudent", "DFFITS", "Cook", "cov. ratio", "tau² del.", "Q del.", "hat", "weight %")
        values = (
            self.rstudent, self.dffits, self.cook_distance, self.covariance_ratio, self.tau2_deleted, self.q_deleted,
            self.hat, self.weight,
        )  # fmt: skip
        lines = [f"{'study':<{width}}  " + "  ".join(f"{head:>10}" for head in heads)]
        for i, name in enumerate(self.label):
            cells = "  ".join(f"{number(float(column[i])):>10}" for column in values)
            lines.append(f"{name:<{width}}  {cells}" + ("  *" if self.influential[i] else ""))
        lines.append(f"Influential (*): {', '.join(self.flagged) or 'none'}.")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Influence: {len(self.label)} studies, {len(self.flagged)} influential>"


@dataclass(frozen=True, eq=False)
class Baujat:
    """Each study's contribution to heterogeneity, and its influence on the result. Made by `baujat`.

    Attributes
    ----------
    label
        The studies.
    contribution
        The squared Pearson residual; under the common-effect model these add up to Cochran's Q.
    influence
        The squared change of the result when the study is left out, over the variance of the result without it.
    status
        Of each refit, in words.
    """

    label: tuple[str, ...]
    contribution: FloatArray
    influence: FloatArray
    status: tuple[str, ...]

    def __post_init__(self) -> None:
        self.contribution.flags.writeable = False
        self.influence.flags.writeable = False

    def to_frame(self) -> pd.DataFrame:
        """One row a study: label, contribution, influence, status."""
        import pandas as pd

        return pd.DataFrame(
            {
                "label": list(self.label),
                "contribution": np.array(self.contribution),
                "influence": np.array(self.influence),
                "status": list(self.status),
            }
        )

    def __repr__(self) -> str:
        return f"<Baujat: {len(self.label)} studies>"
