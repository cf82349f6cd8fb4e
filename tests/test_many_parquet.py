"""From Parquet to Parquet: the same numbers as in memory, in bounded memory, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.errors import DataError, ExcludedStudiesWarning, OptionError
from metaanalysis.many import (
    parquet_groups,
    parquet_keys,
    parquet_memory,
    parquet_run,
    parquet_stream,
    parquet_tasks,
    parquet_work,
    partition,
)

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROOT = Path(__file__).parents[1]
COLUMNS = ["estimate", "se", "ci_low", "ci_high", "p_value", "k", "tau2"]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts, batches and partitions of hundreds of rows, so that thousands meet every edge."""
    monkeypatch.setattr(parquet_run, "LEAST_ROWS_OF_A_PART", 300)
    monkeypatch.setattr(parquet_run, "ROWS_OF_A_PART", 300)
    monkeypatch.setattr(parquet_memory, "MOST_ROWS", 97)
    for module in (parquet_memory, parquet_stream):
        monkeypatch.setattr(module, "LEAST_ROWS", 13)
    monkeypatch.setattr(partition, "WORTH_A_PARTITION", 200)


def studies(rows: int = 3000, groups: int = 400, seed: int = 1, key: str = "text") -> Any:
    """A table of groups of very different sizes, the rows of each together, keys in ascending order."""
    random = np.random.default_rng(seed)
    number = np.sort((groups * random.beta(0.5, 2, rows)).astype(int))
    # Of different lengths, some longer than 8 and 16 bytes, and some that differ in their last letters only.
    keys = {"text": np.char.add("variant-", np.char.zfill(number.astype(str), 9)), "number": number}[key]
    v = random.uniform(0.05, 1.0, rows)
    y = random.normal(0.2, np.sqrt(v + 0.1))
    return pa.table({"snp": keys, "unused": random.normal(size=rows), "y": y, "v": v})


def shuffled(table: Any, seed: int = 2) -> Any:
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))


def written(table: Any, path: Path, rows: int = 250) -> Path:
    pq.write_table(table, path, row_group_size=rows)
    return path


def assert_as_in_memory(target: Path, table: Any, by: str | list[str] = "snp", **options: Any) -> None:
    expected = ma.pool_many(table, by=by, columns=COLUMNS, **options).to_frame()
    found = pq.read_table(target)
    assert found.column_names == expected.column_names
    for name in found.column_names:
        if pa.types.is_floating(found.schema.field(name).type) and name in COLUMNS:
            assert_allclose(found[name].to_numpy(), expected[name].to_numpy(), rtol=1e-11, atol=1e-12)
        else:
            assert found[name].to_pylist() == expected[name].to_pylist()


# The same numbers, in the same order.


@pytest.mark.parametrize("key", ["text", "number"])
@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
@pytest.mark.usefixtures("small_parts")
def test_the_same_as_in_memory(tmp_path: Path, key: str, order: str) -> None:
    table = studies(key=key)
    table = {
        "ascending": table,
        "descending": table.take(pa.array(np.arange(3000)[::-1])),
        "shuffled": shuffled(table),
    }[order]
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    done = ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS)
    assert_as_in_memory(target, table, tau2="DL")
    assert (done.groups, done.rows, done.failed, done.left_out) == (pq.read_table(target).num_rows, 3000, 0, 0)
    assert done.partitioned == (order == "shuffled")
    assert done.parts > 5
    assert [path.name for path in tmp_path.iterdir()] in (["in.parquet", "out.parquet"], ["out.parquet", "in.parquet"])


@pytest.mark.usefixtures("small_parts")
def test_groups_that_stand_together_in_any_order(tmp_path: Path) -> None:
    table = studies()
    # Runs of groups in a new order: neither ascending nor descending.
    number = np.unique(table["snp"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    place = np.random.default_rng(0).permutation(number.max() + 1)[number]
    table = table.take(pa.array(np.argsort(place, kind="stable")))
    source = written(table, tmp_path / "in.parquet")
    for chosen, partitioned in ((True, False), (None, True), (False, True)):
        target = tmp_path / f"{chosen}.parquet"
        done = ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, sorted=chosen)
        assert done.partitioned == partitioned
        assert_as_in_memory(target, table, tau2="DL")


@pytest.mark.usefixtures("small_parts")
def test_order_that_breaks_late_is_found(tmp_path: Path) -> None:
    # Each row group by itself lies above the one before; the keys come back inside the last one.
    table = pa.table({"snp": [*range(2000), 1990, 1995], "y": np.linspace(0, 1, 2002), "v": np.ones(2002)})
    source = written(table, tmp_path / "in.parquet", 500)
    done = ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", columns=COLUMNS)
    assert done.partitioned
    assert done.groups == 2000
    assert_as_in_memory(tmp_path / "out.parquet", table)


@pytest.mark.usefixtures("small_parts")
def test_several_keys_files_and_kinds(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    table = studies(2000)
    more = {
        "trait": pa.array(random.integers(0, 3, 2000).astype(np.int16)),
        "day": pa.array(random.integers(0, 2, 2000).astype("datetime64[D]")),
        "dose": pa.array(random.choice([-0.0, 0.0, 1.5], 2000)),
        "flag": pa.array(random.integers(0, 2, 2000).astype(bool)),
        "site": pa.array(random.choice(["é", "", "longer than eight"], 2000)).dictionary_encode(),
    }
    for name, column in more.items():
        table = table.append_column(name, column)
    keys = ["trait", "day", "dose", "flag", "site"]
    folder = tmp_path / "scores"
    (folder / "_temporary").mkdir(parents=True)
    written(table.slice(0, 700), folder / "a.parquet")
    written(table.slice(700, 0), folder / "b.parquet")
    written(table.slice(700), folder / "c.parquet")
    (folder / "_temporary" / "half.parquet").write_bytes(b"half")
    (folder / "notes.txt").write_text("not read")
    plain = table.set_column(table.column_names.index("site"), "site", table["site"].cast(pa.string()))
    for number, source in enumerate([folder, f"{folder}/*.parquet", [folder / "a.parquet", folder / "c.parquet"]]):
        target = tmp_path / f"out{number}.parquet"
        ma.pool_parquet(source, target, by=keys, columns=COLUMNS, tau2="PM")
        assert_as_in_memory(target, plain, by=keys, tau2="PM")


@pytest.mark.usefixtures("small_parts")
def test_effects_computed_from_data(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    n1, n2 = random.integers(20, 90, (2, 1500))
    table = pa.table(
        {
            "review": random.integers(0, 200, 1500),
            "tpos": random.binomial(n1, 0.2),
            "n1": n1,
            "events2": random.binomial(n2, 0.3),
            "n2": n2,
        }
    )
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    options: dict[str, Any] = {"measure": "RR", "events1": "tpos", "tau2": "DL", "add": 0.25}
    ma.pool_parquet(source, target, by="review", columns=COLUMNS, **options)
    assert_as_in_memory(target, table, by="review", **options)


def test_names_of_genomics_are_understood(tmp_path: Path) -> None:
    table = pa.table(
        {"SNP": ["a", "a", "b", "b"], "BETA": [0.1, 0.2, 0.3, 0.1], "SE": [0.1, 0.1, 0.2, 0.1], "P": [1.0] * 4}
    )
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    ma.pool_parquet(source, target, by="SNP", columns=COLUMNS)
    assert_as_in_memory(target, table, by="SNP")


# The parts of the machinery that rarely meet.


def test_hashes_tell_values_apart_and_not_places() -> None:
    texts = pa.array(["", "a", "b", "ab", "ba", "12345678", "123456789", "1234567890123456", "é", "a\0", "\0a"])
    hashed = parquet_keys.hashes([texts])
    assert np.unique(hashed).size == len(texts)
    padded = pa.concat_arrays([pa.array(["something before"]), texts, texts])
    assert_allclose(parquet_keys.hashes([padded.slice(1 + len(texts))]), hashed, rtol=0)
    assert_allclose(parquet_keys.hashes([texts.cast(pa.large_string())]), hashed, rtol=0)
    numbers = np.arange(-50_000, 50_000)
    both = parquet_keys.hashes([pa.array(numbers), pa.array(numbers[::-1])])
    assert np.unique(both).size == numbers.size
    # Spread evenly among partitions: a chi-squared statistic with 63 degrees of freedom.
    counts = np.bincount((both % np.uint64(64)).astype(int), minlength=64)
    assert ((counts - numbers.size / 64) ** 2 / (numbers.size / 64)).sum() < 130


def test_rows_are_put_together_by_first_appearance() -> None:
    random = np.random.default_rng(3)
    day = pa.array(random.integers(0, 3, 900).astype("datetime64[D]"))
    dose = pa.array(random.choice([-0.0, 0.0, 1.5], 900))
    texts = pa.array(random.choice(["é", "", "a\0", "longer than eight"], 900))
    for keys in ([texts], [dose], [day, dose], [day, texts, pa.array(random.integers(0, 9, 900))]):
        # Zeros of either sign are one key.
        rows = list(zip(*([0.0 if value == 0 else value for value in key.to_pylist()] for key in keys), strict=True))
        order, bounds = partition.grouped(keys)
        members: dict[Any, list[int]] = {}
        for row, key in enumerate(rows):
            members.setdefault(key, []).append(row)
        assert [group.tolist() for group in np.split(order, bounds[1:-1])] == list(members.values())
        assert bounds[-1] == 900


@pytest.mark.usefixtures("small_parts")
def test_keys_that_hash_alike_are_not_taken_for_one_that_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metaanalysis.many import parquet_target

    real = parquet_keys.hashes
    for module in (parquet_target, parquet_stream):
        monkeypatch.setattr(module, "hashes", lambda given: real(given) % np.uint64(16))
    table = pa.table({"snp": [3, 3, 1, 1, 2, 2, *range(10, 500)], "y": np.ones(496), "v": np.ones(496)})
    source = written(table, tmp_path / "in.parquet", 50)
    ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", sorted=True, columns=COLUMNS)
    assert_as_in_memory(tmp_path / "out.parquet", table)


@pytest.mark.usefixtures("small_parts")
def test_a_partition_too_large_for_memory_is_divided_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_run, "LEAST_MEMORY", 0)
    monkeypatch.setattr(parquet_memory, "FIXED", 0)
    monkeypatch.setattr(partition, "MOST_PARTITIONS", 2)
    table = shuffled(studies(6000, 3000))
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    seen = []
    real = partition.rows_of_share
    monkeypatch.setattr(partition, "rows_of_share", lambda *given: seen.append(given[2:]) or real(*given))
    ma.pool_parquet(source, target, by="snp", memory_limit=130_000, columns=COLUMNS)
    assert len(seen) > 4
    assert_as_in_memory(target, table)


# Bad input.


def test_unsorted_declared_sorted(tmp_path: Path) -> None:
    table = pa.table({"snp": ["a", "b", "a"], "y": [0.1, 0.2, 0.3], "v": [1.0, 1.0, 1.0]})
    source = written(table, tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"snp = 'a' comes back in row 3 of in\.parquet"):
        ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", sorted=True)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.usefixtures("small_parts")
def test_a_key_that_comes_back_in_another_file(tmp_path: Path) -> None:
    # Every file is sorted by itself: the usual case of one file a study.
    one = pa.table({"snp": [*range(1000)], "y": np.ones(1000), "v": np.ones(1000)})
    sources = [written(one, tmp_path / f"{name}.parquet") for name in "ab"]
    with pytest.raises(DataError, match=r"snp = 0 comes back in row 1 of b\.parquet"):
        ma.pool_parquet(sources, tmp_path / "out.parquet", by="snp", sorted=True)
    done = ma.pool_parquet(sources, tmp_path / "out.parquet", by="snp")
    assert (done.groups, done.partitioned) == (1000, True)
    assert pq.read_table(tmp_path / "out.parquet")["k"].to_pylist() == [2] * 1000


@pytest.mark.parametrize("bad", [None, float("nan")])
@pytest.mark.parametrize("is_sorted", [True, False])
def test_missing_keys(tmp_path: Path, bad: float | None, is_sorted: bool) -> None:
    table = pa.table({"snp": pa.array([1.0, 2.0, bad], pa.float64()), "y": [0.1] * 3, "v": [1.0] * 3})
    source = written(table, tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"the key 'snp' is missing in row 3 of in\.parquet"):
        ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", sorted=is_sorted)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_bad_numbers_harm_nobody_else(tmp_path: Path, is_sorted: bool) -> None:
    y = [0.1, 0.3, np.nan, 0.2, np.inf, 0.5, 0.4]
    v = [0.1, 0.2, 0.1, -1.0, 0.1, 0.0, 0.3]
    table = pa.table({"snp": [1, 1, 2, 2, 3, 4, 4], "y": pa.array(y), "v": pa.array([*v[:-1], 0.3])})
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    with pytest.warns(ExcludedStudiesWarning, match="4 of 7 studies left out"):
        done = ma.pool_parquet(source, target, by="snp", sorted=is_sorted, columns=COLUMNS)
    assert (done.failed, done.left_out) == (2, 4)
    with pytest.warns(ExcludedStudiesWarning):
        assert_as_in_memory(target, table)
    found = pq.read_table(target).to_pydict()
    assert found["k"] == [2, 0, 0, 1]
    assert found["status"][1] == "no study is left"
    assert np.isnan(found["estimate"][1])


@pytest.mark.parametrize("is_sorted", [None, False])
def test_one_giant_among_small_ones(tmp_path: Path, is_sorted: bool | None) -> None:
    random = np.random.default_rng(11)
    key = np.concatenate([np.repeat(np.arange(500), 3), np.full(1_000_000, 500), np.repeat(np.arange(501, 900), 2)])
    table = pa.table({"snp": key, "y": random.normal(0.5, 1, key.size), "v": random.uniform(0.1, 1, key.size)})
    source, target = written(table, tmp_path / "in.parquet", 200_000), tmp_path / "out.parquet"
    ma.pool_parquet(source, target, by="snp", tau2="DL", columns=["k", "estimate"], sorted=is_sorted)
    found = pq.read_table(target)
    assert found["snp"].to_pylist() == [*range(900)]
    assert found["k"].to_pylist() == [3] * 500 + [1_000_000] + [2] * 399
    giant = ma.pool(table["y"].to_numpy()[key == 500], table["v"].to_numpy()[key == 500], tau2="DL")
    assert_allclose(found["estimate"][500].as_py(), giant.estimate, rtol=1e-11)
    with pytest.raises(DataError, match=r"the group snp = 500 has 1,000,000 rows") as caught:
        ma.pool_parquet(source, tmp_path / "b.parquet", by="snp", sorted=is_sorted, memory_limit="100MB", workers=2)
    needed = str(caught.value).split("memory_limit='")[1].split("'")[0]
    ma.pool_parquet(source, tmp_path / "b.parquet", by="snp", sorted=is_sorted, memory_limit=needed)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.999])
def test_a_file_that_ends_early(tmp_path: Path, share: float) -> None:
    source = written(studies(), tmp_path / "in.parquet")
    whole = source.read_bytes()
    source.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"in\.parquet can't be read as Parquet .* ends early"):
        ma.pool_parquet(source, tmp_path / "out.parquet", by="snp")


def test_a_file_with_a_hole(tmp_path: Path) -> None:
    source = written(studies(), tmp_path / "in.parquet")
    damaged = bytearray(source.read_bytes())
    damaged[200 : len(damaged) // 2] = bytes(len(damaged) // 2 - 200)
    source.write_bytes(damaged)
    with pytest.raises(DataError, match=r"in\.parquet can't be read as Parquet"):
        ma.pool_parquet(source, tmp_path / "out.parquet", by="snp")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    empty = written(studies().slice(0, 0), tmp_path / "empty.parquet")
    other = written(pa.table({"snp": [1], "y": [0.1], "v": [1.0]}), tmp_path / "other.parquet")
    nested = written(pa.table({"snp": [[1], [1], [2]], "y": [0.1] * 3, "v": [1.0] * 3}), tmp_path / "nested.parquet")
    for message, error, given, options in (
        (r"no column 'snpp' for by\. Did you mean 'snp'\?", DataError, source, {"by": "snpp"}),
        (r"no column 'vv' for v\. Did you mean 'v'\?", DataError, source, {"v": "vv", "y": "y"}),
        (r"no rows: there is no group", DataError, empty, {}),
        (r"'snp' is string in .*in\.parquet and int64 in .*other\.parquet", DataError, [source, other], {}),
        (r"'snp' is list<.*can't be compared", DataError, nested, {}),
        (r"twice: its studies would count double", DataError, [source, source], {}),
        (r"tau2='DLL' is not a choice. Did you mean 'DL'", OptionError, source, {"tau2": "DLL"}),
        (r"columns has no 'estimat'", OptionError, source, {"columns": ["estimat"]}),
        (r"memory_limit='lots' is not an amount", OptionError, source, {"memory_limit": "lots"}),
        (r"memory_limit='1MB' is too small", OptionError, source, {"memory_limit": "1MB"}),
        (r"executor is a int", OptionError, source, {"executor": 2}),
        (r"y names a column", DataError, source, {"y": [0.1]}),
        (r"No such file, folder", FileNotFoundError, tmp_path / "none.parquet", {}),
        (r"holds no file that ends in", DataError, ROOT / "notebooks", {}),
        (r"is an address", DataError, "s3://bucket/in.parquet", {}),
    ):
        with pytest.raises(error, match=message):
            ma.pool_parquet(given, target, **{"by": "snp", **options})
    for message, error, where in (
        ("is read and written", DataError, source),
        ("the target exists", FileExistsError, other),
        ("target is a folder", IsADirectoryError, tmp_path),
        ("folder of the target does not exist", FileNotFoundError, tmp_path / "no" / "out.parquet"),
    ):
        with pytest.raises(error, match=message):
            ma.pool_parquet(source, where, by="snp")
    assert not target.exists()
    ma.pool_parquet(source, other, by="snp", overwrite=True, columns=COLUMNS)
    assert_as_in_memory(other, studies())


# A run that is stopped.


def count_tasks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many batches of groups are pooled from now on."""
    pooled: list[int] = []
    real = parquet_groups.pooled_groups

    def counted(*given: Any) -> Any:
        pooled.append(1)
        return real(*given)

    for module in (parquet_stream, partition):
        monkeypatch.setattr(module, "pooled_groups", counted)
    return pooled


@pytest.mark.parametrize("is_sorted", [None, False])
@pytest.mark.usefixtures("small_parts")
def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sorted: bool | None) -> None:
    table = studies() if is_sorted is None else shuffled(studies())
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    real = parquet_work.write_arrow
    wrote = []

    def until_full(path: Path, *given: Any) -> None:
        wrote.append(path)
        if len(wrote) > (5 if is_sorted is None else 14):
            with parquet_work.atomically(path) as half:
                half.write_bytes(b"half")
                raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *given)

    with monkeypatch.context() as patched:
        for module in (parquet_tasks, partition):
            patched.setattr(module, "write_arrow", until_full)
        with pytest.raises(OSError, match=r"is full\. The target is not touched.* free about [\d,]+ MB") as caught:
            ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, sorted=is_sorted)
    assert caught.value.errno == errno.ENOSPC
    assert not target.exists()
    assert list((tmp_path / "out.parquet.parts").glob("*/*.arrow"))
    assert not list((tmp_path / "out.parquet.parts").rglob("*.half"))
    pooled = count_tasks(monkeypatch)
    done = ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, sorted=is_sorted)
    again = len(pooled)
    assert done.taken_over > 0
    assert_as_in_memory(target, table, tau2="DL")
    pooled.clear()
    ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, sorted=is_sorted, overwrite=True)
    assert again < len(pooled)
    assert not (tmp_path / "out.parquet.parts").exists()


def test_a_disk_that_is_full_when_the_target_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    target.write_bytes(b"precious")

    def full(*given: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(OSError, match="is full"):
            ma.pool_parquet(source, target, by="snp", overwrite=True, columns=COLUMNS)
    assert target.read_bytes() == b"precious"
    ma.pool_parquet(source, target, by="snp", overwrite=True, columns=COLUMNS)
    assert_as_in_memory(target, studies())


KILLED = """
import sys
from metaanalysis.many import parquet_run, parquet_tasks, parquet_work
import metaanalysis as ma
parquet_run.LEAST_ROWS_OF_A_PART = parquet_run.ROWS_OF_A_PART = 300
import os, signal
real, wrote = parquet_work.write_arrow, []
def until_killed(path, schema, batches):
    def dying():
        for batch in batches:
            yield batch
            if len(wrote) >= 4:
                os.kill(os.getpid(), signal.SIGKILL)
    wrote.append(path)
    real(path, schema, dying())
parquet_tasks.write_arrow = until_killed
ma.pool_parquet(sys.argv[1], sys.argv[2], by="snp", tau2="DL", columns=sys.argv[3].split(","))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.usefixtures("small_parts")
def test_a_killed_run_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    command = [sys.executable, "-c", KILLED, str(source), str(target), ",".join(COLUMNS)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not target.exists()
    work = tmp_path / "out.parquet.parts"
    finished = len(list(work.glob("*/part-*.arrow")))
    assert finished >= 1
    assert list(work.rglob("*.half"))

    options: dict[str, Any] = {"by": "snp", "columns": COLUMNS}
    with pytest.raises(OptionError, match=r"tau2 was 'DL' then and is 'PM' now"):
        ma.pool_parquet(source, target, tau2="PM", **options)
    os.utime(source, (1, 1))
    with pytest.raises(OptionError, match=r"in\.parquet was \d+ bytes"):
        ma.pool_parquet(source, target, tau2="DL", **options)
    stamp = json.loads((work / "manifest.json").read_text())["asked"][str(source)].rsplit(" ", 1)[1]
    os.utime(source, ns=(int(stamp), int(stamp)))

    done = ma.pool_parquet(source, target, tau2="DL", **options)
    assert done.taken_over == finished
    assert_as_in_memory(target, studies(), tau2="DL")
    assert not work.exists()


@pytest.mark.usefixtures("small_parts")
def test_a_run_with_other_options_starts_anew_when_told(tmp_path: Path) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"

    class StoppedError(Exception):
        pass

    class Stops:
        def __init__(self) -> None:
            self.given = 0

        def submit(self, function: Any, task: Any) -> Any:
            self.given += 1
            if self.given > 3:
                raise StoppedError
            with ThreadPoolExecutor(1) as threads:
                return threads.submit(function, task)

    with pytest.raises(StoppedError):
        ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, executor=Stops())  # type: ignore[arg-type]
    done = ma.pool_parquet(source, target, by="snp", tau2="PM", columns=COLUMNS, resume=False)
    assert done.taken_over == 0
    assert_as_in_memory(target, studies(), tau2="PM")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.usefixtures("small_parts")
def test_what_was_divided_is_divided_anew_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    table = shuffled(studies())
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    (tmp_path / "boot").write_text("the first start")
    monkeypatch.setattr(parquet_work, "BOOT", tmp_path / "boot")

    def full(*given: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(partition, "write_arrow", full)
        with pytest.raises(OSError, match="is full"):
            ma.pool_parquet(source, target, by="snp", columns=COLUMNS)
    split_files = sorted((tmp_path / "out.parquet.parts").glob("*/split-*.arrow"))
    assert len(split_files) == 6
    if restarted:
        # What a power cut may leave of a file that was not on the disk yet.
        split_files[3].write_bytes(bytes(split_files[3].stat().st_size))
        (tmp_path / "boot").write_text("another start")
    divided: list[int] = []
    real = parquet_tasks.split_span
    monkeypatch.setattr(parquet_tasks, "split_span", lambda *given: divided.append(given[2]) or real(*given))
    ma.pool_parquet(source, target, by="snp", columns=COLUMNS)
    assert sorted(divided) == (list(range(6)) if restarted else [])
    assert_as_in_memory(target, table)


def test_two_runs_of_one_target_do_not_mix(tmp_path: Path) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    with (
        parquet_work.alone(parquet_work.Work(tmp_path / "out.parquet.parts")),
        pytest.raises(DataError, match="another run is writing this target"),
    ):
        ma.pool_parquet(source, target, by="snp")


def test_a_folder_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    source, target = written(studies(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    (tmp_path / "out.parquet.parts").mkdir()
    (tmp_path / "out.parquet.parts" / "mine.txt").write_text("mine")
    ma.pool_parquet(source, target, by="snp", columns=COLUMNS)
    assert (tmp_path / "out.parquet.parts" / "mine.txt").read_text() == "mine"


# Executors and memory.


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.usefixtures("small_parts")
def test_executors(tmp_path: Path, kind: Any) -> None:
    # A process that has threads is not safely forked.
    more = {} if kind is ThreadPoolExecutor else {"mp_context": multiprocessing.get_context("spawn")}
    with kind(2, **more) as executor:
        for name, table in (("sorted", studies()), ("shuffled", shuffled(studies()))):
            source, target = written(table, tmp_path / f"{name}-in.parquet"), tmp_path / f"{name}.parquet"
            ma.pool_parquet(source, target, by="snp", tau2="DL", columns=COLUMNS, executor=executor)
            assert_as_in_memory(target, table, tau2="DL")


def test_a_task_done_twice_changes_nothing(tmp_path: Path) -> None:
    class Twice:
        def submit(self, function: Any, task: Any) -> Any:
            with ThreadPoolExecutor(2) as threads:
                first, second = threads.submit(function, task), threads.submit(function, task)
            assert first.result() == second.result()
            return second

    table = shuffled(studies())
    source, target = written(table, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    ma.pool_parquet(source, target, by="snp", columns=COLUMNS, executor=Twice())  # type: ignore[arg-type]
    assert_as_in_memory(target, table)


NUMBERS = [("y", pa.float64()), ("v", pa.float64())]
MEMORY = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
import metaanalysis as ma
def said(name):
    return next(int(line.split()[1]) // 1000 for line in open("/proc/self/status") if line.startswith(name))
kind = pq.read_schema(sys.argv[1]).field("snp").type
few = pa.table({"snp": pa.array([1, 1, 2]).cast(kind), "y": [0.1, 0.2, 0.3], "v": [1.0, 1.0, 1.0]})
pq.write_table(few, sys.argv[2] + ".few")
options = {"by": "snp", "tau2": "DL", "engine": "numpy", "overwrite": True, "workers": 2}
for in_order in (None, False):
    ma.pool_parquet(sys.argv[2] + ".few", sys.argv[2], sorted=in_order, **options)
before = said("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
ma.pool_parquet(sys.argv[1], sys.argv[2], memory_limit="100MB", **options)
print(said("VmHWM") - before)
"""


@pytest.mark.parametrize("rows, size, key", [(2_000_000, 1, 0), (3_000_000, 3, 0), (150_000, 3, 1_000)])
@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system's own account of memory is Linux's")
def test_memory_stays_within_its_limit(tmp_path: Path, rows: int, size: int, key: int, order: str) -> None:
    """Of the highest resident memory above that before, by the system's account (`ru_maxrss` would begin with this process's)."""
    random = np.random.default_rng(1)
    keys: Any = np.repeat(np.arange(rows // size), size)
    if order == "shuffled":
        random.shuffle(keys)
    source = tmp_path / "in.parquet"
    with pq.ParquetWriter(source, pa.schema([("snp", pa.string() if key else pa.int64()), *NUMBERS])) as writer:
        for part in np.array_split(keys, 1 if not key else 8):
            names = pa.array([f"{one:0{key}d}" for one in part]) if key else part
            numbers = {"y": random.normal(size=part.size), "v": random.uniform(0.1, 1, part.size)}
            writer.write_table(pa.table({"snp": names, **numbers}), row_group_size=part.size)
    command = [sys.executable, "-c", MEMORY, str(source), str(tmp_path / "out.parquet")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    assert int(ended.stdout) < 100
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == rows // size


# The command.


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = studies().rename_columns(["variant", "unused", "BETA", "spread"])
    table = table.set_column(3, "SE", pa.array(np.sqrt(table["spread"].to_numpy())))
    source, target = str(written(table, tmp_path / "in.parquet")), str(tmp_path / "out.parquet")
    mapped = ["--by", "variant", "--y", "BETA", "--se", "SE", "--tau2", "DL", "--columns", ",".join(COLUMNS)]
    assert main(["pool-many", source, target, *mapped, "--memory-limit", "200MB", "--sorted", "--quiet"]) == 0
    assert "groups from 3,000 rows, streamed in order" in capsys.readouterr().out
    assert_as_in_memory(Path(target), table, by="variant", y="BETA", se="SE", tau2="DL")
    assert main(["pool-many", source, target, *mapped]) == 2
    assert "the target exists" in capsys.readouterr().err
    assert main(["pool-many", source, target, *mapped, "--overwrite", "--unsorted", "--processes", "1"]) == 0
    assert "partitioned by key" in capsys.readouterr().out
    assert main(["pool-many", source, target, "--overwrite", "--by", "varant"]) == 2
    assert "Did you mean 'variant'?" in capsys.readouterr().err


def test_the_progress_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = written(shuffled(studies()), tmp_path / "in.parquet")
    ma.pool_parquet(source, tmp_path / "a.parquet", by="snp", progress=True, columns=COLUMNS)
    said = capfd.readouterr().err
    assert "divided" in said
    assert "3.00k/3.00k" in said
    ma.pool_parquet(source, tmp_path / "b.parquet", by="snp", columns=COLUMNS)
    assert capfd.readouterr().err == ""
