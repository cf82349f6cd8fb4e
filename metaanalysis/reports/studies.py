"""The table of studies: their data, effects and weights, and the canonical text whose hash identifies them."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.effects.columns import is_missing
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.plots.words import column_texts
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.wording import Wording, capital, name_of, plain, printable
from metaanalysis.results import Subgroups

STEMS = {"events": "Events", "n": "Total", "mean": "Mean", "sd": "SD", "time": "Time at risk", "r": "Correlation"}
# Of the user's other columns, so many are shown for a study, each cut where it is long.
MOST_OTHERS = 12
LONGEST_OTHER = 200
GIVEN = ("y", "v", "se")


@dataclass(frozen=True)
class Heading:
    """A column of data: its heading, and the group that it belongs to (1, 2, or 0 for none)."""

    key: str
    text: str
    group: int


def headings(effects: Effects) -> list[Heading]:
    """The columns of the studies' data, in the order of the measure."""
    names = [name for name in effects.inputs if name not in GIVEN]
    paired = {name[:-1] for name in names if name.endswith("1")} & {name[:-1] for name in names if name.endswith("2")}
    found = []
    for name in names:
        stem, group = (name[:-1], int(name[-1])) if name[:-1] in paired else (name, 0)
        found.append(Heading(name, STEMS.get(stem, capital(stem)), group))
    # Neighbours under one heading: those of a group stand together.
    return sorted(found, key=lambda one: one.group)


def group_heads(columns: list[Heading], groups: tuple[str, str]) -> list[dict[str, Any]]:
    """The upper row of headings: which columns are whose; empty where no column belongs to a group."""
    if not any(one.group for one in columns):
        return []
    return [
        {"text": groups[group - 1] if group else "", "span": sum(one.group == group for one in columns)}
        for group in (0, 1, 2)
        if any(one.group == group for one in columns)
    ]


def study_table(asked: Asked, wording: Wording) -> dict[str, Any]:
    """Everything that the table of studies shows, rows in the order of the data."""
    effects, fit = asked.effects, asked.fit
    columns = headings(effects)
    texts = {one.key: column_texts(np.asarray(effects.inputs[one.key])) for one in columns}
    low, high = effects.interval(fit.level)
    with np.errstate(over="ignore"):
        shown = [effects.back_transform_each(np.asarray(x)) for x in (effects.y, low, high)]
    corrected = set() if effects.was_corrected is None else set(np.flatnonzero(effects.was_corrected).tolist())
    weighted = not bool(np.isnan(np.asarray(fit.weights)).any())
    rows = []
    for i, label in enumerate(effects.label):
        estimate, lower, upper = (float(values[i]) for values in shown)
        rows.append(
            {
                "name": name_of(label),
                "corrected": i in corrected,
                "cells": [{"text": texts[one.key][i], "sort": sortable(effects.inputs[one.key][i])} for one in columns],
                "effect": wording.one(estimate),
                "ci": wording.between(lower, upper),
                "effect_sort": sortable(effects.y[i]),
                "weight": f"{fit.weights[i]:.1f}" if weighted else "",
                "weight_sort": sortable(fit.weights[i]) if weighted else "",
            }
        )
    return {
        "columns": columns,
        "heads": group_heads(columns, asked.groups),
        "rows": rows,
        "weighted": weighted,
        "any_corrected": bool(corrected),
    }


def sortable(x: Any) -> str:
    """A number to sort by; "" where there is none."""
    return repr(float(x)) if math.isfinite(float(x)) else ""


def cards(asked: Asked, wording: Wording, table: dict[str, Any]) -> list[dict[str, Any]]:
    """What is shown of a study on pointing at it: its data, its effect on both scales, and the user's other columns."""
    effects, entry = asked.effects, asked.effects.measure_entry
    others = other_columns(asked)
    found = []
    for i, row in enumerate(table["rows"]):
        facts = [
            [f"{one.text}, {asked.groups[one.group - 1]}" if one.group else one.text, cell["text"]]
            for one, cell in zip(table["columns"], row["cells"], strict=True)
        ]
        facts.append([f"{capital(entry.title)} ({wording.ci})", f"{row['effect']} ({row['ci']})"])
        facts.append([f"{capital(entry.analysis_scale)} (SE)", f"{plain(effects.y[i])} ({plain(effects.se[i])})"])
        if row["weight"]:
            facts.append(["Weight", f"{row['weight']}%"])
        if row["corrected"]:
            facts.append(["Zero cells", "continuity correction"])
        facts += [[name, values[i]] for name, values in others if values[i]]
        found.append({"name": row["name"], "facts": facts})
    return found


def other_columns(asked: Asked) -> list[tuple[str, list[str]]]:
    """The user's columns that are not the data behind the effects, as texts."""
    effects = asked.effects
    if effects.source is None:
        return []
    used = {*effects.columns.values(), *effects.inputs, "label"}
    labels = [label[:LONGEST_OTHER] for label in asked.labels]
    found: list[tuple[str, list[str]]] = []
    for column in effects.source.columns:
        if str(column) in used or len(found) == MOST_OTHERS:
            continue
        values = [text_of(value)[:LONGEST_OTHER] for value in effects.column(column)]
        if values != labels:
            found.append((name_of(str(column)), values))
    return found


def text_of(value: Any) -> str:
    """A cell of the user's table as text: whole numbers without decimals, nothing where it is missing."""
    if is_missing(value):
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    return printable(str(value)).replace("\r\n", "\n").replace("\r", "\n")


def canonical_csv(asked: Asked) -> str:
    """The studies as CSV: their names, the data behind their effects, groups and moderators; numbers to the last digit.

    The studies that were pooled, in their order; UTF-8, lines end in LF.
    """
    effects = asked.effects
    own: dict[str, FloatArray] = {name: np.asarray(values) for name, values in effects.inputs.items()}
    numbers = own if own and not effects.given else {"y": np.asarray(effects.y), "v": np.asarray(effects.v)}
    columns = {"study": [text_of(label) for label in asked.labels]}
    columns |= {name: [text_of(float(x)) for x in values] for name, values in numbers.items()}
    for found in asked.subgroups:
        columns.setdefault(found.by, groups_of(found, effects))
    wanted = [name for one in asked.regressions for name in one.design.variables]
    for name in [*wanted, *([asked.cumulative_by] if asked.cumulative_by else [])]:
        if effects.source is not None and name in effects.source.columns and name not in columns:
            columns[name] = [text_of(value) for value in effects.column(name)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([text_of(name) for name in columns])
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def groups_of(found: Subgroups, effects: Effects) -> list[str]:
    """The group of each study; "" for one that is in none."""
    group_at: dict[int, str] = {}
    for name, fit in found.groups.items():
        group_at |= dict.fromkeys(rows_of(fit.effects), name)
    return [text_of(group_at.get(row, "")) for row in rows_of(effects)]


def rows_of(effects: Effects) -> list[int]:
    """Which rows of the user's table the studies are."""
    return list(range(effects.k)) if effects.rows is None else [int(row) for row in effects.rows]


def sha256(text: str) -> str:
    """The hash of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
