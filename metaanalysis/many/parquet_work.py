"""The folder beside the target in which a run keeps its plan and the parts that are done, so that it can be taken up again."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaanalysis import __version__
from metaanalysis.errors import DataError, OptionError
from metaanalysis.many.fingerprints import fingerprint
from metaanalysis.many.parquet_source import Source, schema_from

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
HALF_WRITTEN = ".half"
LOCK = "lock"
RUN = "run-"
BOOT = Path("/proc/sys/kernel/random/boot_id")
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True)
class Plan:
    """What every task of a run must know; it reads it from the folder, so that tasks stay small.

    by: the columns of the key; data: those of the numbers; spans: from which stretch to which (that one excluded) a task goes;
    partitions: how many parts the keys are divided among, 0 where sorted files are streamed; any_order: whether groups may stand
    in any order there; budget: bytes that a task may take, of which so many run at once in this process; result: the Arrow
    schema of the parts, as text; boot: which start of the machine the run was begun in, empty where it does not say; row_bytes:
    what a row of the columns that are read takes in memory.
    """

    source: Source
    by: tuple[str, ...]
    data: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    partitions: int
    any_order: bool
    budget: int
    at_once: int = 1
    result: str = ""
    boot: str = ""
    row_bytes: float = 0.0

    @property
    def result_schema(self) -> pa.Schema:
        """The columns of the parts."""
        return schema_from(self.result)

    @property
    def tasks(self) -> int:
        """How many parts of the result there are."""
        return self.partitions or len(self.spans)


@dataclass(frozen=True)
class Work:
    """A work folder; run: the folder in it that a run has for its own, so that a task left over from another can do no harm."""

    folder: Path
    run: str = ""

    def plan(self) -> Plan:
        """As it was written."""
        document = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["plan"]
        files = document.pop("source")
        source = Source(
            tuple(files["paths"]),
            tuple((number, group, rows) for number, group, rows in files["stretches"]),
            tuple(files["columns"]),
            files["kinds"],
            files["bytes_of_texts"],
        )
        spans = tuple((first, stop) for first, stop in document.pop("spans"))
        return Plan(
            source=source, by=tuple(document.pop("by")), data=tuple(document.pop("data")), spans=spans, **document
        )

    def asked(self) -> dict[str, str]:
        """The sources and options of the run that the folder belongs to; DataError where nobody can tell."""
        try:
            document = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            asked: dict[str, str] = document["asked"]
            if document["identity"] == identity(asked):
                return asked
        except (OSError, ValueError, LookupError, TypeError):
            pass
        raise DataError(
            f"{self.folder} is where the parts of this target are kept, but holds no manifest that can be read: remove the folder."
        )

    def check_sources(self, paths: Sequence[str]) -> None:
        """DataError where a file was changed or replaced since the run was begun: its parts would not go together."""
        asked = self.asked()
        for path in paths:
            if asked.get(path) != as_it_is(path):
                raise DataError(
                    f"{path} was changed while it was read, so that some parts of the result are of what it was before: nothing is "
                    f"written. Make the same call again when it is as it should be."
                )

    @property
    def here(self) -> Path:
        """Where the run keeps its parts."""
        return self.folder / self.run

    def begin(self, asked: Mapping[str, str], plan: Plan) -> Work:
        """A run of its own, with nothing done."""
        self.empty()
        own = Work(self.folder, f"{RUN}{uuid.uuid4().hex[:12]}")
        own.here.mkdir(parents=True)
        own.note(asked, plan)
        return own

    def note(self, asked: Mapping[str, str], plan: Plan) -> None:
        """Write the manifest."""
        document = {"run": self.run, "identity": identity(asked), "asked": dict(asked), "plan": asdict(plan)}
        with atomically(self.folder / MANIFEST) as half:
            half.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def kept(self) -> Work:
        """The run that the manifest tells of."""
        document = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        return Work(self.folder, document["run"])

    def begun(self) -> bool:
        """Whether a run was begun here."""
        return (self.folder / MANIFEST).exists()

    def empty(self) -> None:
        """Remove what a run put here, and nothing else."""
        with suppress(FileNotFoundError):
            (self.folder / MANIFEST).unlink()
        for path in self.folder.glob(f"{RUN}*"):
            shutil.rmtree(path, ignore_errors=True)
        self.sweep()

    def clear(self) -> None:
        """Remove what a run put here, and the folder."""
        self.empty()
        with suppress(OSError):
            (self.folder / LOCK).unlink()
            self.folder.rmdir()

    def sweep(self) -> None:
        """Remove what a killed run left half-written."""
        for path in self.folder.rglob(f"*{HALF_WRITTEN}"):
            with suppress(OSError):
                path.unlink()

    def split_file(self, number: int) -> Path:
        """The rows of a span, divided among the partitions."""
        return self.here / f"split-{number:05d}.arrow"

    def forget_split_files(self) -> None:
        """Remove the rows that were divided, once all partitions are pooled."""
        for path in self.here.glob("split-*.arrow"):
            with suppress(OSError):
                path.unlink()

    def is_done(self, kind: str, number: int) -> bool:
        """Whether a task has done its work."""
        return (self.split_file(number) if kind == "split" else self.part(number)).exists()

    def part(self, number: int, share: int = 0) -> Path:
        """The pooled groups of a part; a partition that was too large has several."""
        return self.here / (f"part-{number:05d}-{share:04d}.arrow" if share else f"part-{number:05d}.arrow")

    def parts(self) -> list[Path]:
        """All that are done."""
        return sorted(self.here.glob("part-*.arrow"))


def identity(asked: Mapping[str, str]) -> str:
    """One number for sources and options."""
    return hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()


def asked_for(
    paths: Sequence[str], by: Sequence[str], options: Mapping[str, Any], is_sorted: bool | None
) -> dict[str, str]:
    """Sources and options in words, equal where a run would give the same parts."""
    asked = {"version": __version__, "by": ", ".join(by), "sorted": str(is_sorted)}
    asked |= {name: worded(value) for name, value in sorted(options.items()) if name not in ("workers", "engine")}
    return asked | {path: as_it_is(path) for path in paths}


def as_it_is(path: str) -> str:
    """A file's size and the time of its last change."""
    about = os.stat(path)
    return f"{about.st_size} bytes, changed at {about.st_mtime_ns}"


def worded(value: Any) -> str:
    """An option's value in words; what can be called by where it is defined and a fingerprint of what it does."""
    if callable(value):
        where = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
        return f"{where} #{hashlib.sha256(fingerprint(value).encode()).hexdigest()[:12]}"
    return repr(list(value) if isinstance(value, tuple) else value)


def check_same(work: Work, asked: Mapping[str, str]) -> None:
    """An interrupted run is taken up only with the same sources and options."""
    before = work.asked()
    changed = sorted(name for name in {*before, *asked} if before.get(name) != asked.get(name))
    if changed:
        name = changed[0]
        raise OptionError(
            f"{work.folder} holds parts of a run that was interrupted, but {name} was {before.get(name, 'not given')} then and is "
            f"{asked.get(name, 'not given')} now: give the same again to finish that run, or resume=False to remove its parts "
            f"and start anew."
        )


def boot() -> str:
    """Which start of this machine it is; empty where it does not say."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@contextmanager
def atomically(path: Path, *, settled: bool = True) -> Iterator[Path]:
    """A name to write under; the file gets its own name once it is whole and, unless it may go with a power cut, on the disk."""
    half = path.with_name(f"{path.name}.{uuid.uuid4().hex}{HALF_WRITTEN}")
    try:
        yield half
        if settled:
            with half.open("rb+") as written:
                os.fsync(written.fileno())
        os.replace(half, path)
    finally:
        with suppress(OSError):
            half.unlink()


def settle(folder: Path) -> None:
    """Have the folder itself on the disk, with the name of a file that was just put there."""
    with suppress(OSError):  # not every system lets a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_arrow(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, settled: bool = True) -> None:
    """Record batches as an Arrow file, atomically; settled: as for `atomically`."""
    import pyarrow as pa

    with (
        atomically(path, settled=settled) as half,
        pa.OSFile(str(half), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


# The work folders that runs of this process write in, as a process can't lock itself out: process, device and number of the folder.
_OF_THIS_PROCESS: set[tuple[int, int, int]] = set()
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def alone(work: Work) -> Iterator[None]:
    """Keep a second run of the same target away while this one lasts; a killed run keeps nobody away.

    The lock is the process's own (POSIX): worker processes that outlive a killed run do not inherit it.
    """
    busy = DataError(f"another run is writing this target (its parts are in {work.folder}): wait for it to end.")
    if work.folder.exists() and not work.folder.is_dir():
        raise DataError(f"{work.folder}, where the parts of this target would be kept, is a file: remove or rename it.")
    with _ONE_AT_A_TIME:
        work.folder.mkdir(parents=True, exist_ok=True)
        about = os.stat(work.folder)
        mine = (os.getpid(), about.st_dev, about.st_ino)
        if mine in _OF_THIS_PROCESS:
            raise busy
        _OF_THIS_PROCESS.add(mine)
    try:
        with locked(work, busy):
            yield
    finally:
        with _ONE_AT_A_TIME:
            _OF_THIS_PROCESS.discard(mine)


@contextmanager
def locked(work: Work, busy: DataError) -> Iterator[None]:
    """Hold the lock of a work folder, where the system has such locks."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with (work.folder / LOCK).open("w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise busy from None
        yield


@contextmanager
def room_on_disk(work: Work) -> Iterator[None]:
    """Say of a full disk what to free, and that nothing is lost."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in FULL:
            raise
        if not work.begun():
            work.clear()
            raise OSError(
                errno.ENOSPC, f"the disk of {work.folder.parent} is full: free some space, and make the same call again"
            ) from problem
        work = work.kept()
        work.sweep()
        pieces = list(work.here.glob("*.arrow"))
        held = sum(path.stat().st_size for path in pieces)
        raise OSError(
            errno.ENOSPC,
            f"the disk of {work.folder.parent} is full. The target is not touched, and the {len(pieces)} finished pieces in "
            f"{work.folder.name} ({held / 1e6:,.0f} MB) are kept: {missing(work, pieces, held)}, and make the same call again",
        ) from problem


def missing(work: Work, pieces: Sequence[Path], held: int) -> str:
    """How much to free, as far as can be told from what is there."""
    plan = work.plan()
    count = len(plan.spans) + plan.partitions if plan.partitions else len(plan.spans)
    if not pieces:
        return "free some space"
    # The remaining pieces, and the target, which takes about as much as the parts.
    parts = [path.stat().st_size for path in work.parts()]
    left = 0 if len(parts) >= plan.tasks else max(count - len(pieces), 0)
    more = held / len(pieces) * (left + 1) + sum(parts)
    return f"free about {more / 1e6:,.0f} MB"
