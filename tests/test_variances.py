"""Sampling variances against simulated studies: a smaller run of benchmarks/variances.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "variances.py"
# How far formulas for large samples may be from 1 at the sizes simulated, beside three standard errors of the simulation.
LARGE_SAMPLE = 0.04
SIMULATED_PEOPLE = (
    "RTET RPB ZPB RBIS ZBIS MC SMCC SMCR SMCRH ROMC CVRC VRC COR UCOR ZCOR PCOR ZPCOR SPCOR R2 ZR2 ARAW AHW ABT"
)


def script():
    spec = importlib.util.spec_from_file_location("variances", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrong(table):
    return table[(table.ratio - 1).abs() > LARGE_SAMPLE + 3 * table.error]


def test_variances_of_measures_of_summaries() -> None:
    import metaanalysis as ma

    measures = [name for name in ma.measures().index if name not in SIMULATED_PEOPLE.split()]
    table = script().variance_table(12_000, measures)
    assert len(table) > 60
    assert wrong(table).empty, wrong(table).to_string()
    assert (table.studies > 11_900).all()


@pytest.mark.slow
def test_variances_of_measures_whose_people_are_simulated() -> None:
    table = script().variance_table(6_000, SIMULATED_PEOPLE.split())
    assert len(table) > 30
    assert wrong(table).empty, wrong(table).to_string()
