"""Conventions of other programs: the same data give different numbers in different programs, and each is a set of options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from metaanalysis.errors import OptionError, nearest
from metaanalysis.options import EffectOptions, PoolOptions, choose

OptionsT = TypeVar("OptionsT", EffectOptions, PoolOptions)


@dataclass(frozen=True)
class Convention:
    """A program's way: the options it implies where the user says nothing."""

    title: str
    effects: EffectOptions = field(default_factory=EffectOptions)
    pool: PoolOptions = field(default_factory=PoolOptions)


_REVMAN_EFFECTS = EffectOptions(
    # Its documentation calls a risk ratio undefined where everybody in both groups had the event; it prints 1, with
    # an interval and a weight.
    double_zero="drop-no-events",
    risk_difference="variance",
    peto="raw",
    smd_correction="approximate",
    smd_variance="revman",
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "metafor": Convention("R package metafor"),
        "meta": Convention(
            "R package meta",
            EffectOptions(
                risk_ratio_denominator="events",
                double_zero="drop",
                risk_difference="variance",
                peto="raw",
                smd_variance="meta",
            ),
            PoolOptions(prediction="t", i2="q", corrected_tables=True, risk_difference_variance="greenland-robins"),
        ),
        "revman5": Convention(
            "Review Manager 5",
            _REVMAN_EFFECTS,
            PoolOptions(
                tau2="DL",
                prediction="none",
                i2="q",
                corrected_tables=True,
                risk_difference_variance="greenland-robins",
            ),
        ),
        "revman": Convention(
            "Review Manager since 2025",
            _REVMAN_EFFECTS,
            PoolOptions(prediction="t", corrected_tables=True, risk_difference_variance="greenland-robins"),
        ),
        "stata": Convention(
            "Stata's meta suite",
            # Its help: zero cells of odds and risk ratios alone; Hedges' g with the approximate correction, and Hedges and
            # Olkin's standard error (our LS) only where it is asked for.
            EffectOptions(
                risk_difference="neither",
                peto="raw",
                double_zero="keep",
                smd_correction="approximate",
                smd_variance="revman",
            ),
            PoolOptions(prediction="hts", i2="tau2", risk_difference_variance="greenland-robins"),
        ),
    }
)


def convention_named(name: str) -> Convention:
    """The convention of a name; OptionError lists them."""
    return CONVENTIONS[choose("convention", name, list(CONVENTIONS))]


def override(options: OptionsT, given: Mapping[str, Any]) -> OptionsT:
    """The options with those replaced that were given, that is, are not None; unknown names raise OptionError."""
    known = [entry.name for entry in fields(options)]
    for name in given:
        if name not in known:
            raise OptionError(
                f"there is no option {name!r}.{nearest(name, known)} The options are: {', '.join(known)}."
            )
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(options, **chosen) if chosen else options
