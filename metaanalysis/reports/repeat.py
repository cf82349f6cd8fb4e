"""What is needed to repeat the analysis: versions, options, the data's hash, and the code."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from metaanalysis import __version__
from metaanalysis.conventions import convention_named
from metaanalysis.models.pool import fitted
from metaanalysis.reports.asked import Asked
from metaanalysis.reports.parts import Missing, attempt
from metaanalysis.results import Pooled

PACKAGES = ("numpy", "scipy", "pandas", "matplotlib", "jinja2")
SAME = 1e-12


def versions() -> list[tuple[str, str]]:
    """The program, the language and the libraries that the numbers come from."""
    found = [("metaanalysis", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def is_own(value: object) -> bool:
    """Whether an option is a function of the user's own."""
    return callable(value)


def spelled(value: object) -> str:
    """An option as the page prints it."""
    return getattr(value, "__name__", repr(value)) if callable(value) else str(value)


def quoted(value: object) -> str:
    """A value as Python reads it, texts between double quotes where that is simple."""
    text = repr(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and text[0] == "'" and '"' not in text else text


def options_of(fit: Pooled) -> list[tuple[str, str, bool]]:
    """Every option, its value, and whether it is another than by default."""
    usual = convention_named("metafor")
    rows = [("convention", fit.convention, fit.convention != "metafor")]
    groups = [(fit.options, usual.pool)]
    if not fit.effects.given:
        groups.append((fit.effects.options, usual.effects))  # type: ignore[arg-type]
    for options, default in groups:
        for field in fields(options):
            value = getattr(options, field.name)
            if value is not None:
                rows.append((field.name, spelled(value), value != getattr(default, field.name)))
    return rows


def changed(options: Any, usual: Any, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options that differ from the usual ones."""
    values = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in leave}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}


def arguments(given: Mapping[str, Any]) -> str:
    """Options as keyword arguments of a call; the user's own functions by their names."""
    return "".join(f", {name}={spelled(value) if is_own(value) else quoted(value)}" for name, value in given.items())


def code(asked: Asked) -> str:
    """The lines of Python that repeat the analysis from the table of studies."""
    fit, effects = asked.fit, asked.effects
    usual = convention_named(fit.convention)
    named = {} if fit.convention == "metafor" else {"convention": fit.convention}
    of_effects = {} if effects.given else changed(effects.options, usual.effects)
    of_pool = changed(fit.options, usual.pool)
    own = [name for name, value in of_pool.items() if is_own(value)]
    lines = ["import metaanalysis as ma", "import pandas as pd", ""]
    lines += [f"# {name}: a function of your own, {spelled(of_pool[name])}, is to be defined here" for name in own]
    lines += [
        "studies = pd.read_csv(",
        '    "studies.csv", dtype={"study": str}, keep_default_na=False, na_values=[""]',
        ')  # with pandas before 3.1 add float_precision="round_trip"',
        f'effects = ma.effect_sizes(studies, "{effects.measure}", label="study"{arguments({**named, **of_effects})})',
    ]
    if not comes_again(fit):
        lines.append("# the result had weights of its own, or a variance shared with other studies: give them to pool")
    lines.append(f"fit = ma.pool(effects{arguments(of_pool)})")
    extra = ""
    for at, found in enumerate(asked.subgroups, start=1):
        name = f"groups{at if at > 1 else ''}"
        sharing = "" if found.tau2_sharing == "separate" else f', tau2_sharing="{found.tau2_sharing}"'
        lines.append(f"{name} = ma.subgroups(effects, by={quoted(found.by)}{arguments(of_pool)}{sharing})")
    if asked.subgroups:
        names = ["groups", *(f"groups{at}" for at in range(2, len(asked.subgroups) + 1))]
        extra += f", subgroups=[{', '.join(names)}]"
    for at, reg in enumerate(asked.regressions, start=1):
        name = f"regression{at if at > 1 else ''}"
        of_reg = {} if reg.convention == "metafor" else {"convention": reg.convention}
        of_reg |= changed(reg.options, convention_named(reg.convention).pool)
        lines.append(f"{name} = ma.meta_regression(effects, {quoted(reg.formula.strip())}{arguments(of_reg)})")
    if asked.regressions:
        names = ["regression", *(f"regression{at}" for at in range(2, len(asked.regressions) + 1))]
        extra += f", regression=[{', '.join(names)}]"
    lines += [f'ma.report(fit, "report.html"{extra})', ""]
    return "\n".join(lines)


def comes_again(fit: Pooled) -> bool:
    """Whether the result is what its effects and options give."""
    again = attempt(lambda: fitted(fit.effects, fit.options, fit.convention))
    return not isinstance(again, Missing) and bool(
        np.isclose(again.estimate, fit.estimate, rtol=SAME, atol=0.0, equal_nan=True)
    )
