"""A printed number: how many decimals it has, and whether another number would be printed like it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from metaanalysis.errors import DataError
from metaanalysis.formulas.rounding import printed

_PRINTED = re.compile(r"(?P<bound>[<>]?) ?(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True)
class PrintedNumber:
    """A number as it stands in a publication.

    Parameters
    ----------
    text
        As printed, such as ``0.50``, ``-.34`` or ``<0.0001``.
    number
        Without the bound; exact, so that the decimals are known.
    bound
        ``<`` or ``>`` where only a bound is printed, or empty.
    """

    text: str
    number: Decimal
    bound: str = ""

    @property
    def decimals(self) -> int:
        """How many decimals are printed; 0 for whole numbers."""
        return max(0, -int(self.number.as_tuple().exponent))

    def agrees(self, ours: float) -> bool:
        """Whether a number rounds to this one; one that lies half-way agrees with both neighbours."""
        if math.isnan(ours):
            return False
        if self.bound:
            return ours < self.number if self.bound == "<" else ours > self.number
        possible = printed(np.asarray(float(self.number)), np.asarray(float(self.decimals)))
        return bool(possible.low <= ours <= possible.high)

    def shown(self, ours: float) -> str:
        """A number at the decimals of this one; beside a bound, the bound where it is kept."""
        if math.isnan(ours):
            return "n/a"
        if math.isinf(ours):
            return "infinite" if ours > 0 else "-infinite"
        if self.bound:
            return self.text if self.agrees(ours) else f"{ours:.2g}"
        rounded = Decimal(ours).quantize(Decimal(1).scaleb(-self.decimals), rounding=ROUND_HALF_EVEN)
        # A number half-way is shown as it was printed.
        return self.text if self.agrees(ours) and rounded != self.number else f"{rounded:f}"


def printed_number(text: str) -> PrintedNumber:
    """Read a number as it is printed; DataError says how to write it."""
    match = _PRINTED.fullmatch(text.strip())
    if match is None:
        raise DataError(
            f"{text!r} is not a printed number: write digits with a point for the decimals, a hyphen for minus, and < or > "
            f"before a bound, as in '0.56', '-1.20' or '<0.0001'"
        )
    return PrintedNumber(text.strip(), Decimal(match["number"]), match["bound"])
