"""Which engine computes: NumPy, or the compiled kernels of the extra `fast` where they are installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType

from metaanalysis.errors import OptionError
from metaanalysis.formulas.arrays import FloatArray
from metaanalysis.many import numpy_engine
from metaanalysis.many.ragged import Ragged
from metaanalysis.options import PoolOptions, choose

ENGINES = ("numpy", "numba")
STARTS = ("scan", "one")
NUMBA = "metaanalysis.many.numba_engine"


def numba_engine() -> ModuleType | None:
    """The compiled engine; None where numba is not installed."""
    if importlib.util.find_spec("numba") is None or importlib.util.find_spec(NUMBA) is None:
        return None
    return importlib.import_module(NUMBA)


def chosen_engine(engine: str | None, options: PoolOptions, columns: frozenset[str]) -> str:
    """The engine that was asked for; by default numba where it is installed and has these options, else NumPy."""
    name = None if engine is None else choose("engine", engine, ENGINES)
    if name == "numpy":
        return name
    compiled = numba_engine()
    if compiled is None:
        if name == "numba":
            raise OptionError(
                "engine='numba' needs numba, which is not installed: pip install 'metaanalysis[fast]', or leave engine out."
            )
        return "numpy"
    if compiled.supports(options, columns):
        return "numba"
    if name == "numba":
        raise OptionError(
            "engine='numba' has no kernel for these options or columns; engine='numpy' has all of them. Leave engine out to "
            "have it chosen."
        )
    return "numpy"


def compute(
    ragged: Ragged,
    options: PoolOptions,
    columns: frozenset[str],
    *,
    engine: str | None = None,
    starts: str = "scan",
    workers: int = 1,
    advance: Callable[[int], object] | None = None,
) -> dict[str, FloatArray]:
    """The columns that are asked for, (groups,) each, with ``status`` and ``iterations``, by an engine."""
    starts = choose("starts", starts, STARTS)
    name = chosen_engine(engine, options, columns)
    compiled = numba_engine() if name == "numba" else None
    if compiled is None:
        return numpy_engine.compute(ragged, options, columns, starts=starts, workers=workers, advance=advance)
    answer: dict[str, FloatArray] = dict(
        compiled.compute(ragged, options, columns - {"k"}, starts=starts, workers=workers)
    )
    if "k" in columns:
        answer["k"] = ragged.sizes  # type: ignore[assignment]
    return answer
