"""A progress bar where somebody looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int, what: str, wanted: bool | None) -> Iterator[Callable[[int], object]]:
    """A function to call with the number of problems done; a bar on a terminal (wanted None), always or never."""
    show = sys.stderr.isatty() if wanted is None else wanted
    if not show:
        yield lambda done: None  # noqa: ARG005
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, unit="fit", unit_scale=True) as bar:
        yield bar.update
