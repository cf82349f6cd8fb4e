"""What a forest plot says under its rows: heterogeneity, tests, how it was pooled, who was left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from metaanalysis.effects.columns import is_missing
from metaanalysis.errors import OptionError
from metaanalysis.plots.forest_look import ForestLook
from metaanalysis.plots.forest_options import ForestOptions
from metaanalysis.plots.forest_wording import method_sentence
from metaanalysis.plots.risk_of_bias_colours import JUDGEMENTS, judgement
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.text import model_sentence, per_cent

MOST_LEFT_OUT = 10
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def model_name(fit: Pooled) -> str:
    """As in "Random-effects model"."""
    return model_sentence(fit).split(",")[0]


def method_name(fit: Pooled) -> str:
    """As in "inverse variance" and "Mantel-Haenszel"."""
    return model_sentence(fit).split(", ", 1)[1].split(";")[0]


def names_of_models(fits: Sequence[Pooled], given: Sequence[str], main: str) -> list[str]:
    """A name for each model: those given; else the model's own, with what tells it from the others."""
    names = [own or model_name(fit) for own, fit in zip(given, fits, strict=True)]
    if len(fits) == 1:
        return [main]
    tellers = (
        method_name,
        lambda fit: f"τ² by {fit.options.tau2}" if fit.tau2_method and isinstance(fit.options.tau2, str) else "",
        lambda fit: f"{fit.options.ci} interval" if isinstance(fit.options.ci, str) and fit.ci_method else "",
        lambda fit: f"k = {fit.k}",
    )
    for teller in tellers:
        if len(set(names)) == len(names):
            break
        told = [teller(fit) for fit in fits]
        names = [
            f"{name}, {more}" if more and not own and names.count(name) > 1 and len(set(told)) > 1 else name
            for name, own, more in zip(names, given, told, strict=True)
        ]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OptionError(
            f"two of the models are called {twice!r}: name them, as in also={{'Common effect': fit, 'Peto': other}}."
        )
    return names


def group_notes(fit: Pooled, look: ForestLook) -> list[str]:
    """The lines under a subgroup."""
    found = [look.wording.heterogeneity(fit)]
    if look.test_of_groups:
        found.append(look.wording.test(fit))
    return [line for line in found if line]


def forest_notes(
    result: Pooled | Subgroups, others: Mapping[str, Pooled], names: Sequence[str], options: ForestOptions
) -> tuple[str, ...]:
    """What stands under the plot."""
    look, words = options.look, options.look.wording
    fit = result.overall if isinstance(result, Subgroups) else result
    found = [words.heterogeneity(fit), words.test(fit)]
    if isinstance(result, Subgroups) and len(result.groups) > 1:
        found.append(words.differences(result))
    if look.method_note:
        found.append(method_sentence(fit))
        if options.prediction_shape and not math.isnan(fit.prediction_low) and fit.level != 0.95:
            found.append(f"Level of the intervals: {per_cent(fit.level)}")
    for name, other in zip(names[1:], others.values(), strict=True):
        said = method_sentence(other)
        # A model that bears its own name need not say it twice.
        if said != name:
            found.append(said if name.startswith(model_name(other)) else f"{name}: {said}")
    effects = fit.effects
    left_out = [f"{label} ({reason})" for label, reason in effects.left_out]
    if left_out:
        more = f"; and {len(left_out) - MOST_LEFT_OUT} more" if len(left_out) > MOST_LEFT_OUT else ""
        found.append(f"Left out: {'; '.join(left_out[:MOST_LEFT_OUT])}{more}")
    found += risk_of_bias_notes(fit, options)
    return tuple(line for line in found if line)


def risk_of_bias_notes(fit: Pooled, options: ForestOptions) -> list[str]:
    """What the letters over the lights and the signs in them stand for."""
    columns = options.risk_of_bias
    if not columns:
        return []
    found = []
    if not isinstance(columns, Mapping):
        named = [f"{letter}, {name}" for letter, name in zip(LETTERS, columns, strict=False)]
        found.append(f"Risk of bias: {'; '.join(named)}")
    effects = fit.effects
    values = [value for name in columns for value in effects.column(str(name))]
    seen = {judgement(value).key for value in values if not is_missing(value) and str(value).strip()}
    signs = [f"{own.sign}\u00a0{own.title.lower()}" for key, own in JUDGEMENTS.items() if key in seen]
    if signs:
        found.append(f"Signs: {'; '.join(signs)}")
    return found
