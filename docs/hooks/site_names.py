"""Pages of the public names, for mkdocstrings to fill."""

from __future__ import annotations

import inspect
import types

import metaanalysis as ma
from metaanalysis import plots, results

# The rooms by the page that their names stand on.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "effects": ("Effect sizes", ("effects",)),
    "models": ("Models", ("models",)),
    "results": ("Results", ("results",)),
    "diagnostics": ("Diagnostics", ("diagnostics",)),
    "many": ("Many at once", ("many",)),
    "plots": ("Plots", ("plots",)),
    "reviews": ("Published reviews, reports and files", ("reviews", "reports", "io")),
    "errors": ("Errors", ("errors",)),
}


def room_of(value: object) -> str:
    """The room that a public name lives in."""
    return str(getattr(value, "__module__", "")).split(".")[1]


def name_pages() -> dict[str, str]:
    """One page a room: its name to its Markdown. Every public name stands on one page."""
    public = {name: getattr(ma, name) for name in ma.__all__}
    found = {name: value for name, value in public.items() if not isinstance(value, types.ModuleType)}
    left = set(found)
    pages = {}
    for page, (title, rooms) in PAGES.items():
        names = [name for name, value in found.items() if room_of(value) in rooms]
        left -= set(names)
        lines = [f"# {title}", ""]
        lines += [entry(f"ma.{name}", found[name]) for name in names]
        if page == "results":
            others = [name for name in results.__all__ if name not in names]
            lines += [entry(f"metaanalysis.results.{name}", getattr(results, name)) for name in others]
        if page == "plots":
            others = [name for name in plots.__all__ if name not in names and callable(getattr(plots, name))]
            lines += [entry(f"metaanalysis.plots.{name}", getattr(plots, name)) for name in others]
        pages[page] = "\n".join(lines)
    modules = [name for name, value in public.items() if isinstance(value, types.ModuleType)]
    for name in modules:
        module = public[name]
        lines = [f"# {name.capitalize()}", "", " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split()), ""]
        lines += [entry(f"ma.{name}.{key}", getattr(module, key)) for key in module.__all__]
        pages[name] = "\n".join(lines)
    if left:
        raise RuntimeError(f"these public names stand on no page: {', '.join(sorted(left))}. Add their room to PAGES.")
    return pages


def entry(shown: str, value: object) -> str:
    """What mkdocstrings replaces by the documentation of a function or a class."""
    path = f"{value.__module__}.{value.__qualname__}"  # type: ignore[attr-defined]
    return f"::: {path}\n    options:\n      heading: {shown}\n      toc_label: {shown.rsplit('.', maxsplit=1)[1]}\n"
