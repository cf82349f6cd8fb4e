"""Weights of the studies in a table of judgements: a column, numbers, or those of a fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from metaanalysis.effects.columns import find_column, to_floats
from metaanalysis.errors import DataError, OptionError, nearest

if TYPE_CHECKING:
    import narwhals as nw


def weights_of(
    table: nw.DataFrame[Any], studies: Sequence[str], weights: object, weighed: Sequence[str] | None
) -> list[float]:
    """A weight for each study, 1 by default; DataError for what is none."""
    if weights is None:
        return [1.0] * len(studies)
    where = weights if isinstance(weights, str) else "weights"
    values: list[Any]
    if isinstance(weights, str):
        values = table[find_column(table, weights, "weights")].to_list()
    else:
        try:
            values = list(weights)  # type: ignore[call-overload]
        except TypeError:
            raise OptionError(
                f"weights={weights!r} is not a column's name, one number a study, or a result of pool."
            ) from None
    if weighed is not None and tuple(weighed) != tuple(studies):
        values = by_name(studies, weighed, values)
    if len(values) != len(studies):
        raise DataError(f"there are {len(values)} weights, and {len(studies)} studies in the table: give one a study.")
    found = to_floats(values, where, studies).tolist()
    for i, w in enumerate(found):
        if not (math.isfinite(w) and w >= 0):
            raise DataError(
                f"{where} ({values[i]!r}) in study {studies[i]!r} (row {i + 1}) is not a weight, a number of 0 or above."
            )
    largest = max(found)
    if largest == 0:
        raise DataError(f"all of {where!r} are 0: at least one weight must be above 0.")
    return [w / largest for w in found]


def by_name(studies: Sequence[str], weighed: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """The weights in the table's order; DataError where a study is in one alone, or a name is there twice."""
    for names, place in ((studies, "the table"), (weighed, "the fit")):
        twice = next((name for name in names if list(names).count(name) > 1), None)
        if twice is not None:
            raise DataError(f"{place} has several studies called {twice!r}: their weights can't be told apart.")
    for some, others, said in (
        (studies, weighed, "has no weight: it is not among the studies of the fit. Leave it out of the table"),
        (weighed, studies, "is in the fit, but not in the table: add its judgements"),
    ):
        alone = next((name for name in some if name not in set(others)), None)
        if alone is not None:
            raise DataError(f"study {alone!r} {said}.{nearest(alone, list(others))}")
    weight = dict(zip(weighed, values, strict=True))
    return [weight[name] for name in studies]
