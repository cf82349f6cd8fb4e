"""Parquet files as one long table: which files, which columns, and batches of rows from any stretch of row groups."""

from __future__ import annotations

import base64
import errno
import glob
import importlib.util
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaanalysis.errors import DataError, OptionError, nearest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ENDINGS = (".parquet", ".parq", ".pq")
BUFFER = 1 << 20


@dataclass(frozen=True)
class Source:
    """Files laid end to end.

    paths: absolute; stretches: (file, row group, rows) of every row group, in order; columns and kinds: the columns that are
    read, and their Arrow schema as text; bytes_of_texts: what the files say that the columns of no fixed width take a row, of all
    row groups the most (less than it is where values are written once and numbered).
    """

    paths: tuple[str, ...]
    stretches: tuple[tuple[int, int, int], ...]
    columns: tuple[str, ...]
    kinds: str
    bytes_of_texts: float = 0.0

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(rows for _, _, rows in self.stretches)

    @property
    def schema(self) -> pa.Schema:
        """Of the columns that are read."""
        return schema_from(self.kinds)

    def first_row(self, stretch: int) -> int:
        """How many rows come before a stretch."""
        return sum(rows for _, _, rows in self.stretches[:stretch])

    def batches(
        self, first: int, stop: int, size: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of stretches first to stop (that one excluded), at most `size` at a time, of the columns given (all)."""
        import pyarrow as pa

        names = list(self.columns if columns is None else columns)
        schema = pa.schema([self.schema.field(name) for name in names])
        for number, groups in _by_file(self.stretches[first:stop]):
            path = self.paths[number]
            with readable(path), opened(path) as file:
                for batch in file.iter_batches(size, row_groups=groups, columns=names):
                    if batch.num_rows:
                        yield as_in_schema(batch.select(names), schema, path) if batch.schema != schema else batch

    def place(self, row: int) -> str:
        """A row, counted from 0 over all files, in words: counted from 1 in its own file."""
        starts = [0, *accumulate(rows for _, _, rows in self.stretches)]
        stretch = min(bisect_right(starts, row), len(self.stretches)) - 1
        number = self.stretches[stretch][0]
        begin = starts[next(at for at, (file, _, _) in enumerate(self.stretches) if file == number)]
        return f"row {row - begin + 1:,} of {Path(self.paths[number]).name}"


def _by_file(stretches: Iterable[tuple[int, int, int]]) -> list[tuple[int, list[int]]]:
    """Row groups that follow each other, file by file; empty ones left out."""
    found: list[tuple[int, list[int]]] = []
    for number, group, rows in stretches:
        if not rows:
            continue
        if not found or found[-1][0] != number:
            found.append((number, []))
        found[-1][1].append(group)
    return found


def files_of(source: Any) -> list[str]:
    """The files that a path, a folder, a pattern or a list of them names, in the order of their names."""
    if isinstance(source, str | os.PathLike):
        names = [os.fspath(source)]
    else:
        one = isinstance(source, Mapping | bytes) or hasattr(source, "read") or hasattr(source, "columns")
        listed = [source] if one or not isinstance(source, Iterable) else list(source)
        wrong = next((one for one in listed if not isinstance(one, str | os.PathLike)), None)
        if wrong is not None:
            raise DataError(
                f"source is a {type(wrong).__name__}: give a file, a folder, a pattern such as 'scores/*.parquet' or a list of "
                f"them; for a table in memory use pool_many."
            )
        names = [os.fspath(one) for one in listed]
    found = [path for one in names for path in _files_of_one(one)]
    if not found:
        raise DataError("source is an empty list: give at least one Parquet file.")
    known: dict[tuple[int, int], str] = {}
    for path in found:
        about = os.stat(path)
        before = known.setdefault((about.st_dev, about.st_ino), path)
        if before is not path:
            also = "" if before == path else f", once as {before}"
            raise DataError(f"source names {path} twice{also}: its studies would count double.")
    return found


def _files_of_one(name: str) -> list[str]:
    if "://" in name:
        raise DataError(f"{name} is an address: copy it to a disk, or mount it, and give the path.")
    if os.path.isdir(name):
        inside = (Path(folder, file) for folder, _, files in os.walk(name) for file in files)
        found = sorted(
            str(path.absolute())
            for path in inside
            # What begins with . or _ is a program's own: markers, manifests, files being written.
            if path.suffix in ENDINGS and not any(part[0] in "._" for part in path.relative_to(name).parts)
        )
        if not found:
            raise DataError(f"the folder {name} holds no file that ends in {', '.join(ENDINGS)}.")
        return found
    if os.path.exists(name):
        return [os.path.abspath(name)]
    found = sorted(os.path.abspath(path) for path in glob.glob(name, recursive=True) if os.path.isfile(path))
    if not found:
        raise FileNotFoundError(errno.ENOENT, "No such file, folder, or pattern that matches any", name)
    return found


def as_in_schema(batch: pa.RecordBatch, schema: pa.Schema, path: str) -> pa.RecordBatch:
    """A batch in the types that all files have in common; DataError where a value has no place in them."""
    import pyarrow as pa

    columns = []
    for field, column in zip(schema, batch.columns, strict=True):
        plain = column.storage if isinstance(column, pa.ExtensionArray) else column
        try:
            columns.append(plain.cast(field.type))
        except pa.ArrowInvalid as problem:
            why = str(problem).strip().split("\n")[0].rstrip(".")
            raise DataError(
                f"the column {field.name!r} is {column.type} in {path}, and {field.type} is what all files have in common, which "
                f"can't hold all of its values ({why}): make the files alike."
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def opened(path: str) -> Iterator[pq.ParquetFile]:
    """A file read in small pieces: neither mapped into memory nor fetched ahead, either of which would hold all of it."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    try:
        yield file
    finally:
        file.close()


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Say which file it is that can't be read, and why."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise
        why = str(problem).strip().split("\n")[0].rstrip(".")
        raise DataError(
            f"{path} can't be read as Parquet ({why}): it is something else, is damaged, or ends early. Make or copy it again."
        ) from problem


def source_of(paths: Sequence[str], roles: dict[str, str]) -> Source:
    """Read what the files say of themselves.

    roles: the columns that are needed, and what each is for ("by", "y", ...).
    """
    import pyarrow as pa

    stretches: list[tuple[int, int, int]] = []
    schemas = []
    most = 0.0
    for number, path in enumerate(paths):
        with readable(path), opened(path) as file:
            about, schema = file.metadata, file.schema_arrow
            stretches += [(number, group, about.row_group(group).num_rows) for group in range(about.num_row_groups)]
            most = max(most, bytes_of_texts(about, list(roles)))
        schemas.append(pa.schema([_plain(_field(schema, name, role, path)) for name, role in roles.items()]))
    try:
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise DataError(_differing(paths, schemas)) from None
    return Source(tuple(paths), tuple(stretches), tuple(roles), schema_text(schema), most)


def bytes_of_texts(about: pq.FileMetaData, names: Sequence[str]) -> float:
    """The most that the columns of texts take a row, in any row group, by what the file says."""
    places = [
        at
        for at in range(about.num_columns)
        if about.schema.column(at).path in names and about.schema.column(at).physical_type == "BYTE_ARRAY"
    ]
    groups = [about.row_group(group) for group in range(about.num_row_groups)] if places else []
    return max(
        (sum(one.column(at).total_uncompressed_size for at in places) / one.num_rows for one in groups if one.num_rows),
        default=0.0,
    )


def schema_text(schema: pa.Schema) -> str:
    """An Arrow schema as text."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


def schema_from(text: str) -> pa.Schema:
    """The Arrow schema that a text stands for."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def empty_table(path: str) -> pa.Table:
    """The columns of a file, without a row."""
    with readable(path), opened(path) as file:
        return file.schema_arrow.empty_table()


def _field(schema: pa.Schema, name: str, role: str, path: str) -> pa.Field:
    if schema.names.count(name) == 1:
        return schema.field(name)
    if name in schema.names:
        raise DataError(f"{path} has two columns named {name!r}: rename or remove one.")
    raise DataError(
        f"there is no column {name!r} for {role} in {path}.{nearest(name, schema.names)} "
        f"The columns are: {', '.join(schema.names)}."
    )


def _plain(field: pa.Field) -> pa.Field:
    """Without dictionaries, notes and types that Arrow does not compute with: the values themselves."""
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    others = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary(), pa.float16(): pa.float32()}
    return pa.field(field.name, others.get(kind, kind))


def _differing(paths: Sequence[str], schemas: Sequence[pa.Schema]) -> str:
    """Which column has types in which two files that do not go together."""
    import pyarrow as pa

    for name in schemas[0].names:
        first = schemas[0].field(name)
        for path, schema in zip(paths[1:], schemas[1:], strict=True):
            try:
                pa.unify_schemas([pa.schema([first]), pa.schema([schema.field(name)])], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                return (
                    f"the column {name!r} is {first.type} in {paths[0]} and {schema.field(name).type} in {path}: make them the "
                    f"same type."
                )
    return "the columns of the files have types that do not go together."


def limits_of(source: Source, name: str) -> list[tuple[Any, Any]] | None:
    """The least and the greatest value of a column in each row group that has rows; None where a file does not say."""
    limits = []
    groups_of: dict[int, list[int]] = {}
    for number, group, rows in source.stretches:
        if rows:
            groups_of.setdefault(number, []).append(group)
    for number, path in enumerate(source.paths):
        with readable(path), opened(path) as file:
            about = file.metadata
            names = [about.schema.column(at).path for at in range(about.num_columns)]
            if name not in names:
                return None
            for group in groups_of.get(number, []):
                found = about.row_group(group).column(names.index(name)).statistics
                if found is None or not found.has_min_max:
                    return None
                limits.append((found.min, found.max))
    return limits


def check_target(target: Path, paths: Sequence[str], *, overwrite: bool) -> None:
    """The target is a file that may be written, and none of those that are read."""
    if str(target) in paths or (target.exists() and any(target.samefile(path) for path in paths)):
        raise DataError(f"{target} is read and written: give another target.")
    if target.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "the target is a folder: name a file in it, as in pooled.parquet", str(target)
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of the target does not exist", str(target.parent))
    if target.exists() and not overwrite:
        raise FileExistsError(
            errno.EEXIST, "the target exists: name another, or overwrite it (overwrite=True)", str(target)
        )


def needs_pyarrow() -> None:
    """OptionError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise OptionError("Parquet files need pyarrow, which is not installed: pip install 'metaanalysis[parquet]'.")
