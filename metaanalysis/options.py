"""The options of effect sizes and of pooling: frozen, and checked once, when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.continuity import ADDITIONS, DENOMINATORS, SELECTIONS
from metaanalysis.formulas.gamma_correction import CORRECTIONS
from metaanalysis.formulas.inference import CI, InferenceFunction
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION, PredictionFunction
from metaanalysis.formulas.tau2 import TAU2, Tau2Function

MODELS = ("random", "common")
CI_CHOICES = (*CI, *MEAN_INTERVALS)
METHODS = ("inverse-variance", "mantel-haenszel", "peto", "glmm", "beta-binomial")


def choose(option: str, value: object, choices: tuple[str, ...] | list[str]) -> str:
    """The choice in its own spelling (case does not matter); OptionError lists the choices."""
    if isinstance(value, str):
        if value in choices:
            return value
        for choice in choices:
            if choice.lower() == value.lower():
                return choice
    raise OptionError(
        f"{option}={value!r} is not a choice.{nearest(str(value), choices)} The choices are: {', '.join(choices)}."
    )


def checked_level(level: float) -> float:
    """A confidence level strictly between 0 and 1."""
    try:
        number = float(level)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 < number < 1.0:
        hint = f" Did you mean {number / 100:g}?" if 1.0 < number < 100.0 else ""
        raise OptionError(f"level={level!r} is not a confidence level: it lies between 0 and 1, as in 0.95.{hint}")
    return number


@dataclass(frozen=True)
class EffectOptions:
    """How effect sizes are computed from a study's data.

    Parameters
    ----------
    add, to, addition
        Continuity correction: how much is added to each cell, to which studies (``only0``, ``all``, ``if0all``, ``none``),
        and whether as a ``constant`` or in proportion to the arms (``treatment-arm``).
    risk_ratio_denominator
        What enters a risk ratio's group sizes: ``cells`` (twice the addition), ``events`` (once) or ``none``.
    double_zero
        ``keep`` studies with no events, or only events, in both groups; ``drop`` them from ratios (RR, OR and what is made of
        an odds ratio), which they say nothing of; ``drop-no-events``: likewise, but keep the risk ratio of 1 where all in both
        groups had the event; or ``drop-all``: from every measure of two groups' counts.
    risk_difference
        Whether the correction enters the estimate and the variance (``both``), the ``variance`` alone, or ``neither``.
    peto
        Whether a study's own Peto odds ratio uses ``corrected`` or ``raw`` counts.
    smd_correction, smd_variance, md_variance
        Keys of the corrections and variances of standardised and plain mean differences.
    variance, correction
        For the measure at hand, before the three above: a variant of its sampling variance and of its bias correction, of
        those that `measures` lists for it; ``correction`` may be True or False where it is only there or not.
    """

    add: float = 0.5
    to: str = "only0"
    addition: str = "constant"
    risk_ratio_denominator: str = "cells"
    double_zero: str = "keep"
    risk_difference: str = "both"
    peto: str = "corrected"
    smd_correction: str = "exact"
    smd_variance: str = "LS"
    md_variance: str = "LS"
    variance: str | None = None
    correction: str | bool | None = None

    def __post_init__(self) -> None:
        from metaanalysis.formulas.continuous import MEAN_DIFFERENCE_VARIANCES, SMD_VARIANCES

        choices: dict[str, list[str]] = {
            "to": list(SELECTIONS),
            "addition": list(ADDITIONS),
            "risk_ratio_denominator": list(DENOMINATORS),
            "double_zero": ["keep", "drop", "drop-no-events", "drop-all"],
            "risk_difference": ["both", "variance", "neither"],
            "peto": ["corrected", "raw"],
            "smd_correction": list(CORRECTIONS),
            "smd_variance": list(SMD_VARIANCES),
            "md_variance": list(MEAN_DIFFERENCE_VARIANCES),
        }
        for option, allowed in choices.items():
            object.__setattr__(self, option, choose(option, getattr(self, option), allowed))
        if isinstance(self.correction, bool):
            object.__setattr__(self, "correction", "yes" if self.correction else "no")
        if not (isinstance(self.add, int | float) and math.isfinite(self.add) and self.add >= 0):
            raise OptionError(f"add={self.add!r} is not an amount to add to a cell: it is a number from 0 upward.")


@dataclass(frozen=True)
class PoolOptions:
    """How effect sizes are pooled.

    Parameters
    ----------
    model
        ``random`` or ``common``.
    method
        ``inverse-variance``, ``mantel-haenszel``, ``peto``, ``glmm`` or ``beta-binomial``.
    tau2, ci, prediction
        Keys of their registries, or functions of the same signature.
    i2
        Whether I2 and H2 come from ``tau2`` and the typical sampling variance, or from ``q``.
    corrected_tables
        Whether Mantel-Haenszel pools continuity-corrected counts of studies with zero cells.
    risk_difference_variance
        ``sato`` or ``greenland-robins``, for Mantel-Haenszel risk differences.
    glmm
        Which generalised linear mixed model: ``fixed-study``, ``random-study``, ``conditional-exact`` or
        ``conditional-approximate``.
    level
        Of the confidence and prediction intervals.
    """

    model: str = "random"
    method: str = "inverse-variance"
    tau2: str | Tau2Function = "REML"
    ci: str | InferenceFunction = "wald"
    prediction: str | PredictionFunction = "ci"
    i2: str = "tau2"
    corrected_tables: bool = False
    risk_difference_variance: str = "sato"
    glmm: str = "fixed-study"
    level: float = 0.95

    def __post_init__(self) -> None:
        settle = object.__setattr__
        settle(self, "model", choose("model", self.model, MODELS))
        settle(self, "method", choose("method", self.method, METHODS))
        settle(self, "i2", choose("i2", self.i2, ("tau2", "q")))
        settle(
            self,
            "risk_difference_variance",
            choose("risk_difference_variance", self.risk_difference_variance, ("sato", "greenland-robins")),
        )
        if not callable(self.tau2):
            settle(self, "tau2", TAU2.key(self.tau2))
        if not callable(self.ci):
            settle(self, "ci", choose("ci", self.ci, CI_CHOICES))
        if not callable(self.prediction):
            settle(self, "prediction", PREDICTION.key(self.prediction))
        settle(self, "level", checked_level(self.level))
