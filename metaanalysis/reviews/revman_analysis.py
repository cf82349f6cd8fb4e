"""An analysis of a Review Manager review, computed as its authors had it: rows -> effects -> pooled result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from metaanalysis.effects import Effects, effect_sizes
from metaanalysis.errors import DataError, MetaAnalysisWarning
from metaanalysis.models import pool, subgroups
from metaanalysis.results import Pooled, Subgroups

if TYPE_CHECKING:
    import pandas as pd

    from metaanalysis.reviews.revman import RevManAnalysis

NO_SUBGROUP = "No subgroup"


def data_of(analysis: RevManAnalysis, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows ready for `effect_sizes`: swapped where the authors had them so, subgroups by names that are unique."""
    frame = rows.reset_index(drop=True)
    if analysis.kind == "dichotomous" and analysis.swapped:
        frame = frame.assign(events1=frame.n1 - frame.events1, events2=frame.n2 - frame.events2)
    names = subgroup_names(analysis)
    return frame.assign(subgroup=[names.get(number, NO_SUBGROUP) for number in frame.subgroup_number])


def subgroup_names(analysis: RevManAnalysis) -> dict[int, str]:
    """The names of the subgroups by number; two of the same name are told apart by it."""
    names = [group.name for group in analysis.subgroups]
    return {
        group.number: group.name if names.count(group.name) == 1 else f"{group.number} {group.name}".strip()
        for group in analysis.subgroups
    }


def convention_of(analysis: RevManAnalysis) -> str:
    """Review Manager 5, or as it has been since 2025 where the analysis uses what came then."""
    return "revman5" if (analysis.tau2, analysis.ci) == ("DL", "wald") else "revman"


def effects_of(analysis: RevManAnalysis, data: pd.DataFrame) -> Effects:
    """Effect sizes in Review Manager's convention; DataError where no study of the analysis has one."""
    if analysis.kind == "other" or not analysis.measure:
        raise DataError(f"analysis {analysis.id} ({analysis.name}) holds other data, which have no effect size.")
    if data.empty:
        raise DataError(f"analysis {analysis.id} ({analysis.name}) has no studies.")
    given = {"y": "y", "se": "se"} if analysis.kind in ("generic", "o-e") else {}
    with quietly():
        try:
            return effect_sizes(data, analysis.measure, label="study", convention=convention_of(analysis), **given)  # type: ignore[arg-type]
        except DataError as problem:
            raise DataError(f"analysis {analysis.id} ({analysis.name}): {problem}") from problem


def options_of(analysis: RevManAnalysis) -> dict[str, Any]:
    """What `pool` is told."""
    options: dict[str, Any] = {"method": analysis.method, "model": analysis.model, "level": analysis.level}
    if analysis.random and analysis.method == "inverse-variance":
        options.update(tau2=analysis.tau2, ci=analysis.ci)
    if analysis.kind == "o-e":
        # The sum of O - E over the sum of V is the inverse-variance mean of (O - E)/V.
        options["method"] = "inverse-variance"
    return options


def pooled(analysis: RevManAnalysis, effects: Effects) -> Pooled:
    """Studies pooled by the settings of the analysis, whichever of its studies they are."""
    with quietly():
        return pool(effects, **options_of(analysis))


def compared_subgroups(analysis: RevManAnalysis, effects: Effects) -> Subgroups:
    """The subgroups, and the test between them."""
    with quietly():
        return subgroups(effects, by="subgroup", **options_of(analysis))


def pooled_as_set(analysis: RevManAnalysis, data: pd.DataFrame) -> Pooled | Subgroups:
    """The result that the authors see: subgroups where there are several, else all studies together."""
    used = data if analysis.totals == "subgroups" else data[data.in_total]
    effects = effects_of(analysis, used)
    if analysis.totals != "none" and len(set(effects.column("subgroup"))) > 1:
        return compared_subgroups(analysis, effects)
    return pooled(analysis, effects)


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of studies left out or odd counts: both stand in the result, and are told with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        yield
