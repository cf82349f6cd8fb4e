"""The measures by name: a literal registry, assembled from the kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from metaanalysis.effects.measure import Computed, Inputs, Measure
from metaanalysis.effects.measures_of_association import CORRELATION, GIVEN_MEASURES, MEASURES_OF_ASSOCIATION
from metaanalysis.effects.measures_of_counts import MEASURES_OF_COUNTS, TWO_GROUP_COUNTS, four_counts
from metaanalysis.effects.measures_of_means import MEASURES_OF_MEANS, TWO_GROUP_MEANS
from metaanalysis.errors import OptionError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CORRELATION",
    "MEASURES",
    "TWO_GROUP_COUNTS",
    "TWO_GROUP_MEANS",
    "Computed",
    "Inputs",
    "Measure",
    "four_counts",
    "measure_named",
    "measures",
]

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.key: measure
        for measure in (*MEASURES_OF_COUNTS, *MEASURES_OF_MEANS, *MEASURES_OF_ASSOCIATION, *GIVEN_MEASURES)
    }
)

# Names that other programs use for the same thing.
ALIASES: Mapping[str, str] = MappingProxyType({"OR2D": "OR2DL", "D2OR": "D2ORL", "LRR": "RR", "LOR": "OR"})


def measure_named(key: str) -> Measure:
    """The measure of a key (case does not matter); OptionError lists them."""
    if isinstance(key, str):
        name = ALIASES.get(key.upper(), key.upper())
        if name in MEASURES:
            return MEASURES[name]
    raise OptionError(
        f"measure={key!r} is not a measure.{nearest(str(key), MEASURES)} The measures are: {', '.join(MEASURES)}. "
        f"measures() prints what each is and needs."
    )


def measures() -> pd.DataFrame:
    """Every measure: what it is, what it needs, on which scale it is pooled, and its variants.

    Returns
    -------
    pandas.DataFrame
        One row a measure, by its key: title, kind of data, inputs, analysis_scale, back_transformation, variances (the
        default first) and corrections (the default first). Any measure may also be given as ``y`` with ``v`` or ``se``.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> ma.measures().loc["ROM", ["title", "inputs", "variances"]].to_dict()["inputs"]
    'mean1 sd1 n1 mean2 sd2 n2'
    """
    import pandas as pd

    rows = [
        {
            "measure": entry.key,
            "title": entry.title,
            "kind": entry.kind,
            "inputs": " ".join(entry.inputs),
            "analysis_scale": entry.analysis_scale,
            "back_transformation": entry.back,
            "variances": " ".join(entry.variances),
            "corrections": " ".join(entry.corrections),
        }
        for entry in MEASURES.values()
    ]
    return pd.DataFrame(rows).set_index("measure")
