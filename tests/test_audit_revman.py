"""The audit of reviews of Review Manager: clean ones stay clean, and one changed number is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import metaanalysis as ma
from metaanalysis.errors import OptionError

EXAMPLE = ma.example_file("invented-review.rm5")
COCHRANE = Path(__file__).parents[2] / "shared" / "cochrane"


def changed(tmp_path: Path, pattern: str, replacement: str) -> ma.reviews.RevManReview:
    """The example with one place changed."""
    text, times = re.subn(pattern, replacement, Path(EXAMPLE).read_text(encoding="utf-8"), count=1)
    assert times == 1
    path = tmp_path / "changed.rm5"
    path.write_text(text, encoding="utf-8")
    return ma.read_revman(path)


def test_a_review_that_is_right_is_right():
    found = ma.audit(ma.read_revman(EXAMPLE))
    assert found.consistent, found.summary()
    assert found.doubtful.empty, found.summary()
    checks = set(found.verdicts["check"])
    assert {
        "Z from the interval",
        "p from the interval",
        "I² from Q",
        "p of Q",
        "τ² recomputed",
        "the estimate recomputed",
    } <= checks
    assert len(found.verdicts) > 250


@pytest.mark.parametrize("name", ["CD000023.rm5", "Fleiss1993_CR.csv"])
def test_real_reviews_are_right(name):
    if not COCHRANE.exists():
        pytest.skip(f"the Cochrane corpus is not at {COCHRANE}")
    found = ma.audit(ma.read_revman(COCHRANE / name))
    assert found.consistent, found.summary()
    assert len(found.verdicts) > 40


def test_a_changed_z_is_told_twice(tmp_path):
    review = changed(tmp_path, r'(<DICH_OUTCOME [^>]*?) Z="[\d.]+"', r'\1 Z="9.42"')
    found = ma.audit(review)
    checks = list(found.inconsistent["check"])
    assert "Z from the interval" in checks
    assert "p from Z" in checks
    assert "Z recomputed" in checks
    by_check = found.inconsistent.set_index("check")
    assert by_check.sentence["Z from the interval"].startswith("Z = 9.42 is impossible: the interval allows")
    assert "Z = 9.42 is impossible: the studies give" in by_check.sentence["Z recomputed"]
    assert (by_check.source == "1.1 Relapse within a year").all()
    assert by_check.how_far_off["Z recomputed"] > 3


def test_changed_events_are_told_in_every_number_that_they_move(tmp_path):
    review = changed(tmp_path, r'(<DICH_DATA [^>]*?)EVENTS_1="\d+"', r'\1EVENTS_1="17"')
    found = ma.audit(review)
    checks = set(found.inconsistent["check"])
    assert {"the estimate recomputed", "the effect recomputed"} <= checks
    assert not checks & {"Z from the interval", "I² from Q"}


def test_events_above_the_total(tmp_path):
    review = changed(tmp_path, r'(<DICH_DATA [^>]*?)EVENTS_1="\d+"', r'\1EVENTS_1="4000"')
    found = ma.audit(review)
    assert "events1 within n1" in set(found.inconsistent["check"])
    assert any("could not be computed" in remark for remark in found.notes()) or len(found.inconsistent) > 1


@pytest.mark.parametrize(
    ("element", "numbers", "told"),
    [
        ("IV_DATA", ('ESTIMATE="-0.3517"', 'SE="0.2134"'), 1),
        # So few digits agree by chance.
        ("IV_DATA", ('ESTIMATE="-0.3"', 'SE="0.2"'), 0),
        ("IPD_DATA", ('O_E="-3.517"', 'VAR="2.134"'), 1),
    ],
)
def test_effects_given_twice(tmp_path, element, numbers, told):
    text = Path(EXAMPLE).read_text(encoding="utf-8")
    first, second = list(re.finditer(rf"<{element} [^>]*/>", text))[:2]
    for match in (second, first):
        changed_row = match[0]
        for number in numbers:
            changed_row = re.sub(rf' {number.partition("=")[0]}="[^"]*"', f" {number}", changed_row)
        text = text[: match.start()] + changed_row + text[match.end() :]
    path = tmp_path / "twice.rm5"
    path.write_text(text, encoding="utf-8")
    doubts = ma.audit(ma.read_revman(path)).doubtful
    found = doubts[doubts["check"] == "same data twice"]
    assert len(found) == told
    assert all("digit by digit: they look like one study under two names" in one for one in found.sentence)


def test_columns_of_a_review_are_known():
    with pytest.raises(OptionError, match="leave it out"):
        ma.audit(ma.read_revman(EXAMPLE), estimate="x")
