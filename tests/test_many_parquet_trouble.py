"""From Parquet to Parquet when something is odd: files, keys, options, locks, disks; what is said, and that nothing is lost."""

from __future__ import annotations

import functools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.errors import DataError, OptionError
from metaanalysis.many import parquet, parquet_memory, parquet_run, parquet_tasks, parquet_work
from metaanalysis.many.fingerprints import fingerprint

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROOT = Path(__file__).parents[1]


def table(groups: int = 40, k: int = 5, seed: int = 1, shift: float = 0.0) -> Any:
    random = np.random.default_rng(seed)
    v = random.uniform(0.1, 1.0, groups * k)
    return pa.table({"snp": np.repeat(np.arange(groups), k), "y": random.normal(shift, np.sqrt(v + 0.1)), "v": v})


def written(content: Any, path: Path, rows: int = 50) -> Path:
    pq.write_table(content, path, row_group_size=rows)
    return path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_run, "LEAST_ROWS_OF_A_PART", 50)
    monkeypatch.setattr(parquet_run, "ROWS_OF_A_PART", 50)


def interrupted(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """A run that ends when two parts are done."""
    real = parquet_tasks.write_arrow
    done: list[Path] = []

    def until(path: Path, *given: Any, **more: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        real(path, *given, **more)
        done.append(path)

    with monkeypatch.context() as patched:
        patched.setattr(parquet_tasks, "write_arrow", until)
        with pytest.raises(KeyboardInterrupt):
            ma.pool_parquet(source, target, by="snp", workers=1, **options)
    assert done


def constant(y: Any, v: Any, X: Any, value: float = 0.5) -> Any:
    return np.full(y.shape[:-1], value)


class Fixed:
    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, y: Any, v: Any, X: Any) -> Any:
        return np.full(y.shape[:-1], self.value)


def of_array(values: Any) -> Any:
    return lambda y, v, X: np.full(y.shape[:-1], values.max())


TABLE = {"value": 0.5}


def of_table(y: Any, v: Any, X: Any) -> Any:
    return np.full(y.shape[:-1], TABLE["value"])


HALF, TWO = lambda y, v, X: np.full(y.shape[:-1], 0.5), lambda y, v, X: np.full(y.shape[:-1], 2.0)


@pytest.mark.usefixtures("small_parts")
class TestTakenUp:
    """A run that was interrupted is taken up by the same call, and by no other."""

    @pytest.mark.parametrize("kind", ["partial", "lambda", "closure", "default", "object", "method", "array", "global"])
    def test_functions_are_told_apart_by_what_they_do(self, kind: str, tmp_path: Path, monkeypatch: Any) -> None:
        def made(value: float) -> Any:
            def with_default(y: Any, v: Any, X: Any, value: float = value) -> Any:
                return np.full(y.shape[:-1], value)

            return {
                "partial": functools.partial(constant, value=value),
                "lambda": HALF if value == 0.5 else TWO,
                "closure": lambda y, v, X: np.full(y.shape[:-1], value),
                "default": with_default,
                "object": Fixed(value),
                "method": Fixed(value).__call__,
                "array": of_array(np.where(np.arange(3_000) == 1_500, value, 0.0)),
                "global": of_table,
            }[kind]  # fmt: skip

        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        interrupted(source, target, monkeypatch, tau2=made(0.5))
        monkeypatch.setitem(TABLE, "value", 2.0)
        with pytest.raises(OptionError, match="but tau2 was"):
            ma.pool_parquet(source, target, by="snp", workers=1, tau2=made(2.0))
        monkeypatch.setitem(TABLE, "value", 0.5)
        done = ma.pool_parquet(source, target, by="snp", workers=1, tau2=made(0.5))
        assert done.taken_over == 2
        assert set(pq.read_table(target)["tau2"].to_pylist()) == {0.5}

    def test_a_source_that_is_replaced_meanwhile_is_noticed(self, tmp_path: Path, monkeypatch: Any) -> None:
        source, other = (
            written(table(), tmp_path / "in.parquet"),
            written(table(shift=100.0), tmp_path / "other.parquet"),
        )
        target = tmp_path / "out.parquet"
        real, done = parquet_tasks.write_arrow, []

        def replacing(path: Path, *given: Any, **more: Any) -> None:
            real(path, *given, **more)
            done.append(path)
            if len(done) == 2:
                shutil.copy(other, source)

        monkeypatch.setattr(parquet_tasks, "write_arrow", replacing)
        with pytest.raises(DataError, match=r"in\.parquet was changed while it was read"):
            ma.pool_parquet(source, target, by="snp", workers=1)
        assert not target.exists()
        assert ma.pool_parquet(source, target, by="snp").taken_over == 0

    def test_a_damaged_part_is_named(self, tmp_path: Path, monkeypatch: Any) -> None:
        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        interrupted(source, target, monkeypatch)
        part = min((tmp_path / "out.parquet.parts").glob("*/part-*.arrow"))
        part.write_bytes(part.read_bytes()[:100])
        with pytest.raises(DataError, match=r"part-00000\.arrow, a part of this run .* is damaged .*resume=False"):
            ma.pool_parquet(source, target, by="snp")


LEFT_BY_A_KILL = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
import metaanalysis as ma
from metaanalysis.many import parquet_run
parquet_run.LEAST_ROWS_OF_A_PART = parquet_run.ROWS_OF_A_PART = 50
def slow(y, v, X):
    if os.getpid() != int(os.environ["THE_RUN"]):
        os.write(1, f"{os.getpid()}\\n".encode())  # in one piece
        time.sleep(60)
    return 0 * y[..., 0]
if __name__ == "__main__":
    os.environ["THE_RUN"] = str(os.getpid())
    with ProcessPoolExecutor(2) as executor:
        ma.pool_parquet(sys.argv[1], sys.argv[2], by="snp", executor=executor, tau2=slow)
"""


HOLD = """
import sys
from pathlib import Path
from metaanalysis.many.parquet_work import Work, alone
with alone(Work(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.readline()
"""


class TestLocks:
    """One run of a target at a time; a run that was killed keeps nobody away."""

    def test_a_run_of_another_process(self, tmp_path: Path) -> None:
        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        command = [sys.executable, "-c", HOLD, f"{target}.parts"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(DataError, match="another run is writing this target"):
                ma.pool_parquet(source, target, by="snp")
            other.stdin.write("\n")
            other.stdin.close()
        assert ma.pool_parquet(source, target, by="snp").groups == 40

    def test_one_folder_under_two_names(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "alias").symlink_to(tmp_path / "real")
        with (
            parquet_work.alone(parquet_work.Work(tmp_path / "real" / "x.parts")),
            pytest.raises(DataError, match="another run"),
            parquet_work.alone(parquet_work.Work(tmp_path / "alias" / "x.parts")),
        ):
            pass

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
    def test_workers_that_outlive_a_killed_run_keep_nobody_away(self, tmp_path: Path) -> None:
        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        script = tmp_path / "run.py"
        script.write_text(LEFT_BY_A_KILL, encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(script), str(source), str(target)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        ) as run:
            assert run.stdout is not None
            worker = int(run.stdout.readline())
            run.send_signal(signal.SIGKILL)
            run.wait()
            try:
                os.kill(worker, 0)
                done = ma.pool_parquet(source, target, by="snp", tau2="DL", resume=False)
            finally:
                os.killpg(run.pid, signal.SIGKILL)
        assert done.groups == 40

    def test_two_runs_of_one_process(self, tmp_path: Path) -> None:
        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        with (
            parquet_work.alone(parquet_work.Work(Path(f"{target}.parts"))),
            pytest.raises(DataError, match="another run is writing this target"),
        ):
            ma.pool_parquet(source, target, by="snp")
        assert ma.pool_parquet(source, target, by="snp").groups == 40

    def test_a_target_that_appears_meanwhile_is_not_replaced(self, tmp_path: Path, monkeypatch: Any) -> None:
        source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
        real = parquet.first_plan

        def planned_while_another_ends(*given: Any) -> Any:
            target.write_bytes(b"another's")
            return real(*given)

        monkeypatch.setattr(parquet, "first_plan", planned_while_another_ends)
        with pytest.raises(FileExistsError, match="the target exists"):
            ma.pool_parquet(source, target, by="snp")
        assert target.read_bytes() == b"another's"


class TestSources:
    """Which files are read, and what they hold."""

    def test_one_file_under_two_names_does_not_count_double(self, tmp_path: Path) -> None:
        source = written(table(), tmp_path / "a.parquet")
        (tmp_path / "latest.parquet").symlink_to(source)
        for given in (tmp_path, [source, tmp_path / "latest.parquet"], str(tmp_path / "*.parquet")):
            with pytest.raises(
                DataError, match=r"latest\.parquet twice, once as .*a\.parquet: its studies would count double"
            ):
                ma.pool_parquet(
                    given,
                    tmp_path / "out" / "x.parquet" if False else tmp_path.parent / f"{tmp_path.name}.out",
                    by="snp",
                )

    @pytest.mark.parametrize("kind", ["string_view", "float16", "uuid"])
    @pytest.mark.parametrize("in_order", [True, False])
    def test_keys_of_types_that_arrow_does_not_compute_with(self, kind: str, in_order: bool, tmp_path: Path) -> None:
        content = table(8)
        number = content["snp"].to_numpy()
        keys = {
            "string_view": lambda: pa.array([f"rs{one}" for one in number], type=pa.string_view()),
            "float16": lambda: pa.array(number.astype(np.float16)),
            "uuid": lambda: pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([int(one).to_bytes(16, "big") for one in number], type=pa.binary(16))
            ),
        }[kind]()
        content = content.set_column(0, "snp", keys)
        if not in_order:
            order = np.random.default_rng(1).permutation(content.num_rows).tolist()
            content = pa.concat_tables([content.slice(row, 1) for row in order]).combine_chunks()
        done = ma.pool_parquet(written(content, tmp_path / "in.parquet"), tmp_path / "out.parquet", by="snp")
        assert done.groups == 8
        assert pq.read_table(done.target)["k"].to_pylist() == [5] * 8

    def test_the_column_whose_types_do_not_go_together_is_named(self, tmp_path: Path) -> None:
        one = table().set_column(0, "snp", pa.array(table()["snp"].to_numpy().astype(np.int32)))
        two = table().set_column(1, "y", pa.array([str(value) for value in table()["y"].to_pylist()]))
        written(one, tmp_path / "a.parquet")
        written(two, tmp_path / "b.parquet")
        with pytest.raises(DataError, match=r"the column 'y' is double in .*a\.parquet and string in .*b\.parquet"):
            ma.pool_parquet(tmp_path, tmp_path.parent / f"{tmp_path.name}.out", by="snp")

    def test_a_value_that_has_no_place_in_the_common_type(self, tmp_path: Path) -> None:
        written(table(), tmp_path / "a.parquet")
        large = pa.array(np.full(5, 2**63 + 1, dtype=np.uint64))
        written(table(1).set_column(0, "snp", large), tmp_path / "b.parquet")
        with pytest.raises(DataError, match=r"the column 'snp' is uint64 in .*b\.parquet, and .*make the files alike"):
            ma.pool_parquet(tmp_path, tmp_path.parent / f"{tmp_path.name}.out", by="snp")

    def test_texts_in_one_file_and_bytes_in_another(self, tmp_path: Path) -> None:
        texts = [f"rs{one:03}" for one in table()["snp"].to_pylist()]
        written(table().set_column(0, "snp", pa.array(texts)), tmp_path / "a.parquet")
        later = [f"ss{one:03}".encode() for one in table()["snp"].to_pylist()]
        written(table().set_column(0, "snp", pa.array(later)), tmp_path / "b.parquet")
        assert ma.pool_parquet(tmp_path, tmp_path.parent / f"{tmp_path.name}.x", by="snp").groups == 80

    @pytest.mark.parametrize(
        "source, message",
        [
            (3, "source is a int: give a file"),
            ({"y": [1.0]}, "source is a dict: .*for a table in memory use pool_many"),
            ([b"a"], "source is a bytes"),
            ([], "empty list"),
        ],
    )
    def test_what_is_no_source(self, source: Any, message: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=message):
            ma.pool_parquet(source, tmp_path / "out.parquet", by="snp")

    @pytest.mark.parametrize("by", [None, 3])
    def test_what_is_no_key(self, by: Any, tmp_path: Path) -> None:
        source = written(table(), tmp_path / "in.parquet")
        with pytest.raises(DataError, match="by names the key column of the files"):
            ma.pool_parquet(source, tmp_path / "out.parquet", by=by)

    def test_parts_that_would_lie_in_a_file(self, tmp_path: Path) -> None:
        source = written(table(), tmp_path / "in.parquet")
        (tmp_path / "out.parquet.parts").write_text("mine", encoding="utf-8")
        with pytest.raises(DataError, match=r"out\.parquet\.parts, where the parts .* is a file"):
            ma.pool_parquet(source, tmp_path / "out.parquet", by="snp")

    @pytest.mark.parametrize("limit", ["1G", "1e9", "0.5GB", ".5GB", "200M"])
    def test_amounts_of_memory(self, limit: str, tmp_path: Path) -> None:
        source = written(table(), tmp_path / "in.parquet")
        if limit == "1e9":
            with pytest.raises(OptionError, match="is not an amount of memory"):
                ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", memory_limit=limit)
        else:
            assert ma.pool_parquet(source, tmp_path / "out.parquet", by="snp", memory_limit=limit).groups == 40


@pytest.mark.usefixtures("small_parts")
def test_more_parts_than_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are merged a few at a time, and what is merged is merged again."""
    monkeypatch.setattr(parquet_memory, "MOST_OPEN", 3)
    monkeypatch.setattr("metaanalysis.many.partition.WORTH_A_PARTITION", 10)
    content = table(120)
    mixed = content.take(pa.array(np.random.default_rng(2).permutation(content.num_rows)))
    source, target = written(mixed, tmp_path / "in.parquet"), tmp_path / "out.parquet"
    done = ma.pool_parquet(source, target, by="snp", tau2="DL")
    assert done.parts > 9
    expected = ma.pool_many(mixed, by="snp", tau2="DL").to_frame()
    found = pq.read_table(target)
    assert found["snp"].to_pylist() == expected["snp"].to_pylist()
    assert_allclose(found["estimate"].to_numpy(), expected["estimate"].to_numpy(), rtol=1e-13, atol=1e-15)
    assert not (tmp_path / "out.parquet.parts").exists()


def test_the_bar_of_the_second_phase_moves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = table()
    mixed = content.take(pa.array(np.random.default_rng(2).permutation(content.num_rows)))
    ma.pool_parquet(written(mixed, tmp_path / "in.parquet"), tmp_path / "out.parquet", by="snp", progress=True)
    last = capfd.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("pooled: 100%")


def test_a_disk_with_no_room_for_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"

    def full(self: Path, *given: Any, **more: Any) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="is full: free some space, and make the same call again"):
            ma.pool_parquet(source, target, by="snp")
    assert not (tmp_path / "out.parquet.parts").exists()
    assert ma.pool_parquet(source, target, by="snp").groups == 40


def test_the_command_names_its_own_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = str(written(table(), tmp_path / "in.parquet")), str(tmp_path / "out.parquet")
    assert main(["pool-many", source, target, "--by", "snp", "--quiet"]) == 0
    assert main(["pool-many", source, target, "--by", "snp", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "--overwrite" in said
    assert "overwrite=True" not in said
    assert main(["pool-many", source, target, "--by", "snp", "--overwrite", "--memory-limit=1.5XB"]) == 2
    assert "--memory-limit 1.5XB is not an amount of memory" in capsys.readouterr().err


def test_texts_are_measured_for_the_memory_they_take(tmp_path: Path) -> None:
    keys = pa.array([f"{one:0500d}" for one in table()["snp"].to_pylist()])
    source = written(table().set_column(0, "snp", keys), tmp_path / "in.parquet")
    found = parquet_run.source_of([str(source)], {"snp": "by", "y": "y", "v": "v"})
    assert 516 <= parquet_memory.row_bytes(found) <= 560
    numbers = parquet_run.source_of([str(written(table(), tmp_path / "b.parquet"))], {"snp": "by", "y": "y", "v": "v"})
    assert parquet_memory.row_bytes(numbers) == 24


@pytest.mark.parametrize("in_order", [True, False])
def test_a_bad_number_is_named_by_file_and_row(in_order: bool, tmp_path: Path) -> None:
    texts = pa.array([None] * 200, type=pa.string())
    written(table().set_column(1, "y", texts), tmp_path / "a.parquet")
    texts = pa.array([None] * 3 + ["n/a"] + [None] * 196, type=pa.string())
    content = table().set_column(1, "y", texts)
    written(content.set_column(0, "snp", pa.array(content["snp"].to_numpy() + 100)), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"^y \('n/a'\) in row 4 of b\.parquet is not a number"):
        ma.pool_parquet(
            tmp_path, tmp_path.parent / f"{tmp_path.name}.out", by="snp", sorted=None if in_order else False
        )


@pytest.mark.parametrize("in_order", [True, False])
def test_a_count_with_a_fraction_is_named_by_file_and_row(in_order: bool, tmp_path: Path) -> None:
    rows = 400
    counts = {
        "n1": np.full(rows, 20.0),
        "events1": np.full(rows, 3.0),
        "n2": np.full(rows, 20.0),
        "events2": np.full(rows, 4.0),
    }
    counts["events1"][306] = 1.5
    content = pa.table({"snp": np.repeat(np.arange(40), 10), "trial": [f"T{row}" for row in range(rows)], **counts})
    source = written(content, tmp_path / "in.parquet")
    options = {"by": "snp", "measure": "RR", "sorted": None if in_order else False, "overwrite": True}
    with pytest.warns(
        ma.errors.DataWarning, match=r"^events1 \(1\.5\) in row 307 of in\.parquet is not a whole number"
    ):
        ma.pool_parquet(source, tmp_path / "out.parquet", **options)
    with pytest.warns(ma.errors.DataWarning, match=r"in study 'T306' \(row 307 of in\.parquet\)"):
        ma.pool_parquet(source, tmp_path / "out.parquet", label="trial", **options)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_the_commands_processes_end_with_it(tmp_path: Path) -> None:
    content = pa.table({"snp": np.repeat(np.arange(400_000), 3), "y": np.ones(1_200_000), "v": np.ones(1_200_000)})
    source = written(content, tmp_path / "in.parquet", 1 << 16)
    command = [
        sys.executable,
        "-m",
        "metaanalysis.cli",
        "pool-many",
        str(source),
        str(tmp_path / "out.parquet"),
        "--by",
        "snp",
    ]
    with subprocess.Popen([*command, "--processes", "2", "--quiet"], cwd=ROOT, start_new_session=True) as run:
        until = time.monotonic() + 60
        workers: list[int] = []
        while not workers and time.monotonic() < until:
            time.sleep(0.02)
            workers = children_of(run.pid)
        run.kill()
    assert workers
    until = time.monotonic() + 20
    while any(runs(worker) for worker in workers) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(runs(worker) for worker in workers)


def runs(process: int) -> bool:
    """Whether a process has not ended (Linux); one that nobody has asked for its end is a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(process: int) -> list[int]:
    """The processes that a process has begun (Linux)."""
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        pytest.skip("this system does not tell a process's children")
    return [int(one) for one in listed.split()]


FINGERPRINT = """
import functools, sys
import numpy as np
from metaanalysis.many.fingerprints import fingerprint
def helper(x): return x + 1
@functools.wraps(helper)
def wrapped(y, v, X): return helper(y)
def closed(values):
    def function(y, v, X):
        return helper(values) if "a" in {"abc", "d", "e"} else None
    return function
class Fixed:
    def __call__(self, y, v, X): return y
print([fingerprint(one) for one in (wrapped, closed(np.arange(5)), Fixed(), functools.partial(wrapped, v=1))])
"""


def test_fingerprints_are_those_of_the_next_process() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT], cwd=ROOT, capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    ]  # fmt: skip
    assert said[0] == said[1]


def test_what_cannot_be_told_is_equal_to_nothing() -> None:
    with open(os.devnull) as file:
        assert fingerprint(lambda: file) != fingerprint(lambda: file)


@pytest.mark.parametrize("make", [np.array, tuple, frozenset, iter, lambda x: dict.fromkeys(x).keys()])
def test_sources_in_anything_that_lists_them(make: Any, tmp_path: Path) -> None:
    source = written(table(), tmp_path / "in.parquet")
    assert ma.pool_parquet(make([str(source)]), tmp_path / "out.parquet", by="snp").groups == 40


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_the_commands_processes_whatever_starts_them(start: str, tmp_path: Path) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {start}")
    source, target = written(table(), tmp_path / "in.parquet"), tmp_path / "out.parquet"
    program = (
        "import multiprocessing, sys\n"
        "from metaanalysis.cli import main\n"
        "if __name__ == '__main__':\n"
        f"    multiprocessing.set_start_method({start!r})\n"
        f"    sys.exit(main(['pool-many', {str(source)!r}, {str(target)!r}, '--by', 'snp', '--processes', '2', '--quiet']))\n"
    )
    script = tmp_path / "command.py"
    script.write_text(program, encoding="utf-8")
    subprocess.run([sys.executable, str(script)], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120)
    assert pq.read_metadata(target).num_rows == 40


def test_many_threads_share_little_memory_among_few_tasks() -> None:
    assert parquet_memory.tasks_at_once(100_000_000, 8, 50) == 2
    assert parquet_memory.tasks_at_once(1_000_000_000, 8, 50) == 8
    assert parquet_memory.tasks_at_once(1_000_000_000, 8, 3) == 3
    assert parquet_memory.tasks_at_once(parquet_memory.FIXED, 8, 3) == 1
