"""Where a result comes from: a fingerprint of its data, and the versions that computed it."""

from __future__ import annotations

import hashlib
import platform
from typing import Any

import numpy as np

from metaanalysis.effects import Effects


def data_hash(effects: Effects) -> str:
    """SHA-256 of measure, labels, effect sizes and sampling variances, the same on every machine."""
    found = hashlib.sha256()
    found.update(effects.measure.encode())
    for values in (effects.y, effects.v):
        found.update(b"\0")
        found.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    for label in effects.label:
        found.update(b"\0")
        found.update(str(label).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def provenance(effects: Effects) -> dict[str, Any]:
    """The data's fingerprint and what computed with them."""
    return provenance_of(data_hash(effects), effects.k)


def provenance_of(fingerprint: str, studies: int) -> dict[str, Any]:
    """The same of data with this fingerprint."""
    import scipy

    from metaanalysis import __version__

    return {
        "data_sha256": fingerprint,
        "studies": studies,
        "metaanalysis": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
