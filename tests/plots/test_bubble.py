"""A bubble plot shows the studies, and the regression's own line and bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.plots import bubble


@pytest.fixture(scope="module")
def regression(bcg: ma.Effects) -> ma.Regression:
    return ma.meta_regression(bcg, "~ ablat", ci="hksj")


def test_studies_line_and_bands(
    regression: ma.Regression, points_of: Callable[..., np.ndarray], lines_of: Callable[..., list[np.ndarray]]
) -> None:
    ax = bubble(regression)
    effects = regression.effects
    weight = 1 / (effects.v + regression.tau2)
    heaviest_first = np.argsort(-weight, kind="stable")
    expected = np.column_stack([effects.column("ablat"), effects.y])[heaviest_first]
    assert_allclose(points_of(ax, "studies"), expected, rtol=1e-12)
    sizes = next(c for c in ax.collections if c.get_gid() == "studies").get_sizes()
    assert_allclose(sizes / sizes[0], weight[heaviest_first] / weight.max(), rtol=1e-12)
    (line,) = lines_of(ax, "regression")
    predicted = regression.predict(pd.DataFrame({"ablat": line[:, 0]}))
    assert_allclose(line[:, 1], predicted["estimate"], rtol=1e-12)
    for gid, own in (("confidence", "ci"), ("prediction", "prediction")):
        low, high = lines_of(ax, gid)[-2:]
        assert_allclose(low[:, 1], predicted[f"{own}_low"], rtol=1e-12)
        assert_allclose(high[:, 1], predicted[f"{own}_high"], rtol=1e-12)
    bare = bubble(regression, confidence=False, prediction=False)
    assert not lines_of(bare, "confidence")
    assert not lines_of(bare, "prediction")


def test_other_moderators_are_held_and_said(bcg: ma.Effects, lines_of: Callable[..., list[np.ndarray]]) -> None:
    regression = ma.meta_regression(bcg, "~ ablat + C(alloc) + year")
    ax = bubble(regression, "ablat", at={"year": 1950})
    (line,) = lines_of(ax, "regression")
    frame = pd.DataFrame({"ablat": line[:, 0], "alloc": "random", "year": 1950})
    assert_allclose(line[:, 1], regression.predict(frame)["estimate"], rtol=1e-12)
    assert any("alloc = random, year = 1950" in text.get_text() for text in ax.texts)


def test_names_of_studies(regression: ma.Regression, in_order: Callable[..., None]) -> None:
    ax = bubble(regression, label=["TPT Madras 1980"])
    in_order(ax)
    labels = set(regression.effects.label)
    assert {text.get_text() for text in ax.texts} & labels == {"TPT Madras 1980"}
    assert len({text.get_text() for text in bubble(regression, label=True).texts} & labels) >= 10


def test_options_are_checked(regression: ma.Regression, bcg: ma.Effects) -> None:
    with pytest.raises(ma.OptionError, match=r"no moderator 'ablta'. Did you mean 'ablat'"):
        bubble(regression, "ablta")
    with pytest.raises(ma.OptionError, match="holds 'year', which is none of the other moderators"):
        bubble(regression, at={"year": 1950})
    two = ma.meta_regression(bcg, "~ ablat + C(alloc)")
    with pytest.raises(ma.OptionError, match="name the moderator of the x axis"):
        bubble(two)
    with pytest.raises(ma.OptionError, match="alloc is not a number"):
        bubble(two, "alloc")
    with pytest.raises(ma.DataError, match=r"no study 'TPT Madras'. Did you mean 'TPT Madras 1980'"):
        bubble(regression, label=["TPT Madras"])
