"""The door for files of Review Manager: which of its formats it is, and who reads that."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from metaanalysis.errors import DataError
from metaanalysis.io.text import LARGEST
from metaanalysis.reviews.revman import RevManReview


def read_revman(path: str | os.PathLike[str]) -> RevManReview:
    """Read a Cochrane review as Review Manager saves or exports it.

    Parameters
    ----------
    path
        A file of Review Manager 5 (``.rm5``), the CSV file of an analysis' or a review's data as Review Manager exports it, or a
        data package (a zip file, or the folder that was unpacked from it). The content decides, not the name.

    Returns
    -------
    RevManReview
        ``analyses`` (settings and Review Manager's own results), ``studies`` (one row a study in an analysis), ``other``;
        ``data("1.2")``, ``effects("1.2")`` and ``pool("1.2")`` go on from there, and `reproduce` computes all of it again.

    Raises
    ------
    DataError
        The file is broken, is none of these, or is larger than 512 MB; the message names the element or column and the line.

    Notes
    -----
    *Review Manager 5.* XML is read element by element. Entities and references to other files are refused, and nothing is
    fetched. Outcomes are dichotomous, continuous, generic inverse variance, O-E and variance (one kind with individual patient
    data), or other data, which are kept aside in ``other``.

    *CSV.* One line a comparison, an outcome, a subgroup or a study, told apart by the numbers in ``Comparison Number``,
    ``Outcome Number`` and ``Subgroup Number``: 0 for what lies above. An outcome's own line has its ``Data Type``; a
    subgroup's has its number and no year, order or standard error, and comes before its studies. The file says nothing of totals,
    swapped events and levels: totals are assumed overall where the outcome's line has an estimate, and the level 95 %.

    *Data package.* Three CSV files, known by how their names end: ``overall-estimates-and-settings.csv``,
    ``subgroup-estimates.csv`` (may be missing) and ``data-rows.csv``, with the columns of version 1 or 2 of Cochrane's data
    package specification. Columns are found whatever their case and punctuation. Effects of ratio measures are taken to
    be displayed ratios, and ``GIV Mean`` and ``GIV SE`` to be on the log scale where ``Log-scale data`` is true.

    References
    ----------
    Deeks JJ, Higgins JPT (2010). Statistical algorithms in Review Manager 5. The Cochrane Collaboration.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> review = ma.read_revman(ma.example_file("invented-review.rm5"))
    >>> print(review.analyses[0].title, "-", review.analyses[0].settings())
    1.1 Relapse within a year - risk ratio, Mantel-Haenszel, random effects
    >>> print(f"{review.pool('1.1').overall.back_transformed().estimate:.3f}")
    0.582
    >>> print(ma.reproduce(review, tolerance=1e-9).counts())
    143 of 143 pooled numbers and 146 of 146 numbers of studies agree with Review Manager's to 1e-09.
    """
    path = Path(path)
    if path.is_dir():
        from metaanalysis.io.revman_package import read_folder

        return read_folder(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            beginning = stream.read(512)
    except OSError as problem:
        raise DataError(f"{path.name} can't be read: {problem.strerror or problem}.") from None
    except ValueError as problem:
        raise DataError(f"{str(path)!r} is not the name of a file: {problem}.") from None
    if size > LARGEST:
        raise DataError(
            f"{path.name} has {size / 1e6:.0f} MB; reviews have a few, and at most {LARGEST / 1e6:.0f} MB are read. Is it "
            f"the right file?"
        )
    if not beginning.strip():
        raise DataError(f"{path.name} is empty.")
    if zipfile.is_zipfile(path):
        from metaanalysis.io.revman_package import read_package

        return read_package(path)
    if looks_like_xml(beginning):
        from metaanalysis.io.revman_xml import read_rm5

        return read_rm5(path)
    from metaanalysis.io.revman_csv import read_csv_export

    return read_csv_export(path)


def looks_like_xml(beginning: bytes) -> bool:
    """Whether the first sign is that of an element, in any common encoding."""
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        beginning = beginning.removeprefix(mark)
    return beginning.replace(b"\0", b"").lstrip().startswith(b"<")
