"""Random numbers that come again: what may be given as a seed."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from metaanalysis.errors import OptionError

# A whole number from 0 upward, NumPy's own kinds of seed, or None for other numbers on every run.
Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None


def generator_of(seed: Seed) -> np.random.Generator:
    """The generator that a seed stands for; a generator is used as it is."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise refused(seed) from None


def sequence_of(seed: Seed) -> np.random.SeedSequence:
    """The seed sequence from which each of many problems takes one of its own; a generator gives it its next number."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if isinstance(seed, np.random.Generator):
        return np.random.SeedSequence(int(seed.integers(2**63 - 1)))
    try:
        return np.random.SeedSequence(seed)
    except (TypeError, ValueError):
        raise refused(seed) from None


def generator_for(sequence: np.random.SeedSequence, place: int) -> np.random.Generator:
    """The generator of one of many problems: it depends on the seed and the problem's place, and on no other problem."""
    key = (*sequence.spawn_key, place)
    return np.random.default_rng(np.random.SeedSequence(sequence.entropy, spawn_key=key))


def refused(seed: object) -> OptionError:
    """What a seed is."""
    return OptionError(
        f"seed={seed!r} is no seed: it is a whole number from 0 upward, a numpy.random.SeedSequence or a "
        f"numpy.random.Generator."
    )
