"""The data sets themselves: every column is described, every key is known, every printed number is a number."""

from __future__ import annotations

import csv
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

DATASETS = Path(__file__).parents[1] / "datasets"
FOLDERS = sorted(folder for folder in DATASETS.iterdir() if folder.is_dir())
TABLES = {"studies": "studies.csv", "reported": "reported.csv"}
EVIDENCE = {
    "printed in the publication",
    "quoted from the publication by the maintainers of R package metafor",
    "metafor value compared with the cited page; printed decimals unknown",
    "R package meta value said to match the cited page; printed decimals unknown",
    "output of RevMan or Stata",
}
REVIEW_KEYS = {"title", "citation", "doi", "kind", "label", "text", "columns", "analysis", "audit"}
ANALYSIS_KEYS = set(
    "id title kind measure inputs where effects pool subgroup moderators glmm levels tau2_interval scale printed".split()
)
KINDS = {"pool", "subgroups", "meta-regression", "glmm", "multilevel"}
SCALES = {"analysis", "back-transformed", "per-cent"}
WORDS = {"where", "evidence", "agrees", "note", "scale", "group", "term"}
SINGLE = set(
    "k n estimate se statistic p_value ci_low ci_high q q_p_value i2 h2 tau2 tau q_between q_between_p_value "
    "q_residual q_residual_p_value q_moderators q_moderators_p_value r2 log_likelihood".split()
)
PAIRS = {"ci", "prediction", "tau2_ci"}
NUMBER = re.compile(r"-?\d+(\.\d+)?")
DEFAULT_INPUTS = {
    **dict.fromkeys(("RR", "OR", "RD", "PETO"), ("events1", "n1", "events2", "n2")),
    **dict.fromkeys(("MD", "SMD"), ("mean1", "sd1", "n1", "mean2", "sd2", "n2")),
    "ZCOR": ("r", "n"),
    "HR": (),
    "IRR": ("events1", "time1", "events2", "time2"),
    "IRLN": ("events", "time"),
    "PLO": ("events", "n"),
}
TEXT_COLUMNS = {"study", "author", "outcome", "source"}


def review(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "review.toml").read_text(encoding="utf-8"))


def rows(folder: Path) -> list[dict[str, str]]:
    name = TABLES[review(folder)["kind"]]
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def printed_entries(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for analysis in document.get("analysis", []):
        for entry in analysis.get("printed", []):
            yield analysis, entry


def numbers(entry: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for key in entry.keys() - WORDS:
        value = entry[key]
        found += value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return found


def kept(analysis: dict[str, Any], table: list[dict[str, str]]) -> list[dict[str, str]]:
    wanted = analysis.get("where", {})
    return [row for row in table if all(row[column] == value for column, value in wanted.items())]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_reviews_of_the_first_floor_are_there() -> None:
    wanted = (
        "hackshaw1998 baskerville2012 molloy2014 bcg yusuf1985 raudenbush1985 normand1999 hine1989 white2020 "
        "peer-support-reviews"
    )
    assert set(wanted.split()) <= {folder.name for folder in FOLDERS}


def test_the_folder_holds_its_two_files_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"review.toml", TABLES[review(folder)["kind"]]}


def test_the_keys_of_the_review_are_known(folder: Path) -> None:
    document = review(folder)
    assert document.keys() <= REVIEW_KEYS
    assert {"title", "citation", "kind", "label", "columns"} <= document.keys()
    assert document["kind"] in TABLES
    assert ("audit" in document) == (document["kind"] == "reported")
    assert ("analysis" in document) == (document["kind"] == "studies")
    if "doi" in document:
        assert re.fullmatch(r"10\.\d{4,9}/\S+", document["doi"])


def test_every_column_is_described_in_order(folder: Path) -> None:
    document, table = review(folder), rows(folder)
    assert list(table[0]) == list(document["columns"])
    assert all(text.strip() for text in document["columns"].values())
    assert document["label"] in document["columns"]


def test_rows_are_whole_and_number_columns_hold_numbers(folder: Path) -> None:
    table = rows(folder)
    for column in table[0]:
        values = [row[column] for row in table]
        assert None not in values
        assert all(value == value.strip() for value in values)
        cells = [value for value in values if value]
        numeric = [value for value in cells if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", value)]
        mixed = column in TEXT_COLUMNS or column in {"trial_id", "table"}
        assert mixed or len(numeric) in (0, len(cells)), column
    assert all(None not in row for row in table)


def test_events_do_not_exceed_patients_and_variances_are_positive(folder: Path) -> None:
    for row in rows(folder):
        for group in "12":
            if row.get(f"events{group}") and row.get(f"n{group}"):
                assert 0 <= int(row[f"events{group}"]) <= int(row[f"n{group}"]), row
        for column in ("v", "se", "sd1", "sd2", "n1", "n2", "n"):
            if row.get(column):
                assert float(row[column]) > 0, row


def test_analyses_use_known_keys_and_columns_that_exist(folder: Path) -> None:
    document, table = review(folder), rows(folder)
    columns = set(table[0])
    identifiers = Counter(analysis["id"] for analysis in document.get("analysis", []))
    assert not [identifier for identifier, count in identifiers.items() if count > 1]
    for analysis in document.get("analysis", []):
        assert analysis.keys() <= ANALYSIS_KEYS, analysis["id"]
        assert {"id", "title", "measure", "pool", "scale"} <= analysis.keys(), analysis["id"]
        assert analysis.get("kind", "pool") in KINDS
        assert analysis["scale"] in SCALES
        given = analysis.get("inputs", {})
        needed = set(given.values()) if "y" in given else {given.get(x, x) for x in DEFAULT_INPUTS[analysis["measure"]]}
        assert needed <= columns, analysis["id"]
        assert set(analysis.get("where", {})) | {analysis.get("subgroup", document["label"])} <= columns
        assert (analysis.get("kind") == "meta-regression") <= ("moderators" in analysis)
        assert set(analysis.get("levels", [])) <= columns
        for name in re.findall(r"[a-z_][a-z0-9_]*", analysis.get("moderators", "")):
            assert name in columns, name


def test_rows_of_an_analysis_have_names_of_their_own(folder: Path) -> None:
    document, table = review(folder), rows(folder)
    for analysis in document.get("analysis", [{}]):
        names = Counter(row[document["label"]] for row in kept(analysis, table))
        assert names
        if document["kind"] == "studies":
            assert not [name for name, count in names.items() if count > 1]


def test_printed_numbers_are_strings_that_are_numbers(folder: Path) -> None:
    for analysis, entry in printed_entries(review(folder)):
        place = (analysis["id"], entry["where"])
        assert entry["evidence"] in EVIDENCE, place
        assert entry.get("scale", "analysis") in SCALES, place
        assert entry.keys() - WORDS <= SINGLE | PAIRS | {"variances"}, place
        assert entry.keys() - WORDS, place
        assert all(isinstance(entry[key], str) for key in SINGLE & entry.keys()), place
        assert all(len(entry[key]) == 2 for key in PAIRS & entry.keys()), place
        for number in numbers(entry):
            assert NUMBER.fullmatch(number), (place, number)
        for key in PAIRS & entry.keys():
            assert Decimal(entry[key][0]) <= Decimal(entry[key][1]), place


def test_a_number_that_disagrees_says_why(folder: Path) -> None:
    for analysis, entry in printed_entries(review(folder)):
        if not entry.get("agrees", True):
            assert len(entry.get("note", "")) > 10, (analysis["id"], entry["where"])


def test_intervals_contain_their_estimates(folder: Path) -> None:
    for analysis, entry in printed_entries(review(folder)):
        if "ci" in entry and "estimate" in entry:
            low, high = map(Decimal, entry["ci"])
            assert low <= Decimal(entry["estimate"]) <= high, (analysis["id"], entry["where"])


def test_groups_and_terms_exist(folder: Path) -> None:
    table = rows(folder)
    for analysis, entry in printed_entries(review(folder)):
        if "group" in entry:
            assert entry["group"] in {row[analysis["subgroup"]] for row in kept(analysis, table)}
        if "term" in entry:
            for part in entry["term"].split(":"):
                assert part == "Intercept" or part in analysis["moderators"]


@pytest.mark.parametrize(
    "folder", [path for path in FOLDERS if (path / "reported.csv").exists()], ids=lambda path: path.name
)
def test_audits_point_at_rows_that_exist(folder: Path) -> None:
    audit = review(folder)["audit"]
    outcomes = {row["outcome"]: row for row in rows(folder)}
    assert len(outcomes) == len(rows(folder))
    for test in audit.get("subgroups", []):
        assert test["outcome"] in outcomes
        assert set(test.get("groups", [])) <= outcomes.keys()
    for entry in audit.get("inconsistent", []):
        assert outcomes[entry["outcome"]][entry["statistic"]] == entry["printed"]
        low, high = map(Decimal, entry["possible"])
        assert not low <= Decimal(entry["printed"]) <= high


def test_agreement_with_publications_is_claimed_for_what_was_seen() -> None:
    counts = Counter(
        entry["evidence"] for folder in FOLDERS for _, entry in printed_entries(review(folder)) for _ in numbers(entry)
    )
    assert counts["printed in the publication"] >= 20
    assert set(counts) <= EVIDENCE
