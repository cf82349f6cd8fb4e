"""Tau2 by the generalised Q with weights of each study's own, for many meta-analyses at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning

SIZES = (4, 1, 7, 2, 12, 3, 5, 3, 2, 9)


def studies(seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(SIZES)), SIZES)
    v = np.exp(random.normal(-2, 1, group.size))
    frame = pd.DataFrame({"review": [f"g{i}" for i in group], "y": random.normal(0.4, np.sqrt(v + 0.3)), "v": v})
    frame["size"] = random.uniform(10, 500, group.size)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


NUMBERS = ("estimate", "se", "ci_low", "p_value", "tau2", "i2", "q", "prediction_high")


@pytest.mark.parametrize("options", [{}, {"ci": "hksj", "prediction": "hts"}, {"ci": "t", "i2": "q", "level": 0.9}])
def test_each_group_is_that_of_pool(options: dict[str, Any]) -> None:
    frame = studies()
    many = ma.pool_many(frame, by="review", tau2="GENQ", tau2_weights="size", **options)
    assert many.engine == "numpy"
    assert (np.asarray(many.tau2) > 0).sum() >= 5
    for place, key in enumerate(many.keys):
        part = frame[frame.review == key]
        y, v, weights = part.y.to_numpy(), part.v.to_numpy(), part["size"].to_numpy()
        fit = ma.pool(y, v, tau2="GENQ", tau2_weights=weights, **options)
        for name in NUMBERS:
            expected = getattr(fit, name)
            assert_allclose(many.columns[name][place], expected, rtol=1e-12, atol=1e-14, err_msg=f"{name} {key}")
        again = many[key]
        assert_array_equal([getattr(again, name) for name in NUMBERS], [getattr(fit, name) for name in NUMBERS])
        assert again.tau2_method == many.tau2_method == "generalised Q with given weights"


def test_weights_of_inverse_variances_are_dersimonian_and_laird() -> None:
    frame = studies().assign(w=lambda f: 1 / f.v)
    found, expected = (
        ma.pool_many(frame, by="review", **options)
        for options in ({"tau2": "GENQ", "tau2_weights": "w"}, {"tau2": "DL", "engine": "numpy"})
    )
    assert_allclose(found.tau2, expected.tau2, rtol=1e-9, atol=1e-13)
    # Only the ratios of the weights count.
    scaled = ma.pool_many(frame.assign(w=2.0**30 * frame.w), by="review", tau2="GENQ", tau2_weights="w")
    assert_array_equal(scaled.tau2, found.tau2)


def test_every_door(tmp_path: Path) -> None:
    import polars as pl

    frame = studies().sort_values("review", kind="stable", ignore_index=True)
    options = {"tau2": "GENQ", "tau2_weights": "size"}
    expected = ma.pool_many(frame, by="review", **options)
    y, v, w = (frame[name].to_numpy() for name in ("y", "v", "size"))
    effects = ma.effect_sizes(frame, "GEN")
    sizes = frame.groupby("review", sort=False).size().to_numpy()
    found = [
        ma.pool_many(pl.DataFrame(frame), by="review", **options),
        ma.pool_many(pl.DataFrame(frame).lazy(), by="review", **options),
        ma.pool_many((y, v), by=frame.review.to_numpy(), tau2="GENQ", tau2_weights=w),
        ma.pool_many((y, v), offsets=np.append(0, np.cumsum(sizes)), tau2="GENQ", tau2_weights=list(w)),
        ma.pool_many(effects, by="review", **options),
        ma.pool_many(effects, by="review", tau2="GENQ", tau2_weights=w),
    ]
    for many in found:
        assert_allclose(many.tau2, expected.tau2, rtol=1e-12, atol=1e-14)
        assert many[many.keys[4]].tau2 == pytest.approx(many.tau2[4], rel=1e-12)
    block = np.full((2, 3), np.nan)
    block[0], block[1, :2] = y[:3], y[3:5]
    weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]])
    many = ma.pool_many((block, np.full((2, 3), 0.01)), tau2="GENQ", tau2_weights=weights)
    for row, k in ((0, 3), (1, 2)):
        fit = ma.pool(block[row, :k], np.full(k, 0.01), tau2="GENQ", tau2_weights=weights[row, :k])
        assert_allclose(many.tau2[row], fit.tau2, rtol=1e-12)


def test_from_parquet_to_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet files need pyarrow: pip install 'metaanalysis[parquet]'")
    import pyarrow.parquet as pq

    frame = studies().assign(unused=1.0)
    pq.write_table(pa.table(frame), tmp_path / "in.parquet")
    options = {"tau2": "GENQ", "tau2_weights": "size"}
    ma.pool_parquet(tmp_path / "in.parquet", tmp_path / "out.parquet", by="review", progress=False, **options)
    expected = ma.pool_many(frame, by="review", **options)
    assert_allclose(pq.read_table(tmp_path / "out.parquet")["tau2"].to_numpy(), expected.tau2, rtol=1e-12, atol=1e-14)


def test_from_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa = pytest.importorskip("pyarrow", reason="Parquet files need pyarrow: pip install 'metaanalysis[parquet]'")
    import pyarrow.parquet as pq

    from metaanalysis.cli import main

    frame = studies()
    pq.write_table(pa.table(frame), tmp_path / "in.parquet")
    files = [str(tmp_path / name) for name in ("in.parquet", "out.parquet")]
    assert main(["pool-many", *files, "--by", "review", "--tau2", "GENQ", "--tau2-weights", "size", "--quiet"]) == 0
    expected = ma.pool_many(frame, by="review", tau2="GENQ", tau2_weights="size")
    assert_allclose(pq.read_table(files[1])["tau2"].to_numpy(), expected.tau2, rtol=1e-12, atol=1e-14)
    assert main(["pool-many", *files, "--by", "review", "--tau2", "GENQ", "--overwrite", "--quiet"]) == 2
    assert "needs fixed weights" in capsys.readouterr().err


@pytest.mark.parametrize("npartitions", [1, 4])
def test_a_dask_frame(npartitions: int) -> None:
    pytest.importorskip("dask", reason="Dask frames need Dask: pip install 'metaanalysis[dask]'")
    import dask.dataframe as dd

    frame = studies()
    lazy = dd.from_pandas(frame, npartitions=npartitions)
    found = ma.pool_many(lazy, by="review", tau2="GENQ", tau2_weights="size").compute().set_index("review")
    expected = ma.pool_many(frame, by="review", tau2="GENQ", tau2_weights="size").to_frame().set_index("review")
    assert len(found) == len(expected)
    found = found.loc[expected.index]
    for name in ("estimate", "tau2", "se", "q"):
        assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-14)
    with pytest.raises(ma.OptionError, match="needs fixed weights"):
        ma.pool_many(lazy, by="review", tau2="GENQ")


def test_a_study_without_a_weight_is_left_out() -> None:
    frame = studies()
    at = {key: frame.index[frame.review == key][0] for key in ("g0", "g2", "g4")}
    for key, bad in zip(at, (np.nan, 0.0, np.inf), strict=True):
        frame.loc[at[key], "size"] = bad
    with pytest.warns(ExcludedStudiesWarning, match="3 of 48 studies left out"):
        many = ma.pool_many(frame, by="review", tau2="GENQ", tau2_weights="size")
    reasons = many.excluded.set_index("review").reason
    assert reasons.to_dict() == {
        "g0": "size is missing",
        "g2": "size (0) is not a positive weight",
        "g4": "size (inf) is not a positive weight",
    }
    for key in at:
        part = frame[(frame.review == key) & (frame.index != at[key])]
        fit = ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2="GENQ", tau2_weights=part["size"].to_numpy())
        assert_allclose(many.tau2[many.keys.index(key)], fit.tau2, rtol=1e-12)
        assert many[key].tau2 == fit.tau2


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda f: ma.pool_many(f, by="review", tau2="GENQ"), ma.OptionError, "needs fixed weights"),
        (lambda f: ma.pool_many(f, by="review", tau2_weights="size"), ma.OptionError, "belong to tau2='GENQ' alone"),
        (lambda f: ma.pool_many(f, by="review", tau2="GENQ", tau2_weights="sise"), ma.DataError, "Did you mean 'size'"),
        (
            lambda f: ma.pool_many(f, by="review", tau2="GENQ", tau2_weights=f.y),
            ma.DataError,
            "names a column of the table",
        ),
        (
            lambda f: ma.pool_many((f.y, f.v), by=f.review, tau2="GENQ", tau2_weights="size"),
            ma.DataError,
            "one weight a study",
        ),
        (
            lambda f: ma.pool_many((f.y, f.v), by=f.review, tau2="GENQ", tau2_weights=[1.0]),
            ma.DataError,
            "has the shape",
        ),
    ],
)
def test_weights_that_can_not_be_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(studies())


def test_resampling_takes_the_weights_along() -> None:
    frame = studies()
    many = ma.pool_many(frame, by="review", tau2="GENQ", tau2_weights="size", columns=["estimate", "tau2"])
    found = ma.leave_one_out_many(many)
    rows = found.to_frame()
    for place in np.flatnonzero(rows.k > 0):
        row = int(rows.row[place]) - 1
        part = frame[(frame.review == rows.review[place]) & (frame.index != row)]
        fit = ma.pool(part.y.to_numpy(), part.v.to_numpy(), tau2="GENQ", tau2_weights=part["size"].to_numpy())
        assert_allclose([found.estimate[place], found.tau2[place]], [fit.estimate, fit.tau2], rtol=1e-12, atol=1e-14)
    assert np.isfinite(ma.bootstrap_many(many, 30, kind="studies", seed=1).estimate_se[np.asarray(many.k) > 2]).all()
