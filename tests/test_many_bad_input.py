"""What many meta-analyses may bring that is odd: each a clear error or a status, and nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("tau2", ["DL", "PM", "REML"])
def test_a_group_of_a_million_studies_among_small_ones(engine: str, tau2: str) -> None:
    if engine == "numba":
        pytest.importorskip("numba", reason="the compiled engine needs numba: pip install 'metaanalysis[fast]'")
    random = np.random.default_rng(6)
    sizes = np.concatenate([random.integers(1, 8, 300), [1_000_000], random.integers(1, 8, 300)])
    offsets = np.append(0, np.cumsum(sizes))
    v = random.uniform(0.1, 1.0, offsets[-1])
    y = random.normal(0.3, np.sqrt(v + 0.2))
    columns = ["estimate", "se", "tau2", "q", "ci_low"]
    many = ma.pool_many((y, v), offsets=offsets, tau2=tau2, columns=columns, engine=engine)
    giant = slice(offsets[300], offsets[301])
    for group, part in (
        (300, giant),
        (299, slice(offsets[299], offsets[300])),
        (301, slice(offsets[301], offsets[302])),
    ):
        fit = ma.pool(y[part], v[part], tau2=tau2)
        for name in columns:
            # A million terms are added up in another order.
            assert_allclose(
                many.columns[name][group], getattr(fit, name), rtol=1e-11, atol=1e-13, err_msg=f"{name} {group}"
            )
    without = np.delete(np.arange(sizes.size), 300)
    rest = np.concatenate([np.arange(giant.start), np.arange(giant.stop, y.size)])
    alone = ma.pool_many(
        (y[rest], v[rest]), offsets=np.append(0, np.cumsum(sizes[without])), tau2=tau2, columns=columns, engine=engine
    )
    for name in columns:
        assert_allclose(many.columns[name][without], alone.columns[name], rtol=1e-12, atol=1e-13)
    assert_array_equal(np.array(many.status)[without], alone.status)


@pytest.mark.parametrize("offsets", [[0], [0, 0, 0]])
def test_no_group_and_groups_without_a_study(offsets: list[int]) -> None:
    if len(offsets) == 1:
        with pytest.raises(ma.DataError, match="there is no group to pool"):
            ma.pool_many((np.empty(0), np.empty(0)), offsets=offsets)
        return
    many = ma.pool_many((np.empty(0), np.empty(0)), offsets=offsets)
    assert many.status == ["no study is left"] * 2
    assert np.isnan(many.estimate).all()
    for question in (
        ma.leave_one_out_many,
        ma.jackknife_many,
        ma.gosh_many,
        ma.bootstrap_many,
        ma.permutation_test_many,
    ):
        found = question(many)
        assert found.status in ([], ["no study is left"] * 2)
        assert len(found.to_frame()) == len(found)
        assert str(found)
