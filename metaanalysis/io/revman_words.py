"""The words and codes of Review Manager's formats -> our names of measures, methods and models."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from metaanalysis.errors import DataError, nearest

_DICHOTOMOUS = {
    "rr": "RR",
    "risk ratio": "RR",
    "relative risk": "RR",
    "or": "OR",
    "odds ratio": "OR",
    "rd": "RD",
    "risk difference": "RD",
    "peto": "PETO",
    "peto or": "PETO",
    "peto odds ratio": "PETO",
}
_CONTINUOUS = {
    "md": "MD",
    "wmd": "MD",
    "mean difference": "MD",
    "weighted mean difference": "MD",
    "smd": "SMD",
    "std mean difference": "SMD",
    "standardised mean difference": "SMD",
    "standardized mean difference": "SMD",
}
_RATIOS = {
    **{word: key for word, key in _DICHOTOMOUS.items() if key != "RD"},
    "hr": "HR",
    "hazard ratio": "HR",
    "rate ratio": "IRR",
    "incidence rate ratio": "IRR",
    "ratio of means": "ROM",
    "rom": "ROM",
}
_DIFFERENCES = {**_CONTINUOUS, "rd": "RD", "risk difference": "RD"}
_METHODS = {
    "iv": "inverse-variance",
    "inverse variance": "inverse-variance",
    "mh": "mantel-haenszel",
    "mantel haenszel": "mantel-haenszel",
    "m h": "mantel-haenszel",
    "peto": "peto",
    "exp o e var": "peto",
    "exp": "peto",
}
_KINDS = {
    "dic": "dichotomous",
    "dich": "dichotomous",
    "dichotomous": "dichotomous",
    "con": "continuous",
    "cont": "continuous",
    "continuous": "continuous",
    "iv": "generic",
    "giv": "generic",
    "generic inverse variance": "generic",
    "contrast level": "generic",
    "ipd": "o-e",
    "oev": "o-e",
    "o e": "o-e",
    "o e and variance": "o-e",
    "individual patient data": "o-e",
    "peto": "o-e",
    "oth": "other",
    "other": "other",
    "other data": "other",
}
# Measures that are analysed as logarithms.
RATIOS = frozenset({"RR", "OR", "PETO", "HR", "IRR", "ROM"})


class Measured(NamedTuple):
    """A measure by our name, and whether it is analysed on the log scale."""

    measure: str
    log_scale: bool


def plain_words(text: str) -> str:
    """Lower case, and one space for all that is neither letter nor digit."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def kind_named(text: str, place: str) -> str:
    """The kind of data."""
    found = _KINDS.get(plain_words(text))
    if found is None:
        raise DataError(
            f"{place}: the data type {text!r} is not one of Review Manager's (dichotomous, continuous, generic inverse "
            f"variance, O-E and variance, other data)."
        )
    return found


def kind_of_measure(text: str, place: str) -> str:
    """The kind of data that a measure of two arms is made of."""
    word = plain_words(text)
    if word in _CONTINUOUS:
        return "continuous"
    if word in _DICHOTOMOUS:
        return "dichotomous"
    raise DataError(f"{place}: the effect measure {shortened(text)!r} is not one that Review Manager has for two arms.")


def tau2_named(text: str, place: str) -> str:
    """The estimator of tau²; DerSimonian and Laird's where none is named."""
    word = plain_words(text)
    if word in ("", "dl", "der simonian laird") or "dersimonian" in word:
        return "DL"
    if word == "reml" or "restricted" in word:
        return "REML"
    raise DataError(f"{place}: the heterogeneity estimator {shortened(text)!r} is neither DerSimonian-Laird nor REML.")


def ci_named(text: str, place: str) -> str:
    """The interval of the estimate: Wald's where none is named."""
    word = plain_words(text)
    if word in ("", "z", "normal") or "wald" in word:
        return "wald"
    if word in ("hk", "hksj") or "hartung" in word:
        return "hksj"
    raise DataError(f"{place}: the method {shortened(text)!r} of the interval is neither Wald nor Hartung-Knapp.")


def method_named(text: str, kind: str, place: str) -> str:
    """The method of pooling; inverse variance where none is named."""
    if kind == "o-e":
        return "peto"
    found = _METHODS.get(plain_words(text)) if text.strip() else "inverse-variance"
    if found is None or (kind != "dichotomous" and found != "inverse-variance"):
        raise DataError(
            f"{place}: the statistical method {text!r} is not one that Review Manager has for {kind} data"
            f"{' (IV, MH, PETO)' if kind == 'dichotomous' else ' (IV)'}."
        )
    return found


def measure_named(text: str, kind: str, method: str, log_scale: bool | None, place: str) -> Measured:
    """The measure and its scale. log_scale: as the file says, None where it does not."""
    word = plain_words(text)
    if kind == "other":
        return Measured("", False)
    if kind == "dichotomous":
        measure = "PETO" if method == "peto" and word in ("or", "odds ratio") else _DICHOTOMOUS.get(word)
    elif kind == "continuous":
        measure = _CONTINUOUS.get(word)
    elif kind == "o-e":
        return Measured(_RATIOS.get(word, "GEN"), log_scale is not False)
    else:
        measure = _RATIOS.get(word)
        exponentiated = measure is not None if log_scale is None else log_scale
        if not exponentiated:
            return Measured(_DIFFERENCES.get(word, "GEN"), False)
        return Measured(measure or "GEN", True)
    if measure is None:
        known = [key.upper() for key in (_DICHOTOMOUS if kind == "dichotomous" else _CONTINUOUS)]
        raise DataError(
            f"{place}: the effect measure {text!r} is not one that Review Manager has for {kind} data.{nearest(text, known)}"
        )
    if (measure == "PETO") != (method == "peto"):
        raise DataError(f"{place}: the effect measure {text!r} and the statistical method {method} do not go together.")
    if method == "mantel-haenszel" and measure not in ("RR", "OR", "RD"):
        raise DataError(f"{place}: Mantel-Haenszel does not pool the effect measure {text!r}.")
    return Measured(measure, measure in RATIOS)


def model_named(text: str, place: str) -> str:
    """The model: common or random effects."""
    word = plain_words(text)
    if word in ("yes", "random", "re", "random effects", "random effect", "rand", "true"):
        return "random"
    if word in ("no", "fixed", "fe", "fixed effect", "fixed effects", "common", "common effect", "false", ""):
        return "common"
    raise DataError(f"{place}: the analysis model {text!r} is neither fixed nor random.")


def truth_named(text: str, place: str, default: bool) -> bool:
    """Yes or no."""
    word = plain_words(text)
    if word in ("yes", "true", "1", "y"):
        return True
    if word in ("no", "false", "0", "n"):
        return False
    if word == "":
        return default
    raise DataError(f"{place} is {text!r}, but has to be YES or NO.")


def level_named(text: str, place: str, default: float = 0.95) -> float:
    """A confidence level from per cent, as in 95 or 95%."""
    if not text.strip():
        return default
    # "95", "95%", "P95", and 0.95 for a share.
    value = number_in(text.strip().removeprefix("P").removesuffix("%"), place)
    level = value if 0 < value < 1 else value / 100
    if not 0 < level < 1:
        raise DataError(f"{place} is {shortened(text)!r}, but has to be a confidence level in per cent, as in 95.")
    return level


def number_in(text: str, place: str | Callable[[], str]) -> float:
    """A number, NaN where there is none; DataError says where it is: `place`, or what it returns then."""
    try:
        # float() reads "1_000" and other spellings of Python's own, which no file means.
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        if plain_words(text) in ("", "na", "n a", "null", "none", "not estimable", "not applicable"):
            return math.nan
        at = place if isinstance(place, str) else place()
        raise DataError(f"{at} is {shortened(text)!r}, which is not a number: correct it, or leave it empty.") from None


def count_in(text: str, place: str) -> int:
    """A whole number from 0 upward."""
    value = number_in(text, place)
    if not (value >= 0 and value == int(value) if math.isfinite(value) else False) or value > 1e6:
        raise DataError(f"{place} is {shortened(text)!r}, but has to be a whole number from 0 upward.")
    return int(value)


def shortened(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= 40 else f"{text[:37]}…"
