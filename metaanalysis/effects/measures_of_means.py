"""The measures of means and standard deviations: two groups, one group, before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from metaanalysis.effects.measure import UNDEFINED, Compute, Computed, Inputs, Measure, defined, nobody, take
from metaanalysis.formulas import before_after, biserial, continuous, correlation, one_group, ratio_of_means
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.binary import COX_SNELL
from metaanalysis.options import EffectOptions

TWO_GROUP_MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
BEFORE_AFTER = ("mean1", "sd1", "mean2", "sd2", "r", "n")
ONE_MEAN = ("mean", "sd", "n")
GLASS = ("mean1", "n1", "mean2", "sd2", "n2")

Estimate: TypeAlias = tuple[FloatArray, FloatArray]
Settings: TypeAlias = Callable[[EffectOptions], dict[str, Any]]


def asked(options: EffectOptions) -> dict[str, Any]:
    """The variance variant and the correction, where they were asked for."""
    settings: dict[str, Any] = {}
    if options.variance is not None:
        settings["variance"] = options.variance
    if options.correction is not None:
        settings["correction"] = options.correction
    return settings


def whether_corrected(default: bool) -> Settings:
    """For formulas whose bias correction is there or not."""

    def settings(options: EffectOptions) -> dict[str, Any]:
        corrected = default if options.correction is None else options.correction == "yes"
        variance = {} if options.variance is None else {"variance": options.variance}
        return {"corrected": corrected, **variance}

    return settings


def nothing_asked(options: EffectOptions) -> dict[str, Any]:  # noqa: ARG001
    """For formulas without variants."""
    return {}


def of(formula: Callable[..., Estimate], names: tuple[str, ...], settings: Settings = nothing_asked) -> Compute:
    """A measure computed from the inputs `names`, in that order."""

    def compute(inputs: Inputs, options: EffectOptions) -> Computed:
        with np.errstate(divide="ignore", invalid="ignore"):
            y, v = formula(*take(inputs, names), **settings(options))
        y, v = np.broadcast_arrays(y, v)
        return Computed(y, v, nobody(y), ~defined(y, v), UNDEFINED)

    return compute


def of_smd(options: EffectOptions) -> dict[str, Any]:
    """Hedges' g: a convention sets its correction and its variance, an option for this measure goes before it."""
    return {
        "correction": options.correction or options.smd_correction,
        "variance": options.variance or options.smd_variance,
    }


def of_md(options: EffectOptions) -> dict[str, Any]:
    """A mean difference: each group with its own variance, or one for both."""
    return {"variance": options.variance or options.md_variance}


def from_d(formula: Callable[..., Estimate]) -> Callable[..., Estimate]:
    """A formula of Cohen's d and the sizes, from means and standard deviations."""

    def compute(
        mean1: FloatArray,
        sd1: FloatArray,
        n1: FloatArray,
        mean2: FloatArray,
        sd2: FloatArray,
        n2: FloatArray,
        **settings: Any,
    ) -> Estimate:
        return formula(continuous.cohen_d(mean1, sd1, n1, mean2, sd2, n2), n1, n2, **settings)

    return compute


def logistic_odds(d: FloatArray, n1: FloatArray, n2: FloatArray) -> Estimate:
    """A log odds ratio from d, by the logistic distribution."""
    return continuous.d_to_log_odds_ratio(d, n1, n2, continuous.D_TO_LOG_ODDS_LOGISTIC)


def normal_odds(d: FloatArray, n1: FloatArray, n2: FloatArray) -> Estimate:
    """A log odds ratio from d, by Cox and Snell's constant."""
    return continuous.d_to_log_odds_ratio(d, n1, n2, COX_SNELL)


def z_of_point_biserial(d: FloatArray, n1: FloatArray, n2: FloatArray, **settings: Any) -> Estimate:
    """Fisher's z of a point-biserial correlation."""
    return correlation.fisher_z_of_estimate(*biserial.point_biserial_correlation(d, n1, n2, **settings))


MEANS: dict[str, Any] = {"inputs": TWO_GROUP_MEANS, "kind": "two groups, means"}
CHANGE: dict[str, Any] = {"inputs": BEFORE_AFTER, "kind": "before and after"}
MEAN: dict[str, Any] = {"inputs": ONE_MEAN, "kind": "one group, mean", "favours": False}
SMD = "standardised mean difference"
GIVEN_CORRECTIONS = ("exact", "approximate", "none")

MEASURES_OF_MEANS: tuple[Measure, ...] = (
    Measure(
        "MD",
        "mean difference",
        compute=of(continuous.mean_difference, TWO_GROUP_MEANS, of_md),
        analysis_scale="mean difference",
        variances=tuple(continuous.MEAN_DIFFERENCE_VARIANCES),
        **MEANS,
    ),
    Measure(
        "SMD",
        SMD,
        compute=of(continuous.standardized_mean_difference, TWO_GROUP_MEANS, of_smd),
        analysis_scale=SMD,
        variances=tuple(continuous.SMD_VARIANCES),
        corrections=GIVEN_CORRECTIONS,
        reference="hedges1981",
        **MEANS,
    ),
    Measure(
        "SMDH",
        f"{SMD}, unequal variances",
        compute=of(continuous.standardized_mean_difference_heteroscedastic, TWO_GROUP_MEANS, asked),
        analysis_scale=SMD,
        variances=tuple(continuous.AVERAGE_VARIANCE_DF),
        corrections=GIVEN_CORRECTIONS,
        **MEANS,
    ),
    Measure(
        "SMD1",
        f"{SMD} by the control group's SD",
        compute=of(continuous.glass_delta, GLASS, asked),
        analysis_scale=SMD,
        variances=("LS", "LS2", "UB", "AV", "H0"),
        corrections=GIVEN_CORRECTIONS,
        inputs=GLASS,
        kind="two groups, means",
    ),
    Measure(
        "SMD1H",
        f"{SMD} by the control group's SD, unequal variances",
        compute=of(continuous.glass_delta_heteroscedastic, TWO_GROUP_MEANS, asked),
        analysis_scale=SMD,
        variances=("LS", "n"),
        corrections=GIVEN_CORRECTIONS,
        **MEANS,
    ),
    Measure(
        "ROM",
        "ratio of means",
        compute=of(ratio_of_means.log_ratio_of_means, TWO_GROUP_MEANS, whether_corrected(False)),
        analysis_scale="log ratio of means",
        back="exp",
        variances=tuple(ratio_of_means.RATIO_OF_MEANS_VARIANCES),
        corrections=("no", "yes"),
        checks=("means of one sign",),
        **MEANS,
    ),
    Measure(
        "CVR",
        "ratio of coefficients of variation",
        compute=of(ratio_of_means.log_coefficient_of_variation_ratio, TWO_GROUP_MEANS, whether_corrected(True)),
        analysis_scale="log ratio of coefficients of variation",
        back="exp",
        corrections=("yes", "no"),
        checks=("positive means",),
        **MEANS,
    ),
    Measure(
        "VR",
        "ratio of standard deviations",
        compute=of(ratio_of_means.log_variability_ratio, ("sd1", "n1", "sd2", "n2"), whether_corrected(True)),
        analysis_scale="log ratio of standard deviations",
        back="exp",
        corrections=("yes", "no"),
        inputs=("sd1", "n1", "sd2", "n2"),
        kind="two groups, means",
    ),
    Measure(
        "RPB",
        "point-biserial correlation",
        compute=of(from_d(biserial.point_biserial_correlation), TWO_GROUP_MEANS, asked),
        analysis_scale="point-biserial correlation",
        variances=tuple(biserial.POINT_BISERIAL_VARIANCES),
        **MEANS,
    ),
    Measure(
        "ZPB",
        "point-biserial correlation",
        compute=of(from_d(z_of_point_biserial), TWO_GROUP_MEANS, asked),
        analysis_scale="Fisher's z-transformed point-biserial correlation",
        back="tanh",
        variances=tuple(biserial.POINT_BISERIAL_VARIANCES),
        **MEANS,
    ),
    Measure(
        "RBIS",
        "biserial correlation",
        compute=of(from_d(biserial.biserial_correlation), TWO_GROUP_MEANS),
        analysis_scale="biserial correlation",
        **MEANS,
    ),
    Measure(
        "ZBIS",
        "biserial correlation",
        compute=of(from_d(biserial.stabilized_biserial_correlation), TWO_GROUP_MEANS),
        analysis_scale="stabilised biserial correlation",
        **MEANS,
    ),
    Measure(
        "D2ORL",
        "odds ratio from a standardised mean difference, logistic",
        compute=of(from_d(logistic_odds), TWO_GROUP_MEANS),
        analysis_scale="log odds ratio",
        back="exp",
        **MEANS,
    ),
    Measure(
        "D2ORN",
        "odds ratio from a standardised mean difference, normal",
        compute=of(from_d(normal_odds), TWO_GROUP_MEANS),
        analysis_scale="log odds ratio",
        back="exp",
        **MEANS,
    ),
    Measure(
        "CLES",
        "common language effect size",
        compute=of(continuous.common_language_effect_size, TWO_GROUP_MEANS, asked),
        analysis_scale="common language effect size",
        variances=("LS3", "LS", "LS2", "HO"),
        neutral=0.5,
        **MEANS,
    ),
    Measure(
        "MC",
        "mean change",
        compute=of(before_after.mean_change, BEFORE_AFTER),
        analysis_scale="mean change",
        **CHANGE,
    ),
    Measure(
        "SMCC",
        "standardised mean change by the SD of the changes",
        compute=of(before_after.standardized_mean_change, BEFORE_AFTER, asked),
        analysis_scale="standardised mean change",
        variances=tuple(before_after.CHANGE_VARIANCES),
        corrections=GIVEN_CORRECTIONS,
        checks=("changes that vary",),
        **CHANGE,
    ),
    Measure(
        "SMCR",
        "standardised mean change by the SD of group 1",
        compute=of(before_after.raw_score_standardized_mean_change, ("mean1", "sd1", "mean2", "r", "n"), asked),
        analysis_scale="standardised mean change",
        variances=tuple(before_after.CHANGE_VARIANCES),
        corrections=GIVEN_CORRECTIONS,
        **CHANGE,
    ),
    Measure(
        "SMCRH",
        "standardised mean change by the SD of group 1, unequal variances",
        compute=of(before_after.raw_score_standardized_mean_change_heteroscedastic, BEFORE_AFTER, asked),
        analysis_scale="standardised mean change",
        corrections=GIVEN_CORRECTIONS,
        **CHANGE,
    ),
    Measure(
        "ROMC",
        "ratio of means, before and after",
        compute=of(before_after.log_ratio_of_means_change, BEFORE_AFTER),
        analysis_scale="log ratio of means",
        back="exp",
        checks=("means of one sign",),
        **CHANGE,
    ),
    Measure(
        "CVRC",
        "ratio of coefficients of variation, before and after",
        compute=of(before_after.log_coefficient_of_variation_ratio_change, BEFORE_AFTER),
        analysis_scale="log ratio of coefficients of variation",
        back="exp",
        checks=("positive means",),
        **CHANGE,
    ),
    Measure(
        "VRC",
        "ratio of standard deviations, before and after",
        compute=of(before_after.log_variability_ratio_change, ("sd1", "sd2", "r", "n")),
        analysis_scale="log ratio of standard deviations",
        back="exp",
        inputs=("sd1", "sd2", "r", "n"),
        kind="before and after",
    ),
    Measure("MN", "mean", compute=of(one_group.mean_of_group, ONE_MEAN), analysis_scale="mean", **MEAN),
    Measure(
        "SMN",
        "standardised mean",
        compute=of(one_group.standardized_mean, ONE_MEAN, asked),
        analysis_scale="standardised mean",
        corrections=GIVEN_CORRECTIONS,
        **MEAN,
    ),
    Measure(
        "MNLN",
        "mean",
        compute=of(one_group.log_mean, ONE_MEAN),
        analysis_scale="log mean",
        back="exp",
        checks=("positive means",),
        **MEAN,
    ),
    Measure(
        "CVLN",
        "coefficient of variation",
        compute=of(one_group.log_coefficient_of_variation, ONE_MEAN, whether_corrected(True)),
        analysis_scale="log coefficient of variation",
        back="exp",
        corrections=("yes", "no"),
        checks=("positive means",),
        **MEAN,
    ),
    Measure(
        "SDLN",
        "standard deviation",
        compute=of(one_group.log_standard_deviation, ("sd", "n"), whether_corrected(True)),
        analysis_scale="log standard deviation",
        back="exp",
        corrections=("yes", "no"),
        inputs=("sd", "n"),
        kind="one group, mean",
        favours=False,
    ),
)
