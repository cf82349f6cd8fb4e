"""The measures of association and of reliability, and given estimates."""

from __future__ import annotations

from metaanalysis.effects.measure import Measure
from metaanalysis.effects.measures_of_means import asked, of
from metaanalysis.formulas import correlation, reliability

CORRELATION = ("r", "n")
PARTIAL = ("t", "n", "predictors")
SEMIPARTIAL = ("t", "n", "predictors", "r2")
EXPLAINED = ("r2", "n")
ALPHA = ("alpha", "items", "n")
VARIANCES = tuple(correlation.CORRELATION_VARIANCES)

MEASURES_OF_ASSOCIATION: tuple[Measure, ...] = (
    Measure(
        "COR",
        "correlation",
        CORRELATION,
        of(correlation.correlation, CORRELATION, asked),
        "correlation",
        favours=False,
        variances=("LS", "AV"),
        smallest=3,
        kind="association",
    ),
    Measure(
        "UCOR",
        "correlation, bias corrected",
        CORRELATION,
        of(correlation.unbiased_correlation, CORRELATION, asked),
        "correlation, bias corrected",
        favours=False,
        variances=VARIANCES,
        smallest=5,
        kind="association",
    ),
    Measure(
        "ZCOR",
        "correlation",
        CORRELATION,
        of(correlation.fisher_z, CORRELATION),
        "Fisher's z-transformed correlation",
        "tanh",
        favours=False,
        smallest=4,
        kind="association",
    ),
    Measure(
        "PCOR",
        "partial correlation",
        PARTIAL,
        of(correlation.partial_correlation, PARTIAL, asked),
        "partial correlation",
        favours=False,
        variances=("LS", "AV"),
        kind="association",
    ),
    Measure(
        "ZPCOR",
        "partial correlation",
        PARTIAL,
        of(correlation.fisher_z_partial_correlation, PARTIAL),
        "Fisher's z-transformed partial correlation",
        "tanh",
        favours=False,
        kind="association",
    ),
    Measure(
        "SPCOR",
        "semi-partial correlation",
        SEMIPARTIAL,
        of(correlation.semipartial_correlation, SEMIPARTIAL, asked),
        "semi-partial correlation",
        favours=False,
        variances=("LS", "AV"),
        kind="association",
    ),
    Measure(
        "R2",
        "explained variance",
        EXPLAINED,
        of(correlation.explained_variance, EXPLAINED),
        "explained variance",
        favours=False,
        kind="association",
    ),
    Measure(
        "ZR2",
        "explained variance",
        EXPLAINED,
        of(correlation.fisher_z_explained_variance, EXPLAINED),
        "Fisher's z-transformed multiple correlation",
        "square of tanh",
        favours=False,
        kind="association",
    ),
    Measure(
        "ARAW",
        "Cronbach's alpha",
        ALPHA,
        of(reliability.cronbach_alpha, ALPHA),
        "Cronbach's alpha",
        favours=False,
        kind="reliability",
    ),
    Measure(
        "AHW",
        "Cronbach's alpha",
        ALPHA,
        of(reliability.cube_root_alpha, ALPHA),
        "cube-root transformed alpha",
        "cube root of alpha",
        favours=False,
        kind="reliability",
    ),
    Measure(
        "ABT",
        "Cronbach's alpha",
        ALPHA,
        of(reliability.log_alpha, ALPHA),
        "log transformed alpha",
        "log of alpha",
        favours=False,
        kind="reliability",
    ),
)

GIVEN_MEASURES: tuple[Measure, ...] = (
    Measure("HR", "hazard ratio", (), None, "log hazard ratio", "exp"),
    Measure("GEN", "effect size", (), None, "effect size"),
)
