"""Bytes of a text file -> lines of cells, with sentences for what can go wrong."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from metaanalysis.errors import DataError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
CHUNK = 1 << 16
# Reviews have a few megabytes; what is larger than this is no review, or no honest one.
LARGEST = 1 << 29


def encoding_of(stream: IO[bytes]) -> str:
    """UTF-8, UTF-16 with its mark, or Windows-1252 where the bytes are no UTF-8; the stream is read once."""
    beginning = stream.read(CHUNK)
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while beginning:
            decoder.decode(beginning)
            beginning = stream.read(CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


@dataclass(frozen=True)
class Line:
    """A line of a table: its cells by the plain names of their columns, and where it is."""

    cells: Mapping[str, int]
    values: Sequence[str]
    name: str
    number: int

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"{self.name}, line {self.number}"

    def get(self, *columns: str) -> str:
        """The first of the columns that the table has, without space around; empty where it has none."""
        for column in columns:
            at = self.cells.get(column)
            if at is not None:
                return self.values[at].strip()
        return ""


def plain_name(name: str) -> str:
    """A column's name without case, space and punctuation: ``I²(Q)`` is i2q."""
    return re.sub(r"[^a-z0-9]+", "", name.lower().replace("²", "2").replace("³", "3"))


def lines_of(stream: IO[bytes], encoding: str, name: str, needed: Sequence[str]) -> Iterator[Line]:
    """The lines of a CSV table after its header; DataError names the line.

    needed: plain names of columns that have to be there.
    """
    with io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        reader = csv.reader(checked(text, name))
        try:
            header = next(reader, None)
            if header is None:
                raise DataError(f"{name} is empty.")
            if len(header) == 1 and header[0].count(";") > 2:
                reader = csv.reader(checked(text, name), delimiter=";")
                header = header[0].split(";")
            cells: dict[str, int] = {}
            for at, column in enumerate(header):
                plain = plain_name(column)
                if plain and plain in cells:
                    raise DataError(f"{name} has two columns named {column.strip()[:40]!r}: rename or remove one.")
                cells[plain] = at
            missing = [column for column in needed if column not in cells]
            if missing:
                have = ", ".join(" ".join(column.split())[:40] for column in header[:12])
                raise DataError(
                    f"{name} has no column {missing[0]!r} (case, spaces and punctuation do not matter), so that it is not one "
                    f"of Review Manager's. It has: {have}{' …' if len(header) > 12 else ''}."
                )
            for values in reader:
                if not any(value.strip() for value in values):
                    continue
                number = reader.line_num
                if len(values) > len(header) and any(value.strip() for value in values[len(header) :]):
                    raise DataError(
                        f"{name}, line {number} has {len(values)} cells, but there are {len(header)} columns."
                    )
                yield Line(cells, [*values, *[""] * (len(header) - len(values))], name, number)
        except csv.Error as problem:
            raise DataError(f"{name}, line {reader.line_num}, can't be read as CSV: {problem}.") from None
        except UnicodeError as problem:
            known = "neither UTF-8 nor Windows-1252" if encoding == "cp1252" else f"not {encoding}"
            raise DataError(f"{name} is no text, or in another encoding: it is {known} ({problem}).") from None


def checked(text: IO[str], name: str) -> Iterator[str]:
    """The lines of a text, refusing those that are no text and those without an end."""
    while line := text.readline(1 << 20):
        if "\0" in line:
            raise DataError(f"{name} is not a text file: it holds bytes that are no text.")
        if len(line) == 1 << 20:
            raise DataError(
                f"{name} has a line of more than {1 << 20} characters, which no table of Review Manager has."
            )
        yield line
