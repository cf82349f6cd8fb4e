"""Tables of judgements of the risk of bias: which columns are domains, what each study was given, how often each occurs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from metaanalysis.effects.columns import FrameLike, find_column, height, labels, open_frame
from metaanalysis.effects.risk_of_bias import OVERALL, Tool, judgement_word, known_domain, plain, reading, tool_named
from metaanalysis.effects.risk_of_bias_stars import blank, starred
from metaanalysis.effects.risk_of_bias_weights import weights_of
from metaanalysis.errors import DataError, OptionError, nearest

if TYPE_CHECKING:
    import narwhals as nw

Domains: TypeAlias = Sequence[str] | Mapping[str, str]


@dataclass(frozen=True)
class Assessments:
    """Judgements, or stars such as "3/4", by study and domain.

    heads, domains: short and full names; overall: whether the last column is the judgement of the study as a whole; shares:
    of each domain, the part of the studies, or of their weights, by judgement.
    """

    tool: Tool
    studies: tuple[str, ...]
    heads: tuple[str, ...]
    domains: tuple[str, ...]
    overall: bool
    cells: tuple[tuple[str, ...], ...]
    shares: tuple[Mapping[str, float], ...]
    weighted: bool


def assessments(
    frame: FrameLike,
    tool: object,
    *,
    study: str | None = None,
    domains: Domains | None = None,
    weights: object = None,
    weighed: Sequence[str] | None = None,
) -> Assessments:
    """The judgements in a table, one row a study.

    domains: the columns, or what each is to be called; by default those called after the tool's domains, and others that hold
    nothing but its judgements. weights: a column, or numbers; weighed: the studies that these belong to, where they are not
    the table's rows.
    """
    own = tool_named(tool)
    table = open_frame(frame)
    if not height(table):
        raise DataError("the table has no studies: one row a study was expected.")
    study = name_column(table) if study is None else find_column(table, study, "study")
    studies = tuple(one for one in labels(table, study)) if study else tuple(labels(table, None))
    w = weights_of(table, studies, weights, weighed)
    taken = {study, weights if isinstance(weights, str) else None}
    if own.judgements:
        heads, titles, overall, cells = judged(table, own, studies, taken, domains)
    else:
        heads, titles, cells = starred(table, own, studies, domains)
        overall = True
    shares = [shares_of([row[j] for row in cells], w) for j in range(len(heads))]
    return Assessments(own, studies, heads, titles, overall, cells, tuple(shares), weights is not None)


def name_column(table: nw.DataFrame[Any]) -> str | None:
    """The column of the studies' names."""
    return next((c for c in table.columns if plain(c) in ("study", "studies", "label", "author", "slab")), None)


def shares_of(keys: Sequence[str], w: Sequence[float]) -> Mapping[str, float]:
    """The part of the weights that each judgement has."""
    total = math.fsum(w)
    kinds = dict.fromkeys(keys)
    return {kind: math.fsum(x for x, key in zip(w, keys, strict=True) if key == kind) / total for kind in kinds}


def chosen_domains(
    table: nw.DataFrame[Any], tool: Tool, taken: set[str | None], domains: Domains | None
) -> list[tuple[str, str]]:
    """Columns and what they are called, in the tool's order and then the table's, the overall judgement last."""
    if domains is not None:
        if isinstance(domains, str) or not isinstance(domains, Sequence | Mapping) or not domains:
            raise OptionError(f'domains={domains!r} must be a list of columns, as in domains=["D1", "D2", "Overall"].')
        names = domains if isinstance(domains, Mapping) else dict.fromkeys(domains)
        if not isinstance(domains, Mapping) and len(names) < len(domains):
            raise OptionError(f"domains={list(domains)!r} names a column more than once.")
        return [(find_column(table, name, "domains"), str(title or name)) for name, title in names.items()]
    official: dict[str, str] = {}
    others, last = [], []
    for column in table.columns:
        code = known_domain(tool, column)
        if column in taken:
            continue
        if code is not None:
            if code in official:
                raise DataError(f"columns {official[code]!r} and {column!r} are both {tool.domains[code]!r}: keep one.")
            official[code] = column
        elif plain(column) in OVERALL:
            last.append((column, "Overall"))
        elif holds_judgements(table, tool, column):
            others.append((column, column))
    found = [(official[code], tool.domains[code]) for code in tool.domains if code in official]
    if not (found or others or last):
        codes = [code for code in tool.domains if code not in ("D1b", "DS")]
        raise DataError(
            f"the table has no column of judgements of {tool.title}: call them {', '.join(codes)} and Overall, or by their "
            f"names (such as {next(iter(tool.domains.values()))!r}), or list them in domains=. The columns are: "
            f"{', '.join(map(str, table.columns))}."
        )
    return [*found, *others, *last]


def holds_judgements(table: nw.DataFrame[Any], tool: Tool, column: str) -> bool:
    """Whether a column of another name holds judgements; DataError where some of its words are, and some are not."""
    present = [value for value in table[column].to_list() if not blank(value)]
    strange = [value for value in present if reading(value) not in tool.judgements]
    # Single letters and signs may be anything; a word tells.
    words = [value for value in present if value not in strange and len(str(value).strip()) > 1]
    if words and strange:
        raise DataError(
            f"column {column!r} holds judgements of {tool.title}, but also {strange[0]!r}."
            f"{nearest(str(strange[0]), tool.judgements)} The judgements are: {', '.join(tool.judgements)}. If it is no "
            f"domain, list those that are in domains=."
        )
    return bool(present) and not strange


def judged(
    table: nw.DataFrame[Any], tool: Tool, studies: Sequence[str], taken: set[str | None], domains: Domains | None
) -> tuple[tuple[str, ...], tuple[str, ...], bool, tuple[tuple[str, ...], ...]]:
    """Short names, full names, whether the last is that of the study as a whole, and the judgements."""
    chosen = chosen_domains(table, tool, taken, domains)
    whole = [plain(title) in OVERALL for _, title in chosen]
    if any(whole[:-1]):
        chosen = [*(c for c, last in zip(chosen, whole, strict=True) if not last),
                  *(c for c, last in zip(chosen, whole, strict=True) if last)]  # fmt: skip
    overall = any(whole)
    columns = [column_of(table, tool, studies, name) for name, _ in chosen]
    heads, titles = [], []
    for name, title in chosen[: -1 if overall else None]:
        code = known_domain(tool, title) or known_domain(tool, name)
        used = code in heads or code is None
        free = next(f"D{n}" for n in range(1, len(chosen) + 8) if f"D{n}" not in heads and f"D{n}" not in tool.domains)
        heads.append(free if used else str(code))
        titles.append(tool.domains.get(title, title))
    if domains is not None and not any(known_domain(tool, title) for _, title in chosen):
        heads = [f"D{n}" for n in range(1, len(heads) + 1)]
    if overall:
        heads.append("Overall")
        titles.append("Overall risk of bias")
    return tuple(heads), tuple(titles), overall, tuple(zip(*columns, strict=True))


def column_of(table: nw.DataFrame[Any], tool: Tool, studies: Sequence[str], name: str) -> list[str]:
    """The judgements of a domain; DataError for the first study that has none."""
    found = []
    for row, value in enumerate(table[name].to_list()):
        where = f"study {studies[row]!r} (row {row + 1}), column {name!r}"
        if blank(value):
            hint = ", or 'no information'" if "no information" in tool.judgements else ""
            raise DataError(f"{where} is empty: give a judgement ({', '.join(tool.judgements[:3])}, …){hint}.")
        found.append(judgement_word(value, where, tool.judgements, tool.title))
    return found
