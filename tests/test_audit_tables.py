"""The audit of tables of reported analyses that say more, or less, than an estimate with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import metaanalysis as ma
from metaanalysis.errors import DataError, OptionError


def audit_of(**columns: Any) -> ma.reviews.audit:
    """The audit of a table of one row."""
    return ma.audit({name: [value] for name, value in columns.items()})


def failed(**columns: Any) -> list[str]:
    """The checks that the row fails."""
    return list(audit_of(**columns).inconsistent["check"])


def made(**columns: Any) -> set[str]:
    """The checks that the row allows."""
    return set(audit_of(**columns).verdicts["check"])


RIGHT = {"measure": "SMD", "estimate": "0.30", "se": "0.102", "ci": "0.10 to 0.50"}


def test_standard_error_against_the_interval():
    assert failed(**RIGHT) == []
    assert failed(**RIGHT | {"se": "0.12"}) == ["SE from the interval"]
    [one] = audit_of(**RIGHT | {"se": "0.12"}).inconsistent.to_dict("records")
    assert_allclose(
        [one["possible_low"], one["possible_high"]], np.array([0.39, 0.41]) / 2 / 1.959963984540054, rtol=1e-9
    )
    assert one["sentence"] == "SE = 0.12 is impossible: the interval allows 0.099 to 0.105."


def test_standard_error_of_a_ratio_is_on_the_log_scale():
    ratio = {"measure": "RR", "estimate": "2.00", "ci": "[1.00, 4.00]"}
    assert failed(**ratio, se="0.354") == []
    assert failed(**ratio, se="0.765") == ["SE from the interval"]
    assert "on the log scale" in audit_of(**ratio, se="0.765").summary()


def test_z_and_p_from_estimate_and_standard_error_alone():
    row = {"measure": "MD", "estimate": "0.30", "se": "0.10"}
    assert failed(**row, z="3.00", p="0.003") == []
    assert failed(**row, z="4.00") == ["Z from the estimate and SE"]
    assert failed(**row, p="0.04") == ["p from the estimate and SE"]
    # By t with 4 degrees of freedom throughout.
    p = 2 * stats.t.sf(3.0, 4)
    assert failed(**row, k=5, p=f"{p:.3f}") == []
    assert failed(**row, z="-3.00") == ["Z from the estimate and SE"]


def test_level_of_each_row():
    row = {"measure": "MD", "estimate": "0.30", "ci": "0.10 to 0.50"}
    z90 = f"{0.3 * 2 * stats.norm.ppf(0.95) / 0.4:.2f}"
    assert failed(**row, z=z90) == ["Z from the interval"]
    for level in ("90", "0.9", "90 %", 90, 0.9):
        assert failed(**row, z=z90, level=level) == []
    with pytest.raises(DataError, match="a level lies between 0 and 100"):
        audit_of(**row, level="100")


@pytest.mark.parametrize(
    "ci",
    [
        "0.10 to 0.50",
        "[0.10, 0.50]",
        "(0.10; 0.50)",
        "0.10-0.50",
        "0.10\u20130.50",
        "95% CI 0.10 to 0.50",
        "0\u00b710 to 0\u00b750",
    ],
)
def test_intervals_in_one_cell(ci):
    assert failed(measure="MD", estimate="0.30", ci=ci, z="2.94") == []
    assert failed(measure="MD", estimate="0.30", ci=ci, z="3.94") == ["Z from the interval"]


def test_negative_intervals_in_one_cell():
    for ci in ("-0.50 to -0.10", "−0.50–−0.10", "-0.50--0.10"):
        assert failed(measure="MD", estimate="-0.30", ci=ci, z="2.94") == []
    with pytest.raises(DataError, match="is not an interval: write it as"):
        audit_of(measure="MD", estimate="-0.30", ci="about a half")


def test_one_measure_for_all_rows():
    table = {"estimate": ["0.30"], "ci": ["0.10 to 0.50"], "z": ["9.4"]}
    assert not ma.audit(table, measure="Hedges' g").consistent
    with pytest.raises(DataError, match="no column for measure"):
        ma.audit(table)
    with pytest.raises(DataError, match="has no such column"):
        ma.audit(table, measure="SMDD")


def test_a_table_of_heterogeneity_alone():
    assert failed(k=6, Q="10.70", I2="53", p_Q="0.058") == []
    assert failed(k=6, Q="10.70", I2="63", tau2_method="DL") == ["I² from Q"]
    assert failed(k=6, Q="10.70", I2="63") == []
    assert failed(z="2.00", p="0.20") == ["p from Z"]
    with pytest.raises(DataError, match="no column that an audit knows"):
        audit_of(name="x", colour="red")


def test_tau2_beside_q_and_of_a_single_study():
    assert failed(k=5, Q="8.0", tau2="0.05") == []
    assert failed(k=5, Q="2.0", tau2="0.00") == []
    assert failed(k=5, Q="2.0", tau2="0.05", tau2_method="DL") == ["τ² from Q"]
    assert failed(k=5, Q="2.0", tau2="0.05") == []
    assert "look whether τ² was estimated otherwise" in audit_of(k=5, Q="2.0", tau2="0.05").summary()
    assert failed(k=1, tau2="0.05", Q="0") == ["τ² of a single study"]


def test_a_standard_error_is_no_smaller_than_tau2_allows():
    row = {"measure": "MD", "estimate": "0.30", "ci": "0.10 to 0.50", "tau2_method": "REML"}
    # sqrt(0.04 / 5) = 0.089 < 0.102 < sqrt(0.09 / 5) = 0.134; by t with 4 df se is 0.072, and smaller Q explain it.
    assert failed(**row, k=5, tau2="0.04", z="2.94") == []
    assert failed(**row, k=5, tau2="0.09", z="2.94") == ["smallest standard error beside τ²"]
    assert failed(**row, k=5, tau2="0.09") == []
    assert failed(**row, k=5, tau2="90") == ["smallest standard error beside τ²"]
    # Programs print tau2 beside the interval of a common effect too.
    for other in ("", "common"):
        found = audit_of(**{**row, "tau2_method": other}, k=5, tau2="90")
        assert found.consistent
        assert list(found.doubtful["check"]) == ["smallest standard error beside τ²"]
    [one] = audit_of(**row, k=5, tau2="0.090", z="2.94").inconsistent.to_dict("records")
    assert_allclose(one["possible_low"], math.sqrt(0.0895 / 5), rtol=1e-9)


@pytest.mark.parametrize("ci", ["wald", "hksj", "t"])
@pytest.mark.parametrize("tau2", ["DL", "REML", "PM"])
def test_what_is_true_is_consistent(ci, tau2):
    rng = np.random.default_rng(4)
    rows = []
    for k in range(2, 42):
        v = rng.uniform(0.01, 0.3, k)
        fit = ma.pool(rng.normal(0.3, np.sqrt(v + rng.choice([0.0, 0.2]))), v, tau2=tau2, ci=ci)
        digits = int(rng.integers(2, 5))
        rows.append(
            {"measure": "GEN", "k": k, "estimate": f"{fit.estimate:.{digits}f}", "se": f"{fit.se:.{digits}f}",
             "ci_low": f"{fit.ci_low:.{digits}f}", "ci_high": f"{fit.ci_high:.{digits}f}", "z": f"{fit.statistic:.2f}",
             "p": f"{fit.p_value:.{digits}f}", "tau2": f"{fit.tau2:.{digits}f}", "Q": f"{fit.q:.2f}", "p_Q": f"{fit.q_p_value:.3f}",
             "I2": f"{fit.i2:.1f}"}
        )  # fmt: skip
    found = ma.audit(pd.DataFrame(rows))
    assert found.consistent, found.summary()
    assert ma.audit(pd.DataFrame(rows), tau2_method=tau2).consistent
    # Other estimators than DerSimonian and Laird's can be above 0 where Q is below its df, and I2 is made of them.
    assert found.doubtful.empty == (tau2 == "DL")
    assert {"SE from the interval", "Z from the estimate and SE", "p from the estimate and SE"} <= set(
        found.verdicts["check"]
    )


def test_numbers_and_names_without_end_are_cut_in_messages():
    with pytest.raises(DataError) as refused:
        audit_of(outcome="x" * 10_000, measure="SMD", estimate="y" * 10_000, ci="0.1 to 0.2")
    assert len(str(refused.value)) < 400
    with pytest.raises(DataError):
        audit_of(measure="MD", estimate="1" * 5000, ci="0.1 to 0.2")


def test_items_and_scale_are_refused_where_there_are_no_means():
    with pytest.raises(OptionError, match="items and scale"):
        ma.audit({"k": [5], "Q": [3]}, items=1)
