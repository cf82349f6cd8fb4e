"""The tables of measures, options and conventions, written from the registries themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from site_words import cited, code, table

import metaanalysis as ma
from metaanalysis.conventions import CONVENTIONS
from metaanalysis.diagnostics.fail_safe import FAIL_SAFE
from metaanalysis.diagnostics.small_study import TESTS
from metaanalysis.effects.describe import BIAS, VARIANCES
from metaanalysis.effects.measures import ALIASES, MEASURES
from metaanalysis.formulas.inference import CI
from metaanalysis.formulas.location_scale import LINKS
from metaanalysis.formulas.mean_intervals import MEAN_INTERVALS
from metaanalysis.formulas.prediction import PREDICTION
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.formulas.tau2_intervals import TAU2_INTERVALS
from metaanalysis.formulas.trim_and_fill import MISSING
from metaanalysis.models.glmm import GLMM
from metaanalysis.options import EffectOptions, PoolOptions

# The registries with the call that takes their keys.
REGISTRIES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("Between-study variance", "`tau2=` of `pool`, `subgroups`, `meta_regression`, `pool_many`", TAU2),
    ("Confidence interval of the mean or of coefficients", "`ci=`", {**CI, **MEAN_INTERVALS}),
    ("Prediction interval", "`prediction=`", PREDICTION),
    ("Confidence interval of the between-study variance", "`fit.tau2_interval(…)`", TAU2_INTERVALS),
    ("Generalised linear mixed model", '`glmm=`, with `method="glmm"`', GLMM),
    ("Test for small-study effects", "`ma.small_study_test(fit, …)`", TESTS),
    ("Trim and fill", "`ma.trim_and_fill(fit, …)`", MISSING),
    ("Fail-safe N", "`ma.fail_safe_n(fit, …)`", FAIL_SAFE),
    ("Location-scale model", "`link=` of `ma.location_scale`", LINKS),
)


def measures_page() -> str:
    """Every measure, by the kind of data that it is for."""
    frame = ma.measures()
    lines = [
        "# Measures",
        "",
        f"The {len(frame)} measures of `ma.effect_sizes(data, measure)`. `ma.measures()` returns this table as a frame.",
        'Columns that bear the names of the inputs need no mapping; any other is named by keyword (`events1="tpos"`).',
        "Group 1 is the treated group, group 2 the control. Any measure may also be given as `y` with `v`, `se` or an interval.",
        "",
    ]
    for kind, of_kind in frame.groupby("kind", sort=False):
        lines += [f"## {str(kind).capitalize()}", ""]
        rows = []
        for key, row in of_kind.iterrows():
            variants = "<br>".join(
                part
                for part in (
                    f"variance: {listed(row['variances'])}" if row["variances"] else "",
                    f"correction: {listed(row['corrections'])}" if row["corrections"] else "",
                )
                if part
            )
            rows.append(
                [
                    f"**{key}**",
                    row["title"],
                    listed(row["inputs"]),
                    row["analysis_scale"] if row["analysis_scale"] != row["title"] else "the same",
                    variants,
                    cited(MEASURES[str(key)].reference, ""),
                ]
            )
        lines.append(
            table(["measure", "what it is", "inputs", "pooled as", "variants, the default first", "source"], rows)
        )
    lines += ["## Other names", "", "Names that other programs use: " + "; ".join(
        f"`{alias}` is `{key}`" for alias, key in ALIASES.items()) + ".", ""]  # fmt: skip
    lines += ["## Variants", "", table(["`variance=`", "meaning"], [[code(k), v] for k, v in VARIANCES.items()])]
    lines += [table(["`correction=`", "meaning"], [[code(k), v] for k, v in BIAS.items()])]
    return "\n".join(lines)


def listed(words: str) -> str:
    """Words as code, one after another."""
    return " ".join(code(word) for word in words.split())


def options_page() -> str:
    """Every option that takes a name, and the fields of the two sets of options."""
    lines = [
        "# Options",
        "",
        "Every option is a key of a registry; the first is the default where none is marked. An unknown key raises",
        "`OptionError`, which lists the choices. A function of the same signature works in place of a key.",
        "",
    ]
    for title, where, entries in REGISTRIES:
        lines += [f"## {title}", "", f"{where}", ""]
        rows = [[code(key), entry.title, cited(entry.reference, "")] for key, entry in entries.items()]
        lines.append(table(["key", "method", "reference"], rows))
    lines += [
        "## All options of pooling",
        "",
        "Keywords of `pool`, `subgroups`, `meta_regression` and `pool_many`.",
        "",
    ]
    lines.append(fields_table(PoolOptions))
    lines += ["## All options of effect sizes", "", "Keywords of `effect_sizes`.", "", fields_table(EffectOptions)]
    return "\n".join(lines)


def fields_table(options: type[PoolOptions | EffectOptions]) -> str:
    """The fields of a set of options with their defaults and their documentation."""
    said = documented(options)
    rows = [[code(f.name), code(f.default), said[f.name]] for f in fields(options)]
    return table(["option", "default", "meaning"], rows)


def documented(options: type[Any]) -> dict[str, str]:
    """What the numpydoc section of parameters says about each."""
    text = inspect.getdoc(options) or ""
    body = text.split("----------\n", maxsplit=1)[1]
    found = {}
    for names, meaning in re.findall(r"^(\w[\w, ]*)\n((?:    .*\n?)+)", body, flags=re.MULTILINE):
        words = " ".join(line.strip() for line in meaning.splitlines()).replace("``", "`")
        found.update({name.strip(): words for name in names.split(",")})
    return found


def conventions_page() -> str:
    """What each convention sets, beside the defaults."""
    lines = [
        "# Conventions of other programs",
        "",
        "The same data give different numbers in different programs. Each difference is an option, and a convention is a named",
        'set of options: `ma.effect_sizes(…, convention="revman5")` or `ma.pool(…, convention="revman5")`. What you set',
        "yourself goes before the convention. Bold: where a program differs from the default, `metafor`.",
        "",
        table(["`convention=`", "program"], [[code(key), entry.title] for key, entry in CONVENTIONS.items()]),
    ]
    for title, part in (("Effect sizes", "effects"), ("Pooling", "pool")):
        lines += [f"## {title}", ""]
        names = [f.name for f in fields(EffectOptions if part == "effects" else PoolOptions)]
        rows = []
        for name in names:
            values = [getattr(getattr(entry, part), name) for entry in CONVENTIONS.values()]
            rows.append([code(name), *(code(v) if v == values[0] else f"**`{v}`**" for v in values)])
        lines.append(table(["option", *(code(key) for key in CONVENTIONS)], rows))
    lines.append("What each option means: [Options](options.md).\n")
    return "\n".join(lines)
