"""Bad numbers end in an error, or in a missing number: never in a number without a word; and ways back lead back."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from metaanalysis.effects import conversions as convert
from metaanalysis.effects.conversions_complete_effects import complete_effects
from metaanalysis.effects.conversions_complete_means import complete_means
from metaanalysis.effects.shapes import arms_to_comparisons
from metaanalysis.errors import DataError

STRANGE = [
    None,
    np.nan,
    pd.NA,
    np.inf,
    -np.inf,
    -1,
    0,
    0.5,
    1,
    2,
    1e-300,
    1e300,
    -1e300,
    1e16,
    "6",
    "",
    "six",
    True,
    1j,
    (1, 2),
]

CALLS = {
    "smd_from_d": ({"d": 0.3, "n1": 20, "n2": 22}, {}),
    "smd_from_t": ({"t": 2.0, "n1": 20, "n2": 22}, {}),
    "smd_from_f": ({"f": 4.0, "n1": 20, "n2": 22, "direction": 1}, {}),
    "smd_from_p": ({"p": 0.04, "n1": 20, "n2": 22, "direction": -1}, {}),
    "smd_from_r": ({"r": 0.3, "v": 0.02}, {}),
    "smd_from_log_odds_ratio": ({"y": 0.3, "v": 0.02}, {}),
    "r_from_smd": ({"y": 0.3, "v": 0.02, "n1": 20, "n2": 22}, {}),
    "r_from_t": ({"t": 2.0, "df": 38}, {}),
    "r_from_f": ({"f": 4.0, "df": 38, "direction": 1}, {}),
    "r_from_p": ({"p": 0.04, "n": 40, "direction": 1}, {}),
    "r_from_chi_square": ({"chi_square": 4.0, "n": 40, "direction": 1}, {}),
    "standard_error_from_interval": ({"ci_low": 0.5, "ci_high": 2.0}, {"ratio": True}),
    "standard_error_from_p": ({"estimate": 0.5, "p": 0.03, "df": 30}, {}),
    "standard_error_from_statistic": ({"estimate": 0.5, "statistic": 2.0}, {}),
    "sd_from_standard_error": ({"se": 0.4, "n": 25}, {}),
    "sd_from_interval": ({"ci_low": 1.0, "ci_high": 2.0, "n": 25}, {}),
    "sd_from_difference": ({"se": 0.4, "n1": 25, "n2": 22}, {}),
    "change_sd": ({"sd_before": 2.0, "sd_after": 2.2, "r": 0.6}, {}),
    "correlation_from_change_sd": ({"sd_before": 2.0, "sd_after": 2.2, "sd_change": 1.9}, {}),
    "convert_risk": ({"estimate": 0.7, "baseline_risk": 0.3}, {"measure": "OR", "to": "RD"}),
}
# What an answer of each kind can be at all.
POSITIVE = ("standard_error", "sd_from", "change_sd")


@pytest.mark.parametrize("name", list(CALLS))
@settings(max_examples=60)
@given(data=st.data())
def test_bad_numbers_are_refused_or_missing(name, data):
    numbers, options = CALLS[name]
    spoiled = {key: [value, value, value] for key, value in numbers.items()}
    for key in data.draw(st.lists(st.sampled_from(list(numbers)), min_size=1, max_size=2, unique=True)):
        spoiled[key][1] = data.draw(st.sampled_from(STRANGE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = getattr(convert, name)(**spoiled, **options)
        except DataError as error:
            assert "row 2" in str(error) or "several lengths" in str(error)  # noqa: PT017
            return
    y, v = found if isinstance(found, tuple) else (found, np.ones(3))
    clean = getattr(convert, name)(**numbers, **options)
    clean_y = clean[0] if isinstance(clean, tuple) else clean
    assert_allclose([y[0], y[2]], clean_y, rtol=1e-14)
    missing = any(value[1] is None or value[1] is pd.NA or value[1] != value[1] for value in spoiled.values())
    assert np.isnan(y[1]) == missing
    if not missing:
        assert np.isfinite(y[1])
        assert v[1] > 0
        if name.startswith(POSITIVE):
            assert y[1] >= 0
        if name.startswith(("r_from", "correlation")):
            assert abs(y[1]) <= 1


QUANTILE = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=100)
@given(
    five=st.lists(QUANTILE, min_size=5, max_size=5),
    n=st.sampled_from([0, 1, 2, 3, 4, 5, 40, 1e6]),
    method=st.sampled_from(["luo-shi", "luo-wan", "wan", "mcgrath"]),
    drop=st.sets(st.sampled_from(["minimum", "q1", "median", "q3", "maximum"]), max_size=3),
)
def test_quantiles_give_a_mean_between_them_or_none(five, n, method, drop):
    names = ("minimum", "q1", "median", "q3", "maximum")
    given_numbers = {name: value for name, value in zip(names, five, strict=True) if name not in drop}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = convert.mean_sd_from_quantiles(n=n, **given_numbers, method=method).iloc[0]
        except DataError:
            return
    values = list(given_numbers.values())
    assert values == sorted(values)
    if found.known:
        assert found["sd"] > 0
        assert np.isfinite(found["mean"])
        if method != "mcgrath":
            assert min(values) <= found["mean"] <= max(values)
    else:
        assert np.isnan(found["mean"])
        assert np.isnan(found["sd"])


TABLE = {
    "study": ["A", "B", "C", "D"],
    "mean1": [5.1, None, 4.4, 4.0],
    "sd1": [2.0, None, None, None],
    "n1": [30, 25, 40, 50],
    "mean2": [6.2, 6.6, 5.6, 5.0],
    "sd2": [2.2, 2.1, None, None],
    "n2": [28, 27, 42, 50],
    "median1": [None, 5.0, None, None],
    "q1_1": [None, 3.8, None, None],
    "q3_1": [None, 6.4, None, None],
    "se1": [None, None, None, 0.3],
    "se2": [None, None, None, 0.3],
    "p": [None, None, 0.01, None],
}


@pytest.mark.parametrize(
    "complete", [complete_means, lambda frame: complete_effects(frame, "SMD")], ids=["means", "effects"]
)
@settings(max_examples=60)
@given(data=st.data())
def test_a_spoiled_table_is_refused_or_leaves_the_study_incomplete(complete, data):
    columns = {name: list(values) for name, values in TABLE.items()}
    cells = data.draw(
        st.lists(
            st.tuples(st.sampled_from([c for c in TABLE if c != "study"]), st.integers(0, 3), st.sampled_from(STRANGE)),
            min_size=1,
            max_size=2,
            unique_by=lambda cell: cell[:2],
        )
    )
    for name, row, value in cells:
        columns[name][row] = value
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    before = frame.copy(deep=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            table = complete(frame)
        except DataError as error:
            assert any(f"row {row + 1}" in str(error) for _, row, _ in cells)  # noqa: PT017
            return
    pd.testing.assert_frame_equal(frame, before)
    touched = {row for _, row, _ in cells}
    clean = complete(TABLE)
    numbers = ["mean1", "sd1", "mean2", "sd2"] if complete is complete_means else ["y", "se"]
    origins = ["from1", "from2"] if complete is complete_means else ["effect_from"]
    for row in range(4):
        if row not in touched:
            assert_allclose(table.loc[row, numbers].astype(float), clean.loc[row, numbers].astype(float), rtol=1e-14)
        words = " ".join(table.loc[row, origins])
        if table.loc[row, numbers].isna().any():
            assert "incomplete" in words
    spreads = [name for name in numbers if name.startswith(("sd", "se"))]
    with np.errstate(invalid="ignore"):
        assert not (table[spreads].astype(float) <= 0).any(axis=None)
    assert np.isfinite(table[numbers].astype(float).fillna(0)).all(axis=None)


@settings(max_examples=80)
@given(data=st.data())
def test_arms_are_refused_or_missing(data):
    columns = {"study": list("AABBB"), "arm": list("xyxyz"), "events": [1, 2, 3, 4, 5], "n": [10, 11, 12, 13, 14]}
    row, name, value = data.draw(
        st.tuples(st.integers(0, 4), st.sampled_from(["events", "n"]), st.sampled_from(STRANGE))
    )
    columns[name][row] = value
    multi_arm = data.draw(st.sampled_from(["combine", "split", "contrasts"]))
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    try:
        table = arms_to_comparisons(frame, reference="x", multi_arm=multi_arm)
    except DataError as error:
        assert f"row {row + 1}" in str(error)  # noqa: PT017
        return
    for group in (1, 2):
        known = table[[f"events{group}", f"n{group}"]].dropna()
        assert (known[f"events{group}"] <= known[f"n{group}"]).all()
    assert table.filter(regex="^(events|n)[12]$").isna().any(axis=None) == bool(pd.isna(value))


@settings(max_examples=100)
@given(
    n1=st.integers(5, 500),
    n2=st.integers(5, 500),
    share1=st.floats(0.02, 0.98),
    share2=st.floats(0.02, 0.98),
    measure=st.sampled_from(["odds_ratio", "risk_ratio", "risk_difference"]),
)
def test_a_table_is_found_again_from_its_margins(n1, n2, share1, share2, measure):
    a, c = max(1, round(share1 * n1)), max(1, round(share2 * n2))
    a, c = min(a, n1 - 1), min(c, n2 - 1)
    value = {
        "odds_ratio": a * (n2 - c) / (c * (n1 - a)),
        "risk_ratio": a * n2 / (n1 * c),
        "risk_difference": a / n1 - c / n2,
    }[measure]
    table = convert.table_from_margins(n1, n2, a + c, **{measure: value})
    assert table.iloc[0].tolist() == [a, n1, c, n2]
