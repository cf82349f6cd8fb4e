"""Meta-regression at the door: formulas, factors, contrasts, predictions, weights, likelihood ratios, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma


@pytest.fixture(scope="module")
def effects() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR")


def test_own_weights_agree_with_r(effects: ma.Effects) -> None:
    # rma(yi, vi, weights = n1) and rma(yi, vi, mods = ~ ablat, weights = n1) of metafor 3.8-1, REML with threshold 1e-13.
    fit = ma.pool(effects, weights="n1")
    assert_allclose(
        [fit.estimate, fit.se, fit.tau2, fit.ci_low],
        [-0.251886360797, 0.310776660195, 0.313243258136, -0.860997422015],
        rtol=1e-10,
    )
    reg = ma.meta_regression(effects, "~ ablat", weights="n1")
    assert_allclose(reg.estimates, [0.3206985214542, -0.0280751369152], rtol=1e-10)
    assert_allclose(np.sqrt(np.diag(reg.covariance)), [0.3203192172822, 0.0100882316485], rtol=1e-10)


@pytest.mark.parametrize("options", [{}, {"ci": "hksj"}, {"weights": "n1"}])
def test_moderators_far_from_0_cost_predictions_no_digits(effects: ma.Effects, options: dict[str, str]) -> None:
    table = ma.load_dataset("bcg")
    year, v = table["year"].to_numpy(dtype=float), effects.v
    reg = ma.meta_regression(effects, "~ year + I(year**2)", tau2="DL", **options)
    with mpmath.workdps(50):
        X = mpmath.matrix([[1, x, x**2] for x in map(mpmath.mpf, year)])
        M = mpmath.diag([mpmath.mpf(float(s)) + mpmath.mpf(reg.tau2) for s in v])
        own = table["n1"].to_numpy() if "weights" in options else None
        W = M**-1 if own is None else mpmath.diag([mpmath.mpf(float(x)) for x in own])
        bread = (X.T * W * X) ** -1 * X.T * W
        y = mpmath.matrix([mpmath.mpf(float(x)) for x in effects.y])
        residuals = y - X * (bread * y)
        scale = (residuals.T * W * residuals)[0] / 10 if "ci" in options else 1
        half = X * bread
        exact = [float(mpmath.sqrt(scale * (half[i, :] * M * half[i, :].T)[0])) for i in range(13)]
    assert_allclose(reg.predict(table)["se"], exact, rtol=2e-11)
    assert_allclose(reg.contrast("year + 3896 * I(year ** 2)")["se"], [contrast_se(X, bread, M, scale)], rtol=2e-10)


def contrast_se(X: mpmath.matrix, bread: mpmath.matrix, M: mpmath.matrix, scale: mpmath.mpf) -> float:
    """Of the slope at 1948, by definition."""
    with mpmath.workdps(50):
        row = mpmath.matrix([[0, 1, 3896]]) * bread
        return float(mpmath.sqrt(scale * (row * M * row.T)[0]))


def test_without_moderators_nothing_is_accounted_for(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ 1")
    assert np.isnan(reg.r2)
    assert "R²" not in str(reg)
    assert "R²" in str(ma.meta_regression(effects, "~ ablat"))


def test_generalised_q_with_given_weights_agrees_with_r(effects: ma.Effects) -> None:
    # tau2 of rma(yi, vi, method = "GENQ", weights = n1), and rma(yi, vi, tau2 = that).
    fit = ma.pool(effects, tau2="GENQ", tau2_weights="n1")
    assert_allclose([fit.tau2, fit.estimate, fit.se], [0.236680740973, -0.705757974575, 0.160877767348], rtol=1e-10)


def test_inverse_variance_weights_of_ones_own_change_nothing(effects: ma.Effects) -> None:
    usual = ma.pool(effects)
    fit = ma.pool(effects, weights=1 / (effects.v + usual.tau2))
    assert_allclose([fit.estimate, fit.se], [usual.estimate, usual.se], rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1.0] * 12}, "weights has 12 values for 13 studies"),
        ({"weights": [1.0] * 12 + [0.0]}, r"weights \(0\) of study 'Comstock et al 1976' is not a positive weight"),
        ({"weights": "author"}, r"author \('Aronson'\)"),
        ({"weights": "n1", "ci": "hksj"}, "rests on inverse-variance weights"),
        ({"weights": "n1", "method": "mantel-haenszel"}, "do not apply to method='mantel-haenszel'"),
        ({"tau2": "GENQ"}, "needs fixed weights"),
        ({"tau2": "DL", "tau2_weights": "n1"}, "belong to tau2='GENQ'"),
    ],
)
def test_bad_weights_are_refused(effects: ma.Effects, options: dict, message: str) -> None:
    with pytest.raises((ma.DataError, ma.OptionError), match=message):
        ma.pool(effects, **options)


def test_contrast_is_the_difference_of_two_predictions(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ ablat + C(alloc)", ci="hksj")
    found = reg.contrast("alloc[random] - alloc[systematic]").iloc[0]
    new = pd.DataFrame({"ablat": [30, 30], "alloc": ["random", "systematic"]})
    predicted = reg.predict(new)["estimate"]
    assert_allclose(found["estimate"], predicted[0] - predicted[1], rtol=1e-12)
    # The same model with another reference level has this contrast as a coefficient.
    other = ma.meta_regression(effects, "~ ablat + C(alloc, contr.treatment('systematic'))", ci="hksj").coefficients
    (name,) = [name for name in other.index if "random" in name]
    assert_allclose(found.to_numpy(dtype=float), other.loc[name].to_numpy(dtype=float), rtol=1e-8)


def test_contrast_reads_numbers_and_reference_levels(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ ablat + alloc")
    combined = reg.contrast("intercept + 33.5 * ablat + alloc[alternate]").iloc[0]
    predicted = reg.predict(pd.DataFrame({"ablat": [33.5], "alloc": ["alternate"]})).iloc[0]
    for name in ("estimate", "se", "ci_low", "ci_high"):
        assert_allclose(combined[name], predicted[name], rtol=1e-12)


@pytest.mark.parametrize("expression", ["alloc[rnd]", "", "ablat ablat", "2 ablat", "ablat -"])
def test_contrasts_that_name_nothing_are_refused(effects: ma.Effects, expression: str) -> None:
    with pytest.raises(ma.OptionError):
        ma.meta_regression(effects, "~ ablat + alloc").contrast(expression)


def test_intercept_alone_is_pooling(effects: ma.Effects) -> None:
    reg, fit = ma.meta_regression(effects, "~ 1", ci="hksj"), ma.pool(effects, ci="hksj")
    row = reg.coefficients.loc["intercept"]
    assert_allclose([row["estimate"], row["se"], row["ci_low"]], [fit.estimate, fit.se, fit.ci_low], rtol=1e-12)
    assert_allclose([reg.tau2, reg.i2, reg.q_residual], [fit.tau2, fit.i2, fit.q], rtol=1e-10)
    predicted = reg.predict().iloc[0]
    assert_allclose(predicted["prediction_low"], fit.prediction_low, rtol=1e-12)
    assert np.isnan(reg.q_moderators)


def test_one_mean_a_level_is_common_tau2_subgroups(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ 0 + C(alloc)")
    groups = ma.subgroups(effects, "alloc", tau2_sharing="common").groups
    for name, fit in groups.items():
        row = reg.coefficients.loc[f"C(alloc)[{name}]"]
        assert_allclose([row["estimate"], row["se"]], [fit.estimate, fit.se], rtol=1e-10)


@pytest.mark.parametrize(
    "formula", ["~ ablat * alloc", "~ poly(ablat, 2)", "~ bs(ablat, df=4)", "ablat", "~ center(ablat)"]
)
def test_formulas_predict_their_own_studies(effects: ma.Effects, formula: str) -> None:
    reg = ma.meta_regression(effects, formula)
    assert_allclose(reg.predict(ma.load_dataset("bcg"))["estimate"], reg.predict()["estimate"], rtol=1e-9)


def test_moderators_of_polars(effects: ma.Effects) -> None:
    same = ma.effect_sizes(pl.from_pandas(ma.load_dataset("bcg")), "RR")
    ours, theirs = (ma.meta_regression(e, "~ ablat + alloc").coefficients for e in (effects, same))
    pd.testing.assert_frame_equal(ours, theirs)


def test_study_without_moderator_is_left_out_with_a_warning() -> None:
    frame = ma.load_dataset("bcg").astype({"ablat": float})
    frame.loc[3, "ablat"] = np.nan
    with pytest.warns(match="1 of 13 studies left out of the regression: 'Hart & Sutherland 1977'"):
        reg = ma.meta_regression(ma.effect_sizes(frame, "RR"), "~ ablat")
    assert reg.k == 12
    assert reg.excluded == (("Hart & Sutherland 1977", "ablat is missing"),)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ ablt", "names 'ablt', which is no column of the table. Did you mean 'ablat'"),
        ("y ~ ablat", "left of the ~"),
        (" ~ ", "is empty"),
        ("~ ablat +", "can't be read"),
        ("~ ablat + I(2 * ablat)", r"I\(2 \* ablat\) can't be told apart"),
        ("~ study", "13 studies can't support 13 coefficients"),
        ("~ log(ablat - 13)", "is not a finite number"),
    ],
)
def test_bad_formulas_are_refused(effects: ma.Effects, formula: str, message: str) -> None:
    with pytest.raises((ma.DataError, ma.OptionError), match=message):
        ma.meta_regression(effects, formula)


def test_unknown_level_in_new_data_is_refused(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ alloc")
    with pytest.raises(ma.DataError, match="alloc is 'rando' in row 2 of the new data, a level that no study has"):
        reg.predict(pd.DataFrame({"alloc": ["random", "rando"]}))
    with pytest.raises(ma.DataError, match="alloc is missing in row 2"):
        reg.predict(pd.DataFrame({"alloc": ["random", None]}))


def test_weights_of_ones_own_are_not_called_inverse_variances(effects: ma.Effects) -> None:
    pooled = ma.pool(effects, weights="year")
    reg = ma.meta_regression(effects, "~ ablat", weights="year")
    for text in (pooled.describe(), str(pooled), reg.describe(), str(reg)):
        assert "weights given by the user" in text
        assert "inverse variance" not in text
    assert "by inverse variance under" in ma.pool(effects).describe()
    # The words stay where a fit is written and read again.
    for fit in (pooled, reg):
        assert ma.from_json(ma.to_json(fit)).describe() == fit.describe()


def test_levels_that_are_numbers_are_known_by_value(effects: ma.Effects) -> None:
    reg = ma.meta_regression(effects, "~ C(year > 1970)")
    table = ma.load_dataset("bcg").assign(late=lambda d: (d.year > 1970).astype(int))
    by_number = ma.meta_regression(ma.effect_sizes(table, "RR"), "~ C(late)")
    assert_allclose(by_number.estimates, reg.estimates, rtol=1e-12)
    assert_allclose(by_number.predict(pd.DataFrame({"late": [1.0]})).estimate, reg.estimates.sum(), rtol=1e-12)


def test_line_through_the_origin_by_hand(effects: ma.Effects) -> None:
    # Without an intercept nothing may be centred: Q of a slope alone, and Paule-Mandel's tau2, at which Q is k - 1.
    reg = ma.meta_regression(effects, "~ 0 + ablat", tau2="PM")
    y, v, x = np.asarray(effects.y), np.asarray(effects.v), reg.design.X[:, 0]
    for tau2, q in ((0.0, reg.q_residual), (reg.tau2, effects.k - 1.0)):
        w = 1 / (v + tau2)
        slope = (w * x * y).sum() / (w * x * x).sum()
        assert_allclose((w * (y - slope * x) ** 2).sum(), q, rtol=1e-12)


def test_likelihood_ratio_agrees_with_r(effects: ma.Effects) -> None:
    # anova(rma(yi, vi, method = "ML"), rma(yi, vi, mods = ~ ablat, method = "ML")) of metafor 3.8-1.
    smaller, larger = (ma.meta_regression(effects, f, tau2="ML") for f in ("~ 1", "~ ablat"))
    found = ma.likelihood_ratio_test(smaller, larger)
    assert ma.likelihood_ratio_test(larger, smaller) == found
    assert round(found.statistic, 4) == 9.9588
    assert round(found.p_value, 4) == 0.0016
    assert found.df == 1


def test_intervals_of_the_residual_heterogeneity_agree_with_r(effects: ma.Effects) -> None:
    # confint(rma(yi, vi, mods = ~ ablat)), and with type = "PL", of metafor 3.8-1.
    fit = ma.meta_regression(effects, "~ ablat")
    assert_allclose(fit.tau2_interval()[:2], (0.01668007, 0.78483525), atol=5e-9)
    assert_allclose(fit.tau_interval()[:2], (0.12915134, 0.88590928), atol=5e-9)
    assert_allclose(fit.i2_interval()[:2], (32.09788323, 95.69744354), atol=5e-8)
    assert_allclose(fit.h2_interval()[:2], (1.47270814, 23.24199598), atol=5e-8)
    assert_allclose(fit.tau2_interval(method="profile-likelihood")[:2], (0.00580663, 0.44321597), atol=5e-9)


def test_likelihood_ratio_of_what_is_not_nested_is_refused(effects: ma.Effects) -> None:
    reml = ma.meta_regression(effects, "~ ablat")
    ml = ma.meta_regression(effects, "~ 1", tau2="ML")
    with pytest.raises(ma.OptionError, match="needs fits by maximum likelihood"):
        ma.likelihood_ratio_test(ml, reml)
    with pytest.raises(ma.DataError, match="not nested"):
        ma.likelihood_ratio_test(
            ma.meta_regression(effects, "~ year", tau2="ML"), ma.meta_regression(effects, "~ ablat", tau2="ML")
        )
    other = ma.effect_sizes(ma.load_dataset("bcg").head(10), "RR")
    weighted = ma.meta_regression(effects, "~ ablat", tau2="ML", weights="year")
    with pytest.raises(ma.OptionError, match="do not maximise the likelihood"):
        ma.likelihood_ratio_test(ml, weighted)
    with pytest.raises(ma.OptionError, match="not a Pooled: for the mean alone"):
        ma.likelihood_ratio_test(ma.pool(effects, tau2="ML"), ml)  # type: ignore[arg-type]
    with pytest.raises(ma.DataError, match="do not have the same studies"):
        ma.likelihood_ratio_test(ml, ma.meta_regression(other, "~ ablat", tau2="ML"))


def test_describe_cites_what_it_names(effects: ma.Effects) -> None:
    text = ma.pool(effects, tau2="PM", ci="hksj", prediction="hts").describe()
    for part in ("Paule-Mandel (Paule & Mandel 1982)", "(Hartung & Knapp 2001)", "(Higgins et al. 2009)"):
        assert part in text
    body, references = text.split("\n\nReferences\n")
    assert len(references.splitlines()) == body.count("(") - body.count("(95%)") - body.count("(t with")
    assert (
        "mixed-effects meta-regression (Thompson & Higgins 2002)" in ma.meta_regression(effects, "~ ablat").describe()
    )


@pytest.mark.parametrize("ci", ["kenward-roger", "profile-likelihood", "henmi-copas"])
def test_intervals_of_the_mean_alone_are_refused(effects: ma.Effects, ci: str) -> None:
    with pytest.raises(ma.OptionError, match="defined for the mean alone"):
        ma.meta_regression(effects, "~ ablat", ci=ci)
    assert "Meta-analysis of 13 studies" in str(ma.pool(effects, ci=ci))
