"""Stars of the Newcastle-Ottawa Scale: whole numbers within what a domain gives, and their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaanalysis.effects.columns import find_column, is_missing
from metaanalysis.effects.risk_of_bias import MOST_STARS, Tool, known_domain, plain
from metaanalysis.errors import DataError, OptionError

if TYPE_CHECKING:
    import narwhals as nw

# A cohort has the one, a case-control study the other.
EITHER = ("Outcome", "Exposure")
TOTALS = ("total", "stars", "totalstars", "score", "totalscore", "overall", "nos")

Domains = Sequence[str] | Mapping[str, str] | None


def star_columns(table: nw.DataFrame[Any], tool: Tool, domains: Domains) -> dict[str, str]:
    """The column of each domain; DataError where one is missing."""
    if domains is not None and (isinstance(domains, str) or not isinstance(domains, Sequence | Mapping)):
        raise OptionError(f"domains={domains!r} must be a list of columns, or a mapping of columns to domains.")
    named = {str(name): str(name) for name in (table.columns if domains is None else domains)}
    if isinstance(domains, Mapping):
        named = {name: str(domains[name]) for name in named}
    at: dict[str, str] = {}
    for name, title in named.items():
        code = known_domain(tool, title)
        if code is None and domains is not None:
            raise DataError(f"{title!r} is no domain of Newcastle-Ottawa, which has: {', '.join(MOST_STARS)}.")
        if code in at:
            raise DataError(f"columns {at[code]!r} and {name!r} are both {code!r}: keep one.")
        if code is not None:
            at[code] = find_column(table, name, "domains")
    lacking = [repr(code) for code in ("Selection", "Comparability") if code not in at]
    lacking += [] if set(at) & set(EITHER) else ["'Outcome' or 'Exposure'"]
    if lacking:
        raise DataError(
            f"the table lacks {' and '.join(lacking)}: Newcastle-Ottawa gives stars for selection, comparability, and outcome "
            f"(cohorts) or exposure (case-control studies). The columns are: {', '.join(map(str, table.columns))}."
        )
    return at


def starred(
    table: nw.DataFrame[Any], tool: Tool, studies: Sequence[str], domains: Domains
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Short and full names of the domains, and the stars by study: as in "3/4", with their sum at the end."""
    at = star_columns(table, tool, domains)
    columns = {code: table[name].to_list() for code, name in at.items()}
    totals = [name for name in table.columns if plain(name) in TOTALS] if domains is None else []
    own_totals = {name: table[name].to_list() for name in totals}
    thirds = [code for code in EITHER if code in at]
    rows = []
    for i, study in enumerate(studies):
        given = [code for code in thirds if not blank(columns[code][i])]
        if len(thirds) == 2 and len(given) != 1:
            raise DataError(
                f"study {study!r} (row {i + 1}) has stars for {'both' if given else 'neither'} of outcome and exposure: a "
                f"cohort has the one, a case-control study the other."
            )
        codes = ("Selection", "Comparability", given[0] if given else thirds[0])
        got = [stars(columns[code][i], code, at[code], study, i) for code in codes]
        for name, values in own_totals.items():
            check_total(values[i], name, sum(got), study, i)
        most = [MOST_STARS[code] for code in codes]
        rows.append(tuple(f"{n}/{m}" for n, m in zip([*got, sum(got)], [*most, sum(most)], strict=True)))
    third = thirds[0] if len(thirds) == 1 else "Outcome or exposure"
    heads = ("Selection", "Comparability", third, "Total")
    return heads, heads, tuple(rows)


def blank(value: object) -> bool:
    """Whether there is nothing in a cell."""
    return is_missing(value) or not str(value).strip()


def counted(value: object) -> float:
    """A number of stars, given as a number or as stars; NaN for what is neither."""
    text = "" if blank(value) or isinstance(value, bool) else str(value).strip()
    if text and not text.strip("*★☆"):
        return float(len(text.replace("☆", "")))
    try:
        return float(text)
    except ValueError:
        return math.nan


def stars(value: object, domain: str, column: str, study: str, row: int) -> int:
    """A domain's stars; DataError where it has no such number of them."""
    number, most = counted(value), MOST_STARS[domain]
    if not (0 <= number <= most and number.is_integer()):
        shown = "nothing" if blank(value) else repr(value)
        raise DataError(
            f"{column} ({shown}) in study {study!r} (row {row + 1}) is not a number of stars: {domain.lower()} has 0 to {most}."
        )
    return int(number)


def check_total(value: object, column: str, total: int, study: str, row: int) -> None:
    """DataError where the table's own total is another one."""
    said = counted(value)
    if not math.isnan(said) and said != total:
        raise DataError(
            f"{column} ({value!r}) in study {study!r} (row {row + 1}) is not the sum of the stars of its domains, {total}."
        )
