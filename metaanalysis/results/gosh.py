"""Pooled results of subsets of the studies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from metaanalysis.effects import Effects
from metaanalysis.errors import DataError, OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray, IntArray
from metaanalysis.formulas.kernel_density import kernel_density, silverman_bandwidth

if TYPE_CHECKING:
    import pandas as pd

# What the numbers of a subset can be at all.
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "estimate": (-math.inf, math.inf),
        "tau2": (0.0, math.inf),
        "i2": (0.0, 100.0),
        "h2": (1.0, math.inf),
        "q": (0.0, math.inf),
    }
)
PLACES = 256
# How far beyond the lowest and the highest number a density is drawn, in bandwidths.
BEYOND = 3.0


@dataclass(frozen=True, eq=False)
class Density:
    """A density: places, its height there, and the bandwidth of the kernel."""

    x: FloatArray
    density: FloatArray
    bandwidth: float


@dataclass(frozen=True, eq=False)
class Gosh:
    """The graphical display of heterogeneity's numbers: a pooled result a subset. Made by `gosh`.

    Attributes
    ----------
    included
        Which studies each subset has, shape (subsets, studies).
    k, estimate, tau2, i2, h2, q
        Of each subset, on the scale of analysis; tau2, i2 and h2 are NaN for single studies (tau2 throughout under the
        common-effect model).
    every
        Whether these are all subsets, or a sample.
    failed
        In how many subsets the variance between studies could not be estimated; their numbers are NaN.
    """

    included: BoolArray
    k: IntArray
    estimate: FloatArray
    tau2: FloatArray
    i2: FloatArray
    h2: FloatArray
    q: FloatArray
    every: bool
    failed: int
    effects: Effects = field(repr=False)

    def __post_init__(self) -> None:
        for name in "included k estimate tau2 i2 h2 q".split():
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return int(self.k.size)

    def contains(self, study: str | int) -> BoolArray:
        """Which subsets have a study, by its label or, from 0 upward, its place."""
        labels = tuple(self.effects.label)
        if isinstance(study, str):
            places = [place for place, name in enumerate(labels) if name == study]
            if not places:
                raise DataError(f"there is no study {study!r}.{nearest(study, labels)}")
            if len(places) > 1:
                raise DataError(f"{len(places)} studies are called {study!r}: give one by its place, {places}.")
            study = places[0]
        if not 0 <= study < len(labels):
            raise DataError(f"there is no study in place {study}: places run from 0 to {len(labels) - 1}.")
        return np.array(self.included[:, study])

    def density(self, quantity: str = "estimate", *, study: str | int | None = None, without: bool = False) -> Density:
        """How often each value occurs among the subsets of two studies and more: a Gaussian kernel density.

        quantity: ``estimate``, ``tau2``, ``i2``, ``h2`` or ``q``; study: only the subsets that have it, or, with
        `without`, those that do not. The bandwidth is Silverman's rule of thumb, and the density is reflected at the bounds that
        a quantity has. Empty, with a bandwidth of NaN, where all subsets agree.
        """
        if quantity not in BOUNDS:
            raise OptionError(
                f"quantity={quantity!r} is not a number of a subset.{nearest(str(quantity), BOUNDS)} They are: {', '.join(BOUNDS)}."
            )
        values = getattr(self, quantity)
        rows = np.isfinite(values) & np.isfinite(self.estimate) & (self.k > 1)
        if study is not None:
            rows &= self.contains(study) ^ without
        x = values[rows]
        bandwidth = silverman_bandwidth(x)
        if math.isnan(bandwidth):
            return Density(np.empty(0), np.empty(0), bandwidth)
        low, high = BOUNDS[quantity]
        at = np.linspace(
            max(low, float(x.min()) - BEYOND * bandwidth), min(high, float(x.max()) + BEYOND * bandwidth), PLACES
        )
        return Density(at, kernel_density(x, at, bandwidth, BOUNDS[quantity]), bandwidth)

    def to_frame(self) -> pd.DataFrame:
        """One row a subset: k, estimate, tau2, i2, h2, q."""
        import pandas as pd

        return pd.DataFrame({name: np.array(getattr(self, name)) for name in "k estimate tau2 i2 h2 q".split()})

    def __repr__(self) -> str:
        which = "all" if self.every else "a sample of"
        return f"<Gosh: {which} {len(self):,} subsets of {self.effects.k} studies>"
