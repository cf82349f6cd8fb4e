"""Models of counts from effects to numbers: against R, against the papers, and what they say when they can't."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

import metaanalysis as ma
from metaanalysis.errors import ConvergenceError, DataError, OptionError
from metaanalysis.formulas.glmm_families import Binomial, Poisson
from metaanalysis.formulas.glmm_likelihood import CountModel, Point, Quadrature, study_likelihoods
from metaanalysis.models.beta_binomial import beta_binomial_numbers
from metaanalysis.models.glmm import GLMM, glmm_numbers
from metaanalysis.options import PoolOptions

REFERENCE = Path(__file__).parent / "reference"
DATASETS = json.loads((REFERENCE / "datasets.json").read_text(encoding="utf-8"))
RECORDS = json.loads((REFERENCE / "glmm.json").read_text(encoding="utf-8"))
NAMES = {"PLO": ("events", "n"), "IRLN": ("events", "time")}


def key(record):
    return "-".join(str(record[part]) for part in ("dataset", "measure", "arm", "model") if record[part] is not None)


def effects_of(record):
    columns = DATASETS[record["dataset"]]["columns"]
    if record["measure"] in NAMES:
        arm = record["arm"] or ""
        columns = {name: columns[name + arm] for name in NAMES[record["measure"]]}
    return ma.effect_sizes(columns, record["measure"])


def answer(record, model="random"):
    """The fit of a record, made once."""
    return fitted(RECORDS.index(record), model)


@cache
def fitted(row, model):
    key = RECORDS[row]["model"] if RECORDS[row]["model"] in GLMM else "fixed-study"
    return glmm_numbers(effects_of(RECORDS[row]), PoolOptions(model=model), key)


def where(part, laplace=False):
    chosen = [r for r in RECORDS if r.get(part) and ("laplace_effect" in r[part]) is laplace]
    return pytest.mark.parametrize("record", chosen, ids=key)


@where("common")
def test_common_effect_models_agree_with_r(record):
    found, expected = answer(record, "common"), record["common"]
    if record["model"] == "random-study" or (record["model"] == "conditional-exact" and record["measure"] == "OR"):
        # R searches until the likelihood no longer rises by 1e-10 of itself, and differentiates numerically; studies with an
        # infinite effect leave a trace in its Wald test.
        estimate, se, ratio, wald = 2e-5 * float(found.numbers.se), 4e-3, 1e-6, 2e-3
    else:
        estimate, se, ratio, wald = 1e-8 * float(found.numbers.se), 1e-8, 1e-9, 1e-8
    assert_allclose(found.numbers.estimate, expected["estimate"], rtol=0, atol=estimate)
    assert_allclose(found.numbers.se, expected["se"], rtol=se)
    assert found.kept.sum() == expected["k"]
    assert found.numbers.q_df == expected["df"] == found.wald_df
    assert_allclose(found.numbers.q, expected["likelihood_ratio"], rtol=ratio)
    assert_allclose(found.numbers.q_p_value, expected["likelihood_ratio_p_value"], rtol=100 * ratio)
    assert_allclose(found.wald, expected["wald"], rtol=wald)
    assert_allclose(found.wald_p_value, expected["wald_p_value"], rtol=30 * wald)
    if "log_likelihood" in expected:
        assert_allclose(found.log_likelihood, expected["log_likelihood"], rtol=1e-9)
    if "sigma2" in expected:
        assert_allclose(found.sigma2, expected["sigma2"], rtol=5e-6, atol=1e-9)


@where("random")
def test_random_effects_models_agree_with_r(record):
    expected = record["random"]
    found = answer(record)
    exact = "se" in expected
    if exact and record["dataset"] == "hine1989":
        # R stops short of the boundary, at tau2 = 7e-5, below the likelihood at 0 and with a standard error of 6e-7.
        assert found.numbers.tau2 == 0.0
        assert found.log_likelihood > expected["log_likelihood"]
        return
    # Large studies end lme4's inner iterations early, at a tolerance that the record tells.
    early = expected.get("tolerance", 0.0) > 1e-12
    assert_allclose(
        found.numbers.estimate, expected["estimate"], rtol=0, atol=(2e-5 if early else 1e-6) * found.numbers.se
    )
    assert_allclose(found.numbers.tau2, expected["tau2"], rtol=5e-5 if early else 2e-6, atol=1e-12)
    if exact:
        assert_allclose(found.log_likelihood, expected["log_likelihood"], rtol=1e-7)
        assert_allclose(found.numbers.se, expected["se"], rtol=1e-3)


@where("random", laplace=True)
def test_with_one_point_two_random_effects_have_lme4s_laplace_likelihood(record):
    expected = record["random"]
    columns = DATASETS[record["dataset"]]["columns"]
    columns = {
        name: np.array(columns[name], float)
        for name in ("events1", "n1", "time1", "events2", "n2", "time2")
        if name in columns
    }
    keep = columns["events1"] + columns["events2"] > 0
    x1, x2 = columns["events1"][keep], columns["events2"][keep]
    if record["measure"] == "OR":
        arms = (Binomial(x1, columns["n1"][keep], 0 * x1), Binomial(x2, columns["n2"][keep], 0 * x1))
    else:
        arms = (Poisson(x1, columns["time1"][keep]), Poisson(x2, columns["time2"][keep]))
    half = np.array([[0.5, 1.0], [-0.5, 1.0]])
    point = Point(
        np.array([expected["laplace_effect"], expected["laplace_level"]]),
        np.sqrt([expected["laplace_tau2"], expected["laplace_sigma2"]]),
        0 * x1,
    )
    model = CountModel(arms, half, half)
    laplace = study_likelihoods(model, point, Quadrature("gauss-hermite", 1), np.zeros((x1.size, 2)))[0]
    assert_allclose(laplace.value.sum(), expected["laplace_log_likelihood"], rtol=1e-9)
    # The maximum of the likelihood proper lies near, and is higher than the likelihood proper there.
    found = answer(record)
    proper = study_likelihoods(model, point, Quadrature("gauss-hermite", 41), np.zeros((x1.size, 2)))[0]
    assert found.log_likelihood >= proper.value.sum() - 1e-12
    assert abs(found.numbers.estimate - expected["laplace_effect"]) < 0.02


@where("i2")
def test_i2_is_made_from_tau2_as_in_r(record):
    found, expected = answer(record), record["i2"]
    # R's tau2 is good to a few digits: what its I2 says of the typical variance is exact.
    tau2 = float(found.numbers.tau2)
    if tau2 > 0 and expected["tau2"] > 0:
        typical = tau2 * (100.0 / float(found.numbers.i2) - 1.0)
        assert_allclose(typical, expected["tau2"] * (100.0 / expected["i2"] - 1.0), rtol=1e-10)
        assert_allclose(float(found.numbers.h2), 1.0 + tau2 / typical, rtol=1e-12)
    else:
        assert_allclose([found.numbers.i2, found.numbers.h2], [0.0, 1.0])


def rounded(value, decimals):
    return round(float(value), decimals)


def test_stijnen_2010_tables_ii_and_iii():
    """Niel-Weise 2007: the values of R package metafor compared with pages 3050 and 3052."""
    data = ma.load_dataset("nielweise2007")
    effects = ma.effect_sizes(data, "OR")
    exact = glmm_numbers(effects, PoolOptions(), "conditional-exact")
    assert rounded(exact.numbers.estimate, 4) == -1.3532
    assert rounded(exact.numbers.se, 3) == 0.351
    assert rounded(np.sqrt(exact.numbers.tau2), 4) == 0.8327
    approximate = glmm_numbers(effects, PoolOptions(), "conditional-approximate")
    assert rounded(approximate.numbers.estimate, 3) == -1.303
    assert rounded(approximate.numbers.se, 4) == 0.3386
    assert rounded(np.sqrt(approximate.numbers.tau2), 4) == 0.7750
    for arm, estimate, tau2 in (("2", -3.4964, 0.81), ("1", -4.81, 0.83)):
        fit = glmm_numbers(ma.effect_sizes(data, "PLO", events=f"events{arm}", n=f"n{arm}"), PoolOptions())
        assert rounded(fit.numbers.estimate, 4 if arm == "2" else 2) == estimate
        assert rounded(fit.numbers.tau2, 2) == tau2


def test_stijnen_2010_tables_vii_and_viii():
    """Niel-Weise 2008: the values of R package metafor compared with pages 3054 and 3055."""
    data = ma.load_dataset("nielweise2008")
    fit = glmm_numbers(ma.effect_sizes(data, "IRR"), PoolOptions(), "conditional-exact").numbers
    printed = [rounded(value, 4) for value in (fit.estimate, fit.se, np.sqrt(fit.tau2))]
    assert printed == [-0.4762, 0.2377, 0.3501]
    assert [rounded(np.exp(v), 4) for v in (fit.estimate, fit.ci_low, fit.ci_high)] == [0.6211, 0.3898, 0.9897]
    for arm, estimate in (("2", 1.4007), ("1", 0.8494)):
        rate = glmm_numbers(ma.effect_sizes(data, "IRLN", events=f"events{arm}", time=f"time{arm}"), PoolOptions())
        assert rounded(rate.numbers.estimate, 4) == estimate


def test_van_houwelingen_1993():
    """Collins 1985, bleeding, control against drug: the values compared with pages 2275 and 2277."""
    data = ma.load_dataset("collins1985a").dropna(subset=["bleeding1", "bleeding2"])
    effects = ma.effect_sizes(data, "OR", events1="bleeding2", n1="n2", events2="bleeding1", n2="n1")
    common = glmm_numbers(effects, PoolOptions(model="common"), "conditional-exact")
    assert rounded(common.numbers.estimate, 4) == 0.1216
    assert rounded(common.log_likelihood, 4) == -53.6789
    random = glmm_numbers(effects, PoolOptions(), "conditional-exact")
    values = (
        random.numbers.estimate,
        random.numbers.se,
        random.numbers.ci_low,
        random.numbers.ci_high,
        random.numbers.tau2,
    )
    assert [rounded(value, 4) for value in values] == [0.1744, 0.1364, -0.0929, 0.4417, 0.1192]
    assert rounded(random.log_likelihood, 5) == -52.99009


def nielweise(measure="OR", **columns):
    return ma.effect_sizes(ma.load_dataset("nielweise2007"), measure, **columns)


def test_intervals_follow_the_options():
    effects = nielweise()
    wald, t = (glmm_numbers(effects, PoolOptions(ci=ci, level=0.9)).numbers for ci in ("wald", "t"))
    assert_allclose(wald.ci_high - wald.estimate, special.ndtri(0.95) * wald.se, rtol=1e-12)
    assert_allclose(t.ci_high - t.estimate, special.stdtrit(16, 0.95) * t.se, rtol=1e-12)
    assert_allclose(t.p_value, 2 * special.stdtr(16, -abs(t.estimate / t.se)), rtol=1e-12)
    half = special.ndtri(0.95) * np.sqrt(wald.se**2 + wald.tau2)
    assert_allclose(wald.prediction_low, wald.estimate - half, rtol=1e-12)
    with pytest.raises(OptionError, match="hksj"):
        glmm_numbers(effects, PoolOptions(ci="hksj"))


def test_studies_without_events_are_left_out_by_name():
    found = glmm_numbers(nielweise(), PoolOptions())
    assert found.kept.sum() == 17
    assert found.numbers.weights.size == 17
    assert any("Yucel 2004" in note for note in found.notes)
    assert any("Wald's test" in note for note in found.notes)
    kept = glmm_numbers(nielweise(), PoolOptions(model="common"), "random-study", double_zero="keep")
    assert kept.kept.all()
    # The level of the studies is learnt from it, and so the variance between them.
    assert kept.sigma2 > glmm_numbers(nielweise(), PoolOptions(model="common"), "random-study").sigma2


def test_likelihoods_count_their_parameters():
    effects = nielweise()
    counts = {model: glmm_numbers(effects, PoolOptions(), model) for model in GLMM}
    assert [counts[m].parameters for m in GLMM] == [19, 4, 2, 2]
    assert [counts[m].observations for m in GLMM] == [34, 34, 17, 17]
    assert glmm_numbers(effects, PoolOptions(model="common")).parameters == 18


def test_a_single_study_has_no_variance_between_studies():
    found = glmm_numbers(ma.effect_sizes({"events": [4], "n": [20]}, "PLO"), PoolOptions())
    assert np.isnan(found.numbers.tau2)
    assert_allclose(found.numbers.estimate, np.log(4 / 16), rtol=1e-12)
    assert_allclose(found.numbers.se, np.sqrt(1 / 4 + 1 / 16), rtol=1e-12)


def test_rates_have_one_conditional_likelihood():
    effects = ma.effect_sizes(ma.load_dataset("nielweise2008"), "IRR")
    exact, approximate = (
        glmm_numbers(effects, PoolOptions(), f"conditional-{kind}") for kind in ("exact", "approximate")
    )
    assert exact.numbers.estimate == approximate.numbers.estimate
    assert any("are one" in note for note in approximate.notes)


def two_groups(a, n1, c, n2):
    return ma.effect_sizes({"study": ["A", "B", "C"], "events1": a, "n1": n1, "events2": c, "n2": n2}, "OR")


def test_what_can_not_be_estimated_is_said_in_words():
    n = [20, 30, 25]
    with pytest.raises(DataError, match="rises without end as the effect grows"):
        glmm_numbers(two_groups([0, 0, 0], n, [1, 4, 2], n), PoolOptions())
    with pytest.raises(ConvergenceError, match="variance between studies grows"):
        glmm_numbers(two_groups([0, 3, 0], n, [1, 0, 2], n), PoolOptions(), "conditional-exact")
    with pytest.raises(DataError, match="every study"):
        glmm_numbers(two_groups([0, 0, 0], n, [0, 0, 0], n), PoolOptions())
    with pytest.raises(DataError, match="rises without end"):
        beta_binomial_numbers(two_groups([0, 0, 0], n, [1, 4, 2], n), PoolOptions())


def test_effects_without_counts_and_other_measures_are_refused():
    with pytest.raises(DataError, match="made without them"):
        glmm_numbers(ma.effect_sizes({"y": [0.1, 0.2], "v": [0.1, 0.2]}, "OR"), PoolOptions())
    with pytest.raises(OptionError, match="not RR"):
        glmm_numbers(nielweise("RR"), PoolOptions())
    with pytest.raises(OptionError, match="conditional-exact"):
        glmm_numbers(nielweise(), PoolOptions(), "conditional-exakt")


def test_exact_likelihoods_need_whole_numbers():
    with pytest.warns(Warning):  # noqa: PT030
        effects = two_groups([1.5, 3, 2], [20, 30, 25], [1, 4, 2], [20, 30, 25])
    with pytest.raises(DataError, match=r"events1 \(1.5\) in study 'A' is not a whole number"):
        glmm_numbers(effects, PoolOptions(), "conditional-exact")
    assert np.isfinite(glmm_numbers(effects, PoolOptions(), "fixed-study").numbers.estimate)


def test_the_beta_binomial_model_tests_its_overdispersion_at_the_boundary():
    found = beta_binomial_numbers(nielweise(), PoolOptions())
    assert_allclose(found.numbers.q_p_value, 0.5 * special.chdtrc(1, found.numbers.q), rtol=1e-12)
    assert np.isnan(found.numbers.tau2)
    assert np.isnan(found.numbers.prediction_low)
    assert found.observations == 36
    binomial = beta_binomial_numbers(nielweise(), PoolOptions(model="common"))
    assert binomial.rho == 0.0
    assert_allclose(found.numbers.q, 2 * (found.log_likelihood - binomial.log_likelihood), rtol=1e-10)
    risk = beta_binomial_numbers(nielweise("RD"), PoolOptions())
    assert risk.numbers.estimate < 0


class TestProfileLikelihood:
    """Limits against a likelihood that is written out here: a one-dimensional integral a study, by SciPy."""

    EVENTS, SIZES = (1, 2, 9, 14, 5), (20, 30, 40, 50, 60)

    def log_likelihood(self, mu: float, tau: float) -> float:
        from scipy import integrate, special, stats

        total = 0.0
        for x, n in zip(self.EVENTS, self.SIZES, strict=True):

            def height(z: float, x: int = x, n: int = n) -> float:
                return float(stats.binom.pmf(x, n, special.expit(mu + tau * z)) * np.exp(-z * z / 2))

            total += np.log(integrate.quad(height, -12, 12, epsabs=0, epsrel=1e-12, limit=400)[0] / np.sqrt(2 * np.pi))
        return total

    def test_limits_of_the_effect_and_of_tau2(self) -> None:
        from scipy import optimize

        effects = ma.effect_sizes({"events": self.EVENTS, "n": self.SIZES}, "PLO")
        fit = ma.pool(effects, method="glmm", ci="profile-likelihood")
        found = glmm_numbers(effects, fit.options)
        best = self.log_likelihood(fit.estimate, fit.tau)
        # lme4 1.1-31: confint(glmer(cbind(e, n - e) ~ 1 + (1 | s), family = binomial, nAGQ = 25)), by a spline.
        assert_allclose((fit.ci_low, fit.ci_high), (-2.9091081, -1.1108080), rtol=1e-5)
        assert_allclose(found.tau2_ci_high, 3.0413270, rtol=1e-4)
        for mu in (fit.ci_low, fit.ci_high):
            most = -optimize.minimize_scalar(
                lambda tau, mu=mu: -self.log_likelihood(mu, tau),
                bounds=(0, 4),
                method="bounded",
                options={"xatol": 1e-6},
            ).fun
            assert_allclose(2 * (best - most), 3.841458820694124, rtol=1e-8)
        for tau in np.sqrt([found.tau2_ci_low, found.tau2_ci_high]):
            most = -optimize.minimize_scalar(
                lambda mu, tau=tau: -self.log_likelihood(mu, tau), bounds=(-6, 2), method="bounded"
            ).fun
            assert_allclose(2 * (best - most), 3.841458820694124, rtol=1e-8)
        assert any("profile-likelihood interval" in note for note in fit.notes)

    def test_a_common_effect_has_no_interval_of_tau2(self) -> None:
        effects = ma.effect_sizes({"events": self.EVENTS, "n": self.SIZES}, "PLO")
        with pytest.raises(ma.OptionError, match="random-effects model"):
            ma.pool(effects, method="glmm", ci="profile-likelihood", model="common")
        with pytest.raises(ma.OptionError, match="henmi-copas"):
            ma.pool(effects, method="glmm", ci="henmi-copas")
