"""One row an arm -> one row a comparison, and back; trials of several arms combined, split or kept as contrasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from metaanalysis.effects.checks import StudyData, check_finite
from metaanalysis.effects.columns import FrameLike, find_column, height, is_missing, numeric_column
from metaanalysis.effects.conversions_frames import new_frame, opened
from metaanalysis.effects.conversions_inputs import choose
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas import arms as formulas
from metaanalysis.formulas.arrays import FloatArray

# What an arm may report.
OUTCOMES = ("events", "n", "time", "mean", "sd")
MULTI_ARM = ("combine", "split", "contrasts")


def arms_to_comparisons(
    data: FrameLike,
    *,
    study: str = "study",
    arm: str = "arm",
    reference: Any,
    multi_arm: str = "combine",
    **outcomes: str,
) -> Any:
    """Turn a table with one row an arm into one with one row a comparison against the reference arm.

    Parameters
    ----------
    data
        One row an arm: a pandas, Polars or Arrow frame, or a dict of columns. It is not changed.
    study, arm
        The columns that name the study and the arm.
    reference
        The arm that each study's others are compared with: its name, several names (``["placebo", "usual care"]``), or a
        dict from study to name. Each study needs exactly one such arm.
    multi_arm
        What is done where several arms face the reference. ``combine`` (default): they become one arm, by the Cochrane
        Handbook's formula. ``split``: one comparison each, with the reference's people (and events, and time) shared out
        evenly between them, so that nobody is counted twice. ``contrasts``: one comparison each with the whole reference;
        these are correlated, see `shared_control_covariances`, and must not be pooled as if they were not.
    **outcomes
        Columns by our names where yours differ: ``events``, ``n``, ``time``, ``mean``, ``sd``, as in ``events="deaths"``.

    Returns
    -------
    frame
        One row a comparison, of the kind that was given (pandas where the kind is none of pandas, Polars and Arrow):
        ``study``, ``comparison`` (the study, with its arm where it has several rows), ``arm1``, ``arm2``, the outcomes of
        group 1 and of group 2 (the reference), such as ``events1 n1 events2 n2``, and every other column: once where a study
        has one value in it, otherwise with 1 and 2 (``median`` as ``median1 median2``, ``q1`` as ``q1_1 q1_2``), missing
        where combined arms differ in it.

    Raises
    ------
    DataError
        Where a study has no reference arm, several of them, no other arm, or an arm twice, or a number can't be.
    OptionError
        Where there is no such way of handling several arms, or no such keyword.

    References
    ----------
    Higgins JPT, Eldridge S, Li T (2019). Cochrane Handbook for Systematic Reviews of Interventions, chapter 23.

    Examples
    --------
    >>> from metaanalysis.effects.shapes import arms_to_comparisons
    >>> long = {
    ...     "study": ["A", "A", "B", "B", "B"],
    ...     "arm": ["drug", "placebo", "placebo", "low dose", "high dose"],
    ...     "events": [4, 9, 12, 6, 5],
    ...     "n": [35, 36, 50, 48, 51],
    ... }
    >>> arms_to_comparisons(long, reference="placebo")[["study", "arm1", "events1", "n1", "events2", "n2"]].values.tolist()
    [['A', 'drug', 4.0, 35.0, 9.0, 36.0], ['B', 'low dose + high dose', 11.0, 99.0, 12.0, 50.0]]
    """
    choose("multi_arm", multi_arm, MULTI_ARM)
    frame = opened(data)
    for name in outcomes:
        if name not in OUTCOMES:
            raise OptionError(
                f"arms_to_comparisons has no keyword {name!r}.{nearest(name, OUTCOMES)} Outcomes are: {', '.join(OUTCOMES)}."
            )
    study, arm = find_column(frame, study, "study"), find_column(frame, arm, "arm")
    found = {
        name: find_column(frame, outcomes.get(name, name), name)
        for name in OUTCOMES
        if name in outcomes or name in frame.columns
    }
    if not found:
        raise DataError(
            f"the table has none of the columns {', '.join(OUTCOMES)}: name those that hold the arms' outcomes, as in "
            f'events="…", n="…".'
        )
    studies, names = frame[study].to_list(), [str(name) for name in frame[arm].to_list()]
    refuse_missing(studies, study)
    refuse_missing(frame[arm].to_list(), arm)
    shown = [f"{where}: {name}" for where, name in zip(studies, names, strict=True)]
    numbers = {name: numeric_column(frame, column, shown) for name, column in found.items()}
    check_arms(numbers, found, shown)
    others = {str(name): frame[name].to_list() for name in frame.columns if name not in (study, arm, *found.values())}
    rows = comparisons(studies, names, reference, multi_arm)
    return new_frame(frame, assembled(rows, studies, names, numbers, others, multi_arm))


def comparisons(
    studies: list[Any], names: list[str], reference: Any, multi_arm: str
) -> list[tuple[list[int], int, int]]:
    """Rows of group 1, row of the reference, and between how many comparisons the reference is shared."""
    of_study: dict[Any, list[int]] = {}
    for row, name in enumerate(studies):
        of_study.setdefault(name, []).append(row)
    found: list[tuple[list[int], int, int]] = []
    for name, rows in of_study.items():
        mine = [names[row] for row in rows]
        twice = sorted({arm for arm in mine if mine.count(arm) > 1})
        if twice:
            raise DataError(
                f"study '{name}' has the arm {twice[0]!r} twice: give its arms different names, or its subgroups as "
                f"different studies."
            )
        wanted = references_of(name, reference)
        control = [row for row in rows if names[row] in wanted]
        if len(control) != 1:
            problem = "has no reference arm" if not control else "has several reference arms"
            raise DataError(
                f"study '{name}' {problem}: its arms are {', '.join(mine)}, and reference names {', '.join(sorted(wanted))}. "
                f"Name one arm of each study, by a dict from study to arm where they differ."
            )
        treated = [row for row in rows if row != control[0]]
        if not treated:
            raise DataError(f"study '{name}' has no arm beside {mine[0]!r}: there is nothing to compare. Leave it out.")
        if multi_arm == "combine":
            found.append((treated, control[0], 1))
        else:
            found += [([row], control[0], len(treated)) for row in treated]
    return found


def references_of(study: Any, reference: Any) -> set[str]:
    """The names that mark a study's reference arm."""
    if isinstance(reference, Mapping):
        if study not in reference:
            raise DataError(f"reference names no arm of study '{study}': add it to the dict, or leave the study out.")
        reference = reference[study]
    if isinstance(reference, Iterable) and not isinstance(reference, str):
        return {str(name) for name in reference}
    return {str(reference)}


def assembled(
    rows: list[tuple[list[int], int, int]],
    studies: list[Any],
    names: list[str],
    numbers: Mapping[str, FloatArray],
    others: Mapping[str, list[Any]],
    multi_arm: str,
) -> dict[str, Any]:
    """The columns of the table of comparisons."""
    of_study: dict[Any, int] = {}
    for _, control, _ in rows:
        of_study[studies[control]] = of_study.get(studies[control], 0) + 1
    arm1 = [" + ".join(names[row] for row in treated) for treated, _, _ in rows]
    out: dict[str, Any] = {
        "study": [studies[control] for _, control, _ in rows],
        "comparison": [
            f"{studies[control]} ({arm})" if of_study[studies[control]] > 1 else str(studies[control])
            for arm, (_, control, _) in zip(arm1, rows, strict=True)
        ],
        "arm1": arm1,
        "arm2": [names[control] for _, control, _ in rows],
    }
    merged = [combined(numbers, treated) for treated, _, _ in rows]
    controls = np.array([control for _, control, _ in rows])
    share = np.array([float(parts) if multi_arm == "split" else 1.0 for _, _, parts in rows])
    for name in numbers:
        out[f"{name}1"] = np.array([arm[name] for arm in merged])
    for name, values in numbers.items():
        # Means and standard deviations stay what they are, whoever of the people is counted.
        out[f"{name}2"] = values[controls] / (share if name in ("events", "n", "time") else 1.0)
    for name, column in others.items():
        out |= carried(name, column, studies, rows)
    return out


def combined(numbers: Mapping[str, FloatArray], rows: list[int]) -> dict[str, float]:
    """Several arms' outcomes as if they had been one; NaN where one of them is missing."""
    if len(rows) == 1:
        return {name: float(values[rows[0]]) for name, values in numbers.items()}
    out = {name: float(values[rows].sum()) for name, values in numbers.items() if name in ("events", "n", "time")}
    if "mean" in numbers or "sd" in numbers:
        whole = {name: numbers[name][rows] for name in ("n", "mean", "sd") if name in numbers}
        if len(whole) < 3:
            raise DataError(
                f"arms can't be combined from {', '.join(whole)} alone: it takes n, mean and sd of each. Add them, or use "
                f'multi_arm="split" or "contrasts".'
            )
        if any(np.isnan(values).any() for values in whole.values()):
            return out | {"mean": float("nan"), "sd": float("nan")}
        _, mean, sd = formulas.combine_arms(whole["n"], whole["mean"], whole["sd"])
        out |= {"mean": float(mean), "sd": float(sd)}
    return out


def carried(
    name: str, values: list[Any], studies: list[Any], rows: list[tuple[list[int], int, int]]
) -> dict[str, list[Any]]:
    """Another column, once where each study has one value in it, else for both groups."""
    of_study: dict[Any, list[Any]] = {}
    for where, value in zip(studies, values, strict=True):
        of_study.setdefault(where, []).append(value)
    if all(same(mine) for mine in of_study.values()):
        return {name: [values[control] for _, control, _ in rows]}
    group1 = [values[treated[0]] if same([values[row] for row in treated]) else None for treated, _, _ in rows]
    stem = f"{name}_" if name[-1:].isdigit() else name
    return {f"{stem}1": group1, f"{stem}2": [values[control] for _, control, _ in rows]}


def same(values: list[Any]) -> bool:
    """Whether all values are one, or all missing."""
    if any(is_missing(value) for value in values):
        return all(is_missing(value) for value in values)
    return all(value == values[0] for value in values)


def refuse_missing(values: list[Any], column: str) -> None:
    """Studies and arms have names."""
    for row, value in enumerate(values):
        if is_missing(value):
            raise DataError(
                f"{column} is missing in row {row + 1}: each arm needs the names of its study and of itself."
            )


def check_arms(numbers: Mapping[str, FloatArray], columns: Mapping[str, str], shown: list[str]) -> None:
    """Arms' numbers can be."""
    data = StudyData(numbers, columns, shown, np.ones(len(shown), dtype=np.bool_))
    check_finite(data)
    counts = [name for name in ("events", "n") if name in numbers]
    data.refuse_each(counts, lambda x: x < 0, "is negative", "a count is 0 or more; correct it")
    positive = [name for name in ("time", "sd") if name in numbers]
    data.refuse_each(positive, lambda x: x <= 0, "is not positive", "correct it, or make it missing")
    if "events" in numbers and "n" in numbers:
        data.refuse(
            numbers["events"] > numbers["n"],
            lambda row: f"{data.shown('events', row)} exceeds {data.shown('n', row)}",
            "are the columns swapped? Correct them",
        )


def comparisons_to_arms(
    data: FrameLike, *, study: str = "study", arms: Mapping[int, str] | None = None, **outcomes: str
) -> Any:
    """Turn a wide table, with columns such as ``events1 n1 events2 n2 events3 n3``, into one row an arm.

    Parameters
    ----------
    data
        One row a study: a pandas, Polars or Arrow frame, or a dict of columns. It is not changed.
    study
        The column that names the studies.
    arms
        Names of the arms by number; where None, columns ``arm1``, ``arm2``, … name them, or they are called ``arm 1``, ….
    **outcomes
        The outcome columns without their number, where they are called otherwise: ``events="deaths"`` reads ``deaths1``, ….

    Returns
    -------
    frame
        ``study``, ``arm``, the outcomes, and every other column; an arm of which all outcomes are missing is left out.

    Raises
    ------
    DataError
        Where no outcome column is found.
    OptionError
        Where there is no such keyword.

    Examples
    --------
    >>> from metaanalysis.effects.shapes import comparisons_to_arms
    >>> wide = {"study": ["A"], "events1": [4], "n1": [35], "events2": [9], "n2": [36]}
    >>> comparisons_to_arms(wide, arms={1: "drug", 2: "placebo"}).values.tolist()
    [['A', 'drug', 4.0, 35.0], ['A', 'placebo', 9.0, 36.0]]
    """
    frame = opened(data)
    for name in outcomes:
        if name not in OUTCOMES:
            raise OptionError(
                f"comparisons_to_arms has no keyword {name!r}.{nearest(name, OUTCOMES)} Outcomes are: {', '.join(OUTCOMES)}."
            )
    study = find_column(frame, study, "study")
    stems = {name: outcomes.get(name, name) for name in OUTCOMES}
    count = max(
        (i for i in range(1, len(frame.columns) + 1) for stem in stems.values() if f"{stem}{i}" in frame.columns),
        default=0,
    )
    have = [name for name, stem in stems.items() if any(f"{stem}{i}" in frame.columns for i in range(1, count + 1))]
    if not have:
        raise DataError(
            f"the table has no columns such as {', '.join(f'{stem}1' for stem in stems.values())}: name their beginning, as "
            f'in events="…". The columns are: {", ".join(map(str, frame.columns))}.'
        )
    labels = [str(name) for name in frame[study].to_list()]
    k = height(frame)
    used = {f"{stems[name]}{i}" for name in have for i in range(1, count + 1)} | {
        f"arm{i}" for i in range(1, count + 1)
    }
    others = {str(name): frame[name].to_list() for name in frame.columns if name not in used and name != study}
    numbers = {
        name: np.stack(
            [
                numeric_column(frame, f"{stems[name]}{i}", labels)
                if f"{stems[name]}{i}" in frame.columns
                else np.full(k, np.nan)
                for i in range(1, count + 1)
            ],
            axis=-1,
        )
        for name in have
    }
    there = ~np.isnan(np.stack(list(numbers.values()))).all(axis=0)
    at = np.argwhere(there)
    given = {i: frame[f"arm{i}"].to_list() for i in range(1, count + 1) if f"arm{i}" in frame.columns}
    chosen = arms or {}
    studies = frame[study].to_list()
    out: dict[str, Any] = {
        "study": [studies[row] for row, _ in at],
        "arm": [chosen.get(i + 1) or (given[i + 1][row] if i + 1 in given else f"arm {i + 1}") for row, i in at],
    }
    out |= {name: values[there] for name, values in numbers.items()}
    out |= {name: [values[row] for row, _ in at] for name, values in others.items()}
    return new_frame(frame, out)
