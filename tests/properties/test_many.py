"""Many meta-analyses at once do not know of each other, nor of the order and the company that they come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metaanalysis as ma

NUMBERS = ["estimate", "se", "ci_low", "ci_high", "p_value", "tau2", "q", "i2", "tau2_high"]


@st.composite
def tables(draw):
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=8))
    seed = draw(st.integers(0, 2**20))
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    v = np.exp(random.normal(0.0, draw(st.sampled_from([0.0, 1.0, 4.0])), group.size))
    y = random.normal(0.0, np.sqrt(v)) + draw(st.sampled_from([0.0, 1.0, 20.0])) * random.standard_normal(group.size)
    return pd.DataFrame({"g": group, "y": y, "v": v})


def pooled(frame, **options):
    found = ma.pool_many(frame, by="g", columns=NUMBERS, engine="numpy", **options).to_frame()
    return found.set_index("g").sort_index()


def assert_alike(found, expected, size, columns=NUMBERS):
    units = {"tau2": size**2, "tau2_high": size**2, "q": 1.0, "i2": 100.0, "p_value": 1.0}
    for name in columns:
        assert_allclose(found[name], expected[name], rtol=1e-10, atol=1e-11 * units.get(name, size), err_msg=name)


@pytest.mark.parametrize("tau2", ["DL", "PM", "REML"])
@given(frame=tables())
def test_each_group_is_that_of_pool(tau2, frame):
    found = pooled(frame, tau2=tau2)
    for key, part in frame.groupby("g"):
        fit = ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2=tau2)
        expected = {name: getattr(fit, name) for name in NUMBERS if name != "tau2_high"}
        assert_alike(found.loc[key], expected, np.abs(part.y).max(), list(expected))


@given(frame=tables(), seed=st.integers(0, 2**20))
def test_the_order_of_rows_does_not_matter(frame, seed):
    mixed = frame.sample(frac=1.0, random_state=seed)
    assert_alike(pooled(mixed), pooled(frame), np.abs(frame.y).max())


@given(frame=tables(), other=tables())
def test_other_groups_do_not_matter(frame, other):
    together = pd.concat([other.assign(g=other.g + 100), frame])
    assert_alike(pooled(together).loc[: frame.g.max()], pooled(frame), np.abs(frame.y).max())


@given(frame=tables(), power=st.integers(-20, 20))
def test_units_do_not_matter(frame, power):
    c = 2.0**power
    found, expected = pooled(frame.assign(y=c * frame.y, v=c * c * frame.v)), pooled(frame)
    for name in ("estimate", "se", "ci_low", "ci_high"):
        expected[name] *= c
    for name in ("tau2", "tau2_high"):
        expected[name] *= c * c
    assert_alike(found, expected, c * np.abs(frame.y).max())
