"""A published review, as its review.toml records it: what was analysed, how, and what was printed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from metaanalysis.errors import DataError
from metaanalysis.reviews.printing import PrintedNumber, printed_number
from metaanalysis.reviews.toml_table import TomlTable

# What can be printed of an analysis, in words. A pair of limits is recorded under its name, as in ci = ["0.34", "0.70"].
STATISTICS: Mapping[str, str] = MappingProxyType(
    {
        "k": "studies",
        "n": "participants",
        "estimate": "estimate",
        "ci_low": "CI low",
        "ci_high": "CI high",
        "se": "standard error",
        "statistic": "test statistic",
        "df": "df",
        "p_value": "p",
        "tau2": "tau²",
        "tau2_ci_low": "tau² CI low",
        "tau2_ci_high": "tau² CI high",
        "tau": "tau",
        "i2": "I²",
        "i2_ci_low": "I² CI low",
        "i2_ci_high": "I² CI high",
        "h2": "H²",
        "q": "Q",
        "q_df": "df of Q",
        "q_p_value": "p of Q",
        "prediction_low": "prediction low",
        "prediction_high": "prediction high",
        "q_between": "Q between",
        "q_between_df": "df of Q between",
        "q_between_p_value": "p of Q between",
        "r2": "R²",
        "q_moderators": "Q of moderators",
        "q_moderators_p_value": "p of moderators",
        "q_residual": "residual Q",
        "q_residual_df": "df of residual Q",
        "q_residual_p_value": "p of residual Q",
        "log_likelihood": "log-likelihood",
        "variances": "variance component",
    }
)
PAIRS = ("ci", "prediction", "tau2_ci", "i2_ci")
KINDS = ("pool", "subgroups", "meta-regression", "glmm", "multilevel")
SCALES = ("analysis", "back-transformed", "per-cent")


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Parameters
    ----------
    statistic
        Which number: a key of `STATISTICS`.
    number
        As printed.
    where, evidence
        Where it is printed, and what is known of that.
    scale
        ``back-transformed`` (the scale on which the measure is read), ``analysis`` (log for ratios) or ``per-cent`` (that of
        analysis times 100).
    agrees
        Whether the numbers of the paper lead to it; False for a known misprint, which ``note`` explains.
    part
        The subgroup, the coefficient or the variance component that it belongs to; empty for the whole.
    """

    statistic: str
    number: PrintedNumber
    where: str
    evidence: str
    scale: str
    agrees: bool = True
    note: str = ""
    part: str = ""


@dataclass(frozen=True)
class Analysis:
    """One analysis of a review: which data, which measure, which model, and the numbers printed of it.

    Parameters
    ----------
    id, title
        Its name here, and in words.
    kind
        ``pool``, ``subgroups``, ``meta-regression``, ``glmm`` or ``multilevel``.
    measure
        Key of the measure.
    inputs, effects
        The columns by our names and the options, both for `effect_sizes`.
    where
        The values that columns must have for a study to take part.
    pool
        Options for `pool`.
    subgroup, moderators, tau2_interval, glmm
        The column of subgroups, the formula of moderators, the method of the interval of tau2, the model of two groups'
        counts; empty where there is none.
    printed
        The printed numbers.
    """

    id: str
    title: str
    kind: str
    measure: str
    inputs: Mapping[str, str]
    effects: Mapping[str, Any]
    where: Mapping[str, str]
    pool: Mapping[str, Any]
    subgroup: str
    moderators: str
    tau2_interval: str
    glmm: str
    printed: tuple[Printed, ...]


@dataclass(frozen=True)
class Inconsistency:
    """A reported number that is known to be impossible beside the others, and what they allow."""

    outcome: str
    statistic: str
    printed: PrintedNumber
    possible: tuple[PrintedNumber, PrintedNumber]
    note: str = ""


@dataclass(frozen=True)
class SubgroupTest:
    """A reported test for subgroup differences: its groups (outcomes of the table), Q, df and p as far as reported."""

    outcome: str
    by: str
    groups: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()
    q: str = ""
    df: int | None = None
    p: str = ""


@dataclass(frozen=True)
class AuditRecord:
    """How summaries alone are held against each other, and what is known to be impossible."""

    level: float = 0.95
    note: str = ""
    inconsistent: tuple[Inconsistency, ...] = ()
    subgroups: tuple[SubgroupTest, ...] = ()


@dataclass(frozen=True)
class Review:
    """A published review.

    Parameters
    ----------
    name
        Its folder's name, by which `load_dataset` knows it.
    title, citation, doi
        Of the publication.
    kind
        ``studies``: data of each study; ``reported``: pooled results alone.
    label
        The column that names the rows.
    columns
        Every column, with what it is and its unit.
    text
        Columns that are names though they look like numbers (3.10 is not 3.1).
    analyses
        Its analyses, for ``studies``.
    audit
        How it is audited, for ``reported``.
    folder
        Where its files are.
    """

    name: str
    title: str
    citation: str
    doi: str
    kind: str
    label: str
    columns: Mapping[str, str]
    text: tuple[str, ...]
    analyses: tuple[Analysis, ...]
    audit: AuditRecord
    folder: Path

    @property
    def table(self) -> Path:
        """The file of its data."""
        return self.folder / ("reported.csv" if self.kind == "reported" else "studies.csv")

    @property
    def paper(self) -> str:
        """First author and year, such as ``Colditz 1994``."""
        author = re.match(r"(.+?) [A-Z][A-Z-]*\b", self.citation)
        year = re.search(r"\b(?:19|20)\d\d(?=;| ?:|\.|$|, doi)", self.citation)
        return f"{author[1] if author else self.citation.split()[0]} {year[0] if year else ''}".strip()

    def measures(self) -> tuple[str, ...]:
        """The measures of its analyses, each once."""
        return tuple(dict.fromkeys(analysis.measure for analysis in self.analyses))


def read_review(folder: Path) -> Review:
    """Read the review.toml of a folder; DataError names the file, the analysis and the key that is wrong."""
    file = folder / "review.toml"
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder.name} has no review.toml: a published review needs one beside its data.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise DataError(f"{_named(file)} is not valid TOML in UTF-8: {problem}.") from None
    table = TomlTable(content, _named(file))
    kind = table.choice("kind", ("studies", "reported"))
    columns = table.strings("columns", at_least_one=True)
    review = Review(
        name=folder.name,
        title=table.text("title"),
        citation=table.text("citation"),
        doi=table.text("doi", ""),
        kind=kind,
        label=table.text("label"),
        columns=columns,
        text=table.texts("text"),
        analyses=tuple(_analysis(part) for part in table.tables("analysis", "id")),
        audit=_audit_record(table.table("audit")),
        folder=folder,
    )
    table.done()
    for name in (review.label, *review.text):
        if name not in columns:
            raise DataError(f"{_named(file)}: there is no column {name!r} in [columns], which label and text name.")
    ids = [analysis.id for analysis in review.analyses]
    for twice in {name for name in ids if ids.count(name) > 1}:
        raise DataError(f"{_named(file)} has two analyses with id {twice!r}: give each its own.")
    if kind == "studies" and not ids:
        raise DataError(f"{_named(file)} has no [[analysis]], though it has the data of studies: add one.")
    return review


def _named(file: Path) -> str:
    return "/".join(file.parts[-3:])


def _analysis(table: TomlTable) -> Analysis:
    scale = table.choice("scale", SCALES, "back-transformed")
    analysis = Analysis(
        id=table.text("id"),
        title=table.text("title"),
        kind=table.choice("kind", KINDS, "pool"),
        measure=table.text("measure"),
        inputs=table.strings("inputs"),
        effects=table.values("effects"),
        where=table.strings("where"),
        pool=table.values("pool"),
        subgroup=table.text("subgroup", ""),
        moderators=table.text("moderators", ""),
        tau2_interval=table.text("tau2_interval", ""),
        glmm=table.text("glmm", ""),
        printed=tuple(one for part in table.tables("printed", "where") for one in _printed(part, scale)),
    )
    # What models beyond these rooms need is kept in the record and not read here.
    table.skip("levels")
    table.done()
    if analysis.kind == "meta-regression" and not analysis.moderators:
        raise table.error("moderators", 'is missing, though the kind is meta-regression: add it, as in "~ year"')
    if analysis.kind == "subgroups" and not analysis.subgroup:
        raise table.error("subgroup", "is missing, though the kind is subgroups: name the column")
    return analysis


def _printed(table: TomlTable, scale: str) -> list[Printed]:
    """The numbers of one [[analysis.printed]], each by itself."""
    where, evidence = table.text("where"), table.text("evidence")
    scale = table.choice("scale", SCALES, scale)
    agrees, note = table.truth("agrees", True), table.text("note", "")
    part = table.text("group", "") or table.text("term", "")
    if not agrees and not note:
        raise table.error("note", "is missing, though agrees = false: say why the printed number cannot be had")
    texts: list[tuple[str, str, str]] = []
    for key in table.left():
        if key in PAIRS:
            low, high = table.pair(key)
            texts += [(f"{key}_low", low, part), (f"{key}_high", high, part)]
        elif key == "variances":
            texts += [(key, text, name) for name, text in table.strings(key).items()]
        elif key in STATISTICS:
            texts.append((key, table.text(key), part))
    table.done(also=(*STATISTICS, *PAIRS, "group", "term"))
    if not texts:
        raise table.error("printed", "holds no number: add one, as in estimate = '0.49'")
    numbers = []
    for statistic, text, of in texts:
        try:
            number = printed_number(text)
        except DataError as problem:
            raise table.error(statistic, f"is not right: {problem}") from None
        numbers.append(Printed(statistic, number, where, evidence, scale, agrees, note, of))
    return numbers


def _audit_record(table: TomlTable) -> AuditRecord:
    inconsistent = []
    for part in table.tables("inconsistent", "outcome"):
        low, high = part.pair("possible")
        inconsistent.append(
            Inconsistency(
                part.text("outcome"),
                part.text("statistic"),
                part.number("printed"),
                (printed_number(low), printed_number(high)),
                part.text("note", ""),
            )
        )
        part.done()
    subgroups = []
    for part in table.tables("subgroups", "outcome"):
        subgroups.append(
            SubgroupTest(
                part.text("outcome"),
                part.text("by"),
                part.texts("groups"),
                part.texts("estimates"),
                part.text("q", ""),
                part.whole("df"),
                part.text("p", ""),
            )
        )
        part.done()
    table.choice("expected", ("consistent",), "consistent")
    record = AuditRecord(table.fraction("level", 0.95), table.text("note", ""), tuple(inconsistent), tuple(subgroups))
    table.done()
    return record
