"""The published reviews that come with the library: find one, list them, load the data of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from metaanalysis.errors import DataError
from metaanalysis.options import choose
from metaanalysis.reviews.review import Review, read_review
from metaanalysis.reviews.tables import read_csv_exactly

if TYPE_CHECKING:
    import pandas as pd


def datasets_folder() -> Path:
    """Where the published reviews are: inside the installed package, or beside it in the repository."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "datasets", package.parent / "datasets"):
        if folder.is_dir():
            return folder
    raise DataError(
        f"the published reviews are not there: neither in {package / 'datasets'} nor in {package.parent / 'datasets'}. "
        f"Install the library again."
    )


def review_names() -> list[str]:
    """The names of the published reviews, in alphabetical order."""
    return sorted(file.parent.name for file in datasets_folder().glob("*/review.toml"))


def load_review(name: str) -> Review:
    """The record of a published review by its name; OptionError lists the names."""
    return read_review(datasets_folder() / choose("review", name, review_names()))


def load_dataset(name: str) -> pd.DataFrame:
    """Load the data of a published review.

    Parameters
    ----------
    name
        Its name, such as ``"bcg"``; `list_datasets` lists them.

    Returns
    -------
    pandas.DataFrame
        One row a study, or one row a pooled result where only these were published. ``attrs`` holds ``name``, ``title``,
        ``citation``, ``doi``, ``kind`` (``studies`` or ``reported``), ``label`` (the column that names the rows) and ``columns``
        (what every column is, with its unit).

    Raises
    ------
    OptionError
        Where there is no such review; the message names the nearest ones and lists all.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> bcg = ma.load_dataset("bcg")
    >>> bcg.shape
    (13, 9)
    >>> bcg.attrs["columns"]["n1"]
    'people vaccinated (count)'
    """
    return table_of(load_review(name))


def table_of(review: Review) -> pd.DataFrame:
    """The data of a review as a frame with the review's description in ``attrs``."""
    frame = read_csv_exactly(review.table, dtype=dict.fromkeys(review.text, "str"))
    described, there = list(review.columns), list(frame.columns)
    if described != there:
        odd = [name for name in (*described, *there) if name not in there or name not in described]
        raise DataError(
            f"{review.name}: [columns] of review.toml and the columns of {review.table.name} differ "
            f"({', '.join(odd) or 'in their order'}): describe every column, in the order of the file."
        )
    frame.attrs.update(
        name=review.name,
        title=review.title,
        citation=review.citation,
        doi=review.doi,
        kind=review.kind,
        label=review.label,
        columns=dict(review.columns),
    )
    return frame


def list_datasets() -> pd.DataFrame:
    """List the published reviews that come with the library.

    Returns
    -------
    pandas.DataFrame
        One row a review: ``name`` (for `load_dataset`), ``title``, ``measure`` (those of its analyses), ``k`` (rows:
        studies, or pooled results where the kind is ``reported``), ``kind`` and ``citation``.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> listed = ma.list_datasets().set_index("name")
    >>> print(listed.loc["bcg", "k"], listed.loc["bcg", "measure"])
    13 RR, OR, PETO, RD
    """
    import pandas as pd

    rows = []
    for name in review_names():
        review = load_review(name)
        frame = table_of(review)
        measures = review.measures() or tuple(dict.fromkeys(frame["measure"]))
        rows.append((name, review.title, ", ".join(measures), len(frame), review.kind, review.citation))
    return pd.DataFrame(rows, columns=["name", "title", "measure", "k", "kind", "citation"])
