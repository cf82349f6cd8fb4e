"""Hold a review of which summaries alone were published against itself, and the outcome against its record."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

from metaanalysis.errors import DataError, MetaAnalysisError
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.audit import audit
from metaanalysis.reviews.printing import PrintedNumber
from metaanalysis.reviews.reproduction import Reproduction, Row
from metaanalysis.reviews.review import Inconsistency, Review, SubgroupTest
from metaanalysis.reviews.subgroup_audit import audit_subgroups

_EVIDENCE = "held against the other reported numbers"


def audited(review: Review) -> Reproduction:
    """The audit of a review's reported results, one row a check."""
    record = review.audit
    try:
        whole = audit(review.table, level=record.level)
        tests = [subgroup_audit(review, test) for test in record.subgroups]
    except MetaAnalysisError as problem:
        raise DataError(f"{review.name}: {problem}") from problem
    rows: list[Row] = []
    found: set[int] = set()
    for one in _verdicts(whole):
        at = next((i for i, known in enumerate(record.inconsistent) if _is_about(one, known)), None)
        rows.append(_row(review, one, one["outcome"], expected=at is None))
        if at is not None:
            found.add(at)
            rows += [
                _limit(review, one, name, printed)
                for name, printed in zip(
                    ("possible_low", "possible_high"), record.inconsistent[at].possible, strict=True
                )
            ]
    for at, known in enumerate(record.inconsistent):
        if at not in found:
            rows.append(_not_found(review, known))
    for test, answer in zip(record.subgroups, tests, strict=True):
        # What was not reported is told in the summary, and is no check; the groups' own rows have been checked above.
        checks = [one for one in _verdicts(answer) if one["row"] == 0 and one["reported"]]
        rows += [_row(review, one, f"{test.outcome}, by {test.by}", expected=True) for one in checks]
    return Reproduction(review, tuple(rows), MappingProxyType({}), (whole, *tests))


def subgroup_audit(review: Review, test: SubgroupTest) -> Audit:
    """The audit of a test for subgroup differences: against its groups' rows, or by itself where they have none."""
    import pandas as pd

    groups = None
    if test.groups:
        table = pd.read_csv(review.table, dtype="str", keep_default_na=False, encoding="utf-8")
        groups = table[table[review.label].isin(test.groups)]
        if len(groups) != len(test.groups):
            raise DataError(f"the subgroups of {test.outcome!r} are not all in {review.table.name}: {test.groups}.")
    return audit_subgroups(groups, q=test.q or None, df=test.df, p_value=test.p or None, level=review.audit.level)


def _verdicts(answer: Audit) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in one.items()} for one in answer.verdicts.to_dict("records")]


def _is_about(one: dict[str, Any], known: Inconsistency) -> bool:
    return (
        not one["consistent"]
        and one["outcome"] == known.outcome
        and one["reported"] == known.printed.text
        and one["check"].lower().startswith(f"{known.statistic.lower()} ")
    )


def _row(review: Review, one: dict[str, Any], outcome: str, expected: bool) -> Row:
    return Row(
        review=review.name,
        analysis=outcome,
        statistic=one["check"],
        part="",
        printed=one["reported"],
        ours=f"{one['possible_low']:.4g} to {one['possible_high']:.4g}",
        value=math.nan,
        agrees=bool(one["consistent"]) and not one["doubtful"],
        expected=expected,
        evidence=_EVIDENCE,
        where=one["source"],
        note=one["sentence"],
        audited=True,
    )


def _limit(review: Review, one: dict[str, Any], name: str, printed: PrintedNumber) -> Row:
    """What the record says that the other numbers allow, beside what the audit says."""
    return Row(
        review=review.name,
        analysis=one["outcome"],
        statistic=f"{one['check']}: {name.replace('_', ' ')}",
        part="",
        printed=printed.text,
        ours=printed.shown(one[name]),
        value=one[name],
        agrees=printed.agrees(one[name]),
        expected=True,
        evidence=_EVIDENCE,
        where=one["source"],
        note="",
        audited=True,
    )


def _not_found(review: Review, known: Inconsistency) -> Row:
    """A recorded inconsistency that the audit does not find."""
    return Row(
        review=review.name,
        analysis=known.outcome,
        statistic=known.statistic,
        part="",
        printed=known.printed.text,
        ours="possible",
        value=math.nan,
        agrees=True,
        expected=False,
        evidence=_EVIDENCE,
        where="",
        note=f"{known.statistic} = {known.printed.text} is recorded as impossible, and the audit does not find that.",
        audited=True,
    )
