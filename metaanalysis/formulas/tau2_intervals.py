"""The confidence intervals of the between-study variance, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.tau2_interval import Tau2Interval, q_profile
from metaanalysis.formulas.tau2_interval_from_q import higgins_thompson
from metaanalysis.formulas.tau2_interval_generalised_q import biggerstaff_tweedie, generalised_q
from metaanalysis.formulas.tau2_interval_likelihood import (
    profile_likelihood_of_tau2,
    sidik_jonkman_interval,
    wald_of_tau2,
)
from metaanalysis.registry import Entry, Registry

# (y, v, X, level) -> Tau2Interval
Tau2IntervalFunction: TypeAlias = Callable[[FloatArray, FloatArray, FloatArray | None, float], Tau2Interval]


def jackson(y: FloatArray, v: FloatArray, X: FloatArray | None, level: float) -> Tau2Interval:
    """The generalised Q with weights 1 / sqrt(v), which Jackson (2013) found best where little is known of tau2."""
    return generalised_q(y, v, X, level, v**-0.5)


TAU2_INTERVALS: Registry[Tau2IntervalFunction] = Registry(
    "method",
    {
        "q-profile": Entry(q_profile, "Q-profile", "viechtbauer2007"),
        "biggerstaff-jackson": Entry(generalised_q, "generalised Q, weights 1/v", "biggerstaff2008"),
        "biggerstaff-tweedie": Entry(
            biggerstaff_tweedie, "Biggerstaff-Tweedie, gamma approximation", "biggerstaff1997"
        ),
        "jackson": Entry(jackson, "generalised Q, weights 1/sqrt(v)", "jackson2013"),
        "profile-likelihood": Entry(profile_likelihood_of_tau2, "profile restricted likelihood", "hardy1996"),
        "profile-likelihood-ml": Entry(
            partial(profile_likelihood_of_tau2, restricted=False), "profile likelihood", "hardy1996"
        ),
        "wald": Entry(wald_of_tau2, "Wald, restricted likelihood", "biggerstaff1997"),
        "wald-ml": Entry(partial(wald_of_tau2, restricted=False), "Wald, likelihood", "biggerstaff1997"),
        "wald-untruncated": Entry(
            partial(wald_of_tau2, truncated=False), "Wald, restricted likelihood, not cut off at 0", "biggerstaff1997"
        ),
        "wald-untruncated-ml": Entry(
            partial(wald_of_tau2, restricted=False, truncated=False),
            "Wald, likelihood, not cut off at 0",
            "biggerstaff1997",
        ),
        "higgins-thompson": Entry(higgins_thompson, "test-based, from Q (Higgins-Thompson)", "higgins2002"),
        "sidik-jonkman": Entry(sidik_jonkman_interval, "Sidik-Jonkman", "sidik2005"),
    },
)
