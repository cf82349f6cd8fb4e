"""What a conversion is given -> checked arrays; and its answers back in the kind that was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from metaanalysis.effects.checks import StudyData, check_finite
from metaanalysis.effects.columns import is_missing, plain_array
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

# A number, or one a study: a list, an array, a Series.
Numbers: TypeAlias = Any

# Beyond these, products of a few numbers leave the range of double precision.
SMALLEST, LARGEST = 1e-60, 1e60
CORRECT = "correct it, or make it missing"


class Estimate(NamedTuple):
    """An effect size on the scale of analysis and its sampling variance, of the kind that was given."""

    y: Numbers
    v: Numbers


@dataclass(frozen=True)
class OneCall(StudyData):
    """The numbers of one call, where there is no study to name."""

    def place(self, row: int) -> str:  # noqa: ARG002
        """Where a number is, for a message."""
        return "in this call"


@dataclass(frozen=True)
class Given:
    """The numbers of a call as arrays of one length, and how the answer goes back."""

    data: StudyData
    single: bool
    index: Any

    def __getitem__(self, name: str) -> FloatArray:
        return self.data.inputs[name]

    def __contains__(self, name: str) -> bool:
        return name in self.data.inputs

    @property
    def size(self) -> int:
        """How many studies there are."""
        return len(self.data.label)

    def answer(self, x: FloatArray, needs: tuple[str, ...] = ()) -> Numbers:
        """A number for numbers, a Series for Series, else an array; NaN where one of `needs` (or of all) is missing."""
        known = self.known(*needs) if needs else self.data.complete
        self.data.refuse(
            known & ~np.isfinite(x),
            lambda row: f"{self.shown(row)} give no finite answer",
            CORRECT,
        )
        x = np.where(known, x, np.nan)
        if self.single:
            return float(x[0])
        if self.index is None:
            return x
        import pandas as pd

        return pd.Series(x, index=self.index)

    def estimate(self, y: FloatArray, v: FloatArray) -> Estimate:
        """An effect size and its variance."""
        self.data.refuse(v <= 0, lambda row: f"{self.shown(row)} leave no sampling variance", CORRECT)
        return Estimate(self.answer(y), self.answer(v))

    def shown(self, row: int) -> str:
        """All numbers of a row, for a message."""
        return " and ".join(self.data.shown(name, row) for name in self.data.inputs)

    def known(self, *names: str) -> BoolArray:
        """Where all the inputs named were given."""
        there = [~np.isnan(self[name]) if name in self else np.zeros(self.size, dtype=np.bool_) for name in names]
        return np.asarray(np.logical_and.reduce(there))

    def frame(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """One row a study."""
        import pandas as pd

        return pd.DataFrame(dict(columns), index=self.index if self.index is not None else pd.RangeIndex(self.size))


def given(optional: tuple[str, ...] = (), /, **numbers: Numbers) -> Given:
    """Numbers, arrays or Series by name -> arrays of one length; single numbers are repeated.

    Those named in `optional` may be None, and may be missing in a study that is otherwise complete.
    """
    index, first = None, ""
    arrays: dict[str, FloatArray] = {}
    for name, value in numbers.items():
        if value is None:
            if name in optional:
                continue
            raise DataError(f"{name} is None: it takes a number, or one a study.")
        if hasattr(value, "index") and hasattr(value, "to_numpy"):
            if index is not None and not index.equals(value.index):
                raise DataError(
                    f"{first} and {name} have different indices, so that it is not sure which numbers belong together: "
                    f"bring them into one frame, or give arrays."
                )
            index, first = value.index, first or name
        arrays[name] = one_or_many(value, name)
    lengths = {name: array.size for name, array in arrays.items() if array.ndim}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {size}" for name, size in lengths.items())
        raise DataError(f"{counts} values: each study needs one of each.")
    size = next(iter(lengths.values()), 1)
    inputs = {name: np.array(np.broadcast_to(array, (size,))) for name, array in arrays.items()}
    complete = np.ones(size, dtype=np.bool_)
    for name, values in inputs.items():
        if name not in optional:
            complete &= ~np.isnan(values)
    # A study that misses a number is not computed, so that nothing else of it is looked at.
    inputs = {name: np.where(complete, values, np.nan) for name, values in inputs.items()}
    names = {name: name for name in inputs}
    if not lengths:
        data: StudyData = OneCall(inputs, names, ["this call"], complete)
    else:
        data = StudyData(inputs, names, study_labels(index, size), complete)
    check_finite(data)
    data.refuse_each(
        list(inputs), lambda x: np.abs(x) > LARGEST, "is too large to compute with", "measure in larger units"
    )
    return Given(data, single=not lengths, index=index)


def one_or_many(value: Numbers, name: str) -> FloatArray:
    """A number as an array without dimensions, numbers as one with one; NaN where missing."""
    if isinstance(value, str) or not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0:
        value = value.item() if isinstance(value, np.ndarray) else value
        return np.asarray(plain_array([np.nan if is_missing(value) else value], name)[0])
    return plain_array(value, name)


def study_labels(index: Any, size: int) -> list[str]:
    """The names in an index of words; otherwise "Study 1", "Study 2", …."""
    words = index is not None and all(isinstance(name, str) for name in index)
    return [str(name) for name in index] if words else [f"Study {row + 1}" for row in range(size)]


def check_positive(data: Given, *names: str, what: str = "is not positive") -> None:
    """Above zero."""
    refuse_each(data, names, lambda x: x <= 0, what, CORRECT)
    refuse_each(data, names, lambda x: x < SMALLEST, "is too small to compute with", "measure in smaller units")


def refuse_each(data: Given, names: tuple[str, ...], bad: Any, what: str, remedy: str) -> None:
    """Refuse a property of single values; a missing one has no properties."""
    have = [name for name in names if name in data]
    data.data.refuse_each(have, lambda x: ~np.isnan(x) & bad(np.nan_to_num(x)), what, remedy)


def check_group_sizes(data: Given, *names: str, at_least: float = 1.0) -> None:
    """Group sizes not below what the conversion needs."""
    remedy = f"this conversion needs at least {at_least:g}; {CORRECT}"
    refuse_each(data, names, lambda n: n < at_least, f"is below {at_least:g}", remedy)


def check_p_values(data: Given, name: str = "p") -> None:
    """Two-sided p-values."""
    refuse_each(
        data,
        (name,),
        lambda p: (p <= 0) | (p > 1),
        "is not a p-value above 0 and up to 1",
        "where a paper prints 'p < 0.001', 0.001 is the cautious choice; correct it, or make it missing",
    )


def check_proportions(data: Given, *names: str) -> None:
    """From 0 to 1."""
    refuse_each(
        data,
        names,
        lambda x: (x < 0) | (x > 1),
        "is not a proportion from 0 to 1",
        f"divide per cents by 100; {CORRECT}",
    )


def check_correlations(data: Given, *names: str) -> None:
    """Strictly between -1 and 1."""
    refuse_each(data, names, lambda r: np.abs(r) >= 1, "is not a correlation strictly between -1 and 1", CORRECT)


def check_directions(data: Given, name: str = "direction") -> None:
    """Signs."""
    refuse_each(
        data,
        (name,),
        lambda x: x == 0,
        "says nothing of the direction",
        "give +1 where group 1 has more, -1 where less",
    )


def check_limits(data: Given, low: str = "ci_low", high: str = "ci_high") -> None:
    """A lower limit below the upper."""
    data.data.refuse(
        data[low] >= data[high],
        lambda row: f"{data.data.shown(low, row)} is not below {data.data.shown(high, row)}",
        "are the limits swapped? Correct them",
    )


def choose(option: str, value: object, choices: tuple[str, ...]) -> str:
    """One of the choices; OptionError lists them."""
    if isinstance(value, str) and value in choices:
        return value
    raise OptionError(
        f"{option}={value!r} is not a choice.{nearest(str(value), choices)} They are: {', '.join(choices)}."
    )
