"""The names that genomics' programs give to effects: METAL's, PLINK's and their kin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# Effects, whether they are odds ratios, and what tells their standard errors, by name; case does not matter. The standard
# error of an odds ratio is that of its logarithm, as PLINK writes it.
P_VALUES = ("p", "p_value", "p-value", "pval", "pvalue")
PAIRS = (
    (("beta", "b"), False, ("se", "beta_se", "se_beta", "sebeta", "stderr", "std_err", "standard_error"), False),
    (("effect",), False, ("stderr", "se"), False),
    (("or", "odds_ratio"), True, ("log(or)_se", "se"), False),
    (("beta", "b"), False, P_VALUES, True),
    (("or", "odds_ratio"), True, P_VALUES, True),
)
# For a message: how they are written.
UNDERSTOOD = "BETA (or B) with SE, Effect with StdErr, OR with SE of its logarithm, or BETA or OR with P"


class Summary(NamedTuple):
    """The columns of a table of summary statistics: the effect, whether it is an odds ratio, and what tells its error."""

    effect: str
    is_ratio: bool
    error: str
    error_is_p: bool

    @property
    def note(self) -> str:
        """What was taken for what, in words."""
        effect = f"ln({self.effect})" if self.is_ratio else self.effect
        if self.error_is_p:
            return f"y is {effect}; its standard error is that of a normal test with the p-value {self.error}"
        return f"y is {effect}, and {self.error} its standard error"


def summary_columns(columns: Sequence[str]) -> Summary | None:
    """What a table of summary statistics calls its effects and their standard errors; None where it is no such table.

    Where there is no standard error, the p-value of a normal test against no effect stands in.
    """
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(str(column).lower(), column)
    for effects, is_ratio, errors, is_p in PAIRS:
        effect = next((by_name[name] for name in effects if name in by_name), None)
        error = next((by_name[name] for name in errors if name in by_name), None)
        if effect is not None and error is not None:
            return Summary(effect, is_ratio, error, is_p)
    return None
