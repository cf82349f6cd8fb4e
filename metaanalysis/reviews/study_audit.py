"""Every verdict on a table of studies: what cannot be, and what to look at again."""

from __future__ import annotations

import numpy as np

from metaanalysis.reviews.study_checks import study_checks
from metaanalysis.reviews.study_doubts import doubts_about
from metaanalysis.reviews.study_table import StudyTable
from metaanalysis.reviews.verdicts import Verdict, verdicts_of


def study_verdicts(table: StudyTable) -> list[Verdict]:
    """The checks of each study, then the doubts about several."""
    # What overflows ends as infinite or unknown, and neither is called impossible.
    with np.errstate(all="ignore"):
        checks = study_checks(table)
        verdicts = verdicts_of(checks, [int(row) for row in table.rows], table.outcome, table.study)
        return [*verdicts, *doubts_about(table)]
