"""Umbrella reviews: lists of studies -> their citation matrix and its overlap."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from metaanalysis.effects.columns import NOT_NUMBERS, FrameLike, find_column, is_missing, numeric_column, open_frame
from metaanalysis.errors import DataError, DataWarning, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray
from metaanalysis.formulas.overlap import (
    corrected_covered_area,
    covered_area,
    pairwise_corrected_covered_area,
    shared_studies,
    structurally_missing_between,
)
from metaanalysis.results.citation_matrix import CitationMatrix

_NO_LETTER = re.compile(r"[\W_]+")


def citation_matrix(
    reviews: Mapping[str, Iterable[object]] | FrameLike,
    *,
    review: str = "review",
    study: str = "study",
    study_years: Mapping[Any, float] | str | None = None,
    search_years: Mapping[Any, float] | str | None = None,
) -> CitationMatrix:
    """How far do reviews rest on the same studies? Make the citation matrix, and its corrected covered area.

    Parameters
    ----------
    reviews
        The studies of each review: ``{"Adams 2019": ["Smith 2001", "Jones 2007"], ...}``; or a long frame with a row a
        citation.
    review, study
        Columns of a frame that hold the names (or numbers, such as PMIDs). A mapping that has both keys is read as a frame.
    study_years, search_years
        Years in which studies appeared and in which reviews searched, by name or as the column of a frame; decimals are
        parts of a year. A study that appeared after a review's search could not be cited in it: such cells are structurally
        missing. Of a study or review without a year, no cell is.

    Returns
    -------
    CitationMatrix
        The matrix, and its overlap as a whole and of every two reviews, without and with structural missingness; shares, not
        per cent.

    Raises
    ------
    DataError
        Where there are fewer than two reviews, a review without studies, a name that is missing, what is no year, or two years
        of one name.

    Notes
    -----
    A study counts once a review, however often it is listed there. Studies are the same where their names are, apart from
    blanks at the ends and double blanks; names that differ only in case or punctuation are kept apart with a `DataWarning`. A
    study that is cited although it appeared after the search counts as one that could be, and a note names it.

    References
    ----------
    Pieper D, Antoine SL, Mathes T, Neugebauer EAM, Eikermann M (2014). Systematic review finds overlapping reviews were not
    mentioned in every other overview. Journal of Clinical Epidemiology 67, 368-375.

    Pérez-Bracchiglione J, Meza N, Bangdiwala SI, et al. (2022). Graphical Representation of Overlap for OVErviews: GROOVE tool.
    Research Synthesis Methods 13, 381-388.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> lists = {"Adams 2010": ["Ito 2001", "Jones 2007"], "Brown 2015": ["Ito 2001", "Jones 2007", "Kim 2012"]}
    >>> matrix = ma.citation_matrix(
    ...     lists,
    ...     study_years={"Ito 2001": 2001, "Jones 2007": 2007, "Kim 2012": 2012},
    ...     search_years={"Adams 2010": 2009, "Brown 2015": 2014},
    ... )
    >>> round(matrix.cca, 3), matrix.cca_structural
    (0.667, 1.0)
    """
    columns = isinstance(reviews, Mapping) and review in reviews and study in reviews
    if isinstance(reviews, Mapping) and not columns:
        pairs = _pairs_of_lists(reviews)
        for option, value in (("study_years", study_years), ("search_years", search_years)):
            if isinstance(value, str):
                raise DataError(
                    f"{option}={value!r} names a column, and lists have none: give years by name, as a dict."
                )
    else:
        frame = open_frame(reviews)
        names = [
            frame[find_column(frame, name, role)].to_list() for name, role in ((review, "review"), (study, "study"))
        ]
        pairs = [
            (_name(a, "review", f"row {row}"), _name(b, "study", f"row {row}"))
            for row, (a, b) in enumerate(zip(*names, strict=True), start=1)
        ]
        if isinstance(study_years, str):
            years = numeric_column(frame, find_column(frame, study_years, "study_years"), [b for _, b in pairs])
            study_years = _years_of_rows([b for _, b in pairs], years, "study")
        if isinstance(search_years, str):
            years = numeric_column(frame, find_column(frame, search_years, "search_years"), [b for _, b in pairs])
            search_years = _years_of_rows([a for a, _ in pairs], years, "review")
    review_at = {name: place for place, name in enumerate(dict.fromkeys(a for a, _ in pairs))}
    study_at = {name: place for place, name in enumerate(dict.fromkeys(b for _, b in pairs))}
    if len(review_at) < 2:
        raise DataError(f"an overlap needs two reviews at least, and there {'is 1' if review_at else 'are none'}.")
    cited = np.zeros((len(study_at), len(review_at)), dtype=np.bool_)
    cited[[study_at[b] for _, b in pairs], [review_at[a] for a, _ in pairs]] = True
    _warn_of_alike(list(study_at), "studies")
    _warn_of_alike(list(review_at), "reviews")
    return _with_overlap(
        cited,
        list(study_at),
        list(review_at),
        _years(study_years, study_at, "study"),
        _years(search_years, review_at, "review"),
    )


def _with_overlap(
    cited: BoolArray, studies: Sequence[str], reviews: Sequence[str], appeared: FloatArray, searched: FloatArray
) -> CitationMatrix:
    """The matrix with its overlap, and notes on years."""
    after = appeared[:, np.newaxis] > searched
    missing, nothing = after & ~cited, np.zeros_like(cited)
    known = bool(np.isfinite(appeared).any() and np.isfinite(searched).any())
    structural = float(corrected_covered_area(cited, missing)) if known else np.nan
    notes = [
        f"Review '{reviews[j]}' (search {searched[j]:g}) cites '{studies[i]}' ({appeared[i]:g}), which appeared after its search: "
        f"check both years."
        for i, j in np.argwhere(after & cited).tolist()
    ]
    if known:
        for what, years in (("studies", appeared), ("reviews", searched)):
            unknown = int(np.isnan(years).sum())
            if unknown:
                notes.append(
                    f"{unknown} of {years.size} {what} have no year: none of their cells counts as structurally missing."
                )
        if np.isnan(structural):
            notes.append(
                "No study could have been cited twice: there is no corrected covered area with structural missingness."
            )
    unavailable = np.full((len(reviews), len(reviews)), np.nan)
    return CitationMatrix(
        reviews=tuple(reviews),
        studies=tuple(studies),
        cited=cited,
        missing=missing,
        study_years=appeared,
        search_years=searched,
        covered_area=float(covered_area(cited)),
        cca=float(corrected_covered_area(cited, nothing)),
        cca_structural=structural,
        shared=shared_studies(cited),
        pairwise=pairwise_corrected_covered_area(cited, nothing),
        pairwise_structural=pairwise_corrected_covered_area(cited, missing) if known else unavailable,
        missing_between=structurally_missing_between(cited, missing),
        notes=tuple(notes),
    )


def _name(value: object, what: str, where: str) -> str:
    """A name as text with single blanks; whole numbers without a decimal point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    text = "" if is_missing(value) or isinstance(value, NOT_NUMBERS) else " ".join(str(value).split())
    if not text:
        raise DataError(f"the {what} in {where} has no name ({value!r}): name it, or leave it out.")
    return text


def _pairs_of_lists(reviews: Mapping[Any, Iterable[object]]) -> list[tuple[str, str]]:
    """A pair (review, study) a citation."""
    pairs: list[tuple[str, str]] = []
    seen: dict[str, object] = {}
    for key, listed in reviews.items():
        name = _name(key, "review", "a list")
        if name in seen:
            raise DataError(
                f"two reviews are called '{name}' ({seen[name]!r} and {key!r}): give them names of their own."
            )
        seen[name] = key
        if isinstance(listed, str | bytes | Mapping) or not isinstance(listed, Iterable):
            raise DataError(f"review '{name}' holds {type(listed).__name__}; a list of names of studies was expected.")
        own = [(name, _name(one, "study", f"review '{name}' (entry {at})")) for at, one in enumerate(listed, start=1)]
        if not own:
            raise DataError(f"review '{name}' lists no studies: leave it out, as it can overlap with no other.")
        pairs += own
    return pairs


def _years_of_rows(names: Sequence[str], years: FloatArray, what: str) -> dict[str, float]:
    """The year of each name; DataError where two rows give different ones."""
    found: dict[str, float] = {}
    for row, (name, year) in enumerate(zip(names, years.tolist(), strict=True), start=1):
        if np.isnan(year):
            continue
        if found.setdefault(name, year) != year:
            raise DataError(
                f"{what} '{name}' has two years, {found[name]:g} and (row {row}) {year:g}: keep one of them."
            )
    return found


def _years(given: Mapping[Any, Any] | str | None, places: Mapping[str, int], what: str) -> FloatArray:
    """A year a name, NaN where unknown."""
    years = np.full(len(places), np.nan)
    if given is None:
        return years
    option = {"study": "study_years", "review": "search_years"}[what]
    others: list[str] = []
    if not isinstance(given, Mapping):
        raise DataError(f"{option} holds {type(given).__name__}; years by name, as a dict, were expected.")
    for key, year in given.items():
        name = _name(key, what, option)
        if is_missing(year):
            continue
        number = isinstance(year, int | float | np.integer | np.floating) and not isinstance(year, NOT_NUMBERS)
        if not number or not np.isfinite(year):
            raise DataError(f"{option} ({year!r}) of '{name}' is not a year: give a number, such as 2014.")
        if name in places:
            years[places[name]] = float(year)
        else:
            others.append(name)
    # A table of years may hold more names than these lists, but one that is nearly a name without a year is a slip.
    without = [name for name, place in places.items() if np.isnan(years[place])]
    for name in others:
        meant = nearest(name, without) if without else ""
        if meant:
            raise DataError(f"{option} has a year of '{name}', and no {what} is called so.{meant}")
    return years


def _warn_of_alike(names: Sequence[str], what: str) -> None:
    """A warning where names differ only in case, blanks and punctuation."""
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(_NO_LETTER.sub("", name).casefold(), []).append(name)
    alike = [some for key, some in plain.items() if key and len(some) > 1]
    if alike:
        shown = "; ".join(" and ".join(f"'{name}'" for name in some) for some in alike[:5])
        more = f" (and {len(alike) - 5} more)" if len(alike) > 5 else ""
        warnings.warn(
            f"these {what} differ only in case, blanks or punctuation and are counted apart: {shown}{more}. "
            f"Where they are the same, give them one name.",
            DataWarning,
            stacklevel=3,
        )
