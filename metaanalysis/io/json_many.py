"""Many pooled results as JSON: numbers, keys and the studies of each group."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from typing import Any

import numpy as np

from metaanalysis.effects import MEASURES
from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.io.json_effects import effects_in, effects_out, options_in, options_out
from metaanalysis.io.json_values import Found, number_out, numbers_out
from metaanalysis.io.provenance import data_hash
from metaanalysis.many.one_group import ListedEffects, PoolGroup
from metaanalysis.models.own_weights import generalised_q_of_many
from metaanalysis.options import PoolOptions
from metaanalysis.results.pooled_many import PooledMany, StudiesByGroup
from metaanalysis.results.rows_left_out import RowsLeftOut

# A document takes some two kilobytes a group.
GROUPS_AT_MOST = 100_000
TEXTS = ("measure", "convention", "engine", "starts", "tau2_method", "ci_method")


def many_hash(many: PooledMany) -> str:
    """SHA-256 of keys, offsets, effect sizes and variances as they were pooled, and of each group's own effects."""
    found = hashlib.sha256()
    for name in many.names:
        found.update(
            repr((name, [str(key) for key in many.key_frame[name].to_list()])).encode("utf-8", "surrogatepass")
        )
    studies = many.studies
    found.update(np.ascontiguousarray(studies.offsets, dtype="<i8").tobytes())
    for values in (studies.y, studies.v, studies.tau2_weights):
        if values is not None:
            found.update(b"\0" + np.ascontiguousarray(values, dtype="<f8").tobytes())
    for group in np.flatnonzero(many.k).tolist():
        found.update(data_hash(many.effects_of_one(group)).encode())
    return found.hexdigest()


def many_out(many: PooledMany) -> dict[str, Any]:
    """A result of `pool_many`; the user's table does not go with it."""
    if len(many) > GROUPS_AT_MOST:
        raise OptionError(
            f"a JSON document of {len(many):,} groups would be gigabytes; up to {GROUPS_AT_MOST:,} are written. Write to_frame() "
            f"to a Parquet file, or take fewer groups."
        )
    weighted = many.options.tau2 is generalised_q_of_many
    options = options_out(dataclasses.replace(many.options, tau2="REML") if weighted else many.options)
    studies, rows = many.studies, many.left_out
    return {
        **{name: getattr(many, name) for name in TEXTS},
        "options": {**options, "tau2": "GENQ"} if weighted else options,
        "keys": [key_out(name, many.key_frame[name].to_list()) for name in many.names],
        "columns": {name: numbers_out(values) for name, values in many.columns.items()},
        "k": many.k.tolist(),
        "iterations": many.iterations.tolist(),
        "codes": many.codes.tolist(),
        "words": list(many.words),
        "failing": sorted(many.failing),
        "notes": list(many.notes),
        **({"measures": list(many.measures)} if many.measures else {}),
        "studies": {
            "y": numbers_out(studies.y),
            "v": numbers_out(studies.v),
            "tau2_weights": None if studies.tau2_weights is None else numbers_out(studies.tau2_weights),
            "rows": studies.place.tolist(),
            "label": list(studies.label),
        },
        "groups": [group_out(many, group) for group in range(len(many))],
        "left_out": {
            "rows": (rows.rows if rows.shown_rows is None else rows.shown_rows).tolist(),
            "groups": rows.groups.tolist(),
            "reasons": [rows.reason(row) for row in rows.rows.tolist()],
            **({"label": list(rows.label)} if rows.label else {}),
        },
    }


def group_out(many: PooledMany, group: int) -> dict[str, Any] | None:
    """The effects of a group, without the user's table; None where no study is left."""
    if many.k[group] == 0:
        return None
    effects = many.effects_of_one(group)
    return effects_out(dataclasses.replace(effects, source=None, rows=None, all_rows=None))


def key_out(name: str, values: list[Any]) -> dict[str, Any]:
    """A key column with the kind of its values; OptionError for a kind that JSON can't tell."""
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_}:
        return {"name": name, "kind": "truth", "values": [bool(value) for value in values]}
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in values):
        return {"name": name, "kind": "whole number", "values": [int(value) for value in values]}
    if all(isinstance(value, float | np.floating) for value in values):
        return {"name": name, "kind": "number", "values": [number_out(float(value)) for value in values]}
    if kinds <= {str}:
        return {"name": name, "kind": "text", "values": values}
    if all(isinstance(value, datetime.datetime) for value in values):
        return {"name": name, "kind": "time", "values": [value.isoformat() for value in values]}
    if kinds <= {datetime.date}:
        return {"name": name, "kind": "date", "values": [value.isoformat() for value in values]}
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise OptionError(f"the key {name!r} holds {shown}, which no JSON document can tell apart: make it a text first.")


def many_in(found: Found) -> PooledMany:
    """A result of `pool_many` again."""
    import narwhals as nw
    import pandas as pd

    k = found.rows("k", None, 2**53)
    assert k is not None
    n = int(k.size)
    keys = {key.text("name"): key_in(key, n) for key in parts(found, "keys")}
    content = dict(found.table("options").content)
    weighted = content.get("tau2") == "GENQ"
    options = options_in(
        PoolOptions, Found({**content, "tau2": "REML"} if weighted else content, f"{found.place}, options")
    )
    if weighted:
        options = dataclasses.replace(options, tau2=generalised_q_of_many)
    words = found.texts("words")
    effects = [
        None if part is None else effects_in(Found(part, f"{found.place}, group {at}"))
        for at, part in enumerate(found.list("groups", n), start=1)
    ]
    for group, mine in enumerate(effects):
        if int(k[group]) != (0 if mine is None else mine.k):
            raise found.error("k", f"of group {group + 1} is not that of its effects")
    studies = studies_in(found.table("studies"), np.append(0, np.cumsum(k)), weighted)
    convention = found.text("convention")

    effects_of = ListedEffects(effects)
    left_out = left_out_in(found.table("left_out"), n)
    columns = found.table("columns")
    codes = found.rows("codes", n, len(words))
    iterations = found.rows("iterations", n, 2**53)
    failing = found.rows("failing", None, len(words))
    assert codes is not None
    assert iterations is not None
    assert failing is not None
    texts: dict[str, str] = {name: found.text(name) for name in TEXTS}
    return PooledMany(
        **texts,
        columns={name: values_in(columns, name, n, k) for name in columns.content},
        k=k,
        iterations=iterations,
        options=options,
        key_columns=nw.from_native(pd.DataFrame(keys), eager_only=True),
        codes=codes,
        words=words,
        failing=frozenset(failing.tolist()),
        pool_one=PoolGroup(effects_of, options, convention, studies.offsets, studies.tau2_weights, left_out),
        effects_of_one=effects_of,
        left_out=left_out,
        studies=studies,
        notes=found.texts("notes"),
        measures=measures_in(found, n),
    )


def measures_in(found: Found, n: int) -> tuple[str | None, ...]:
    """The measure of each group, where a column had named them."""
    if "measures" not in found.content:
        return ()
    values = found.list("measures", n)
    if not all(value is None or value in MEASURES for value in values):
        raise found.error("measures", "has to be a list of measures")
    return tuple(values)


def values_in(columns: Found, name: str, n: int, k: Any) -> Any:
    """A column of numbers; the numbers of studies are whole."""
    values = columns.numbers(name, n)
    return k if name == "k" else values


def parts(found: Found, key: str) -> list[Found]:
    """A list of tables."""
    return [Found(part, f"{found.place}, {key} {at}") for at, part in enumerate(found.list(key), start=1)]


def key_in(key: Found, n: int) -> Any:
    """The values of a key column."""
    import pandas as pd

    kind, values = key.text("kind"), key.list("values", n)
    allowed: dict[str, tuple[type, ...]] = {
        "truth": (bool,),
        "whole number": (int,),
        "number": (float, int, str),
        "text": (str,),
        "time": (str,),
        "date": (str,),
    }
    if kind not in allowed:
        raise key.error("kind", f"is {kind!r}, which this version does not know")
    if not all(isinstance(value, allowed[kind]) for value in values):
        raise key.error("values", f"has to be a list of values of the kind {kind}")
    if kind == "number":
        return key.numbers("values", n)
    try:
        if kind == "time":
            return pd.to_datetime(list(values))
        return [datetime.date.fromisoformat(value) for value in values] if kind == "date" else list(values)
    except ValueError:
        raise key.error("values", f"has a {kind} that is none") from None


def studies_in(found: Found, offsets: Any, weighted: bool) -> StudiesByGroup:
    """The studies that were pooled."""
    size = int(offsets[-1])
    y, v = found.numbers("y", size), found.numbers("v", size)
    weights: FloatArray | None = found.numbers("tau2_weights", size) if weighted else None
    if not (np.isfinite(y).all() and np.isfinite(v).all() and (v > 0).all()):
        raise found.error("y and v", "have to be finite numbers, and v positive")
    label = found.texts("label")
    if len(label) not in (0, size):
        raise found.error("label", f"has {len(label)} values for {size} studies")
    return StudiesByGroup(y, v, offsets, found.rows("rows", size, 2**53), label, weights)


def left_out_in(found: Found, groups: int) -> RowsLeftOut:
    """The rows that were left out."""
    reasons = found.texts("reasons")
    rows, of = found.rows("rows", len(reasons), 2**53), found.rows("groups", len(reasons), groups)
    assert rows is not None
    assert of is not None
    by_row = dict(zip(rows.tolist(), reasons, strict=True))
    label = found.texts("label") if "label" in found.content else ()
    if len(label) not in (0, len(reasons)):
        raise found.error("label", f"has {len(label)} values for {len(reasons)} studies")
    return RowsLeftOut(rows, of, by_row.__getitem__, label=label)
