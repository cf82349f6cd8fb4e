"""From the scale on which studies are pooled back to the scale on which they are read.

All rise with y, so that the limits of an interval may be transformed one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from scipy import special

from metaanalysis.formulas.arrays import FloatArray


def identity(y: FloatArray) -> FloatArray:
    """The scale itself.

    y: any shape. Returns the same shape.
    """
    return y


def inverse_arcsine(y: FloatArray) -> FloatArray:
    """A proportion from its arcsine square root.

        p = sin² y,   y held within 0 and π/2

    y: any shape. Returns the same shape.
    """
    return np.asarray(np.square(np.sin(np.clip(y, 0.0, np.pi / 2))))


def inverse_square_root(y: FloatArray) -> FloatArray:
    """A rate from its square root.

        r = y²,   y held at 0 or above

    y: any shape. Returns the same shape.
    """
    return np.asarray(np.square(np.maximum(y, 0.0)))


def inverse_fisher_z_explained_variance(y: FloatArray) -> FloatArray:
    """R² from Fisher's transformation of the multiple correlation.

        R² = tanh² y,   y held at 0 or above

    y: any shape. Returns the same shape.
    """
    return np.asarray(np.square(np.tanh(np.maximum(y, 0.0))))


def inverse_cube_root_alpha(y: FloatArray) -> FloatArray:
    """Cronbach's alpha from Hakstian and Whalen's transformation.

        α = 1 - (1 - y)³

    y: any shape. Returns the same shape.
    """
    return np.asarray(y * (3.0 - y * (3.0 - y)))


def inverse_log_alpha(y: FloatArray) -> FloatArray:
    """Cronbach's alpha from Bonett's transformation.

        α = 1 - exp(-y)

    y: any shape. Returns the same shape.
    """
    return np.asarray(-np.expm1(-y))


BACK_TRANSFORMATIONS: MappingProxyType[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {
        "identity": identity,
        "exp": np.exp,
        "tanh": np.tanh,
        "expit": special.expit,
        "arcsine": inverse_arcsine,
        "square": inverse_square_root,
        "square of tanh": inverse_fisher_z_explained_variance,
        "cube root of alpha": inverse_cube_root_alpha,
        "log of alpha": inverse_log_alpha,
    }
)


def inverse_freeman_tukey_proportion(y: FloatArray, n: FloatArray) -> FloatArray:
    """A proportion from Freeman and Tukey's double arcsine (halved), for a group of n.

        α + β = 2y,   sin(β - α) = 1/[(n + 1) sin 2y],   p = (n + 1) sin² α/n

    where sin² α = x/(n + 1) and sin² β = (x + 1)/(n + 1) are the two arcsines' own proportions, so that
    sin² β - sin² α = sin(β + α) sin(β - α). y below the value of x = 0 gives 0, above that of x = n gives 1.
    y, n: broadcastable; n is the harmonic mean of the studies' sizes for a pooled y. Returns that shape.
    Source: Freeman & Tukey (1950); Miller (1978) gave the inverse.
    """
    lowest = 0.5 * np.arctan2(1.0, np.sqrt(n))
    t = 2.0 * np.clip(y, lowest, np.pi / 2 - lowest)
    alpha = 0.5 * (t - np.arcsin(np.minimum(1.0 / ((n + 1.0) * np.sin(t)), 1.0)))
    p = (n + 1.0) / n * np.square(np.sin(alpha))
    return np.asarray(np.where(y <= lowest, 0.0, np.where(y >= np.pi / 2 - lowest, 1.0, np.clip(p, 0.0, 1.0))))


def inverse_freeman_tukey_rate(y: FloatArray, time: FloatArray) -> FloatArray:
    """A rate from Freeman and Tukey's transformation (halved), for an amount of person-time.

        r = (y - 1/(4 y t))²,   0 for y below 1/(2 √t), the value of no event

    y, time: broadcastable; time is the harmonic mean of the studies' person-times for a pooled y. Returns that shape.
    Source: Freeman & Tukey (1950); from the definition, as the two roots differ by 1/(2 y t).
    """
    held = np.maximum(y, 0.5 / np.sqrt(time))
    return np.asarray(np.square(held - 0.25 / (held * time)))


def harmonic_mean(n: FloatArray) -> FloatArray:
    """Harmonic mean over the studies of a meta-analysis, the last axis.

        ñ = k/Σ (1/n)

    n: (..., k), positive. Returns (...). Source: Miller (1978), for sample sizes.
    """
    return np.asarray(1.0 / np.mean(1.0 / n, axis=-1))
