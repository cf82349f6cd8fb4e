"""Many meta-analyses under resampling: the bootstrap, and the permutation test that flips signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from metaanalysis.diagnostics.given import only_estimates
from metaanalysis.diagnostics.permutation import EXACT_AT_MOST
from metaanalysis.diagnostics.progress import progress_bar
from metaanalysis.diagnostics.resampling import checked_resamples
from metaanalysis.diagnostics.seeds import Seed, generator_for, sequence_of
from metaanalysis.errors import OptionError
from metaanalysis.formulas import resampling as formulas
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.permutation import as_extreme, sign_patterns
from metaanalysis.many.pooling import LONG, NO_STUDY
from metaanalysis.many.refits import deleted_of, groups_by_size, summed_up, whole_groups
from metaanalysis.many.sets_of_studies import (
    COMPUTED,
    ELEMENTS,
    NONE_OF_THEM,
    PARTLY,
    TOO_FEW,
    TOO_LARGE,
    Refit,
    checked_largest,
    checked_many,
    each_range,
    pieces,
    refit_of,
    resampled,
)
from metaanalysis.options import choose
from metaanalysis.results.bootstrap import QUANTITIES
from metaanalysis.results.pooled_many import PooledMany
from metaanalysis.results.resampled_many import ResampledMany

# Fewer studies than these have no bootstrap, as in `bootstrap`, and no permutation test.
BOOTSTRAP_LEAST, PERMUTATION_LEAST = 3, 2
BOUNDS = {"estimate": (-np.inf, np.inf), "tau2": (0.0, np.inf), "i2": (0.0, 100.0)}


def bootstrap_many(
    many: PooledMany,
    resamples: int = 1_000,
    *,
    kind: str = "parametric",
    interval: str = "percentile",
    seed: Seed = None,
    largest: int = 2_000,
    workers: int | None = None,
    progress: bool | None = None,
) -> ResampledMany:
    """How would the results vary from one set of studies to the next? Resample every group, pool, and see.

    Parameters
    ----------
    many
        A result of `pool_many` by inverse variance, whose options are used throughout.
    resamples
        How many of each group.
    kind
        ``parametric`` (default): effects are drawn from the fitted model, N(estimate, v + tau2). ``studies``: studies are drawn
        with replacement.
    interval
        ``percentile`` (default), ``basic``, or ``bca`` with ``kind="studies"``, at the level of `many`.
    seed
        For the same resamples on every run. Those of group number g come of ``SeedSequence(seed, spawn_key=(g,))``: they depend
        on no other group, and are those of ``bootstrap(many[key], seed=…)`` with that sequence.
    largest
        The number of studies up to which a group is looked at. Larger ones are NaN and say so.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.

    Returns
    -------
    ResampledMany
        One row a group: ``k``, and ``estimate``, ``tau2`` and ``i2`` of all its studies, each with ``_bias``, ``_se``, ``_low`` and
        ``_high``; ``resamples_failed`` counts those in which tau2 could not be estimated. Groups of fewer than 3 studies are NaN.

    Raises
    ------
    DataError
        Where `many` is no result of `pool_many`.
    OptionError
        Where the groups were not pooled by inverse variance, or an option has no such value.

    See Also
    --------
    bootstrap : for one meta-analysis, with every resample kept.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> many = ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", tau2="DL")
    >>> found = ma.bootstrap_many(many, 500, kind="studies", interval="bca", seed=1)
    >>> found.to_frame()[["alloc", "k", "estimate", "status"]].round(3)
            alloc  k  estimate                                       status
    0      random  7    -1.004                                     computed
    1   alternate  2    -0.541  there are too few studies for this question
    2  systematic  4    -0.439                                     computed

    References
    ----------
    Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap. Chapman & Hall. Van den Noortgate W, Onghena P (2005).
    Parametric and nonparametric bootstrap methods for meta-analysis. Behavior Research Methods 37, 11-22.
    """
    many = checked_many(many, "bootstrap_many", "bootstrap")
    way = choose("kind", kind, ("parametric", "studies"))
    which = choose("interval", interval, tuple(formulas.BOOTSTRAP_INTERVALS))
    if which == "bca" and way == "parametric":
        raise OptionError("interval='bca' belongs to resampled studies: use kind='studies', or another interval.")
    checked_resamples(resamples)
    checked_largest(largest, BOOTSTRAP_LEAST, 100_000_000)
    sequence = sequence_of(seed)
    refit = refit_of(many, only_estimates(many.options), QUANTITIES, workers)
    sizes = refit.sizes
    whole = whole_groups(refit)
    accelerations = accelerations_of(refit, largest) if which == "bca" else {}
    todo = np.flatnonzero((sizes >= BOOTSTRAP_LEAST) & (sizes <= largest) & ~np.isnan(whole["estimate"]))
    answers = {
        f"{name}{part}": np.full(sizes.size, np.nan)
        for name in QUANTITIES
        for part in ("_bias", "_se", "_low", "_high")
    }
    failed = np.zeros(sizes.size, dtype=np.intp)
    work = sizes[todo] * resamples
    show = progress if progress is not None or work.sum() >= LONG else False
    with progress_bar(todo.size * resamples, "resamples", show) as advance:
        for begin, end in pieces(work):
            groups = todo[begin:end]
            values = replicates(refit, groups, whole, resamples, way, sequence, advance)
            usable = ~np.isnan(values["estimate"])
            failed[groups] = resamples - usable.sum(axis=1)
            for name in QUANTITIES:
                t = whole[name][groups]
                given = formulas.in_order(values[name], t)
                if accelerations:
                    given = given._replace(acceleration=accelerations[name][groups])
                low, high = formulas.BOOTSTRAP_INTERVALS[which].function(given, (1.0 - many.level) / 2.0)
                bias, se = formulas.bootstrap_bias_and_error(values[name], t)
                answers[f"{name}_bias"][groups], answers[f"{name}_se"][groups] = bias, se
                answers[f"{name}_low"][groups] = np.clip(low, *BOUNDS[name])
                answers[f"{name}_high"][groups] = np.clip(high, *BOUNDS[name])
    columns: dict[str, FloatArray | IntArray] = {"k": sizes}
    for name in QUANTITIES:
        columns |= {name: whole[name]}
        columns |= {key: values for key, values in answers.items() if key.startswith(f"{name}_")}
    columns["resamples_failed"] = failed
    codes = summed_up(sizes, BOOTSTRAP_LEAST, largest, whole, {"estimate": answers["estimate_se"]})
    codes[(codes == COMPUTED) & (failed > 0)] = PARTLY
    title = formulas.BOOTSTRAP_INTERVALS[which].title
    sets = "parametric resamples" if way == "parametric" else "resamples of the studies"
    how = f"{resamples:,} {sets} of each; intervals ({100 * many.level:g}%): {title}"
    return resampled(many, "bootstrap", how, columns, codes)


def accelerations_of(refit: Refit, largest: int) -> dict[str, FloatArray]:
    """How fast the standard error of each quantity changes with it, (groups,) each."""
    deleted, _ = deleted_of(refit, largest, False, "")
    found = {name: np.full(refit.sizes.size, np.nan) for name in QUANTITIES}
    for k, groups in groups_by_size(refit.sizes, BOOTSTRAP_LEAST, largest):
        at = refit.starts[groups][:, np.newaxis] + np.arange(k)
        for name in QUANTITIES:
            found[name][groups] = formulas.acceleration(deleted[name][at])
    return found


def replicates(
    refit: Refit,
    groups: IntArray,
    whole: dict[str, FloatArray],
    resamples: int,
    way: str,
    sequence: np.random.SeedSequence,
    advance: Callable[[int], object],
) -> dict[str, FloatArray]:
    """The quantities of all resamples of some groups, (groups, resamples) each."""
    values = {name: np.full((groups.size, resamples), np.nan) for name in QUANTITIES}
    sizes = refit.sizes[groups]
    random = [generator_for(sequence, int(group)) for group in groups.tolist()]
    # One group may be too large for all its resamples at once.
    step = max(1, min(resamples, ELEMENTS // max(1, int(sizes.sum()))))
    for first in range(0, resamples, step):
        n = min(step, resamples - first)
        drawn = [
            drawn_studies(refit, int(group), whole, n, way, one)
            for group, one in zip(groups.tolist(), random, strict=True)
        ]
        y, v, rows = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        found = refit.computed(y, v, rows, np.repeat(sizes, n))
        for name, into in values.items():
            into[:, first : first + n] = found[name].reshape(groups.size, n)
        advance(groups.size * n)
    return values


def drawn_studies(
    refit: Refit, group: int, whole: dict[str, FloatArray], n: int, way: str, random: np.random.Generator
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Resamples of one group laid end to end: effects, variances, and whose they are. The draws are those of `bootstrap`."""
    studies = refit.many.studies
    first, k = int(studies.offsets[group]), int(refit.sizes[group])
    if way == "studies":
        rows = first + random.integers(0, k, (n, k)).reshape(-1)
        return studies.y[rows], studies.v[rows], rows
    v, tau2 = studies.v[first : first + k], whole["tau2"][group]
    spread = np.sqrt(v + (0.0 if np.isnan(tau2) else tau2))
    y = random.normal(whole["estimate"][group], spread, (n, k)).reshape(-1)
    return y, np.tile(v, n), np.tile(np.arange(first, first + k), n)


def permutation_test_many(
    many: PooledMany,
    permutations: int = 1_000,
    *,
    exact: bool | None = None,
    statistic: str = "test",
    alternative: str = "two-sided",
    seed: Seed = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> ResampledMany:
    """How often would chance alone bring about results like these? P-values that rest on no distribution.

    The signs of each group's effects are flipped, and the between-study variance is estimated anew each time.

    Parameters
    ----------
    many
        A result of `pool_many` by inverse variance, whose options are used throughout.
    permutations
        How many patterns of signs to draw in each group, the observed one among them, so that no p-value is below 1 / permutations.
    exact
        Whether to go through all 2^k patterns instead; by default in groups that have no more than `permutations`. Groups with more
        than 20 million are NaN and say so.
    statistic
        What is compared: ``test`` statistics (default), or ``coefficient`` estimates.
    alternative
        ``two-sided`` (default), ``less`` or ``greater``.
    seed
        For the same random patterns on every run. Those of group number g come of ``SeedSequence(seed, spawn_key=(g,))``: they
        depend on no other group, and are those of ``permutation_test(many[key], seed=…)`` with that sequence.
    workers
        Threads; by default as many as there are cores.
    progress
        Whether to show a progress bar; by default on a terminal and for long work.

    Returns
    -------
    ResampledMany
        One row a group: ``k``, ``estimate``, ``statistic``, ``p_value`` by permutation, ``model_p_value``, ``permutations`` that
        count, ``exact`` (1 or 0). Groups of one study are NaN.

    Raises
    ------
    DataError
        Where `many` is no result of `pool_many`.
    OptionError
        Where the groups were not pooled by inverse variance, or an option has no such value.

    Notes
    -----
    k studies have 2^k patterns: below k = 6 a two-sided p-value can't be smaller than 0.05, whatever the data.

    See Also
    --------
    permutation_test : for one meta-analysis, with the distribution kept, and for moderators.

    Examples
    --------
    >>> import metaanalysis as ma
    >>> many = ma.pool_many(ma.load_dataset("bcg"), by="alloc", measure="RR", tau2="DL")
    >>> frame = ma.permutation_test_many(many).to_frame()
    >>> frame[["alloc", "k", "p_value", "model_p_value", "permutations"]].round(4)
            alloc  k  p_value  model_p_value  permutations
    0      random  7   0.0312         0.0056           128
    1   alternate  2   0.5000         0.0548             4
    2  systematic  4   0.3750         0.1609            16

    References
    ----------
    Follmann DA, Proschan MA (1999). Valid inference in random effects meta-analysis. Biometrics 55, 732-737.
    """
    many = checked_many(many, "permutation_test_many", "permutation_test")
    which = choose("statistic", statistic, ("test", "coefficient"))
    side = choose("alternative", alternative, ("two-sided", "less", "greater"))
    if isinstance(permutations, bool) or not isinstance(permutations, int) or permutations < 2:
        raise OptionError(
            f"permutations={permutations!r} is not a number of arrangements: it is a whole number from 2 upward."
        )
    sequence = sequence_of(seed)
    refit = refit_of(many, many.options, ("estimate", "statistic", "p_value"), workers)
    whole = whole_groups(refit)
    refit = refit_of(many, many.options, ("estimate", "statistic"), workers)
    sizes = refit.sizes
    # A float: 2^k leaves the whole numbers of 64 bits behind.
    patterns = 2.0**sizes
    every: BoolArray = patterns <= permutations if exact is None else np.full(sizes.size, bool(exact))
    column = "statistic" if which == "test" else "estimate"
    todo = (sizes >= PERMUTATION_LEAST) & np.isfinite(whole[column]) & ~(every & (patterns > EXACT_AT_MOST))
    rounds = np.where(every, np.minimum(patterns, EXACT_AT_MOST), permutations).astype(np.intp)
    extreme, usable = np.zeros((2, sizes.size), dtype=np.intp)
    groups = np.flatnonzero(todo)
    work = sizes[groups] * rounds[groups]
    show = progress if progress is not None or work.sum() >= LONG else False
    with progress_bar(int(rounds[groups].sum()), "permutations", show) as advance:
        for begin, end in pieces(work):
            for at, found in sign_flips(refit, groups[begin:end], rounds, every, sequence):
                there = ~np.isnan(found["statistic"])
                far = as_extreme(found[column], whole[column][at], side) & there
                np.add.at(usable, at, there)
                np.add.at(extreme, at, far)
                advance(at.size)
    with np.errstate(invalid="ignore"):
        p = np.where(todo, extreme / np.where(usable > 0, usable, 1), np.nan)
    codes = np.full(sizes.size, COMPUTED, dtype=np.intp)
    codes[todo & (usable < rounds)] = PARTLY
    codes[~todo] = NONE_OF_THEM
    codes[every & (patterns > EXACT_AT_MOST)] = TOO_LARGE
    codes[sizes < PERMUTATION_LEAST] = TOO_FEW
    codes[sizes == 0] = NO_STUDY
    columns: dict[str, FloatArray | IntArray] = {
        "k": sizes,
        "estimate": whole["estimate"],
        "statistic": whole["statistic"],
        "p_value": p,
        "model_p_value": whole["p_value"],
        "permutations": np.where(todo, usable, 0),
        "exact": (todo & every).astype(np.intp),
    }
    at_random = f"{permutations:,} at random"
    patterns_of = {None: f"all patterns where there are few, else {at_random}", True: "all patterns", False: at_random}
    how = f"Signs of the effects flipped: {patterns_of[exact if exact is None else bool(exact)]}"
    return resampled(many, "permutation test", how, columns, codes)


def sign_flips(
    refit: Refit, groups: IntArray, rounds: IntArray, every: BoolArray, sequence: np.random.SeedSequence
) -> Iterator[tuple[IntArray, dict[str, FloatArray]]]:
    """The columns of groups with signs flipped: the group of each pattern, and its numbers; the first pattern is as observed."""
    studies = refit.many.studies
    random = {group: generator_for(sequence, group) for group in groups.tolist() if not every[group]}
    # One group may be too large for all its patterns at once.
    step = max(1, ELEMENTS // int(refit.sizes[groups[0]])) if groups.size == 1 else int(rounds[groups].max())
    for first in range(0, int(rounds[groups].max()), step):
        here = groups[rounds[groups] > first]
        effects = []
        for group in here.tolist():
            last, k = min(first + step, int(rounds[group])), int(refit.sizes[group])
            if every[group]:
                signs = sign_patterns(k, first, last)
            else:
                signs = np.ones((last - first, k))
                drawn = signs[1:] if first == 0 else signs
                drawn[random[group].integers(0, 2, drawn.shape) == 1] = -1.0
            effects.append((signs * studies.y[studies.offsets[group] : studies.offsets[group + 1]]).reshape(-1))
        n, k_of = np.minimum(first + step, rounds[here]) - first, refit.sizes[here]
        at, sizes = np.repeat(here, n), np.repeat(k_of, n)
        rows = each_range(np.repeat(refit.starts[here], n), sizes)
        yield at, refit.computed(np.concatenate(effects), studies.v[rows], rows, sizes)
