"""Tables of many groups at once: groups of rare sizes are filled up, and answer what `pool` answers of each."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.formulas.tables import cochran_q_about, dersimonian_laird_about
from metaanalysis.many import tables
from metaanalysis.many.blocks import Block

COLUMNS = [
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "p_value",
    "tau2",
    "q",
    "q_df",
    "i2",
    "prediction_low",
    "tau2_high",
    "k",
]


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    """One group of each size from 1 to 24, some of them twice, with zero cells and studies without events."""
    random = np.random.default_rng(20261123)
    sizes = [*range(1, 25), 1, 2, 3, 7]
    group = np.repeat(np.arange(len(sizes)), sizes)
    n1, n2 = random.integers(15, 400, (2, group.size))
    rate = random.choice([0.0, 0.02, 0.2, 0.5], group.size)
    frame = pd.DataFrame({"group": group, "events1": random.binomial(n1, rate), "n1": n1,
                          "events2": random.binomial(n2, np.minimum(1.2 * rate, 1.0)), "n2": n2})  # fmt: skip
    # A study in each group has events in both of its arms, so that there is something to pool.
    first = ~frame.group.duplicated()
    frame.loc[first, "events1"], frame.loc[first, "events2"] = frame.n1 // 3, frame.n2 // 4
    return frame


@pytest.mark.parametrize("convention", ["metafor", "meta", "revman5"])
@pytest.mark.parametrize(
    ("measure", "options"),
    [(measure, {"method": "mantel-haenszel", "model": model}) for measure in ("RR", "OR", "RD") for model in ("common", "random")]
    + [("OR", {"method": "peto"})],
)  # fmt: skip
def test_a_filled_block_answers_as_pool_does(counts, convention, measure, options, monkeypatch):
    lengths = []

    def blocks(arrays, offsets, function, into, workers, **rest):
        def counted(block: Block):
            lengths.append((block.arrays["y"].shape[0], np.unique(block.k).size))
            return function(block)

        return over_blocks(arrays, offsets, counted, into, workers, **rest)

    over_blocks = tables.over_blocks
    monkeypatch.setattr(tables, "over_blocks", blocks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        many = ma.pool_many(
            counts, by="group", measure=measure, convention=convention, columns=COLUMNS, **options
        ).to_frame()
        # Sizes are put together, or this tests nothing.
        assert len(lengths) < 10
        assert max(different for _, different in lengths) > 3
        for group, rows in counts.groupby("group"):
            try:
                effects = ma.effect_sizes(rows, measure, convention=convention)
                fit = ma.pool(effects, convention=convention, **options)
            except ma.DataError:
                assert np.isnan(many.estimate[group])
                continue
            limits = fit.tau2_interval()
            for name in COLUMNS:
                own = limits.high if name == "tau2_high" else getattr(fit, name)
                assert_allclose(many[name][group], own, rtol=1e-11, atol=1e-13, err_msg=f"{name}, k = {len(rows)}")


def test_correcting_every_study_where_one_has_a_zero_is_not_moved_by_what_fills_up(counts):
    """Without a zero cell nothing is corrected, however far a group is filled up."""
    without = counts[(counts.events1 > 0) & (counts.events2 > 0)]
    rules = {"measure": "OR", "convention": "meta", "method": "mantel-haenszel", "columns": ["estimate"]}
    both = [ma.pool_many(without, by="group", to=to, **rules).to_frame().estimate for to in ("if0all", "none")]
    assert_allclose(both[0], both[1], rtol=1e-14)


def test_dersimonian_laird_about_another_estimate():
    # By hand: w = 4, 2, 1 about 1: Q = 4 + 2 * 4 + 9 = 21 on 2 df; trace 7 - 21/7 = 4.
    y, v = np.array([0.0, 3.0, 4.0]), np.array([0.25, 0.5, 1.0])
    found = dersimonian_laird_about(y, v, np.asarray(1.0), np.ones(3, dtype=bool))
    assert_allclose(found, (21.0, 2.0, 4.75), rtol=1e-15)
    # The third has no say: Q = 12 on 1 df, trace 6 - 20/6.
    some = np.array([True, True, False])
    assert_allclose(cochran_q_about(y, v, np.asarray(1.0), some), (12.0, 1.0), rtol=1e-15)
    assert_allclose(dersimonian_laird_about(y, v, np.asarray(1.0), some).tau2, 11.0 / (6.0 - 20.0 / 6.0), rtol=1e-14)
    alone = dersimonian_laird_about(y, v, np.asarray(1.0), np.array([True, False, False]))
    assert (float(alone.q_df), float(alone.tau2)) == (0.0, 0.0)


def test_every_group_has_its_own_answer_whatever_the_order_of_sizes():
    """Sizes that are put together leave groups in no order of their own: the first and the last may look like a run."""
    random = np.random.default_rng(1)
    for _ in range(200):
        sizes = random.integers(2, 12, random.integers(2, 9))
        group = np.repeat(np.arange(sizes.size), sizes)
        y, v = random.normal(size=group.size), random.uniform(0.1, 2.0, group.size)
        many = ma.pool_many((y, v), by=group, model="common", columns=["estimate"], engine="numpy").to_frame()
        expected = [np.average(y[group == g], weights=1.0 / v[group == g]) for g in range(sizes.size)]
        assert_allclose(many.estimate, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("model", "ci"), [("common", "wald"), ("random", "wald"), ("random", "hksj")])
def test_what_is_not_defined_is_what_pool_refuses_and_nothing_else(model: str, ci: str) -> None:
    """A single study without an interval by Hartung and Knapp has its estimate; one that pool refuses has none here."""
    tables_of = {
        "alone": [(3, 20, 5, 22)],
        "alone, undefined": [(0, 20, 5, 22)],
        "undefined": [(0, 20, 5, 22), (0, 31, 2, 30)],
        "alike": [(10, 20, 10, 20), (10, 20, 10, 20), (10, 20, 10, 20)],
        "ordinary": [(3, 20, 5, 22), (1, 31, 6, 30), (9, 50, 11, 45)],
    }
    rows = [(name, *row) for name, group in tables_of.items() for row in group]
    frame = pd.DataFrame(rows, columns=["group", "events1", "n1", "events2", "n2"])
    options = {"method": "mantel-haenszel", "model": model, "ci": ci}
    many = ma.pool_many(frame, by="group", measure="OR", columns=COLUMNS, **options)
    refused = []
    for place, (name, part) in enumerate(frame.groupby("group", sort=False)):
        try:
            fit = ma.pool(ma.effect_sizes(part, "OR"), **options)
        except ma.DataError:
            refused.append(name)
            continue
        for column in ("estimate", "se", "ci_low", "tau2", "q", "k"):
            assert_allclose(many.columns[column][place], getattr(fit, column), rtol=1e-12, atol=1e-15, err_msg=name)
    assert refused == ["alone, undefined", "undefined"]
    assert list(many.failed.group) == refused
    assert np.isnan(many.estimate[[1, 2]]).all()
