"""The analyses of 247 Cochrane reviews: every study's effect and interval, and every weight, as Review Manager computed them.

Effect sizes are computed in one call a measure, and analyses are pooled together by `pool_many`. The data are read from the
folder beside this repository; nothing of them is kept here but names of reviews and numbers of analyses.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metaanalysis as ma
from metaanalysis.errors import MetaAnalysisWarning

CORPUS = Path(__file__).parents[2].parent / "shared" / "cochrane"

pytestmark = pytest.mark.skipif(
    not (CORPUS / "studies.parquet").exists(), reason="the corpus of Cochrane reviews is not beside this repository"
)

KEY = ["review", "comparison", "analysis"]
COUNTS, MEANS, GIVEN = ("RR", "OR", "RD", "PETO"), ("MD", "SMD"), ("GEN", "GENexp")
RATIOS = ("RR", "OR", "PETO", "GENexp")
MODELS = {
    "IV_FE": {"model": "common"},
    "IV_DL": {"tau2": "DL"},
    "IV_REML": {"tau2": "REML"},
    "MH_DL": {"method": "mantel-haenszel", "model": "random"},
}
# Analyses whose events and non-events were swapped, which the table of studies does not tell.
SWAPPED = {("CD012891_pub2", 4, 1)}
# Analyses with 99 % intervals.
AT_99 = {("CD001909_pub4", 3, analysis) for analysis in range(1, 8)}
# Analyses whose weights no listed model reproduces to 1e-4 percentage points, with the reason: there are none.
DISAGREEMENTS: dict[tuple[str, int, int], str] = {}


def effects_of(frame: pd.DataFrame, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """y and v of every row, NaN where there is none, by one call."""
    y, v = np.full((2, len(frame)), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        if measure in GIVEN:
            effects = ma.effect_sizes(frame, "GEN", y="giv_estimate", se="giv_se", convention="revman5")
        else:
            effects = ma.effect_sizes(frame, measure, convention="revman5")
    at = np.arange(len(frame)) if effects.rows is None else effects.rows
    y[at], v[at] = effects.y, effects.v
    return y, v


def agrees(frame: pd.DataFrame, y: np.ndarray, v: np.ndarray, measure: str, z: np.ndarray) -> np.ndarray:
    """Whether effect and limits are within 3e-6 of Review Manager's, or both say that there is none."""
    shown = np.exp if measure in RATIOS else np.positive
    same = np.ones(len(frame), dtype=bool)
    half = z * np.sqrt(v)
    if measure in RATIOS:
        # What is no logarithm of a ratio may be anything.
        beyond = np.abs(y) + half > 700.0
        y, half = np.where(beyond, np.nan, y), np.where(beyond, np.nan, half)
    for column, ours in (("effect", y), ("ci_low", y - half), ("ci_high", y + half)):
        theirs = frame[column].to_numpy()
        same &= np.abs(shown(ours) - theirs) <= 3e-6 * np.maximum(1.0, np.abs(theirs))
    return np.where(frame.effect.isna(), np.isnan(y), same)


@pytest.fixture(scope="module")
def corpus() -> pd.DataFrame:
    """All rows with the measure and the models of their analysis (missing for those that are not listed)."""
    studies = pd.read_parquet(CORPUS / "studies.parquet")
    listed = pd.read_csv(CORPUS / "analyses.csv")
    studies["review"] = studies["review"].astype(str)
    studies["study"] = studies["study"].astype(str)
    frame = studies.merge(listed[[*KEY, "measure", "models"]], on=KEY, how="left")
    # A spread of 0 is a cell that was not filled in, as `read_revman` takes it.
    for column in ("sd1", "sd2", "giv_se"):
        frame[column] = frame[column].where(frame[column] > 0)
    frame["group"] = frame.groupby(KEY, sort=False).ngroup()
    swapped = pd.MultiIndex.from_frame(frame[KEY]).isin(SWAPPED)
    frame.loc[swapped, "events1"] = frame.n1 - frame.events1
    frame.loc[swapped, "events2"] = frame.n2 - frame.events2
    return frame


@pytest.fixture(scope="module")
def listed(corpus: pd.DataFrame) -> pd.DataFrame:
    """The listed analyses with y and v."""
    frame = corpus[corpus.measure.notna()].copy()
    for measure, rows in frame.groupby("measure"):
        frame.loc[rows.index, ["y", "v"]] = np.column_stack(effects_of(rows, str(measure)))
    return frame


def z_of(frame: pd.DataFrame) -> np.ndarray:
    return np.where(pd.MultiIndex.from_frame(frame[KEY]).isin(AT_99), 2.5758293035489004, 1.959963984540054)


def test_the_corpus_is_whole(corpus, listed):
    assert len(corpus) == 42459
    assert corpus.review.nunique() == 247
    assert listed.group.nunique() == 3867


def test_every_study_of_the_listed_analyses(listed):
    for measure, rows in listed.groupby("measure"):
        same = agrees(rows, rows.y.to_numpy(), rows.v.to_numpy(), str(measure), z_of(rows))
        assert same.all(), rows.loc[~same, [*KEY, "study"]].head()


def test_every_study_of_the_other_analyses(corpus):
    # Their measure is not listed: it is the one that reproduces all rows of the analysis.
    frame = corpus[corpus.measure.isna()]
    explained = {}
    for measure in (*COUNTS, *MEANS, *GIVEN):
        has = {
            **dict.fromkeys(COUNTS, (frame.n1 > 0) & (frame.n2 > 0) & (frame.events1 <= frame.n1)
                            & (frame.events2 <= frame.n2) & frame.sd1.isna() & frame.sd2.isna()),
            **dict.fromkeys(MEANS, (frame.n1 > 1) & (frame.n2 > 1)),
            **dict.fromkeys(GIVEN, frame.giv_se > 0),
        }[measure].to_numpy()  # fmt: skip
        y, v = np.full((2, len(frame)), np.nan)
        y[has], v[has] = effects_of(frame[has], measure)
        explained[measure] = agrees(frame, y, v, measure, z_of(frame))
    by_analysis = pd.DataFrame(explained).groupby(frame.group.to_numpy()).all()
    assert by_analysis.any(axis=1).all(), by_analysis[~by_analysis.any(axis=1)]


def per_cent(w: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Weights that add up to 100 in each group of rows."""
    return 100.0 * w / np.bincount(group, weights=w)[group]


def mantel_haenszel_weights(frame: pd.DataFrame, measure: str) -> np.ndarray:
    """c n1 / N (RR), b c / N (OR), n1 n2 / N (RD), of counts with 0.5 where a cell is zero."""
    a, n1, c, n2 = (frame[name].to_numpy() for name in ("events1", "n1", "events2", "n2"))
    zero = ((a == 0) | (c == 0) | (a == n1) | (c == n2)) & (measure != "RD")
    a, c, n1, n2 = a + 0.5 * zero, c + 0.5 * zero, n1 + zero, n2 + zero
    return {"RR": c * n1, "OR": (n1 - a) * c, "RD": n1 * n2}[measure] / (n1 + n2)


def weights_under(frame: pd.DataFrame, measure: str, model: str) -> np.ndarray:
    """The weights of all rows under a model, every analysis at once."""
    group = pd.factorize(frame.group)[0]
    if model == "MH_FE":
        return per_cent(mantel_haenszel_weights(frame, measure), group)
    if model == "IV_FE":
        return per_cent(1.0 / frame.v.to_numpy(), group)
    options = {"columns": ["tau2"], "convention": "revman5", **MODELS[model]}
    if model == "MH_DL":
        many = ma.pool_many(frame, by="group", measure=measure, **options)
    else:
        many = ma.pool_many(frame, by="group", y="y", v="v", **options)
    tau2 = many.to_frame()["tau2"].fillna(0.0).to_numpy()
    return per_cent(1.0 / (frame.v.to_numpy() + tau2[group]), group)


def test_risk_ratios_where_everybody_had_the_event(corpus):
    """Review Manager shows a risk ratio of 1 with an interval and a weight; for odds ratios it calls them not estimable."""
    everybody = corpus[
        (corpus.n1 > 0) & (corpus.n2 > 0) & (corpus.events1 == corpus.n1) & (corpus.events2 == corpus.n2)
    ]
    estimated = everybody[everybody.effect.notna()]
    assert len(estimated) == 49
    assert (estimated.effect == 1.0).all()
    y, v = effects_of(estimated, "RR")
    assert (y == 0.0).all()
    assert agrees(estimated, y, v, "RR", z_of(estimated)).all()
    # Analyses of such studies, all of them random: the Q that makes their weights is about an estimate with this 1 in it.
    found = 0
    for group in estimated.group.unique():
        rows = corpus[(corpus.group == group) & corpus.effect.notna()].copy()
        if abs(rows.weight.sum() - 100.0) > 1e-3 or (rows.n1 == rows.n2).all():
            continue
        found += 1
        rows["y"], rows["v"] = effects_of(rows, "RR")
        off = [np.abs(weights_under(rows, "RR", model) - rows.weight).max() for model in ("MH_DL", "MH_FE")]
        assert min(off) < 1e-4, rows[KEY].iloc[0].tolist()
    assert found == 14


def test_every_weight(listed):
    frame = listed[listed.y.notna()].copy()
    frame["off"] = np.inf
    for measure, rows in frame.groupby("measure"):
        theirs = rows.weight.to_numpy()
        for model in ("IV_FE", "IV_DL", "IV_REML", "MH_FE", "MH_DL"):
            said = rows.models.str.split("|").map(lambda names, model=model: model in names).to_numpy()
            if not said.any():
                continue
            part = rows[said]
            off = pd.Series(np.abs(weights_under(part, str(measure), model) - theirs[said]), index=part.index)
            worst = off.groupby(part.group).transform("max")
            frame.loc[part.index, "off"] = np.minimum(frame.loc[part.index, "off"], worst)
    worst = frame.groupby(KEY, sort=False).off.first()
    off = worst[worst > 1e-4]
    assert len(worst) == 3867
    assert (worst <= 1e-4).mean() >= 0.998
    assert set(off.index) == set(DISAGREEMENTS), off


# Nobody had the event, so that Greenland and Robins' variance of the Mantel-Haenszel risk difference is 0. The corpus has no
# pooled results: what Review Manager printed for these two, and whether it corrects the pooled variance, is not known.
WITHOUT_POOLED_VARIANCE = {("CD014160_pub2", 1, 2), ("CD015894_pub2", 2, 3)}


def test_all_but_two_analyses_are_pooled_by_mantel_haenszel(listed):
    found = set()
    for measure in ("RR", "OR", "RD"):
        rows = listed[(listed.measure == measure) & listed.models.str.contains("MH_FE") & listed.y.notna()]
        many = ma.pool_many(
            rows,
            by=KEY,
            measure=measure,
            method="mantel-haenszel",
            convention="revman5",
            columns=["estimate", "ci_low"],
        )
        frame = many.to_frame()
        without = frame[frame.ci_low.isna()]
        assert (without.status != "converged").all()
        found |= set(without[KEY].itertuples(index=False, name=None))
    assert found == WITHOUT_POOLED_VARIANCE


def test_the_two_say_why_and_what_to_do(corpus):
    for key in WITHOUT_POOLED_VARIANCE:
        rows = corpus[pd.MultiIndex.from_frame(corpus[KEY]).isin([key])]
        assert rows.events1.sum() + rows.events2.sum() == 0
        # Review Manager's weights of the studies are those of Mantel and Haenszel.
        weights = mantel_haenszel_weights(rows, "RD")
        assert np.abs(100 * weights / weights.sum() - rows.weight).max() < 1e-4
        effects = ma.effect_sizes(rows, "RD", convention="revman5")
        with pytest.raises(ma.DataError, match=r"is 0 with a variance of 0, .* Pool by inverse variance"):
            ma.pool(effects, method="mantel-haenszel")
        # The random-effects form takes nothing from the Mantel-Haenszel result but the estimate.
        random = ma.pool(effects, method="mantel-haenszel", model="random")
        assert (random.estimate, random.tau2) == (0.0, 0.0)
        assert random.se > 0


@pytest.mark.parametrize("model", MODELS)
def test_one_call_takes_all_measures(listed, model):
    """The whole export, whose column names the measure of each row, by one call a model: the numbers of one call a measure."""
    rows = listed[listed.models.str.split("|").str[0] == model]
    rows = rows.assign(measure=rows.measure.replace("GENexp", "GEN"))
    settings = {"by": KEY, "convention": "revman5", **MODELS[model]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        together = ma.pool_many(rows, measure="measure", y="giv_estimate", se="giv_se", **settings).to_frame()
        for measure, mine in rows.groupby("measure"):
            given = {"y": "giv_estimate", "se": "giv_se"} if measure == "GEN" else {}
            alone = ma.pool_many(mine, measure=measure, **given, **settings).to_frame()
            ours = together[together.measure == measure].drop(columns="measure").reset_index(drop=True)
            pd.testing.assert_frame_equal(ours, alone, rtol=1e-12, atol=1e-13)
