"""Meta-analysis that reproduces published reviews to the last printed digit.

>>> import metaanalysis as ma
>>> effects = ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="author")
>>> fit = ma.pool(effects, tau2="PM", ci="hksj")
>>> round(fit.back_transformed().estimate, 2)
0.49
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metaanalysis.diagnostics import (
        baujat,
        bootstrap,
        compare,
        cumulative,
        fail_safe_n,
        gosh,
        influence,
        jackknife,
        leave_one_out,
        permutation_test,
        pet_peese,
        small_study_test,
        trim_and_fill,
    )
    from metaanalysis.effects import Effects, effect_sizes, measures
    from metaanalysis.effects import conversions as conversions
    from metaanalysis.effects.arms import Covariances, shared_control_covariances
    from metaanalysis.effects.conversions_complete_effects import complete_effects
    from metaanalysis.effects.conversions_complete_means import complete_means
    from metaanalysis.effects.shapes import arms_to_comparisons, comparisons_to_arms
    from metaanalysis.errors import ConvergenceError, DataError, OptionError
    from metaanalysis.io import (
        example_file,
        from_json,
        read_revman,
        read_studies,
        to_excel,
        to_json,
        to_latex,
        to_markdown,
    )
    from metaanalysis.many import (
        PooledMany,
        ResampledMany,
        bootstrap_many,
        gosh_many,
        jackknife_many,
        leave_one_out_many,
        permutation_test_many,
        pool_many,
        pool_parquet,
    )
    from metaanalysis.models import likelihood_ratio_test, location_scale, meta_regression, pool, subgroups
    from metaanalysis.plots import (
        bubble,
        drapery,
        forest,
        funnel,
        labbe,
        overlap,
        plot,
        prisma,
        profile,
        qq,
        radial,
        rob_summary,
        rob_traffic_light,
    )
    from metaanalysis.reports import audit_report, report
    from metaanalysis.results import Pooled, Regression, Subgroups
    from metaanalysis.reviews import (
        audit,
        audit_subgroups,
        citation_matrix,
        list_datasets,
        load_dataset,
        reproduce,
        umbrella,
    )

# Each public name and the room that it lives in; rooms load on first use, so that importing the package costs nothing.
_ROOMS = {
    "ConvergenceError": "errors",
    "Covariances": "effects.arms",
    "DataError": "errors",
    "Effects": "effects",
    "OptionError": "errors",
    "Pooled": "results",
    "PooledMany": "many",
    "Regression": "results",
    "ResampledMany": "many",
    "Subgroups": "results",
    "arms_to_comparisons": "effects.shapes",
    "audit": "reviews",
    "audit_report": "reports",
    "audit_subgroups": "reviews",
    "baujat": "diagnostics",
    "bootstrap": "diagnostics",
    "bootstrap_many": "many",
    "bubble": "plots",
    "citation_matrix": "reviews",
    "compare": "diagnostics",
    "comparisons_to_arms": "effects.shapes",
    "complete_effects": "effects.conversions_complete_effects",
    "complete_means": "effects.conversions_complete_means",
    "cumulative": "diagnostics",
    "drapery": "plots",
    "effect_sizes": "effects",
    "example_file": "io",
    "fail_safe_n": "diagnostics",
    "forest": "plots",
    "from_json": "io",
    "funnel": "plots",
    "gosh": "diagnostics",
    "gosh_many": "many",
    "influence": "diagnostics",
    "jackknife": "diagnostics",
    "jackknife_many": "many",
    "labbe": "plots",
    "leave_one_out": "diagnostics",
    "leave_one_out_many": "many",
    "likelihood_ratio_test": "models",
    "list_datasets": "reviews",
    "load_dataset": "reviews",
    "location_scale": "models",
    "measures": "effects",
    "meta_regression": "models",
    "overlap": "plots",
    "permutation_test": "diagnostics",
    "permutation_test_many": "many",
    "pet_peese": "diagnostics",
    "plot": "plots",
    "pool": "models",
    "pool_many": "many",
    "pool_parquet": "many.parquet",
    "prisma": "plots",
    "profile": "plots",
    "qq": "plots",
    "radial": "plots",
    "read_revman": "io",
    "read_studies": "io",
    "report": "reports",
    "reproduce": "reviews",
    "rob_summary": "plots",
    "rob_traffic_light": "plots",
    "shared_control_covariances": "effects.arms",
    "small_study_test": "diagnostics",
    "subgroups": "models",
    "to_excel": "io",
    "to_json": "io",
    "to_latex": "io",
    "to_markdown": "io",
    "trim_and_fill": "diagnostics",
    "umbrella": "reviews",
}

__all__ = [  # noqa: RUF022 - in the order of the rooms
    "DataError",
    "OptionError",
    "ConvergenceError",
    "Effects",
    "effect_sizes",
    "measures",
    "conversions",
    "complete_means",
    "complete_effects",
    "arms_to_comparisons",
    "comparisons_to_arms",
    "Covariances",
    "shared_control_covariances",
    "Pooled",
    "pool",
    "PooledMany",
    "pool_many",
    "pool_parquet",
    "ResampledMany",
    "leave_one_out_many",
    "jackknife_many",
    "bootstrap_many",
    "permutation_test_many",
    "gosh_many",
    "Subgroups",
    "subgroups",
    "Regression",
    "meta_regression",
    "likelihood_ratio_test",
    "location_scale",
    "leave_one_out",
    "cumulative",
    "influence",
    "baujat",
    "compare",
    "gosh",
    "bootstrap",
    "jackknife",
    "permutation_test",
    "small_study_test",
    "trim_and_fill",
    "fail_safe_n",
    "pet_peese",
    "load_dataset",
    "list_datasets",
    "example_file",
    "read_revman",
    "from_json",
    "read_studies",
    "to_excel",
    "to_json",
    "to_latex",
    "to_markdown",
    "audit",
    "audit_subgroups",
    "audit_report",
    "citation_matrix",
    "umbrella",
    "plot",
    "forest",
    "funnel",
    "bubble",
    "radial",
    "labbe",
    "drapery",
    "overlap",
    "qq",
    "profile",
    "prisma",
    "rob_traffic_light",
    "rob_summary",
    "report",
    "reproduce",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        value = getattr(importlib.import_module(f"metaanalysis.{_ROOMS[name]}"), name)
        if isinstance(value, ModuleType):
            # A file that is named after its function: some importers leave the file in the function's place.
            value = getattr(value, name)
        globals()[name] = value
        return value
    if name == "conversions":
        return importlib.import_module("metaanalysis.effects.conversions")
    if name in {"diagnostics", "effects", "formulas", "io", "models", "plots", "reports", "results", "reviews"}:
        return importlib.import_module(f"metaanalysis.{name}")
    raise AttributeError(f"module 'metaanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, "conversions"})
