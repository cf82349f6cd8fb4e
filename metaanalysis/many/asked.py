"""What was asked of a door: the keywords of `pool_many` that concern the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from metaanalysis.errors import DataError


@dataclass(frozen=True)
class Asked:
    """The keywords as they were given; `others` are columns by our names and options of the effect sizes.

    `placed` says where a row of the table stands, where its number says nothing.
    """

    by: Any = None
    y: Any = None
    v: Any = None
    se: Any = None
    offsets: Any = None
    measure: str | None = None
    convention: str | None = None
    method: str = "inverse-variance"
    sorted: bool | None = None
    label: Any = None
    ci_level: float = 0.95
    tau2_weights: Any = None
    others: Mapping[str, Any] = field(default_factory=dict)
    placed: Callable[[int], str] | None = None

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """DataError where something was given that has no place here."""
        given = [name for name in names if getattr(self, name) is not None]
        if given:
            raise DataError(f"{why}: leave {', '.join(given)} out.")
