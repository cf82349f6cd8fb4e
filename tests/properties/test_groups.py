"""Groups, events and outcomes called by other names."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.errors import ExcludedStudiesWarning

OTHER_GROUP = {"events1": "events2", "n1": "n2", "mean1": "mean2", "sd1": "sd2"}
OTHER_GROUP |= {theirs: ours for ours, theirs in OTHER_GROUP.items()}


@st.composite
def tables(draw):
    k = draw(st.integers(2, 8))
    n1, n2 = (draw(st.lists(st.integers(5, 400), min_size=k, max_size=k)) for _ in range(2))
    events1, events2 = ([draw(st.integers(0, n)) for n in sizes] for sizes in (n1, n2))
    return pd.DataFrame({"events1": events1, "n1": n1, "events2": events2, "n2": n2})


@st.composite
def measurements(draw):
    k = draw(st.integers(2, 8))

    def column(strategy):
        return draw(st.lists(strategy, min_size=k, max_size=k))

    mean, sd, n = st.floats(-50, 50), st.floats(0.1, 20), st.integers(2, 400)
    return pd.DataFrame({name: column(what) for name, what in (
        ("mean1", mean), ("sd1", sd), ("n1", n), ("mean2", mean), ("sd2", sd), ("n2", n))})  # fmt: skip


def pooled(frame, measure, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExcludedStudiesWarning)
        convention = options.pop("convention", "metafor")
        return ma.pool(ma.effect_sizes(frame, measure, convention=convention), **options)


def pooled_if_defined(frame, measure, **options):
    """None where no study says anything, and only there."""
    try:
        return pooled(frame, measure, **options)
    except ma.DataError as error:
        if any(why in str(error) for why in ("no study is left", "not defined", "has no interval")):
            return None
        raise


def assert_mirrored(found, mirrored):
    # Estimates near 0 are differences: they are as good as the effects that they lie between.
    size = np.abs(found.effects.y).max()
    assert_allclose(mirrored.effects.y, -found.effects.y, rtol=1e-12, atol=1e-14 * size)
    assert_allclose(mirrored.effects.v, found.effects.v, rtol=1e-12)
    assert_allclose(mirrored.estimate, -found.estimate, rtol=1e-9, atol=1e-12 * size)
    assert_allclose([-mirrored.ci_high, -mirrored.ci_low], [found.ci_low, found.ci_high], rtol=1e-9, atol=1e-12 * size)
    assert_allclose(mirrored.se, found.se, rtol=1e-9)
    assert_allclose(mirrored.p_value, found.p_value, rtol=1e-6, atol=1e-12)
    if not np.isnan(found.tau2):
        assert_allclose(mirrored.tau2, found.tau2, rtol=1e-9, atol=1e-12 * size**2)


@pytest.mark.parametrize("convention", ["metafor", "meta", "revman5"])
@pytest.mark.parametrize("measure", ["RR", "OR", "RD", "PETO"])
@given(frame=tables())
def test_swapped_groups_of_counts(measure, convention, frame):
    found = pooled_if_defined(frame, measure, convention=convention)
    if found is None:
        return
    assert_mirrored(found, pooled(frame.rename(columns=OTHER_GROUP), measure, convention=convention))


@pytest.mark.parametrize("measure", ["MD", "SMD"])
@given(frame=measurements())
def test_swapped_groups_of_measurements(measure, frame):
    assert_mirrored(pooled(frame, measure), pooled(frame.rename(columns=OTHER_GROUP), measure))


@pytest.mark.parametrize("convention", ["metafor", "revman5"])
@pytest.mark.parametrize("method, measure", [("mantel-haenszel", m) for m in ("RR", "OR", "RD")] + [("peto", "PETO")])
@given(frame=tables())
def test_swapped_groups_of_tables_pooled_whole(method, measure, convention, frame):
    found = pooled_if_defined(frame, measure, convention=convention, method=method)
    if found is None:
        return
    assert_mirrored(found, pooled(frame.rename(columns=OTHER_GROUP), measure, convention=convention, method=method))


@pytest.mark.parametrize("measure", ["OR", "RD", "PETO"])
@given(frame=tables())
def test_an_event_that_does_not_happen_is_an_event(measure, frame):
    others = frame.assign(events1=frame.n1 - frame.events1, events2=frame.n2 - frame.events2)
    assert_mirrored(pooled(frame, measure), pooled(others, measure))


@given(frame=measurements(), factor=st.floats(0.001, 1000))
def test_units_of_measurement(frame, factor):
    scaled = frame * [factor, factor, 1, factor, factor, 1]
    there, here = pooled(frame, "SMD"), pooled(scaled, "SMD")
    assert_allclose(here.effects.y, there.effects.y, rtol=1e-11, atol=1e-11)
    assert_allclose(here.estimate, there.estimate, rtol=1e-8, atol=1e-8)
    there, here = pooled(frame, "MD"), pooled(scaled, "MD")
    size = np.abs(there.effects.y).max()
    assert_allclose(here.estimate, factor * there.estimate, rtol=1e-9, atol=1e-11 * factor * size)
    assert_allclose(here.tau2, factor**2 * there.tau2, rtol=1e-9, atol=1e-11 * factor**2 * size**2)
