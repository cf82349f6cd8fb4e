"""Meta-analysis that reproduces published reviews to the last printed digit.

>>> import metaanalysis as ma
>>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")
>>> fit = ma.pool(effects, tau2="PM", ci="hksj")
>>> round(fit.back_transformed().estimate, 2)
0.49
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metaanalysis.effects import Effects, effect_sizes, measures
    from metaanalysis.errors import ConvergenceError, DataError, OptionError
    from metaanalysis.models import likelihood_ratio_test, meta_regression, pool, subgroups
    from metaanalysis.plots import forest
    from metaanalysis.results import Pooled, Regression, Subgroups
    from metaanalysis.reviews import audit, audit_subgroups, list_datasets, load_dataset

# Each public name and the room that it lives in; rooms load on first use, so that importing the package costs nothing.
_ROOMS = {
    "ConvergenceError": "errors",
    "DataError": "errors",
    "Effects": "effects",
    "OptionError": "errors",
    "Pooled": "results",
    "Regression": "results",
    "Subgroups": "results",
    "audit": "reviews",
    "audit_subgroups": "reviews",
    "effect_sizes": "effects",
    "forest": "plots",
    "likelihood_ratio_test": "models",
    "list_datasets": "reviews",
    "load_dataset": "reviews",
    "measures": "effects",
    "meta_regression": "models",
    "pool": "models",
    "subgroups": "models",
}

__all__ = [  # noqa: RUF022 - in the order of the rooms
    "DataError",
    "OptionError",
    "ConvergenceError",
    "Effects",
    "effect_sizes",
    "measures",
    "Pooled",
    "pool",
    "Subgroups",
    "subgroups",
    "Regression",
    "meta_regression",
    "likelihood_ratio_test",
    "load_dataset",
    "list_datasets",
    "audit",
    "audit_subgroups",
    "forest",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        value = getattr(importlib.import_module(f"metaanalysis.{_ROOMS[name]}"), name)
        globals()[name] = value
        return value
    if name in {"diagnostics", "effects", "formulas", "models", "plots", "results", "reviews"}:
        return importlib.import_module(f"metaanalysis.{name}")
    raise AttributeError(f"module 'metaanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
