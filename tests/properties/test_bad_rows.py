"""Bad cells in a table end in an error, or in a study that is left out and named: never in a number without a word."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.effects import MEASURES
from metaanalysis.errors import DataWarning, ExcludedStudiesWarning

CLEAN = {
    "RR": {"events1": [4, 6, 3, 62], "n1": [123, 306, 231, 598], "events2": [11, 29, 11, 48], "n2": [139, 303, 220, 867]},
    "SMD": {"mean1": [5.0, 4.9, 2.5, 1.0], "sd1": [4.7, 1.7, 3.4, 2.0], "n1": [13, 30, 35, 20],
            "mean2": [6.5, 6.1, 4.9, 0.5], "sd2": [3.8, 2.3, 1.6, 2.2], "n2": [13, 50, 35, 22]},
    "ZCOR": {"r": [0.3, -0.1, 0.9, 0.0], "n": [30, 40, 10, 100]},
    "GEN": {"y": [0.3, -0.1, 0.2, 0.5], "se": [0.1, 0.2, 0.3, 0.4]},
    "HR": {"estimate": [1.2, 0.8, 0.9, 2.0], "ci_low": [0.9, 0.6, 0.5, 1.1], "ci_high": [1.6, 1.1, 1.5, 3.6]},
}  # fmt: skip
CLEAN["OR"] = CLEAN["RD"] = CLEAN["PETO"] = CLEAN["RR"]
CLEAN["MD"] = CLEAN["SMD"]

# Something that every measure takes, by input; four studies.
INPUTS = {
    "events1": [4, 6, 3, 62], "n1": [123, 306, 231, 598], "events2": [11, 29, 11, 48], "n2": [139, 303, 220, 867],
    "time1": [120.5, 300.0, 88.0, 41.0], "time2": [99.0, 310.0, 70.0, 52.5],
    "both": [12, 40, 7, 9], "only1": [5, 9, 3, 8], "only2": [3, 14, 6, 2], "neither": [20, 33, 9, 12],
    "events": [4, 16, 3, 22], "n": [30, 40, 25, 100], "time": [40.5, 160.0, 31.0, 98.0],
    "mean1": [5.0, 4.9, 2.5, 1.0], "sd1": [4.7, 1.7, 3.4, 2.0], "mean2": [6.5, 6.1, 4.9, 0.5], "sd2": [3.8, 2.3, 1.6, 2.2],
    "mean": [5.0, 4.9, 2.5, 1.0], "sd": [4.7, 1.7, 3.4, 2.0], "r": [0.3, -0.1, 0.9, 0.2],
    "t": [2.1, -0.4, 1.3, 0.0], "predictors": [3, 2, 5, 4], "r2": [0.3, 0.1, 0.6, 0.25],
    "alpha": [0.8, 0.92, 0.7, 0.65], "items": [10, 20, 8, 12],
}  # fmt: skip
OTHERS = [key for key, entry in MEASURES.items() if key not in CLEAN and entry.inputs]
CLEAN |= {key: {name: INPUTS[name] for name in MEASURES[key].inputs} for key in OTHERS}

MISSING = [None, np.nan, pd.NA, pd.NaT]
STRANGE = [
    np.inf,
    -np.inf,
    -1,
    0,
    0.5,
    1e-300,
    1e300,
    -1e300,
    1e16,
    "6",
    "",
    "six",
    "inf",
    True,
    1j,
    (1, 2),
    pd.Timestamp(0),
]


@st.composite
def corrupted(draw, measure):
    clean = CLEAN[measure]
    cells = draw(
        st.lists(
            st.tuples(st.sampled_from(list(clean)), st.integers(0, 3), st.sampled_from(MISSING + STRANGE)),
            min_size=1,
            max_size=3,
            unique_by=lambda cell: cell[:2],
        )
    )
    columns = {name: list(values) for name, values in clean.items()}
    for name, row, value in cells:
        columns[name][row] = value
    return pd.DataFrame({"study": list("ABCD")} | {name: pd.Series(x, dtype=object) for name, x in columns.items()})


@pytest.mark.parametrize("convention", ["metafor", "revman5", "stata"])
@pytest.mark.parametrize("measure", [key for key in CLEAN if key not in OTHERS])
@given(data=st.data())
def test_never_a_number_without_a_word(measure, convention, data):
    never_a_number_without_a_word(measure, convention, data)


@pytest.mark.parametrize("measure", OTHERS)
@settings(max_examples=15)
@given(data=st.data())
def test_nor_of_any_other_measure(measure, data):
    never_a_number_without_a_word(measure, "metafor", data)


def never_a_number_without_a_word(measure, convention, data):
    frame = data.draw(corrupted(measure))
    before = frame.copy(deep=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refused = ""
        try:
            effects = ma.effect_sizes(frame, measure, convention=convention)
            fit = ma.pool(effects)
        except ma.DataError as error:
            refused = str(error)
    pd.testing.assert_frame_equal(frame, before)
    if refused:
        assert any(word in refused for word in ("row ", "no study is left"))
        return
    assert {warning.category for warning in caught} <= {ExcludedStudiesWarning, DataWarning}
    assert np.isfinite(effects.y).all()
    assert (effects.v > 0).all()
    assert np.isfinite([fit.estimate, fit.se, fit.ci_low, fit.ci_high, fit.q]).all()
    # Everybody is either kept or listed, and whoever is listed was warned of.
    assert sorted([*effects.label, *effects.excluded["label"]]) == list("ABCD")
    if effects.left_out:
        told = " ".join(str(w.message) for w in caught if w.category is ExcludedStudiesWarning)
        assert all(f"'{label}'" in told for label in effects.excluded["label"])
    # A study that is kept has the effect of its own row, whatever stood beside it.
    rows = frame.set_index("study")
    for label, y, v in zip(effects.label, effects.y, effects.v, strict=True):
        row = rows.loc[[label]].reset_index()
        assert not row.isna().any(axis=None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            alone = ma.effect_sizes(row, measure, convention=convention)
        assert_allclose([y, v], [alone.y[0], alone.v[0]], rtol=1e-14)
