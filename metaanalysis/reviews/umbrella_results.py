"""Umbrella reviews: a table of what reviews report -> their pooled results, checked and side by side."""

from __future__ import annotations

import numpy as np

from metaanalysis.effects.columns import FrameLike
from metaanalysis.errors import DataError
from metaanalysis.formulas.arrays import IntArray
from metaanalysis.options import checked_level
from metaanalysis.results.umbrella_review import UmbrellaReview
from metaanalysis.reviews.reported import EFFECT, SPELLINGS, WORDS, Reported, read_reported

# Other names of a measure that its readers know by one.
SAME = {"WMD": "MD"}


def umbrella(reported: FrameLike, *, level: float = 0.95, **columns: str) -> UmbrellaReview:
    """What do several reviews report? Lay their pooled results side by side, for one forest plot of all.

    Parameters
    ----------
    reported
        A frame or the path of a CSV file with one row a pooled result: columns ``review``, ``measure``, ``estimate``, ``ci_low``
        and ``ci_high``, and where there are any ``outcome``, ``k`` (studies), ``n_total`` (participants), ``i2`` in per cent,
        ``q``, ``p_value`` and ``statistic``. Usual spellings are recognised ("N", "95% CI lower", "I²"); every other column,
        such as a judgement by AMSTAR 2, is kept and may be a column of the plot.
    level
        Of the intervals.
    **columns
        Columns by other names, as in ``review="Author, year"``.

    Returns
    -------
    UmbrellaReview
        One row a result; `forest` draws it, grouped by outcome and with a panel a measure.

    Raises
    ------
    DataError
        Where a row is not complete or can't be true: limits in the wrong order, an estimate outside its interval, a ratio that is
        not above 0, an I2 beyond 100; the message names row, column and value.
    OptionError
        Where `columns` maps what is no column of such a table, or the level is none.

    Notes
    -----
    Reviews of one question share studies, so that nothing is pooled over them: it would count these twice. How many they
    share is what `citation_matrix` answers. Numbers are shown at the decimals at which they were reported. Signs are those of the
    reviews: where one scores an outcome the other way round, turn its numbers first, and give `forest` directions (``favours``)
    only where they hold for every outcome. Whether the numbers of a row can all be true together is what `audit` answers.

    References
    ----------
    Cooper RE, Saunders KRK, Greenburgh A, et al. (2024). The effectiveness, implementation, and experiences of peer support
    approaches for mental health: a systematic umbrella review. BMC Medicine 22:72.

    Pieper D, Antoine SL, Mathes T, Neugebauer EAM, Eikermann M (2014). Systematic review finds overlapping reviews were not
    mentioned in every other overview. Journal of Clinical Epidemiology 67, 368-375.

    Examples
    --------
    Three results that Cooper et al. (2024) tabulate:

    >>> import metaanalysis as ma
    >>> found = ma.umbrella({
    ...     "review": ["Fang 2022", "Huang 2020", "Huang 2020"],
    ...     "outcome": ["Depressive symptoms", "Depressive symptoms", "Depression"],
    ...     "measure": ["SMD", "SMD", "RR"],
    ...     "estimate": [-0.39, -0.37, 0.69], "ci_low": [-0.54, -0.66, 0.49], "ci_high": [-0.24, -0.08, 0.96],
    ...     "k": [21, 9, 7], "N": [3154, 1617, 1644], "I2": [78, 84, 70],
    ... })
    >>> print(found)
    3 pooled results of 2 reviews on 2 outcomes, not pooled over reviews. Measures: 2 standardised mean difference, 1 risk ratio.
    >>> ax = ma.forest(found, favours=("peer support", "control"))
    """
    level = checked_level(level)
    table = read_reported(reported, {"source" if role == "review" else role: name for role, name in columns.items()})
    check(table)
    effect = {name: table.numbers[name].value.copy() for name in EFFECT}
    decimals: IntArray = table.numbers["estimate"].decimals.astype(np.intp)
    numbers = {
        name: one
        for name, one in table.numbers.items()
        if name in SPELLINGS and name not in (*WORDS, *EFFECT) and any(one.text)
    }
    return UmbrellaReview(
        table.source,
        table.outcome,
        tuple(SAME.get(key, key) for key in table.measure),
        **effect,
        decimals=decimals,
        numbers={name: one.value.copy() for name, one in numbers.items()},
        reported={name: one.text for name, one in numbers.items()},
        others=table.others,
        level=level,
    )


def check(table: Reported) -> None:
    """DataError for the first row without a review, an effect or an interval, or with an estimate outside its interval."""
    for i in range(len(table)):
        row = f"row {i + 1}"
        if not table.source[i]:
            raise DataError(f"the review in {row} has no name: name it, or leave the row out.")
        where = f"'{table.source[i]}'{f', {table.outcome[i]!r}' if table.outcome[i] else ''} ({row})"
        texts = {name: table.numbers[name].text[i] for name in EFFECT}
        for name, text in texts.items():
            if not text:
                raise DataError(
                    f"{name} of {where} is missing: a forest plot needs estimate, ci_low and ci_high of every row; leave out "
                    f"rows that report no pooled result."
                )
        low, estimate, high = (float(table.numbers[name].value[i]) for name in ("ci_low", "estimate", "ci_high"))
        if not low <= estimate <= high:
            side, limit = ("below", "ci_low") if estimate < low else ("above", "ci_high")
            raise DataError(
                f"estimate ({texts['estimate']}) of {where} lies {side} its own interval, {limit} {texts[limit]}: correct the "
                f"one or the other. A minus sign may have been lost."
            )
