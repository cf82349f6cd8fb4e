"""What a forest plot is asked to show: one result, several models of the same studies, or several results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from metaanalysis.errors import OptionError
from metaanalysis.plots.forest_notes import model_name, names_of_models
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_refits import models_spec, refits_spec
from metaanalysis.plots.forest_rows import forest_spec
from metaanalysis.plots.forest_spec import ForestSpec
from metaanalysis.plots.forest_umbrella import umbrella_specs
from metaanalysis.plots.style import Style
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.refits import Refits
from metaanalysis.results.umbrella_review import UmbrellaReview

# A result, several, or several by the names that they are to have.
Models: TypeAlias = Pooled | Sequence[Pooled] | Mapping[str, Pooled]


def models_of(given: Any, what: str = "also") -> dict[str, Pooled]:
    """Results by their names; those without a name get one that says where they stand, with a blank before it."""
    if given is None:
        return {}
    if isinstance(given, Pooled):
        given = [given]
    if isinstance(given, Mapping):
        named = {str(name): fit for name, fit in given.items()}
    elif isinstance(given, Sequence) and not isinstance(given, str):
        named = {f" {i}": fit for i, fit in enumerate(given)}
    else:
        named = {"": given}
    for fit in named.values():
        if not isinstance(fit, Pooled):
            raise OptionError(
                f"{what} holds a {type(fit).__name__}: it is a result of pool, a list of them, or results by their names."
            )
    return named


def given_names(models: Mapping[str, Pooled]) -> list[str]:
    """The names that the user gave, "" where none."""
    return ["" if name.startswith(" ") else name for name in models]


def same_studies(one: Pooled, other: Pooled) -> bool:
    """Whether two results are of the same effect sizes."""
    a, b = one.effects, other.effects
    return (
        a.measure == b.measure
        and a.k == b.k
        and (a is b or (np.array_equal(a.y, b.y) and np.array_equal(a.v, b.v) and tuple(a.label) == tuple(b.label)))
    )


def specified_panels(
    result: Any, also: Mapping[str, Pooled], options: ForestOptions
) -> tuple[tuple[ForestSpec, ...], Style | None]:
    """As `specified`, one forest plot under another where a result has several measures."""
    if not isinstance(result, UmbrellaReview):
        spec, style = specified(result, also, options)
        return (spec,), style
    if also:
        raise OptionError("also does not apply to an umbrella review: it shows what reviews report.")
    return umbrella_specs(result, options), options.look.style


def specified(result: Any, also: Mapping[str, Pooled], options: ForestOptions) -> tuple[ForestSpec, Style | None]:
    """The rows and marks of what is asked for, and the layout's colours for it."""
    if isinstance(result, Refits):
        if also:
            raise OptionError(f"also does not apply to a {result.question} forest plot: it shows one model refitted.")
        return refits_spec(result, options), options.look.style_for(result.overall.effects)
    if isinstance(result, UmbrellaReview):
        specs, style = specified_panels(result, also, options)
        if len(specs) > 1:
            raise OptionError(
                f"the reviews report {' and '.join(result.measures)}, an axis each, and pages show one: make an umbrella of the "
                f"rows of one measure."
            )
        return specs[0], style
    if not isinstance(result, Pooled | Subgroups):
        models = models_of(result, "the list")
        if not models:
            raise OptionError("there is nothing to draw: the list of results is empty.")
        return several({**models, **also}, options)
    whole = result.overall if isinstance(result, Subgroups) else result
    for name, fit in also.items():
        if fit.measure != whole.measure:
            raise OptionError(
                f"also{called(name)} is of the measure {fit.measure}, and the studies are of {whole.measure}."
            )
        if not same_studies(whole, fit):
            raise OptionError(
                f"also{called(name)} is of other studies than those drawn (k = {fit.k} and {whole.k}, or other effect sizes): "
                f"draw it by itself, or as in forest([fit, other]), which shows one diamond each."
            )
    return forest_spec(result, options, also), options.look.style_for(whole.effects)


def called(name: str) -> str:
    """As in "['Peto']", or "" for a result without a name."""
    return "" if name.startswith(" ") else f"[{name!r}]"


def several(models: Mapping[str, Pooled], options: ForestOptions) -> tuple[ForestSpec, Style | None]:
    """Several results: under their studies where these are the same, else a diamond each."""
    fits = list(models.values())
    style = options.look.style_for(fits[0].effects)
    measures = sorted({fit.measure for fit in fits})
    if len(measures) > 1:
        raise OptionError(f"the results are of {' and '.join(measures)}: one axis shows one measure.")
    if all(same_studies(fits[0], fit) for fit in fits):
        return forest_spec(fits[0], options, dict(list(models.items())[1:]), next(iter(models))), style
    if options.risk_of_bias or options.sort:
        raise OptionError(
            "sort and risk_of_bias do not apply to results of different studies: there is a diamond each."
        )
    names = names_of_models(fits, given_names(models), model_name(fits[0]))
    return models_spec(dict(zip(names, fits, strict=True)), {}, "Analysis", options), style
