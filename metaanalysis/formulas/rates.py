"""Two groups, events over person-time: -> effect size y and sampling variance v.

Group 1 has ``events1`` events in ``time1`` units of person-time, group 2 ``events2`` in ``time2``: x1, t1, x2, t2.
"""

from __future__ import annotations

import numpy as np

from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.formulas.estimates import estimate
from metaanalysis.formulas.log_ratio import log_ratio


def log_rate_ratio(
    events1: FloatArray, time1: FloatArray, events2: FloatArray, time2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log of the ratio of two incidence rates.

        y = ln[(x1/t1)/(x2/t2)],   v = 1/x1 + 1/x2

    All arguments broadcast; returns (y, v) of that shape, infinite or NaN where a group has no events.
    Source: Rothman, Greenland & Lash (2008).
    """
    y = log_ratio(events1 * time2, events2 * time1)
    return estimate(y, 1.0 / events1 + 1.0 / events2)


def rate_difference(
    events1: FloatArray, time1: FloatArray, events2: FloatArray, time2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Difference of two incidence rates.

        y = x1/t1 - x2/t2,   v = x1/t1² + x2/t2²

    All arguments broadcast; returns (y, v) of that shape, per unit of person-time.
    Source: Rothman, Greenland & Lash (2008).
    """
    y = np.asarray((events1 * time2 - events2 * time1) / (time1 * time2))
    return estimate(y, events1 / (time1 * time1) + events2 / (time2 * time2))


def square_root_rate_difference(
    events1: FloatArray, time1: FloatArray, events2: FloatArray, time2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Difference of the square roots of two incidence rates; defined without events too.

        y = √(x1/t1) - √(x2/t2),   v = 1/(4 t1) + 1/(4 t2)

    All arguments broadcast; returns (y, v) of that shape. Source: Bagos & Nikolopoulos (2009).
    """
    roots = np.sqrt(events1 / time1) + np.sqrt(events2 / time2)
    # (r1 - r2)/(√r1 + √r2); 0 where neither group has an event
    y = (events1 * time2 - events2 * time1) / (time1 * time2) / np.where(roots > 0.0, roots, 1.0)
    return estimate(y, 0.25 / time1 + 0.25 / time2)
