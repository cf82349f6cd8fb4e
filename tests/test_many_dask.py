"""Dask: lazy frames in and out, and a cluster whose workers die."""

from __future__ import annotations

import decimal
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import DataError, OptionError
from metaanalysis.many import parquet_run, partition

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

COLUMNS = ["estimate", "se", "p_value", "k", "tau2"]


def studies(rows: int = 1200, groups: int = 150) -> pd.DataFrame:
    random = np.random.default_rng(4)
    number = np.sort(random.integers(0, groups, rows))
    v = random.uniform(0.05, 1.0, rows)
    names = np.char.add("rs", number.astype(str))
    return pd.DataFrame({"snp": number, "name": names, "y": random.normal(0.3, np.sqrt(v)), "v": v})


def assert_same(found: pd.DataFrame, data: pd.DataFrame, by: str | list[str], **options: Any) -> None:
    expected = ma.pool_many(data, by=by, columns=COLUMNS, **options).to_frame()
    keys = [by] if isinstance(by, str) else by
    found, expected = (frame.sort_values(keys).reset_index(drop=True) for frame in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=1e-11, check_dtype=False)


# Frames.


@pytest.mark.parametrize("by", ["snp", "name", ["snp", "name"]])
def test_a_shuffled_frame(by: str | list[str]) -> None:
    data = studies()
    frame = dd.from_pandas(data.sample(frac=1, random_state=1), npartitions=5, sort=False)
    lazy = ma.pool_many(frame, by=by, tau2="DL", columns=COLUMNS)
    assert isinstance(lazy, dd.DataFrame)
    found = lazy.compute()
    assert list(lazy.columns) == list(found.columns)
    assert lazy.dtypes.to_dict() == found.dtypes.to_dict()
    assert_same(found, data, by, tau2="DL")


# Dask reads divisions by a call that newer releases of pandas warn of.
DASK_READS = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")


def cut_within_groups(folder: Path) -> Any:
    """A sorted file whose row groups end within groups: Dask makes divisions of their least keys all the same."""
    data = pd.DataFrame({"snp": np.repeat(np.arange(4), 5), "y": np.linspace(0, 1, 20), "v": 0.1})
    data.set_index("snp").to_parquet(folder / "cut.parquet", row_group_size=7)
    frame = dd.read_parquet(folder / "cut.parquet", calculate_divisions=True, split_row_groups=True)
    assert frame.divisions == (0, 1, 2, 3)
    return data, frame


@DASK_READS
def test_divisions_that_promise_too_much_are_noticed(tmp_path: Path) -> None:
    data, frame = cut_within_groups(tmp_path)
    lazy = ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS)
    with pytest.raises(DataError, match=r"the frame was cut within a group.*sorted=True .*sorted=False"):
        lazy.compute()
    for is_sorted in (True, False):
        assert_same(
            ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS, sorted=is_sorted).compute(),
            data,
            "snp",
            tau2="DL",
        )


@DASK_READS
def test_a_key_that_fills_several_partitions(tmp_path: Path) -> None:
    data, _ = cut_within_groups(tmp_path)
    data.set_index("snp").to_parquet(tmp_path / "fine.parquet", row_group_size=2)
    frame = dd.read_parquet(tmp_path / "fine.parquet", calculate_divisions=True, split_row_groups=True)
    assert frame.known_divisions
    assert_same(ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS).compute(), data, "snp", tau2="DL")


@DASK_READS
def test_divisions_that_hold_are_used() -> None:
    data = studies()
    frame = dd.from_pandas(data.set_index("snp"), npartitions=4)
    lazy = ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS)
    assert not any("shuffle" in str(key) for key in lazy.__dask_graph__())
    assert_same(lazy.compute(), data, "snp", tau2="DL")


def test_a_partition_is_held_to_its_own_divisions() -> None:
    data = studies(24, 8).sort_values("snp")
    half = data.set_index("snp")[["y", "v"]]
    parts = [half.iloc[:5], half.iloc[5:11], half.iloc[11:]]
    middle = (half.index[4], half.index[10])
    wrong = (int(half.index[0]), middle[0] + 0.25, middle[0] + 0.5, int(half.index[-1]))
    frame = dd.from_delayed([dask.delayed(part) for part in parts], divisions=wrong, meta=half)
    with pytest.raises(DataError, match="does not lie between its own"):
        ma.pool_many(frame, by="snp", tau2="DL").compute()
    again = dd.from_delayed([dask.delayed(half)] * 2, divisions=(int(half.index[0]), 100, 200), meta=half)
    with pytest.raises(DataError, match="does not lie between its own"):
        ma.pool_many(again, by="snp", tau2="DL").compute()


@pytest.mark.parametrize("kind", ["category", "decimal"])
def test_keys_that_divisions_are_not_compared_with_are_shuffled(kind: str) -> None:
    data = studies(200, 20)
    keys = data["snp"].astype(str)
    data["snp"] = keys.astype("category") if kind == "category" else [decimal.Decimal(key) for key in keys]
    frame = dd.from_pandas(data.set_index("snp"), npartitions=3)
    found = ma.pool_many(frame, by="snp", tau2="DL", columns=["k"]).compute()
    assert sorted(found["k"]) == sorted(keys.value_counts())


def test_an_index_and_a_column_of_one_name() -> None:
    frame = dd.from_pandas(studies().set_index("snp", drop=False), npartitions=2)
    with pytest.raises(DataError, match="the index and a column are both called 'snp'"):
        ma.pool_many(frame, by="snp")


def test_what_dask_makes_up_for_texts_is_not_taken_for_data() -> None:
    data = studies().astype({"y": object})
    with dask.config.set({"dataframe.convert-string": False}):
        frame = dd.from_pandas(data, npartitions=2)
        assert_same(ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS).compute(), data, "snp", tau2="DL")
        bad = data.copy()
        bad.loc[700, "y"] = "n/a"
        with pytest.raises(DataError, match=r"y \('n/a'\)"):
            ma.pool_many(dd.from_pandas(bad, npartitions=2), by="snp").compute()


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def refuse(part: pd.DataFrame) -> pd.DataFrame:
        if len(part) > 2:
            raise AssertionError("computed")
        return part

    frame = dd.from_pandas(studies(), npartitions=3).map_partitions(refuse)
    lazy = ma.pool_many(frame, by="snp")
    with pytest.raises(AssertionError, match="computed"):
        lazy.compute()


@pytest.mark.parametrize("way", ["index", "declared"])
def test_frames_that_are_sorted_are_not_shuffled(way: str) -> None:
    data = studies()
    if way == "index":
        frame, options = dd.from_pandas(data.set_index("snp"), npartitions=6), {}
    else:
        # Groups lie across the edges of the partitions.
        frame, options = dd.from_pandas(data, npartitions=6, sort=False), {"sorted": True}
    lazy = ma.pool_many(frame, by="snp", columns=COLUMNS, tau2="DL", **options)
    assert "shuffle" not in str(lazy.optimize().__dask_graph__()).lower()
    found = lazy.compute()
    assert found["snp"].tolist() == sorted(set(data["snp"]))
    assert_same(found, data, "snp", tau2="DL")


def test_partitions_without_a_row() -> None:
    frame = dd.from_pandas(studies(40, 3), npartitions=8, sort=False)
    found = ma.pool_many(frame[frame["y"] > -9], by="snp", columns=COLUMNS).compute()
    assert_same(found, studies(40, 3), "snp")


def test_what_cannot_be_done_is_said() -> None:
    frame = dd.from_pandas(studies(), npartitions=2)
    with pytest.raises(DataError, match=r"no column 'snpp' for by\. Did you mean 'snp'\?"):
        ma.pool_many(frame, by="snpp")
    with pytest.raises(OptionError, match="tau2='DLL' is not a choice"):
        ma.pool_many(frame, by="snp", tau2="DLL")
    with pytest.raises(DataError, match="no column 'w'"):
        ma.pool_many(frame, by="snp", y="y", v="w")
    with pytest.raises(OptionError, match="sorted=True needs a single key"):
        ma.pool_many(frame, by=["snp", "name"], sorted=True)
    with pytest.raises(DataError, match="by names the key column"):
        ma.pool_many(frame)
    # Partitions with the same least and greatest keys look sorted to Dask.
    mixed = dd.from_pandas(studies().sample(frac=1, random_state=1), npartitions=4, sort=False)
    for key in ("snp", "name"):
        with pytest.raises(DataError, match=rf"sorted=True, but a partition with {key} = \S+ follows one with"):
            ma.pool_many(mixed, by=key, sorted=True)


# A cluster.


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two worker processes on this machine."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_worker_that_dies(tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet_run, "LEAST_ROWS_OF_A_PART", 500)
    monkeypatch.setattr(parquet_run, "ROWS_OF_A_PART", 500)
    monkeypatch.setattr(partition, "WORTH_A_PARTITION", 625)
    frame = studies(10_000, 2000).sample(frac=1, random_state=3)
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), source, row_group_size=500)
    # By NumPy: a new worker need not load the compiled kernels first.
    options: dict[str, Any] = {"by": "snp", "tau2": "DL", "columns": COLUMNS, "engine": "numpy"}
    answer: list[Any] = []
    run = threading.Thread(
        target=lambda: answer.append(ma.pool_parquet(source, target, executor=cluster.get_executor(), **options))
    )
    victim = next(iter(cluster.run(os.getpid).values()))
    run.start()
    parts = tmp_path / "out.parquet.parts"
    while len(list(parts.glob("*/*.arrow"))) < 5:
        time.sleep(0.002)
        assert run.is_alive()
    # A dead worker is asked for its results for so long; half a minute is usual.
    with dask.config.set({"distributed.comm.timeouts.connect": "3s"}):
        os.kill(victim, signal.SIGKILL)
        assert len(list(parts.glob("*/*.arrow"))) < 30, "the worker died too late to matter"
        run.join(timeout=120)
    (done,) = answer
    assert (done.partitioned, done.parts, done.rows) == (True, 16, 10_000)
    expected = ma.pool_many(frame, by="snp", tau2="DL", columns=COLUMNS).to_frame()
    found = pq.read_table(target).to_pandas()
    assert found["snp"].tolist() == expected["snp"].tolist()
    for name in COLUMNS:
        assert_allclose(found[name], expected[name], rtol=1e-11)
