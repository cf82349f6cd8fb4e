"""Results as JSON documents that can be read again: every number to its last bit, with where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from metaanalysis.effects import Effects
from metaanalysis.effects.design import build_design
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas.regression import InformationCriteria
from metaanalysis.io.json_effects import effects_in, effects_out, options_in, options_out
from metaanalysis.io.json_many import many_hash, many_in, many_out
from metaanalysis.io.json_values import Found, number_out, numbers_out
from metaanalysis.io.provenance import data_hash, provenance_of
from metaanalysis.options import PoolOptions
from metaanalysis.results import Pooled, Regression, Subgroups
from metaanalysis.results.pooled_many import PooledMany

Result: TypeAlias = Pooled | Subgroups | Regression | PooledMany

FORMAT, VERSION = "metaanalysis", 1
_POOLED = (
    "estimate se ci_low ci_high statistic df p_value tau2 i2 h2 q q_df q_p_value prediction_low prediction_high level"
).split()
_POOLED_TEXTS = "measure model method convention tau2_method ci_method prediction_method method_title".split()
_REGRESSION = (
    "df tau2 i2 h2 r2 q_moderators q_moderators_p_value q_residual q_residual_df q_residual_p_value level"
).split()
_REGRESSION_TEXTS = "formula measure model tau2_method ci_method convention weighting".split()
# What formulas may call: encodings of factors, splines, polynomials, and elementary functions.
_FUNCTIONS = frozenset(
    "C I Q bs cs cc cr poly center scale log log2 log10 exp exp2 exp10 sqrt abs hashed lag "
    "contr.treatment contr.sum contr.helmert contr.diff contr.poly contr.sas "
    "Treatment Sum Helmert Diff Poly SAS".split()
)
# A text that begins so is a document, anything else the name of a file.
_OPENING = ("{", "[")


def to_json(result: Pooled | Subgroups | Regression | PooledMany, path: str | os.PathLike[str] | None = None) -> str:
    """Write a result as JSON, with its data and where it comes from, so that `from_json` gives the same numbers again.

    Parameters
    ----------
    result
        A `Pooled`, `Subgroups` or `Regression`, or a `PooledMany` of up to 100,000 groups.
    path
        A file to write it to, in UTF-8; by default it is only returned.

    Returns
    -------
    str
        The document. ``provenance`` holds a SHA-256 of the data, one of the whole result, and the versions of library, Python,
        NumPy and SciPy, ``options`` every choice, ``effects`` the effect sizes, their data and the table that they were made from.
        Floats have as many digits as their last bit needs; what JSON lacks is written as "NaN", "Infinity" and "-Infinity".

    Raises
    ------
    OptionError
        The result is of another kind, or was made with a function of your own, which no document can hold.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> fit = ma.pool([0.1, 0.3, 0.5], [0.02, 0.03, 0.05])
    >>> again = ma.from_json(ma.to_json(fit))
    >>> again.estimate == fit.estimate, again.tau2_interval() == fit.tau2_interval()
    (True, True)
    """
    for kind, write in _WRITERS.items():
        if isinstance(result, kind):
            written = write(result)
            document = {
                "format": FORMAT,
                "version": VERSION,
                "kind": kind.__name__,
                "provenance": {**provenance_of(*fingerprint(result)), "result_sha256": content_hash(written)},
                "result": written,
            }
            break
    else:
        raise OptionError(
            f"to_json writes what pool, pool_many, subgroups and meta_regression return, not {type(result).__name__}. Most other "
            f"results have to_frame(), and a frame to_json() of its own."
        )
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    if path is not None:
        Path(path).write_text(text + "\n", encoding="utf-8")
    return text


def from_json(source: str | os.PathLike[str]) -> Pooled | Subgroups | Regression | PooledMany:
    """Read a result that `to_json` has written: the same numbers, to the last bit.

    Parameters
    ----------
    source
        The document itself, or the name of a file.

    Returns
    -------
    Pooled, Subgroups, Regression or PooledMany
        As it was written; nothing is fitted again. Tables come back as pandas frames; of a `PooledMany` the studies' further
        columns do not come back.

    Raises
    ------
    DataError
        The document is no result, was written by a later version, or its effect sizes or any other number of the result are
        not those that its fingerprints were taken of. (They tell of changes; they are no signatures.)

    Examples
    --------
    >>> import metaanalysis as ma
    >>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")
    >>> document = ma.to_json(ma.subgroups(effects, by="alloc"))
    >>> list(ma.from_json(document).groups)
    ['random', 'alternate', 'systematic']
    """
    if isinstance(source, str) and source.lstrip().startswith(_OPENING):
        name, text = "the document", source
    else:
        try:
            path = Path(source)
            name, text = path.name, path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as problem:
            raise DataError(f"{str(source)[:200]!r} can't be read: {problem}.") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise DataError(f"{name} is not valid JSON: {problem}.") from None
    found = Found(content, name)
    if found.content.get("format") != FORMAT:
        raise DataError(f"{name} is JSON, but no result that to_json has written.")
    if found.whole("version") > VERSION:
        raise DataError(f"{name} was written by a later version of this library: update it to read the document.")
    readers: Mapping[str, Callable[[Found], Result]] = _READERS
    kind = found.text("kind")
    if kind not in readers:
        raise DataError(f"{name} holds a {kind!r}, which this version does not know.")
    try:
        result = readers[kind](found.table("result"))
    except OptionError as problem:
        raise DataError(f"{name}: {problem}") from None
    if fingerprint(result)[0] != found.table("provenance").text("data_sha256"):
        raise DataError(
            f"{name}: the effect sizes are not those that the result was computed from (their SHA-256 differs). Somebody has "
            f"changed the document; compute the result again."
        )
    if content_hash(found.content["result"]) != found.table("provenance").text("result_sha256"):
        raise DataError(
            f"{name}: the result is not the one that was written (its SHA-256 differs). Somebody has changed a number or a word of "
            f"it; compute the result again."
        )
    return result


def content_hash(written: Mapping[str, Any]) -> str:
    """SHA-256 of what a document holds as its result, whatever its layout and the order of its keys."""
    text = json.dumps(written, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def fingerprint(result: Result) -> tuple[str, int]:
    """The fingerprint of a result's data, and how many studies they are."""
    if isinstance(result, PooledMany):
        return many_hash(result), int(result.k.sum())
    effects = result.overall.effects if isinstance(result, Subgroups) else result.effects
    return data_hash(effects), effects.k


def pooled_out(fit: Pooled) -> dict[str, Any]:
    """A pooled result."""
    return {
        **{name: number_out(getattr(fit, name)) for name in _POOLED},
        **{name: getattr(fit, name) for name in _POOLED_TEXTS},
        "k": int(fit.k),
        "weights": numbers_out(fit.weights),
        "notes": list(fit.notes),
        "details": {name: number_out(float(value)) for name, value in fit.details.items()},
        "options": options_out(fit.options),
        "effects": effects_out(fit.effects),
    }


def effects_of(found: Found) -> Effects:
    """The effects of a result, which have its measure and its number of studies."""
    effects = effects_in(found.table("effects"))
    if found.text("measure") != effects.measure:
        raise found.error("measure", f"is {found.text('measure')}, but that of the effects is {effects.measure}")
    if found.whole("k") != effects.k:
        raise found.error("k", f"is {found.whole('k')}, but there are {effects.k} effects")
    return effects


def pooled_in(found: Found) -> Pooled:
    """A pooled result again."""
    effects = effects_of(found)
    details = found.table("details")
    values: dict[str, Any] = {name: found.number(name) for name in _POOLED}
    values.update({name: found.text(name) for name in _POOLED_TEXTS})
    return Pooled(
        **values,
        k=found.whole("k"),
        weights=found.numbers("weights", effects.k),
        notes=found.texts("notes"),
        details={name: details.number(name) for name in details.content},
        options=options_in(PoolOptions, found.table("options")),
        effects=effects,
    )


def subgroups_out(found: Subgroups) -> dict[str, Any]:
    """A subgroup analysis."""
    return {
        "groups": [{"name": name, "result": pooled_out(fit)} for name, fit in found.groups.items()],
        "overall": pooled_out(found.overall),
        "q_between": number_out(found.q_between),
        "q_between_df": int(found.q_between_df),
        "q_between_p_value": number_out(found.q_between_p_value),
        "by": found.by,
        "tau2_sharing": found.tau2_sharing,
        "notes": list(found.notes),
    }


def subgroups_in(found: Found) -> Subgroups:
    """A subgroup analysis again."""
    parts = [Found(part, f"{found.place}, group {at}") for at, part in enumerate(found.list("groups"), start=1)]
    return Subgroups(
        groups={part.text("name"): pooled_in(part.table("result")) for part in parts},
        overall=pooled_in(found.table("overall")),
        q_between=found.number("q_between"),
        q_between_df=found.whole("q_between_df"),
        q_between_p_value=found.number("q_between_p_value"),
        by=found.text("by"),
        tau2_sharing=found.text("tau2_sharing"),
        notes=found.texts("notes"),
    )


def regression_out(reg: Regression) -> dict[str, Any]:
    """A meta-regression."""
    criteria = {
        name: {key: number_out(float(value)) for key, value in getattr(reg, name)._asdict().items()}
        for name in ("fit_ml", "fit_reml")
    }
    return {
        **{name: number_out(getattr(reg, name)) for name in _REGRESSION},
        **{name: getattr(reg, name) for name in _REGRESSION_TEXTS},
        "k": int(reg.k),
        "estimates": numbers_out(reg.estimates),
        "covariance": numbers_out(reg.covariance),
        "covariance_root": numbers_out(reg.covariance_root),
        "names": list(reg.names),
        "q_moderators_df": [number_out(value) for value in reg.q_moderators_df],
        "excluded": [list(pair) for pair in reg.excluded],
        "notes": list(reg.notes),
        **criteria,
        "options": options_out(reg.options),
        "effects": effects_out(reg.effects),
    }


def regression_in(found: Found) -> Regression:
    """A meta-regression again; its design is built anew from formula and table."""
    import numpy as np

    effects = effects_of(found)
    names = found.texts("names")
    formula = found.text("formula")
    if not is_harmless(formula):
        raise found.error(
            "formula", f"({formula[:80]!r}) calls what no formula of a regression needs: it is not evaluated"
        )
    design, _, _ = build_design(effects, formula)
    if design.names != names:
        raise found.error("names", f"are {', '.join(names)}, but formula and table make {', '.join(design.names)}")
    first, second = found.numbers("q_moderators_df", 2).tolist()
    p = len(names)
    values: dict[str, Any] = {name: found.number(name) for name in _REGRESSION}
    values.update({name: found.text(name) for name in _REGRESSION_TEXTS})
    return Regression(
        **values,
        k=found.whole("k"),
        estimates=found.numbers("estimates", p),
        covariance=found.numbers("covariance", p * p).reshape(p, p),
        covariance_root=found.numbers("covariance_root", p * p).reshape(p, p),
        names=names,
        q_moderators_df=(first, second),
        excluded=found.pairs("excluded"),
        notes=found.texts("notes"),
        fit_ml=criteria_in(found.table("fit_ml"), np.asarray),
        fit_reml=criteria_in(found.table("fit_reml"), np.asarray),
        options=options_in(PoolOptions, found.table("options")),
        effects=effects,
        design=design,
    )


def is_harmless(formula: str) -> bool:
    """Whether a formula is made of columns, numbers, operators and the usual functions alone.

    A formula is evaluated as Python, and a document may come from anywhere: nothing else is let through.
    """
    # Names in backticks and texts in quotes are taken as they are; within them nothing is called.
    bare = re.sub(r"`[^`]*`|'[^'\\\\]*'|\"[^\"\\\\]*\"", " x ", formula)
    if (
        not re.fullmatch(r"[\w\s~+\-*/:^%(),.=|]*", bare)
        or {"{", "}"} & set(formula)
        or "__" in bare
        or re.search(r"[)\d]\s*\(", bare)
    ):
        return False
    called = set(re.findall(r"([\w.]+)\s*\(", bare))
    named = set(re.findall(r"[^\W\d][\w.]*", bare))
    return (
        called <= _FUNCTIONS and all("." not in name or name in _FUNCTIONS for name in named) and "lambda" not in named
    )


def criteria_in(found: Found, array: Callable[[float], Any]) -> InformationCriteria:
    """Measures of fit again."""
    return InformationCriteria(**{name: array(found.number(name)) for name in InformationCriteria._fields})


_WRITERS: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    Pooled: pooled_out,
    Subgroups: subgroups_out,
    Regression: regression_out,
    PooledMany: many_out,
}
_READERS: Mapping[str, Callable[[Found], Result]] = {
    "Pooled": pooled_in,
    "Subgroups": subgroups_in,
    "Regression": regression_in,
    "PooledMany": many_in,
}
