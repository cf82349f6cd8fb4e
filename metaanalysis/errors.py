"""The errors and warnings of the library: sentences to a colleague, typed so that programs can tell them apart."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MetaAnalysisError(Exception):
    """Base class of every error that this library raises on purpose."""


class DataError(MetaAnalysisError, ValueError):
    """The data cannot be what they claim to be; the message names study, column, value and remedy."""


class OptionError(MetaAnalysisError, ValueError):
    """An option has no such value; the message lists the choices."""


class ConvergenceError(MetaAnalysisError, RuntimeError):
    """An iteration found no answer; the message says what to try."""


class MetaAnalysisWarning(UserWarning):
    """Base class of every warning that this library gives."""


class ExcludedStudiesWarning(MetaAnalysisWarning):
    """Studies were left out; which and why stands in ``Effects.excluded``."""


class DataWarning(MetaAnalysisWarning):
    """The data are usable but look odd, such as counts that are not whole numbers."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """A sentence that offers the names nearest to a mistyped one, or "" where none is near."""
    lowered = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.6)
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(lowered[c]) for c in close) + "?"
