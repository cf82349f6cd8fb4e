"""The result of pooling many sets of effect sizes: one row of numbers a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects import Effects, measure_named
from metaanalysis.errors import OptionError, nearest
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.options import PoolOptions
from metaanalysis.results.pooled import Pooled
from metaanalysis.results.rows_left_out import RowsLeftOut
from metaanalysis.results.text import lined_up, number, per_cent

if TYPE_CHECKING:
    import narwhals as nw

ON_ANALYSIS_SCALE = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")
# So many rows a summary shows.
SHOWN = 10


@dataclass(frozen=True, eq=False)
class StudiesByGroup:
    """The studies that were pooled, group after group.

    Attributes
    ----------
    y, v
        Effect sizes and sampling variances, (rows,); group g is ``offsets[g]`` to ``offsets[g + 1]``.
    offsets
        (groups + 1,).
    rows
        Where each stands in the user's data, counted from 0; None where all of these were pooled and lie as they lay.
    label
        Their labels.
    tau2_weights
        The fixed weights of the generalised Q, where tau2 was estimated by it.
    """

    y: FloatArray = field(repr=False)
    v: FloatArray = field(repr=False)
    offsets: IntArray = field(repr=False)
    rows: IntArray | None = field(default=None, repr=False)
    label: Sequence[str] = field(default=(), repr=False)
    tau2_weights: FloatArray | None = field(default=None, repr=False)

    @property
    def group(self) -> IntArray:
        """The group of each study."""
        return np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))

    @property
    def place(self) -> IntArray:
        """Where each stands in the user's data, counted from 0."""
        return np.arange(self.y.size) if self.rows is None else self.rows


@dataclass(frozen=True, eq=False)
class PooledMany:
    """Many pooled estimates, one row a group. Made by `pool_many`.

    A column that was asked for is an attribute too: ``many.estimate`` is an array, one value a group.

    Attributes
    ----------
    columns
        The numbers that were asked for, by the names of `Pooled`, one value a group, on the scale of analysis.
    k
        How many studies of each group were pooled.
    iterations
        How many steps each estimate of tau2 took.
    names
        The key columns.
    key_columns
        The groups' keys, one row a group: a frame, or where they came as arrays of numbers, those by name.
    measure, model, method, level
        What was pooled, and how; of several measures ``measure`` names them all.
    measures
        Where a column named them, the measure of each group (None where no study names one); else empty.
    options, convention
        All choices, as `pool` takes them.
    engine
        What computed them: ``numpy`` or ``numba``.
    tau2_method, ci_method
        Their titles.
    notes
        What was taken for what, where names of columns had to be understood: sentences.
    studies
        The studies behind the numbers, group after group (`StudiesByGroup`): ``y v offsets rows label``.
    starts
        How maxima of likelihoods were looked for: ``scan`` or ``one``.
    """

    columns: Mapping[str, FloatArray] = field(repr=False)
    k: IntArray
    iterations: IntArray
    measure: str
    options: PoolOptions = field(repr=False)
    convention: str
    engine: str
    key_columns: nw.DataFrame[Any] | Mapping[str, IntArray | FloatArray] = field(repr=False)
    codes: IntArray = field(repr=False)
    words: Sequence[str] = field(repr=False)
    failing: frozenset[int] = field(repr=False)
    pool_one: Callable[[int], Pooled] = field(repr=False)
    effects_of_one: Callable[[int], Effects] = field(repr=False)
    left_out: RowsLeftOut = field(repr=False)
    studies: StudiesByGroup = field(repr=False)
    starts: str = "scan"
    notes: tuple[str, ...] = ()
    tau2_method: str = ""
    ci_method: str = ""
    measures: Sequence[str | None] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for values in (*self.columns.values(), self.k, self.iterations, self.codes):
            values.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, closed to changes again."""
        self.__dict__.update(state)
        self.__post_init__()

    def __getattr__(self, name: str) -> FloatArray:
        columns = self.__dict__.get("columns", {})
        if name in columns:
            return columns[name]  # type: ignore[no-any-return]
        known = f" Of the numbers there are: {', '.join(columns)}. Ask for others by columns=[…]." if columns else ""
        raise AttributeError(f"this result has no {name!r}.{known}")

    @property
    def names(self) -> tuple[str, ...]:
        """The key columns."""
        columns = self.key_columns
        return tuple(columns if isinstance(columns, Mapping) else columns.columns)

    @cached_property
    def key_frame(self) -> nw.DataFrame[Any]:
        """The keys as a frame, one row a group; of keys that came as arrays it is made when it is asked for."""
        if not isinstance(self.key_columns, Mapping):
            return self.key_columns
        import narwhals as nw
        import pandas as pd

        return nw.from_native(pd.DataFrame(dict(self.key_columns)), eager_only=True)

    @property
    def model(self) -> str:
        """``random`` or ``common``."""
        return self.options.model

    @property
    def method(self) -> str:
        """How the studies were pooled, such as ``inverse-variance``."""
        return self.options.method

    @property
    def level(self) -> float:
        """Of the intervals."""
        return self.options.level

    def __len__(self) -> int:
        return int(self.k.size)

    @cached_property
    def keys(self) -> tuple[Any, ...]:
        """The groups' keys, in the order in which they first appeared: values, or tuples of them where there are several."""
        given = self.key_columns
        if isinstance(given, Mapping):
            columns = [values.tolist() for values in given.values()]
        else:
            columns = [given[name].to_list() for name in self.names]
        return tuple(columns[0]) if len(columns) == 1 else tuple(zip(*columns, strict=True))

    @cached_property
    def _places(self) -> dict[Any, int]:
        return {key: place for place, key in enumerate(self.keys)}

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: Any) -> Pooled:
        """One group as an ordinary result of `pool`, with its studies: pooled anew when it is asked for."""
        try:
            place = self._places[key]
        except (KeyError, TypeError):
            texts = [str(known) for known in self.keys[:1000]]
            raise KeyError(
                f"there is no group {key!r} by {', '.join(self.names)}.{nearest(str(key), texts)} The first is {self.keys[0]!r}."
            ) from None
        return self.pool_one(place)

    @property
    def status(self) -> list[str]:
        """How each group ended, in words."""
        return [self.words[code] for code in self.codes.tolist()]

    @property
    def failures(self) -> IntArray:
        """The places of the groups that have no answer."""
        return np.flatnonzero(np.isin(self.codes, sorted(self.failing)))

    @property
    def failed(self) -> Any:
        """The groups that have no answer, in the kind of frame that came in: keys, k and status."""
        places = self.failures
        return self._framed({"k": self.k}, places)

    @property
    def excluded(self) -> Any:
        """The studies that were left out, in the kind of frame that came in.

        Row (counted from 1), the group's keys, the study's label where a column holds labels, and the reason; where a key has one
        of these names, ours gets an underscore.
        """
        import narwhals as nw

        keys = self.key_frame[self.left_out.groups]
        made_by = self.key_frame.implementation
        shown = self.left_out.rows if self.left_out.shown_rows is None else self.left_out.shown_rows
        reasons = [self.left_out.reason(row) for row in self.left_out.rows.tolist()]
        rows = nw.new_series("row", shown + 1, nw.Int64, backend=made_by)
        texts = [nw.new_series("reason", reasons, nw.String, backend=made_by)]
        if self.left_out.label:
            texts.insert(0, nw.new_series("label", list(self.left_out.label), nw.String, backend=made_by))
        rows, *texts = (one.alias(beside(one.name, self.names)) for one in (rows, *texts))
        if made_by.is_pandas_like():
            return pandas_frame([rows, *(keys[name] for name in keys.columns), *texts])
        ours = [one.name for one in texts]
        return keys.with_columns(rows, *texts).select(rows.name, *self.names, *ours).to_native()

    def to_frame(self) -> Any:
        """One row a group, in the kind of frame that came in (pandas for arrays): keys, numbers, status and iterations.

        Where a column named the measures, there is one of each group's, unless the keys hold one of that name. Numbers are on
        the scale of analysis (log for ratios); `back_transformed` gives the other.
        """
        return self._framed(self._numbers())

    def back_transformed(self) -> Any:
        """Estimates and limits on the scale on which the measure is read, such as risk ratios: a frame as of `to_frame`.

        Raises
        ------
        OptionError
            For Freeman and Tukey's measures, whose way back takes the studies' sizes: ``many[key].back_transformed()`` has them.
            Where a column named the measures, groups of these are NaN.
        """
        have = [name for name in ON_ANALYSIS_SCALE if name in self.columns]
        numbers = {name: np.full(len(self), np.nan) for name in have}
        for measure, groups in self._groups_by_measure().items():
            entry = measure_named(measure)
            if entry.size is not None and not self.measures:
                raise OptionError(
                    f"the way back from {entry.analysis_scale} takes the sizes of a group's studies: use "
                    f"many[key].back_transformed(), group by group."
                )
            for name, values in numbers.items():
                values[groups] = entry.back_transform(self.columns[name][groups])
        return self._framed(numbers)

    @property
    def scale(self) -> str:
        """What the numbers are, in words, such as ``log risk ratio``; of several measures, all of them."""
        scales = [measure_named(measure).analysis_scale for measure in self._groups_by_measure()]
        return ", ".join(scales) or "no measure"

    def _groups_by_measure(self) -> dict[str, IntArray | slice]:
        """The groups of each measure."""
        if not self.measures:
            return {self.measure: slice(None)}
        places: dict[str, list[int]] = {}
        for place, measure in enumerate(self.measures):
            if measure is not None:
                places.setdefault(measure, []).append(place)
        return {measure: np.array(at, dtype=np.intp) for measure, at in places.items()}

    def _numbers(self) -> dict[str, FloatArray | IntArray]:
        return {name: self.k if name == "k" else values for name, values in self.columns.items()}

    def _framed(self, numbers: Mapping[str, FloatArray | IntArray], places: IntArray | None = None) -> Any:
        """Keys, numbers, status and, of all groups, iterations; of some groups, or all."""
        import narwhals as nw

        keys = self.key_frame if places is None else self.key_frame[places]
        made_by = keys.implementation
        every = numbers if places is not None else {**numbers, "iterations": self.iterations}
        columns: list[nw.Series[Any]] = [
            nw.Series.from_numpy(name, np.array(values if places is None else values[places]), backend=made_by)
            for name, values in every.items()
        ]
        codes = self.codes if places is None else self.codes[places]
        # The sentences are few: made once, and taken as often as they are needed.
        words = nw.new_series("status", list(self.words), nw.String, backend=made_by)[codes]
        before = [series for series in columns if series.name != "iterations"]
        if self.measures and "measure" not in self.names:
            named = self.measures if places is None else [self.measures[place] for place in places.tolist()]
            before.insert(0, nw.new_series("measure", list(named), nw.String, backend=made_by))
        after = [series for series in columns if series.name == "iterations"]
        if not keys.implementation.is_pandas_like():
            return keys.with_columns(*before, words, *after).to_native()
        return pandas_frame([keys[name] for name in keys.columns] + [*before, words, *after])

    def summary(self) -> str:
        """What was pooled, how many groups have no answer, and the first of them."""
        title = f"{len(self):,} meta-analyses by {', '.join(self.names)}: {self.scale}"
        least, most = int(self.k.min(initial=self.k.max(initial=0))), int(self.k.max(initial=0))
        model = f"{self.model}-effect{'s' if self.model == 'random' else ''} model"
        how = "" if self.method == "inverse-variance" else f", {self.method}"
        methods = [f"tau2 by {self.tau2_method}"] if self.tau2_method else []
        lines = [
            title,
            "=" * len(title),
            f"{int(self.k.sum()):,} studies, {least:,} to {most:,} a group",
            "; ".join([model + how, *methods, f"intervals ({per_cent(self.level)}): {self.ci_method}"]),
        ]
        failures = self.failures
        if failures.size:
            first = int(failures[0])
            lines.append(
                f"Without an answer: {failures.size:,}; the first is {self.keys[first]!r} ({self.words[self.codes[first]]})"
            )
        if len(self.left_out):
            lines.append(f"Studies left out: {len(self.left_out):,}; see .excluded")
        lines.extend(self.notes)
        have = [
            name for name in ("k", "estimate", "ci_low", "ci_high", "p_value", "tau2", "i2") if name in self.columns
        ]
        measures = ["measure"] if self.measures and "measure" not in self.names else []
        table = [[*self.names, *measures, *have]]
        for place in range(min(SHOWN, len(self))):
            key = self.keys[place] if len(self.names) > 1 else (self.keys[place],)
            key = (*key, self.measures[place] or "") if measures else key
            values = [
                str(int(self.k[place])) if name == "k" else number(float(self.columns[name][place])) for name in have
            ]
            table.append([*map(str, key), *values])
        lines += ["", *lined_up(table, len(self.names) + len(measures))]
        if len(self) > SHOWN:
            lines.append(f"… and {len(self) - SHOWN:,} more, in .to_frame()")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        failed = self.failures.size
        parts = [f"<PooledMany: {len(self):,} {'group' if len(self) == 1 else 'groups'} by {', '.join(self.names)}"]
        parts.append(self.scale)
        if failed:
            parts.append(f"{failed:,} without an answer")
        if len(self.left_out):
            parts.append(f"{len(self.left_out):,} studies left out")
        return "; ".join(parts) + ">"


def beside(name: str, keys: Sequence[str]) -> str:
    """A name of ours that no key has: with an underscore, or as many as it takes."""
    while name in keys:
        name += "_"
    return name


def pandas_frame(series: Sequence[nw.Series[Any]]) -> Any:
    """A pandas frame of columns, whatever their indices."""
    import pandas as pd

    return pd.DataFrame({str(one.name): one.to_native().reset_index(drop=True) for one in series})
