"""Can the numbers that a review reports all be true together? Interval arithmetic over their rounding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metaanalysis.effects.columns import FrameLike
from metaanalysis.errors import OptionError
from metaanalysis.options import checked_level
from metaanalysis.results.audit import Audit
from metaanalysis.reviews.printed_cells import cells_of, spelling
from metaanalysis.reviews.reported import SPELLINGS, reported_of
from metaanalysis.reviews.revman import RevManReview
from metaanalysis.reviews.study_audit import study_verdicts
from metaanalysis.reviews.study_table import STUDY_SPELLINGS, is_study_table, study_table_of
from metaanalysis.reviews.table_audit import table_verdicts
from metaanalysis.reviews.verdicts import frame_of

STUDIES_TITLE = "Audit of a table of studies"


def audit(
    reported: FrameLike | RevManReview,
    level: float = 0.95,
    *,
    items: int | None = None,
    scale: tuple[float, float] | None = None,
    **columns: str,
) -> Audit:
    """Hold the numbers of a review against each other: which cannot all be true together?

    What is audited can be a table of reported pooled analyses, a table of studies, or a review of Review Manager. Every printed
    number stands for all values that round to it (0.86 for 0.855 to 0.865), and what one number allows another is found by
    interval arithmetic over that rounding. A number is called impossible only where no values within the rounding agree. The
    checks of reported analyses, each made where its numbers are there:

    - the estimate lies inside its confidence interval, and in the middle of it (on the log scale for ratios);
    - the standard error from the interval; the test statistic Z and the two-sided p from either, and p from Z;
    - I² from Q, the p-value of Q from Q and from I², with k - 1 degrees of freedom; df from k; no heterogeneity where k = 1;
    - no τ² above 0 where Q is below its degrees of freedom; a standard error of at least √(τ²/k);
    - the p-value of a test for subgroup differences (see `audit_subgroups` for the subgroups themselves);
    - a standardised mean difference: the smallest standard error that so many people in two arms allow.

    In a table of studies, and in the studies of a review:

    - events above the total; counts and standard deviations below 0;
    - on a scale with known ends: means beyond them, and standard deviations that are larger than it allows;
    - where scores are whole numbers: means that so many of them cannot have (GRIM), and standard deviations too small for them;
    - to look at again, as it may be right: a standard error typed as a standard deviation, the same data under two names, the same
      name twice, a control group that stands whole in several comparisons of one study.

    Of a review of Review Manager, also every number of its own that differs from what its studies give.

    Parameters
    ----------
    reported
        A data frame (pandas, Polars, Arrow, a dict of columns) or the path of a CSV file in UTF-8; or what `read_revman` returns.
        *One row a pooled analysis:* ``estimate``, ``ci_low`` and ``ci_high`` (or ``ci``, as in ``0.13 to 0.45``) with ``measure``,
        and as far as they were reported ``source``, ``outcome``, ``k``, ``n_total``, ``se`` (of ratios on the log scale),
        ``p_value``, ``statistic``, ``ci_level``, ``tau2``, ``tau2_method``, ``i2`` (per cent), ``q``, ``q_df``, ``q_p_value``,
        ``q_between``, ``q_between_df`` and ``q_between_p_value``; common other spellings are understood (``est``, ``ci_lo``,
        ``N``, ``p``, ``z``, ``I2``, ``Q``, ``df``, ``p_Q``, ``level``). An empty cell means: not reported.
        *One row a study:* ``study`` and ``events1 n1 events2 n2`` or ``mean1 sd1 n1 mean2 sd2 n2``, or of one group ``events n`` or
        ``mean sd n``; ``outcome`` where several are in one table, and ``subgroup``; ``items``, ``scale_low``, ``scale_high``.
        Effects with their measure beside the data are audited as those of a pooled analysis are.
    level
        The level of the confidence intervals, where the rows or the review have none of their own.
    items
        Of a table of studies, where scores are whole numbers: how many items a score is the mean of; 1 for single answers, sums
        and counts. Without it means are not held to be those of whole numbers.
    scale
        Of a table of studies: the least and the greatest possible score, as in ``(1, 7)``.
    **columns
        What columns are called where their names are not understood: ``estimate="pooled SMD"``. ``measure="SMD"`` is understood as
        the measure of all rows, and ``tau2_method="DL"`` as the estimator of all.

    Returns
    -------
    Audit
        ``verdicts`` (a frame, one row a check), ``consistent``, ``inconsistent`` (ranked by how far off), ``doubtful`` (to look at
        again), ``summary()``, ``to_markdown()``. `audit_report` writes it as a page.

    Raises
    ------
    DataError
        The table is empty, lacks a column, or holds a number that cannot be what it claims to be.
    OptionError
        The level does not lie between 0 and 1, ``items`` or ``scale`` cannot be, or a name in ``columns`` is no column of an audit.

    Notes
    -----
    *Decimals.* They are those of the text in a file or a text column, and of the shortest form of the number in a
    numeric column. Estimate and limits of a row have the decimals of the widest of the three: -0.1 beside -0.34 was
    printed as -0.10. Counts and I² that end in .0, and floats that are whole, were printed as whole numbers: I² 38.0 means
    37.5 to 38.5. A zero that is lost at the end (p = 0.1 for a printed 0.10) makes a check more lenient, never stricter.

    *Measures.* Ratios (RR, OR, HR, ROM, IRR, DOR, PETO) are symmetric on the log scale, correlations (COR) on Fisher's z; SMD,
    MD, RD, IRD, ZCOR and GEN as they are printed. Intervals that are not symmetric by design (profile likelihood, bootstrap)
    fail the check of the middle.

    *Normal or t.* An interval can be estimate ± 1.96 se with a normal Z and p, or, after Hartung and Knapp, made of t with
    k - 1 degrees of freedom throughout. A row is read by the normal distribution, unless fewer of its Z and p contradict
    each other when all are read by t. The sentence about a number that fits neither tells what both allow.

    *I² and τ².* Older programs compute I² from Q and τ² by DerSimonian and Laird, and then both follow from Q. Newer ones compute
    I² from τ², and τ² by REML, which Q does not bound. So an I² or τ² that Q does not allow is something to look at again, and
    impossible only where ``tau2_method`` says ``DL`` (or, of I², ``common``). In the same way a standard error below √(τ²/k) is
    impossible where ``tau2_method`` names an estimator; otherwise the interval may be that of a common effect.

    *Smallest standard error.* The variance of a standardised mean difference is at least 4/n for n people in two arms, so
    that of the pooled one is at least about 4/N; the bound used is the sharper one of `smallest_smd_standard_error` that
    holds for every variance formula in use. Designs that are more precise than two independent arms (crossover,
    adjustment for baseline) can pass below it, and so can a Hartung-Knapp interval: that is accepted as an explanation unless
    the row's Z, p, Q or I² rule it out or, where no Q is reported, studies would have to agree so well as they do by chance
    less than once in a thousand times.

    *Standard errors typed as standard deviations.* Studies of one outcome are compared by the logs of their pooled standard
    deviations and by their standardised mean differences. A study is told where both together are 1000 times likelier with its SDs
    taken for standard errors: by t distributions with 3 degrees of freedom about the studies' median, scaled by 1.4826 times the
    median absolute deviation, at least 0.3 (log SD) and 0.35. With fewer than four studies the standardised mean difference
    alone speaks, about 0 with scale 0.5. Of 8,502 rows of means in 247 Cochrane reviews the rule tells 53 (0.6 %; some of them
    are such errors); where the standard errors of one study an analysis were put in on purpose, it found 8 % of them among
    fewer than four studies, 36 % among four to six and 44 % among more. Silence is no proof.

    *Doubles.* The same data are told where there is a standard deviation or at least 10 events in them; a shared group where the
    names agree up to the year. They are doubts: parts of one study may stand in several rows for good reasons.

    References
    ----------
    Brown NJL, Heathers JAJ (2017). The GRIM test: a simple technique detects numerous anomalies in the reporting of results in
    psychology. Social Psychological and Personality Science 8:363-369.
    Higgins JPT, Thompson SG (2002). Quantifying heterogeneity in a meta-analysis. Statistics in Medicine 21:1539-1558.
    Hartung J, Knapp G (2001). On tests of the overall treatment effect in meta-analysis with normally distributed
    responses. Statistics in Medicine 20:1771-1782.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> found = ma.audit({"measure": ["SMD"], "k": [21], "est": [-0.39], "ci_lo": [-0.54], "ci_hi": [-0.24], "z": [9.42]})
    >>> found.consistent
    False
    >>> print(found.inconsistent.sentence[0])
    Z = 9.42 is impossible: the interval allows 4.87 to 5.34 (5.18 to 5.68 if it is by t with 20 df).
    >>> studies = {"study": ["Adler 1998", "Björk 2001"], "mean": ["3.45", "3.47"], "sd": ["1.1", "1.2"], "n": [20, 20]}
    >>> print(ma.audit(studies, items=1, scale=(1, 5)).inconsistent.sentence[0])
    mean = 3.47 is impossible: 20 people with whole numbers allow 3.450 or 3.500, and nothing between.
    """
    level = checked_level(level)
    if isinstance(reported, RevManReview):
        from metaanalysis.reviews.revman_audit import audit_revman

        if columns:
            raise OptionError(
                f"{next(iter(columns))}=…: the columns of a review of Review Manager are known; leave it out."
            )
        return audit_revman(reported, level, items, scale)
    cells = cells_of(reported, "pooled result or study")
    if has_studies(cells, columns):
        return _studies_audited(cells, level, items, scale, columns)
    if items is not None or scale is not None:
        raise OptionError("items and scale are about means in a table of studies, and this table has none.")
    table = reported_of(cells, columns, whole=False)
    return Audit(frame_of(table_verdicts(table, level)), level, len(table), table.ignored)


def has_studies(cells: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """Whether a table is one of studies: by its columns, named or mapped."""
    mapped = [name for name in columns if name in STUDY_SPELLINGS and name not in SPELLINGS]
    return bool(mapped) or is_study_table([*cells, *columns])


def has_effects(cells: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """Whether a table has effects with their intervals or standard errors, and says what they are."""
    names = {spelling(name) for name in [*cells, *columns]}
    there = {field for field, several in SPELLINGS.items() if names & set(several)}
    return {"measure", "estimate"} <= there and ("ci" in there or "se" in there or {"ci_low", "ci_high"} <= there)


def _studies_audited(
    cells: dict[str, list[Any]],
    level: float,
    items: int | None,
    scale: tuple[float, float] | None,
    columns: Mapping[str, str],
) -> Audit:
    both = has_effects(cells, columns)
    mapped = {
        field: name for field, name in columns.items() if not both or field not in SPELLINGS or field in STUDY_SPELLINGS
    }
    table = study_table_of(cells, mapped, items, scale)
    verdicts, ignored = study_verdicts(table), table.ignored
    if both:
        # Studies with their effects: what holds for a pooled result holds for each of them too.
        effects = reported_of(
            cells, {field: name for field, name in columns.items() if field in SPELLINGS}, whole=False
        )
        named = replace(effects, outcome=tuple(a or b for a, b in zip(table.study, effects.outcome, strict=True)))
        verdicts += table_verdicts(named, level)
        ignored = tuple(name for name in ignored if name in effects.ignored)
    subject = f"{len(table)} {'study' if len(table) == 1 else 'studies'}"
    return Audit(frame_of(verdicts), level, len(table), ignored, STUDIES_TITLE, subject)
