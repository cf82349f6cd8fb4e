"""The keys of groups as Arrow columns: where a group starts, whether keys are in order, and their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaanalysis.formulas.arrays import IntArray

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = NDArray[np.uint64]

ASCENDING, DESCENDING = 1, -1

# The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every bit of the input moves every bit of the output.
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WEYL = np.uint64(0x9E3779B97F4A7C15)


def starts_of_groups(keys: Sequence[pa.Array]) -> IntArray:
    """The rows, counted from 0, at which any of the keys differs from the row before; the first row is one."""
    rows = len(keys[0])
    if rows == 0:
        return np.empty(0, dtype=np.intp)
    changes = np.zeros(rows, dtype=np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= _differs(key)
    return np.flatnonzero(changes)


def _differs(key: pa.Array) -> NDArray[np.bool_]:
    """Whether each value but the first differs from the one before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(key.type) or pa.types.is_floating(key.type):
        values = key.to_numpy(zero_copy_only=False)
        different: NDArray[np.bool_] = values[1:] != values[:-1]
        return different
    compared = pc.not_equal(key.slice(1), key.slice(0, len(key) - 1))
    return np.asarray(compared.to_numpy(zero_copy_only=False), dtype=np.bool_)


def direction(keys: Sequence[pa.Array]) -> int | None:
    """How the keys of successive groups run: ASCENDING, DESCENDING, 0 where fewer than two say nothing, None for neither.

    The first key counts first; texts are compared byte by byte, as Parquet's own statistics do.
    """
    rows = len(keys[0])
    if rows < 2:
        return 0
    if len(keys) == 1:
        return _direction_of_one(keys[0])
    step = np.zeros(rows - 1, dtype=np.int8)
    for key in keys:
        undecided = step == 0
        if not undecided.any():
            break
        step[undecided] = _steps(key)[undecided]
    if (step == ASCENDING).all():
        return ASCENDING
    return DESCENDING if (step == DESCENDING).all() else None


def _direction_of_one(key: pa.Array) -> int | None:
    import pyarrow.compute as pc

    before, after = key.slice(0, len(key) - 1), key.slice(1)
    if pc.all(pc.greater(after, before)).as_py():
        return ASCENDING
    return DESCENDING if pc.all(pc.less(after, before)).as_py() else None


def _steps(key: pa.Array) -> NDArray[np.int8]:
    """1 where a value is greater than the one before it, -1 where it is less, else 0."""
    import pyarrow.compute as pc

    before, after = key.slice(0, len(key) - 1), key.slice(1)
    up, down = (
        compared.to_numpy(zero_copy_only=False).astype(np.int8)
        for compared in (pc.greater(after, before), pc.less(after, before))
    )
    steps: NDArray[np.int8] = up - down
    return steps


def hashes(keys: Sequence[pa.Array]) -> Hashes:
    """A hash of 64 bits a row, the same on every machine."""
    mixed: Hashes | None = None
    for key in keys:
        own = _hash_of_texts(key) if _is_text(key) else _mix(_bits(key) + _WEYL)
        mixed = own if mixed is None else _mix((mixed * _FIRST) ^ own)
    assert mixed is not None
    return mixed


def numbered(keys: Sequence[pa.Array]) -> IntArray:
    """A whole number a row, equal where all keys are, counted up by first appearance."""
    import pyarrow as pa

    together: IntArray | None = None
    for key in keys:
        codes = _codes(key)
        if together is None:
            together = codes
        else:
            # Below the square of the number of rows, which a 64-bit integer holds.
            together = _codes(pa.array(together.astype(np.int64) * (int(codes.max(initial=0)) + 1) + codes))
    assert together is not None
    return together


def _codes(key: pa.Array) -> IntArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(key.type):
        # Adding 0 turns -0.0 into 0.0, which equals it.
        key = pc.add(key, pa.scalar(0.0, key.type))
    try:
        encoded = key.dictionary_encode()
    except pa.ArrowNotImplementedError:
        encoded = key.cast(pa.large_string()).dictionary_encode()
    codes: IntArray = encoded.indices.to_numpy()
    return codes


def _is_text(key: pa.Array) -> bool:
    """Whether values are held as bytes of different lengths, or can only be written out as such."""
    import pyarrow as pa

    kind = key.type
    fixed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return not (fixed or pa.types.is_temporal(kind))


def _bits(key: pa.Array) -> Hashes:
    """Values of fixed width as unsigned integers of 64 bits, equal where the values are."""
    import pyarrow as pa

    if pa.types.is_floating(key.type):
        # Adding 0 turns -0.0 into 0.0, which equals it.
        floats = key.to_numpy(zero_copy_only=False).astype(np.float64) + 0.0
        as_bits: Hashes = floats.view(np.uint64)
        return as_bits
    if pa.types.is_boolean(key.type):
        key = key.cast(pa.uint8())
    elif pa.types.is_temporal(key.type):
        key = key.cast(pa.int32() if key.type.bit_width == 32 else pa.int64())
    values = key.to_numpy(zero_copy_only=False)
    bits: Hashes = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64).view(np.uint64)
    return bits


def _hash_of_texts(key: pa.Array) -> Hashes:
    """Hash texts eight bytes at a time, all rows at once."""
    import pyarrow as pa

    if pa.types.is_fixed_size_binary(key.type) or pa.types.is_binary(key.type) or pa.types.is_large_binary(key.type):
        key = key.cast(pa.large_binary())
    else:
        key = key.cast(pa.large_string())
    rows = len(key)
    _, offsets, data = key.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[key.offset : key.offset + rows + 1]
    start, lengths = ends[:-1] - ends[0], np.diff(ends)
    total = int(ends[-1] - ends[0])
    padded = np.zeros(total + 8, dtype=np.uint8)
    if total:
        padded[:total] = np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]
    # Eight bytes from any byte on, as one number.
    words: NDArray[np.uint64] = np.ndarray(shape=(total + 1,), dtype="<u8", buffer=padded, strides=(1,))
    mixed: Hashes = _mix(lengths.astype(np.uint64) + _WEYL)
    rest, at = lengths, start
    place = np.arange(rows)
    while True:
        left = rest > 0
        if not left.all():
            place, at, rest = place[left], at[left], rest[left]
        if not place.size:
            return mixed
        word = words[at]
        short = rest < 8
        if short.any():
            keep = (np.uint64(1) << (8 * np.minimum(rest, 7)).astype(np.uint64)) - np.uint64(1)
            word = np.where(short, word & keep, word)
        if place.size == rows:
            mixed = _mix((mixed * _SECOND) ^ word)
        else:
            mixed[place] = _mix((mixed[place] * _SECOND) ^ word)
        at, rest = at + 8, rest - 8


def _mix(h: Hashes) -> Hashes:
    """The finaliser, in place on a fresh array."""
    h = h ^ (h >> np.uint64(30))
    h *= _FIRST
    h ^= h >> np.uint64(27)
    h *= _SECOND
    h ^= h >> np.uint64(31)
    return h


def named_key(by: Sequence[str], values: Sequence[Any]) -> str:
    """A key in words, as in `snp = 'rs1', trait = 3`."""
    return ", ".join(f"{name} = {value!r}" for name, value in zip(by, values, strict=True))


def key_at(keys: Sequence[pa.Array], row: int) -> tuple[Any, ...]:
    """The key of one row as Python values."""
    return tuple(key[row].as_py() for key in keys)
