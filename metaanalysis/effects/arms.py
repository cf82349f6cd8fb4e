"""Comparisons of one trial that share its control arm: the covariances of their effect sizes, trial by trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from metaanalysis.effects.effects import Effects
from metaanalysis.errors import DataError, OptionError
from metaanalysis.formulas import shared_control
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.continuity import continuity_corrected, corrected_cells


@dataclass(frozen=True, eq=False)
class Covariances:
    """The covariance matrices of effect sizes, one small matrix a study; effects of different studies are independent.

    Read like a dictionary: ``found["Trial B"]``, ``"Trial B" in found``, ``for study, matrix in found.items()``, ``dict(found)``.

    Attributes
    ----------
    studies
        The studies' names, in the order in which they appear.
    rows
        For each study, which of the effects are its own.
    blocks
        For each study, the covariance matrix of those effects, with their sampling variances on the diagonal.
    """

    studies: tuple[str, ...]
    rows: tuple[IntArray, ...]
    blocks: tuple[FloatArray, ...]

    def __len__(self) -> int:
        return len(self.studies)

    def __getitem__(self, study: str) -> FloatArray:
        """The matrix of a study."""
        if study not in self.studies:
            raise DataError(f"there is no study {study!r}; the studies are: {', '.join(self.studies)}.")
        return self.blocks[self.studies.index(study)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.studies)

    def __contains__(self, study: object) -> bool:
        return study in self.studies

    def keys(self) -> tuple[str, ...]:
        """The studies' names."""
        return self.studies

    def values(self) -> tuple[FloatArray, ...]:
        """Their matrices."""
        return self.blocks

    def items(self) -> tuple[tuple[str, FloatArray], ...]:
        """Each study's name and its matrix."""
        return tuple(zip(self.studies, self.blocks, strict=True))


def shared_control_covariances(effects: Effects, study: str = "study") -> Covariances:
    """The covariances of effect sizes that were computed against the same control arm.

    Parameters
    ----------
    effects
        Made by `effect_sizes` as ``RR OR RD IRR MD ROM`` or ``SMD`` from a table with a row a comparison, such as
        `arms_to_comparisons` makes with ``multi_arm="contrasts"``.
    study
        The column that says which comparisons belong to one trial.

    Returns
    -------
    Covariances
        One matrix a study. Those of a single comparison are 1 x 1. Where a continuity correction was made in some
        comparisons of a trial and not in others, the control's smaller contribution counts.

    Raises
    ------
    DataError
        Where comparisons of one study have different control arms, or effects were given without the data behind them.
    OptionError
        Where covariances are not known for the measure.

    References
    ----------
    Gleser LJ, Olkin I (2009). Stochastically dependent effect sizes. The handbook of research synthesis and meta-analysis,
    chapter 19.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> from metaanalysis.effects.arms import shared_control_covariances
    >>> table = {"study": ["B", "B"], "events1": [6, 5], "n1": [48, 51], "events2": [12, 12], "n2": [50, 50]}
    >>> print(shared_control_covariances(ma.effect_sizes(table, "RR"))["B"].round(4))
    [[0.2092 0.0633]
     [0.0633 0.2437]]
    """
    if effects.measure not in COVARIANCES:
        raise OptionError(
            f"covariances of a shared control are not known for {effects.measure}; they are for {', '.join(COVARIANCES)}."
        )
    if not effects.inputs:
        raise DataError(
            "these effects were given without the data behind them: their covariances need the control arm's numbers. Make "
            "the effects by effect_sizes from a table that has them."
        )
    of_study: dict[str, list[int]] = {}
    for row, name in enumerate(effects.column(study)):
        of_study.setdefault(str(name), []).append(row)
    check_one_control(effects, of_study)
    numbers = after_correction(effects)
    blocks = []
    for rows in of_study.values():
        own = {name: values[rows] for name, values in numbers.items()}
        block = COVARIANCES[effects.measure](own, effects.y[rows])
        np.fill_diagonal(block, effects.v[rows])
        block.flags.writeable = False
        blocks.append(block)
    return Covariances(tuple(of_study), tuple(np.array(rows) for rows in of_study.values()), tuple(blocks))


def check_one_control(effects: Effects, of_study: Mapping[str, list[int]]) -> None:
    """All comparisons of a study have the same control arm."""
    controls = [name for name in effects.inputs if name.endswith("2")]
    for name, rows in of_study.items():
        for column in controls:
            values = effects.inputs[column][rows]
            other = np.flatnonzero(values != values[0])
            if other.size:
                raise DataError(
                    f"{effects.columns.get(column, column)} differs between comparisons of study '{name}' "
                    f"('{effects.label[rows[0]]}' {values[0]:g}, '{effects.label[rows[int(other[0])]]}' "
                    f"{values[int(other[0])]:g}): they do not share a control arm. Give them different study names, or "
                    f"correct it."
                )


def after_correction(effects: Effects) -> dict[str, FloatArray]:
    """The data behind the effects, with the continuity corrections that were made."""
    numbers = {name: np.array(values) for name, values in effects.inputs.items()}
    if effects.was_corrected is None or not effects.was_corrected.any():
        return numbers
    touched, options = effects.was_corrected, effects.options
    if "time2" in numbers:
        cells, _ = corrected_cells(numbers["events1"], numbers["events2"], add=options.add, to="all")
        return numbers | {"events2": np.where(touched, cells[1], numbers["events2"])}
    denominator = options.risk_ratio_denominator if effects.measure == "RR" else "cells"
    a, n1, c, n2 = (numbers[name] for name in ("events1", "n1", "events2", "n2"))
    _, _, events2, n2, _ = continuity_corrected(a, n1, c, n2, options.add, "all", denominator, options.addition)
    return numbers | {
        "events2": np.where(touched, events2, numbers["events2"]),
        "n2": np.where(touched, n2, numbers["n2"]),
    }


Numbers = Mapping[str, FloatArray]


def of_control(contribution: Callable[[Numbers], FloatArray]) -> Callable[[Numbers, FloatArray], FloatArray]:
    """Covariances that are the control arm's own contribution to the variances."""

    def matrix(own: Numbers, y: FloatArray) -> FloatArray:  # noqa: ARG001
        control = contribution(own)
        # The smaller of two keeps the matrix positive definite where corrections differ.
        return np.asarray(np.minimum.outer(control, control), dtype=np.float64)

    return matrix


def of_standardized(own: Numbers, y: FloatArray) -> FloatArray:
    """Covariances of standardised mean differences."""
    total = own["n1"].sum() + own["n2"][0]
    return shared_control.standardized_mean_difference_covariance(
        y[:, np.newaxis], y[np.newaxis, :], own["n2"][0], total
    )


COVARIANCES: Mapping[str, Callable[[Numbers, FloatArray], Any]] = MappingProxyType(
    {
        "RR": of_control(lambda x: shared_control.log_risk_ratio_covariance(x["events2"], x["n2"])),
        "OR": of_control(lambda x: shared_control.log_odds_ratio_covariance(x["events2"], x["n2"])),
        "RD": of_control(lambda x: shared_control.risk_difference_covariance(x["events2"], x["n2"])),
        "IRR": of_control(lambda x: shared_control.log_rate_ratio_covariance(x["events2"])),
        "MD": of_control(lambda x: shared_control.mean_difference_covariance(x["sd2"], x["n2"])),
        "ROM": of_control(lambda x: shared_control.log_ratio_of_means_covariance(x["mean2"], x["sd2"], x["n2"])),
        "SMD": of_standardized,
    }
)
