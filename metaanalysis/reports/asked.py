"""What a report is asked to show: one pooled result, with its subgroups and regressions."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from metaanalysis.diagnostics.given import fit_of
from metaanalysis.effects import Effects
from metaanalysis.errors import OptionError
from metaanalysis.models.pool import fitted
from metaanalysis.reports.wording import name_of, printable
from metaanalysis.results import Pooled, Regression, Subgroups

PartT = TypeVar("PartT", Subgroups, Regression)


@dataclass(frozen=True)
class Asked:
    """The results of one report, and what the user says of them.

    Their studies bear names that fit on a line; `labels` are those that the user gave.
    """

    fit: Pooled
    labels: tuple[str, ...]
    subgroups: tuple[Subgroups, ...]
    regressions: tuple[Regression, ...]
    title: str
    outcome: str
    groups: tuple[str, str]
    favours: tuple[str, str] | bool | None
    cumulative_by: str | None
    control_risks: tuple[tuple[str, float], ...]
    date: str
    told: tuple[str, ...] = ()

    @property
    def effects(self) -> Effects:
        """The studies."""
        return self.fit.effects


def main_fit(
    result: object, options: Mapping[str, Any]
) -> tuple[Pooled, tuple[Subgroups, ...], tuple[Regression, ...], tuple[str, ...]]:
    """The pooled result that the page is about, and what comes with it."""
    if isinstance(result, Pooled | Effects):
        return fit_of(result, "report", **options), (), (), ()
    if not isinstance(result, Subgroups | Regression):
        raise OptionError(
            f"report writes about the result of pool, subgroups or meta_regression, or about Effects, "
            f"not {type(result).__name__}."
        )
    if options:
        raise OptionError(
            f"report takes the options of the result itself; give {', '.join(options)} to the function that made it."
        )
    if isinstance(result, Subgroups):
        return result.overall, (result,), (), ()
    # Neither Hartung-Knapp nor any other interval of a regression is unknown to pooling.
    fit = fitted(result.effects, result.options, result.convention)
    return fit, (), (result,), ("The pooled result is that of the studies of the meta-regression, without moderators",)


def parts(given: PartT | Sequence[PartT] | None, kind: type[PartT], name: str, fit: Pooled) -> tuple[PartT, ...]:
    """The results given beside the main one; OptionError where one is of another kind or another measure."""
    several = () if given is None else (given,) if isinstance(given, kind) else given
    if isinstance(several, str) or not isinstance(several, Sequence) or not all(isinstance(x, kind) for x in several):
        maker = "subgroups" if kind is Subgroups else "meta_regression"
        raise OptionError(f"{name} takes the result of {maker}, or a list of such results, not {type(given).__name__}.")
    for one in several:
        measure = one.overall.measure if isinstance(one, Subgroups) else one.measure
        if measure != fit.measure:
            raise OptionError(f"{name} is about {measure} and the pooled result about {fit.measure}: give one measure.")
    return tuple(several)


def clean_effects(effects: Effects) -> Effects:
    """The same studies by names that can be drawn and printed: on one line, endless ones cut."""
    labels = tuple(name_of(label) for label in effects.label)
    return effects if labels == tuple(effects.label) else replace(effects, label=labels)


def clean_fit(fit: Pooled) -> Pooled:
    """The same result with studies that can be drawn and printed."""
    return replace(fit, effects=clean_effects(fit.effects))


def clean_groups(found: Subgroups) -> Subgroups:
    """The same subgroups by names that can be drawn and printed."""
    groups: dict[str, Pooled] = {}
    for name, fit in found.groups.items():
        short = name_of(name)
        groups[short if short not in groups else f"{short} ({len(groups) + 1})"] = clean_fit(fit)
    return replace(found, groups=groups, overall=clean_fit(found.overall), by=printable(found.by))


def checked_text(option: str, value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise OptionError(f"{option}={value!r} is not a text.")
    return printable(value)


def checked_groups(value: object) -> tuple[str, str]:
    """What the two groups are called."""
    if value is None:
        return ("Treatment", "Control")
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise OptionError(f'groups={value!r} must be two texts, as in groups=("Vaccinated", "Not vaccinated").')
    return (checked_text("groups", value[0]), checked_text("groups", value[1]))


def checked_risks(value: object) -> tuple[tuple[str, float], ...]:
    """Risks without treatment by what they are called; they lie between 0 and 1."""
    if value is None:
        return ()
    pairs: list[tuple[str, object]]
    if isinstance(value, Mapping):
        pairs = [(str(name), risk) for name, risk in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        pairs = [("", risk) for risk in value]
    else:
        pairs = [("", value)]
    risks = []
    for name, risk in pairs:
        if isinstance(risk, bool) or not isinstance(risk, int | float) or not 0.0 < risk < 1.0:
            raise OptionError(
                f"control_risks: {risk!r} is not a risk: it lies between 0 and 1, as in control_risks=[0.05, 0.2]."
            )
        risks.append((name, float(risk)))
    return tuple(risks)


def checked_date(value: object) -> str:
    """The day that stands on the page; by default today."""
    if value is None:
        return datetime.date.today().isoformat()
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    try:
        return datetime.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise OptionError(f"date={value!r} is not a date: write it as in date='2025-03-31'.") from None


def asked(
    result: object,
    *,
    title: str,
    outcome: str,
    groups: tuple[str, str] | None,
    favours: tuple[str, str] | bool | None,
    subgroups: Subgroups | Sequence[Subgroups] | None,
    regression: Regression | Sequence[Regression] | None,
    cumulative_by: str | None,
    control_risks: object,
    date: object,
    options: Mapping[str, Any],
) -> Asked:
    """Everything that the user asked for, checked."""
    fit, own_subgroups, own_regressions, told = main_fit(result, options)
    found = Asked(
        fit=clean_fit(fit),
        labels=tuple(printable(str(label)) for label in fit.effects.label),
        subgroups=tuple(clean_groups(one) for one in (*own_subgroups, *parts(subgroups, Subgroups, "subgroups", fit))),
        regressions=tuple(
            replace(one, effects=clean_effects(one.effects))
            for one in (*own_regressions, *parts(regression, Regression, "regression", fit))
        ),
        title=checked_text("title", title),
        outcome=checked_text("outcome", outcome),
        groups=checked_groups(groups),
        favours=favours,
        cumulative_by=None if cumulative_by is None else checked_text("cumulative_by", cumulative_by),
        control_risks=checked_risks(control_risks),
        date=checked_date(date),
        told=told,
    )
    if found.cumulative_by is not None:
        # A name that is not there is a slip of the pen, and no part of the page that can be left out.
        found.effects.column(found.cumulative_by)
        return found
    source = found.effects.source
    return replace(found, cumulative_by="year") if source is not None and "year" in source.columns else found
