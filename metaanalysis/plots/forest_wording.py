"""How a house says intervals, heterogeneity and tests: the same numbers in the words of each journal or program."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from metaanalysis.plots.words import MINUS, fixed, in_symbols
from metaanalysis.results import Pooled, Subgroups
from metaanalysis.results.forest_numbers import i2_between
from metaanalysis.results.text import heterogeneity_line, model_sentence, test_statistic

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LIKELIHOOD_RATIO = ("glmm", "beta-binomial")
NOT_APPLICABLE = "Heterogeneity: not applicable"


@dataclass(frozen=True)
class Wording:
    """The words of a house.

    brackets: what opens an interval, parts its limits and closes it; apart: what parts them where one is negative and a hyphen
    would be a second minus sign. missing: what stands where there is no interval.
    """

    heterogeneity: Callable[[Pooled], str]
    test: Callable[[Pooled], str]
    differences: Callable[[Subgroups], str]
    brackets: tuple[str, str, str] = ("[", ", ", "]")
    apart: str = ""
    missing: str = "n/a"

    def interval(self, low: float, high: float, decimals: int, ratio: bool, negative: bool) -> str:
        """As in "[0.13, 1.26]"; negative: whether the plot has numbers below zero."""
        if math.isnan(low) or math.isnan(high):
            return self.missing
        opens, between, closes = self.brackets
        between = self.apart if negative and self.apart else between
        return f"{opens}{fixed(low, decimals, ratio)}{between}{fixed(high, decimals, ratio)}{closes}"


def plain_heterogeneity(fit: Pooled) -> str:
    """As in "Heterogeneity: τ² = 0.31; Q = 152.23, df = 12 (p < 0.0001); I² = 92.1%"."""
    return NOT_APPLICABLE if fit.k < 2 else f"Heterogeneity: {in_symbols(heterogeneity_line(fit))}"


def is_of_one_group(fit: Pooled) -> bool:
    """Whether there is no value of no effect, so that a test would ask whether a proportion is 0.5, or a mean 0."""
    return fit.effects.measure_entry.no_effect is None


def plain_test(fit: Pooled) -> str:
    """As in "Test for overall effect: z = −4.00, p < 0.0001"."""
    if math.isnan(fit.p_value) or is_of_one_group(fit):
        return ""
    return f"Test for overall effect: {in_symbols(test_statistic(fit.statistic, fit.df, fit.p_value))}"


def plain_differences(found: Subgroups) -> str:
    """As in "Test for subgroup differences: Q = 1.54, df = 2 (p = 0.4638)"."""
    return f"Test for subgroup differences: {in_symbols(found.test_sentence())}"


def revman_p(p: float) -> str:
    """Two decimals, or one digit that counts: "P = 0.46", "P = 0.005", "P < 0.0001", "P < 0.00001"."""
    if math.isnan(p):
        return "P n/a"
    if p < 1e-4:
        return "P < 0.00001" if p < 1e-5 else "P < 0.0001"
    return f"P = {p:.2f}" if p >= 0.0095 else f"P = {fixed_digit(p)}"


def fixed_digit(p: float) -> str:
    """One digit that counts, without an exponent."""
    return f"{p:.{-math.floor(math.log10(float(f'{p:.0e}')))}f}"


def jama_p(p: float) -> str:
    """Without a zero before the point: "P = .46", "P = .005", "P < .001", "P > .99"."""
    if math.isnan(p):
        return "P n/a"
    if p < 0.001:
        return "P < .001"
    if p > 0.99:
        return "P > .99"
    # Two decimals must not turn a p below 0.05 into .05.
    digits = 2 if p >= 0.01 and not (p < 0.05 and f"{p:.2f}" == "0.05") else 3
    return f"P = {f'{p:.{digits}f}'.removeprefix('0')}"


def bmj_p(p: float) -> str:
    """As in "P=0.46", "P=0.005" and "P<0.001"."""
    if math.isnan(p):
        return "P n/a"
    digits = 2 if p >= 0.01 and not (p < 0.05 and f"{p:.2f}" == "0.05") else 3
    return "P<0.001" if p < 0.001 else f"P={p:.{digits}f}"


def chi2_name(fit: Pooled) -> str:
    """What RevMan calls Q; the likelihood-ratio statistic where counts were modelled."""
    return "LR Chi²" if fit.method in LIKELIHOOD_RATIO else "Chi²"


def revman_heterogeneity(fit: Pooled) -> str:
    """As in "Heterogeneity: Tau² = 0.31; Chi² = 152.23, df = 12 (P < 0.00001); I² = 92%"."""
    if fit.k < 2:
        return "Heterogeneity: Not applicable"
    found = "" if math.isnan(fit.tau2) else f"Tau² = {fixed(fit.tau2, 2, ratio=True)}; "
    found += f"{chi2_name(fit)} = {fit.q:.2f}, df = {fit.q_df:g} ({revman_p(fit.q_p_value)})"
    found += "" if math.isnan(fit.i2) else f"; I² = {fit.i2:.0f}%"
    return in_symbols(f"Heterogeneity: {found}")


def revman_test(fit: Pooled) -> str:
    """As in "Test for overall effect: Z = 4.00 (P < 0.0001)"; the statistic without its sign."""
    if math.isnan(fit.p_value) or math.isnan(fit.statistic) or is_of_one_group(fit):
        return ""
    own = f"Z = {abs(fit.statistic):.2f}"
    if not math.isinf(fit.df):
        own = f"T = {abs(fit.statistic):.2f}, df = {fit.df:g}" if not math.isnan(fit.df) else ""
    return in_symbols(f"Test for overall effect: {own} ({revman_p(fit.p_value)})") if own else ""


def revman_differences(found: Subgroups) -> str:
    """As in "Test for subgroup differences: Chi² = 1.54, df = 2 (P = 0.46), I² = 0%"."""
    if math.isnan(found.q_between):
        return "Test for subgroup differences: Not applicable"
    said = f"Chi² = {found.q_between:.2f}, df = {found.q_between_df} ({revman_p(found.q_between_p_value)})"
    return in_symbols(f"Test for subgroup differences: {said}, I² = {i2_between(found):.0f}%")


def jama_heterogeneity(fit: Pooled) -> str:
    """As in "Heterogeneity: τ² = 0.31; χ²₁₂ = 152.23; P < .001; I² = 92%"."""
    if fit.k < 2:
        return NOT_APPLICABLE
    found = "" if math.isnan(fit.tau2) else f"τ² = {fixed(fit.tau2, 2, ratio=True)}; "
    found += f"{chi2_with_df(fit.q, fit.q_df)}; {jama_p(fit.q_p_value)}"
    found += "" if math.isnan(fit.i2) else f"; I² = {fit.i2:.0f}%"
    return in_symbols(f"Heterogeneity: {found}")


def chi2_with_df(q: float, df: float) -> str:
    """As in "χ²₁₂ = 152.23"."""
    return f"χ²{f'{df:g}'.translate(_SUBSCRIPTS)} = {q:.2f}"


def signed(x: float) -> str:
    """Two decimals and a true minus sign."""
    return f"{x:.2f}".replace("-", MINUS)


def jama_test(fit: Pooled) -> str:
    """As in "Overall effect: z = −4.00; P < .001"."""
    if math.isnan(fit.p_value) or math.isnan(fit.statistic) or math.isnan(fit.df) or is_of_one_group(fit):
        return ""
    letter = "z" if math.isinf(fit.df) else f"t{f'{fit.df:.0f}'.translate(_SUBSCRIPTS)}"
    return in_symbols(f"Overall effect: {letter} = {signed(fit.statistic)}; {jama_p(fit.p_value)}")


def jama_differences(found: Subgroups) -> str:
    """As in "Subgroup differences: χ²₂ = 1.54; P = .46"."""
    if math.isnan(found.q_between):
        return "Subgroup differences: not available"
    said = f"{chi2_with_df(found.q_between, found.q_between_df)}; {jama_p(found.q_between_p_value)}"
    return in_symbols(f"Subgroup differences: {said}")


def bmj_heterogeneity(fit: Pooled) -> str:
    """As in "Test for heterogeneity: τ²=0.31; χ²=152.23, df=12, P<0.001; I²=92%"."""
    if fit.k < 2:
        return "Test for heterogeneity: not applicable"
    found = "" if math.isnan(fit.tau2) else f"τ²={fixed(fit.tau2, 2, ratio=True)}; "
    found += f"χ²={fit.q:.2f}, df={fit.q_df:g}, {bmj_p(fit.q_p_value)}"
    found += "" if math.isnan(fit.i2) else f"; I²={fit.i2:.0f}%"
    return f"Test for heterogeneity: {found}"


def bmj_test(fit: Pooled) -> str:
    """As in "Test for overall effect: z=4.00, P<0.001"."""
    if math.isnan(fit.p_value) or math.isnan(fit.statistic) or math.isnan(fit.df) or is_of_one_group(fit):
        return ""
    own = "z" if math.isinf(fit.df) else "t"
    df = "" if math.isinf(fit.df) else f", df={fit.df:g}"
    return f"Test for overall effect: {own}={abs(fit.statistic):.2f}{df}, {bmj_p(fit.p_value)}"


def bmj_differences(found: Subgroups) -> str:
    """As in "Test for subgroup differences: χ²=1.54, df=2, P=0.46"."""
    if math.isnan(found.q_between):
        return "Test for subgroup differences: not available"
    said = f"χ²={found.q_between:.2f}, df={found.q_between_df}, {bmj_p(found.q_between_p_value)}"
    return f"Test for subgroup differences: {said}"


def method_sentence(fit: Pooled) -> str:
    """As in "Random-effects model, inverse variance; τ² by …; confidence interval: …"."""
    said = in_symbols(model_sentence(fit))
    if fit.method == "inverse-variance" and fit.ci_method and fit.k > 1:
        said += f"; confidence interval: {fit.ci_method}"
    return said


PLAIN = Wording(plain_heterogeneity, plain_test, plain_differences)
REVMAN5 = Wording(revman_heterogeneity, revman_test, revman_differences, missing="Not estimable")
REVMAN_WEB = Wording(revman_heterogeneity, revman_test, revman_differences, ("[", " , ", "]"), missing="Not estimable")
JAMA = Wording(
    jama_heterogeneity, jama_test, jama_differences, ("(", "\u2013", ")"), apart=" to ", missing="not estimable"
)
BMJ = Wording(bmj_heterogeneity, bmj_test, bmj_differences, ("(", " to ", ")"), missing="Not estimable")
