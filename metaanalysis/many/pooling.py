"""Pool many sets of effect sizes in one call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from metaanalysis.conventions import convention_named, override
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.effects import Effects
from metaanalysis.effects.checks import users_line
from metaanalysis.errors import ExcludedStudiesWarning, OptionError
from metaanalysis.formulas.arrays import FloatArray, IntArray
from metaanalysis.formulas.inference import InferenceFunction
from metaanalysis.formulas.prediction import PredictionFunction
from metaanalysis.formulas.solve import Status
from metaanalysis.formulas.tau2 import TAU2, Tau2Function
from metaanalysis.many import engines
from metaanalysis.many.asked import Asked
from metaanalysis.many.blocks import cores
from metaanalysis.many.columns import chosen_columns
from metaanalysis.many.dask_frames import is_dask_frame, pool_dask
from metaanalysis.many.doors import studies_of
from metaanalysis.many.left_out import shown_reasons
from metaanalysis.many.numpy_engine import no_answers, rows_of_groups, some_groups
from metaanalysis.many.one_group import PoolGroup
from metaanalysis.many.studies import Studies
from metaanalysis.many.tables import compute_tables
from metaanalysis.models.numbers import ci_title
from metaanalysis.models.own_weights import with_generalised_q_of_many
from metaanalysis.models.pool import settled
from metaanalysis.options import PoolOptions, choose
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.rows_left_out import RowsLeftOut

# Below so many rows no progress bar is worth its flicker.
LONG = 2_000_000
# With fewer studies NumPy is done before compiled code is loaded: that takes 0.6 seconds (and twenty the first time of all), in
# which NumPy pools so many studies by what is computed once and by what is iterated.
WORTH_COMPILED, WORTH_COMPILED_ITERATED = 20_000_000, 5_000_000
ITERATED = ("PM", "EB", "PMM", "ML", "REML")
# So many studies that are left out a warning names.
SHOWN_REASONS = 3
POOL_OPTIONS = tuple(entry.name for entry in fields(PoolOptions))
# What a group may end in, beside what a solver may.
NO_STUDY, ONE_STUDY, NOT_DEFINED = len(Status), len(Status) + 1, len(Status) + 2
WORDS = (
    *(Status(code).sentence for code in range(len(Status))),
    "no study is left",
    "k = 1: the result is that of the one study",
    "not defined: one group has no events (or nothing but events) in all studies together",
)
FAILING = frozenset({int(Status.NOT_CONVERGED), int(Status.NOT_FINITE), int(Status.NO_SOLUTION), NO_STUDY, NOT_DEFINED})


def pool_many(
    data: Any = None,
    by: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    measure: str | None = None,
    offsets: Any = None,
    model: str | None = None,
    method: str | None = None,
    tau2: str | Tau2Function | None = None,
    ci: str | InferenceFunction | None = None,
    prediction: str | PredictionFunction | None = None,
    i2: str | None = None,
    convention: str | None = None,
    level: float | None = None,
    columns: Sequence[str] | None = None,
    sorted: bool | None = None,  # noqa: A002 - the word that frames use
    label: str | Sequence[str] | None = None,
    engine: str | None = None,
    starts: str = "scan",
    workers: int | None = None,
    progress: bool | None = None,
    tau2_weights: Any = None,
    **columns_and_options: Any,
) -> PooledMany:
    """Pool many sets of studies, each on its own, by the formulas of `pool`: from a handful to millions.

    Parameters
    ----------
    data
        A table with a row a study: pandas, Polars (lazy too), PyArrow, a DuckDB relation, anything with
        ``__arrow_c_stream__``, a Dask frame, or a dict of columns; `Effects`; or a pair ``(y, v)`` of arrays: one value a
        study, or 2-D with a group a row, NaN where there is no study. A lazy table is asked for the columns that are needed
        alone.
    by
        The key columns, one name or several; with arrays the keys themselves, one a study (an array, several in a list or in
        a dict by name), or one a group with `offsets` or a 2-D block. Groups keep the order in which they first appear.
    y, v
        Columns (or arrays) of effect sizes and sampling variances; ``se=``, or ``ci_low= ci_high=``, in place of `v`. Where
        nothing is named and there are no such columns, those of genomics' tables are understood: ``BETA`` or ``B`` with ``SE``,
        ``Effect`` with ``StdErr`` (METAL), ``OR`` with ``SE`` of its logarithm (PLINK), or either with ``P`` (the standard error
        is then that of a normal test); ``notes`` says so. Alleles are not looked at: align them first.
    measure
        Computes effect sizes of the table's data, as `effect_sizes` does, in one call for all rows; columns by our names where
        yours differ, as in ``events1="tpos"``. Or the name of a column that holds the measure of each row, where the groups have
        several: a group has one, and ``measures`` tells it. Each is computed from its data where the table has them, else taken
        from effects that are given: ``y`` on the scale of analysis, or for ratios the published ``estimate``, where that is mapped
        or there is no ``y``. Options that only some measures have (``variance``, ``correction``, ``zerocells``) are for these.
    offsets
        With arrays whose groups lie end to end: group g is ``offsets[g]`` to ``offsets[g + 1]``.
    model, method, tau2, ci, prediction, i2, convention, level
        As for `pool`; ``method`` may be ``inverse-variance``, ``mantel-haenszel`` or ``peto``.
    columns
        The numbers to compute, by the names of `Pooled`, and Q-profile limits ``tau2_low tau2_high tau_low tau_high i2_low
        i2_high h2_low h2_high``; by default all those of `Pooled`. Fewer are quicker.
    sorted
        True where the rows of a group lie together, which is then held to; by default it is looked at.
    label
        The column that names the studies, for ``many[key]``.
    engine
        ``numpy``, or ``numba`` with the extra ``fast``; by default the compiled one where it is installed, has the options, and
        there are so many studies that it is the sooner done, loading included: 5 million with an iterated tau2, 20 million else.
    starts
        For REML and ML: ``scan`` finds the highest of several maxima, as `pool` does; ``one`` is quicker and may miss it.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.
    tau2_weights
        The column (or array) of the fixed weights for ``tau2="GENQ"``, one a study.
    **columns_and_options
        Other columns by our names, options of `effect_sizes` such as ``add=0.25``, and of `pool` such as ``corrected_tables``.

    Returns
    -------
    PooledMany
        ``to_frame()`` has one row a group, in the kind of frame that came in; ``many[key]`` is that group's `Pooled`. Of a
        Dask frame a lazy Dask frame with those rows.

    Raises
    ------
    DataError
        Where keys are missing, or come back though the rows were said to be sorted; the message names column and row.
    OptionError
        Where an option has no such value.

    Notes
    -----
    A study whose numbers are missing or impossible (NaN, infinite, a variance that is not positive, more events than people) is
    left out with a warning for all of them; ``many.excluded`` lists each with its reason. A group with nothing left, or without an
    answer, is NaN and says why in ``status``; ``many.failed`` lists them. No group can harm another.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> import pandas as pd
    >>> bcg = ma.load_dataset("bcg")
    >>> many = ma.pool_many(bcg, by="alloc", measure="RR", tau2="DL", columns=["k", "estimate", "se", "tau2"])
    >>> many.to_frame().round(3)
            alloc  k  estimate     se   tau2     status  iterations
    0      random  7    -1.004  0.362  0.763  converged           0
    1   alternate  2    -0.541  0.282  0.133  converged           0
    2  systematic  4    -0.439  0.313  0.285  converged           0
    >>> many["random"]
    <Pooled: log risk ratio -1.004 (95% CI -1.714 to -0.2944), random model, k = 7>

    References
    ----------
    Evangelou E, Ioannidis JPA (2013). Meta-analysis methods for genome-wide association studies and beyond. Nature Reviews
    Genetics 14, 379-389.
    """
    given = {
        "model": model,
        "method": method,
        "tau2": tau2,
        "ci": ci,
        "prediction": prediction,
        "i2": i2,
        "level": level,
    }
    if is_dask_frame(data):
        asked_too = {"y": y, "v": v, "measure": measure, "offsets": offsets, "label": label, "convention": convention}
        asked_too["tau2_weights"] = tau2_weights
        ways = {"columns": columns, "engine": engine, "starts": starts, "workers": workers}
        lazy = {**given, **asked_too, **ways, **columns_and_options}
        return pool_dask(data, by, pool_many, sorted=sorted, **lazy)  # type: ignore[no-any-return]
    own = {name: columns_and_options.pop(name) for name in POOL_OPTIONS if name in columns_and_options}
    options, convention = pool_options(data, convention, {**given, **own}, tau2_weights is not None)
    wanted = chosen_columns(columns)
    asked = Asked(
        by=by,
        y=y,
        v=v,
        se=columns_and_options.pop("se", None),
        offsets=offsets,
        measure=measure,
        convention=convention,
        method=options.method,
        sorted=checked_sorted(sorted),
        label=label,
        tau2_weights=tau2_weights,
        ci_level=columns_and_options.pop("ci_level", 0.95),
        others=columns_and_options,
    )
    studies = studies_of(data, asked)
    warn_of_left_out(studies)
    engine = worthwhile_engine(engine, options, studies.ragged.y.size)
    return pooled_many(studies, options, convention, wanted, engine, starts, workers, progress)


def worthwhile_engine(engine: str | None, options: PoolOptions, studies: int) -> str | None:
    """The engine that was asked for; NumPy where none was and so many studies are not worth compiled code."""
    iterated = options.model == "random" and options.tau2 in ITERATED
    least = WORTH_COMPILED_ITERATED if iterated else WORTH_COMPILED
    return "numpy" if engine is None and studies < least else engine


def pool_options(
    data: Any, convention: str | None, given: dict[str, Any], has_weights: bool = False
) -> tuple[PoolOptions, str]:
    """The options that are settled, and the convention's name."""
    usual = data.convention if isinstance(data, Effects) else "metafor"
    name = usual if convention is None else convention
    given = {**given, "tau2": with_generalised_q_of_many(given["tau2"], has_weights)}
    options = settled(override(convention_named(name).pool, given), given)
    if options.method in ("glmm", "beta-binomial"):
        raise OptionError(
            f"pool_many pools by inverse variance, Mantel-Haenszel and Peto; method={options.method!r} is fitted one "
            f"meta-analysis after the other: use pool."
        )
    return options, name


def pooled_many(
    studies: Studies,
    options: PoolOptions,
    convention: str,
    wanted: Sequence[str],
    engine: str | None,
    starts: str,
    workers: int | None,
    progress: bool | None,
) -> PooledMany:
    """The result for checked studies and settled options."""
    ragged = studies.ragged
    threads = checked_workers(workers)
    names = frozenset(wanted)
    show = progress if progress is not None or ragged.y.size >= LONG else False
    by_counts = options.method != "inverse-variance"
    name = engines.chosen_engine(engine, options, names)
    choose("starts", starts, engines.STARTS)
    with progress_bar(ragged.y.size, "studies", show) as advance:
        if by_counts:
            found = tables_of(studies, options, names, threads, advance)
        else:
            found = engines.compute(
                ragged, options, names, engine=name, starts=starts, workers=threads, advance=advance
            )
    sizes = ragged.sizes
    codes = codes_of(found["status"], sizes)
    if by_counts:
        codes = np.where(codes == Status.NOT_FINITE, NOT_DEFINED, codes)
    rows, groups = studies.left_out()
    shown = None if studies.places is None else studies.places[rows]
    left_out = RowsLeftOut(rows, groups, studies.reasons.sentence, shown, studies.labels_of(rows))
    return PooledMany(
        columns={column: np.asarray(found[column]) for column in wanted},
        k=sizes,
        iterations=np.asarray(found["iterations"], dtype=np.intp),
        measure=studies.measure,
        options=options,
        convention=convention,
        engine=name,
        key_columns=studies.keys,
        codes=codes,
        words=WORDS,
        failing=FAILING,
        pool_one=PoolGroup(studies.one, options, convention, ragged.offsets, ragged.tau2_weights, left_out),
        effects_of_one=studies.one,
        left_out=left_out,
        studies=studies.by_group(),
        starts=starts,
        notes=studies.notes,
        measures=() if studies.measures is None else studies.measures.of_groups,
        tau2_method=TAU2.entry(options.tau2).title if options.model == "random" else "",
        ci_method=ci_title(options.ci),
    )


def tables_of(
    studies: Studies,
    options: PoolOptions,
    names: frozenset[str],
    threads: int,
    advance: Callable[[int], object],
) -> dict[str, FloatArray]:
    """As an engine's `compute`, from the counts: all groups together, or those of each measure."""
    ragged, measures = studies.ragged, studies.measures
    if measures is None:
        return compute_tables(
            ragged, studies.counts, studies.measure, studies.options, options, names, threads, advance
        )
    into: dict[str, Any] = no_answers(ragged, names - {"k"})
    for code, measure in enumerate(measures.keys):
        groups = np.flatnonzero(measures.codes == code)
        rows = rows_of_groups(ragged, groups)
        counts = {name: x[rows] for name, x in studies.counts.items()}
        if any(np.isnan(x).any() for x in counts.values()):
            counts = {}
        part = some_groups(ragged, groups)
        found = compute_tables(part, counts, measure, measures.options[code], options, names, threads, advance)
        for name, values in into.items():
            values[groups] = found[name]
    return into | ({"k": ragged.sizes} if "k" in names else {})


def codes_of(status: FloatArray, sizes: IntArray) -> IntArray:
    """What the groups ended in, as places in `WORDS`: as the solver says, or because there are not enough studies."""
    codes: IntArray = np.asarray(status)
    if int(sizes.min(initial=2)) > 1:
        return codes
    codes = np.where((codes == Status.TOO_FEW_STUDIES) & (sizes == 1), ONE_STUDY, codes)
    return np.where(sizes == 0, NO_STUDY, codes)


def checked_sorted(declared: object) -> bool | None:
    """Whether the rows are said to be sorted."""
    if declared is None or isinstance(declared, bool | np.bool_):
        return None if declared is None else bool(declared)
    raise OptionError(f"sorted={declared!r} is no answer: it is True, False, or None to have it looked at.")


def checked_workers(workers: int | None) -> int:
    """How many threads."""
    if workers is None:
        return cores()
    if isinstance(workers, bool) or not isinstance(workers, int | np.integer) or workers < 1:
        raise OptionError(f"workers={workers!r} is not a number of threads: it is a whole number from 1 upward.")
    return int(workers)


def warn_of_left_out(studies: Studies) -> None:
    """One warning for all studies that were left out."""
    if not studies.reasons.any:
        return
    rows = studies.reasons.rows
    places = rows if studies.places is None else studies.places[rows]
    first = rows[:SHOWN_REASONS]
    names = studies.labels_of(first) or [""] * first.size
    by_row = {
        row: f"row {place + 1}" + (f" ('{name}')" if name else "")
        for row, place, name in zip(first.tolist(), places.tolist(), names, strict=False)
    }
    shown = shown_reasons(studies.reasons, by_row.__getitem__, SHOWN_REASONS)
    more = "; …" if rows.size > SHOWN_REASONS else ""
    total = studies.reasons.codes.size
    warnings.warn(
        f"{rows.size:,} of {total:,} studies left out ({shown}{more}). See .excluded.",
        ExcludedStudiesWarning,
        stacklevel=users_line(),
    )
