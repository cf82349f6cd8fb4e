"""Location-scale models: the call, the result, and the numbers against R's (see reference/r/location_scale.R)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.models.location_scale import location_scale
from metaanalysis.results.location_scale import LocationScale

REFERENCE = Path(__file__).parent / "reference"
RECORDS = json.loads((REFERENCE / "location_scale.json").read_text(encoding="utf-8"))
CI = {"z": "wald", "t": "t", "knha": "hksj"}


@cache
def table(dataset: str, measure: str) -> pd.DataFrame:
    columns = json.loads((REFERENCE / "datasets.json").read_text(encoding="utf-8"))[dataset]["columns"]
    frame = pd.DataFrame({name: values for name, values in columns.items() if name not in ("y", "v")})
    effects = json.loads((REFERENCE / "effect_sizes.json").read_text(encoding="utf-8"))
    values = next(row["values"] for row in effects if (row["dataset"], row["measure"]) == (dataset, measure))
    return frame.assign(y=np.array(values["y"], dtype=float), v=np.array(values["v"], dtype=float))


@cache
def effects_of(dataset: str, measure: str, moderators: str) -> ma.Effects:
    frame = table(dataset, measure)
    needed = [name for name in frame.columns if name in moderators]
    return ma.effect_sizes(frame[frame[["y", "v", *needed]].notna().all(axis=1)], "GEN", y="y", v="v")


def fitted(row: dict[str, Any]) -> LocationScale:
    effects = effects_of(row["dataset"], row["measure"], row["formula"] + row["scale"])
    return location_scale(
        effects, row["formula"], row["scale"], link=row["link"], tau2=row["method"], ci=CI[row["test"]]
    )


def case_id(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("dataset", "formula", "scale", "link", "method", "test"))


@pytest.mark.parametrize("row", RECORDS, ids=case_id)
def test_against_r(row: dict[str, Any]) -> None:
    fit, values = fitted(row), row["values"]
    assert fit.k == values["k"]
    location, scale = fit.coefficients, fit.scale_coefficients
    se, scale_se = np.array(values["se"]), np.array(values["scale_se"])
    assert_allclose(location["estimate"] / se, np.array(values["estimate"]) / se, rtol=1e-8, atol=1e-9)
    assert_allclose(location["se"], se, rtol=1e-8)
    assert_allclose(location["ci_low"] / se, np.array(values["ci_low"]) / se, rtol=1e-8, atol=1e-9)
    assert_allclose(location["p_value"], values["p_value"], rtol=1e-7)
    assert_allclose(scale["estimate"] / scale_se, np.array(values["scale_estimate"]) / scale_se, rtol=1e-8, atol=1e-9)
    assert_allclose(scale["se"], scale_se, rtol=1e-9)
    assert_allclose(scale["p_value"], values["scale_p_value"], rtol=1e-8)
    # metafor's Hessian is numerical.
    assert_allclose(scale["se"], values["scale_se_numerical"], rtol=2e-4)
    assert_allclose([fit.tau2.min(), fit.tau2.max()], values["tau2_range"], rtol=1e-9)
    if row["test"] == "z":
        assert np.isinf(location["df"]).all()
        assert np.isinf(scale["df"]).all()
    else:
        assert (location["df"] == values["df"]).all()
        assert (scale["df"] == values["scale_df"]).all()
    for name, rtol in (
        ("q_residual", 1e-9),
        ("q_residual_p_value", 1e-8),
        ("q_moderators", 1e-8),
        ("q_moderators_p_value", 1e-7),
        ("q_scale", 1e-8),
        ("q_scale_p_value", 1e-8),
    ):
        expected = np.nan if values[name] is None else values[name]
        assert_allclose(getattr(fit, name), expected, rtol=rtol, atol=1e-9, err_msg=name)
    information = fit.information().loc[row["method"]]
    for name in ("log_likelihood", "aic", "bic", "aicc"):
        assert_allclose(information[name], values[name], rtol=1e-9, err_msg=name)


@cache
def bcg() -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("link", ["log", "identity"])
def test_a_constant_scale_is_a_meta_regression(link, method):
    fit = location_scale(bcg(), "~ ablat", "~ 1", link=link, tau2=method, ci="hksj")
    usual = ma.meta_regression(bcg(), "~ ablat", tau2=method, ci="hksj")
    assert_allclose(fit.tau2, usual.tau2, rtol=1e-9)
    assert_allclose(fit.coefficients, usual.coefficients, rtol=1e-8)
    assert_allclose(fit.q_moderators, usual.q_moderators, rtol=1e-8)
    # One more name for the same number of parameters.
    assert_allclose(fit.information(), usual.information(), rtol=1e-9)
    assert np.isnan(fit.q_scale)
    assert np.isnan(fit.likelihood_ratio_scale)


def test_likelihood_ratio_of_the_scale():
    fit = location_scale(bcg(), "~ ablat", "~ alloc")
    usual = ma.meta_regression(bcg(), "~ ablat")
    expected = 2 * (fit.information() - usual.information()).loc["REML", "log_likelihood"]
    assert_allclose(fit.likelihood_ratio_scale, expected, rtol=1e-8)
    assert fit.likelihood_ratio_scale_df == 2


@pytest.mark.parametrize("link", ["log", "identity"])
def test_predictions_for_the_studies_and_for_new_ones(link):
    fit = location_scale(bcg(), "~ 1", "~ alloc", link=link, ci="t")
    own = fit.predict()
    assert_allclose(own["tau2"], fit.tau2)
    again = fit.predict({"alloc": bcg().column("alloc")})
    assert_allclose(again, own, rtol=1e-12)
    half = own["prediction_high"] - own["estimate"]
    critical = (own["ci_high"] - own["estimate"]) / own["se"]
    assert_allclose(half, critical * np.sqrt(own["se"] ** 2 + own["tau2"]), rtol=1e-12)
    # The reference level's tau2 is the intercept's, and so is its interval.
    alternate = fit.predict({"alloc": ["alternate"]}).iloc[0]
    row = fit.scale_coefficients.loc["intercept", ["estimate", "ci_low", "ci_high"]]
    expected = np.exp(row) if link == "log" else np.maximum(row, 0)
    assert_allclose(alternate[["tau2", "tau2_low", "tau2_high"]].to_numpy(float), expected.to_numpy(float), rtol=1e-12)
    ratio = fit.predict({"alloc": ["alternate"]}, transform=True).iloc[0]
    assert_allclose(ratio["prediction_low"], np.exp(alternate["prediction_low"]))
    assert ratio["tau2"] == alternate["tau2"]


def test_where_tau2_of_a_group_is_zero_it_says_so():
    fit = location_scale(bcg(), "~ ablat", "~ alloc", tau2="ML")
    table = fit.scale_coefficients
    assert table.loc["alloc[T.random]", "estimate"] == -np.inf
    assert np.isnan(table.loc["alloc[T.random]", "se"])
    assert np.isfinite(table.loc["intercept", "se"])
    assert np.isnan(fit.q_scale)
    assert fit.likelihood_ratio_scale > 0
    assert "7 of 13: Aronson" in fit.notes[0]
    assert "-infinite" in str(fit)
    new = fit.predict({"ablat": [30.0, 30], "alloc": ["random", "alternate"]})
    assert new["tau2"].iloc[0] == 0
    assert new["tau2"].iloc[1] > 0
    assert new["tau2_low"].isna().all()
    # Without variance between studies the prediction interval of a new one is the confidence interval of the mean.
    assert new["prediction_low"].iloc[0] == new["ci_low"].iloc[0]


def test_other_units_of_a_moderator_change_nothing_else():
    frame = ma.load_dataset("bcg")
    frame["degrees"] = frame["ablat"] * 1e-6 + 40
    other = location_scale(ma.effect_sizes(frame, "RR"), "~ 1", "~ degrees")
    fit = location_scale(bcg(), "~ 1", "~ ablat")
    assert_allclose(other.tau2, fit.tau2, rtol=1e-7)
    assert_allclose(
        other.scale_coefficients["statistic"].iloc[1], fit.scale_coefficients["statistic"].iloc[1], rtol=1e-6
    )


def test_a_missing_moderator_of_either_part_leaves_the_study_out():
    frame = ma.load_dataset("bcg")
    frame.loc[2, "ablat"] = np.nan
    frame.loc[5, "alloc"] = None
    effects = ma.effect_sizes(frame, "RR", label="author")
    with pytest.warns(match="left out"):
        fit = location_scale(effects, "~ ablat", "~ alloc")
    assert fit.k == 11
    assert [reason for _, reason in fit.excluded] == ["ablat is missing", "alloc is missing"]
    assert fit.design.X.shape[0] == fit.scale_design.X.shape[0] == fit.tau2.size == 11


def test_the_summary_names_both_parts_and_several_maxima():
    text = location_scale(bcg(), "~ ablat", "~ alloc").summary()
    for words in (
        "Location-scale model of 13 studies: log risk ratio",
        "location ~ ablat, scale ~ alloc (log link)",
        "Fitted by restricted maximum likelihood.",
        "Test of scale moderators     chi² = 0.54, df 2, p = 0.7647",
        "by likelihood ratio        chi² = 0.52, df 2, p = 0.7711",
        "the likelihood has 2 maxima",
    ):
        assert words in text


def test_everything_by_name():
    fit = location_scale(bcg(), "~ ablat", "~ year", ci="t")
    content = json.loads(json.dumps(fit.to_dict()))
    assert content["scale_coefficients"]["year"]["estimate"] == fit.scale_estimates[1]
    assert content["tau2"] == fit.tau2.tolist()
    assert list(fit.to_frame().index.names) == ["part", "term"]
    assert fit.to_frame().shape == (4, 7)
    assert "regressed on moderators (~ ablat) and so was the logarithm of the variance" in fit.describe()
    with pytest.raises(ValueError, match="read-only"):
        fit.tau2[0] = 1.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tau2": "DL"}, "fitted by 'REML' or 'ML'"),
        ({"model": "common"}, "no variance between studies"),
        ({"ci": "kenward-roger"}, "defined for the mean alone"),
        ({"ci": "profile-likelihood"}, "defined for the mean alone"),
        ({"link": "logit"}, "The choices are: log, identity"),
        ({"method": "peto"}, "does not apply to a location-scale model"),
        ({"scal": 1}, "there is no option 'scal'"),
    ],
)
def test_options_that_do_not_apply(options, words):
    with pytest.raises(ma.OptionError, match=words):
        location_scale(bcg(), "~ ablat", "~ alloc", **options)


def test_more_coefficients_than_studies():
    few = bcg().subset(np.arange(13) < 4)
    with pytest.raises(ma.DataError, match="4 studies can't support 3 location coefficients"):
        location_scale(few, "~ ablat + year", "~ ablat")


def test_scale_coefficients_that_nothing_determines():
    frame = ma.load_dataset("bcg")
    frame["alone"] = (np.arange(13) == 4).astype(float)
    with pytest.raises(ma.ConvergenceError, match="flat in a direction"):
        location_scale(ma.effect_sizes(frame, "RR"), "~ alone", "~ alone")


def test_conventions_bring_their_effect_sizes_and_not_their_estimator():
    fit = location_scale(bcg(), "~ 1", "~ ablat", convention="revman5")
    assert fit.options.tau2 == "REML"
    assert fit.convention == "revman5"
