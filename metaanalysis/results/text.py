"""Numbers in words: how results say themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaanalysis.effects import measure_named
from metaanalysis.effects.describe import added_in_words

if TYPE_CHECKING:
    from metaanalysis.results.pooled import Interval, Pooled
    from metaanalysis.results.regression import Regression
    from metaanalysis.results.subgroups import Subgroups


def number(x: float, decimals: int = 4) -> str:
    """A number at fixed decimals, more where it is small and would show as zeros; "n/a" for NaN."""
    if math.isnan(x):
        return "n/a"
    if math.isinf(x):
        return "infinite" if x > 0 else "-infinite"
    if x == 0:
        return f"{0:.{decimals}f}"
    if abs(x) < 10.0 ** (1 - decimals) or abs(x) >= 1e7:
        return f"{x:.3g}" if abs(x) < 10.0**-decimals or abs(x) >= 1e7 else f"{x:.{decimals + 1}f}"
    return f"{x:.{decimals}f}"


def p_value(p: float, digits: int = 4) -> str:
    """As "p = 0.0123", "p < 0.0001", "p n/a"."""
    if math.isnan(p):
        return "p n/a"
    smallest = 10.0**-digits
    return f"p < {smallest:.{digits}f}" if p < smallest else f"p = {p:.{digits}f}"


def interval(low: float, high: float, decimals: int = 4) -> str:
    """As "low to high"."""
    return f"{number(low, decimals)} to {number(high, decimals)}"


def lined_up(table: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows of cells as lines, in columns: the first so many to the left, the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def per_cent(level: float) -> str:
    """0.95 as 95%."""
    return f"{100 * level:g}%"


def limits(found: Interval, decimals: int = 4, unit: str = "") -> str:
    """An interval in brackets, or why there is none."""
    if found.note:
        return f"({found.note})"
    return f"({per_cent(found.level)} CI {number(found.low, decimals)}{unit} to {number(found.high, decimals)}{unit})"


def test_statistic(statistic: float, df: float, p: float) -> str:
    """As "z = -3.97, p < 0.0001" or "t = -3.43 (df 12), p = 0.0050"."""
    if math.isinf(df):
        return f"z = {statistic:.2f}, {p_value(p)}"
    if math.isnan(df):
        return (
            f"estimate/SE = {statistic:.2f}, {p_value(p)}" if not math.isnan(statistic) else f"test n/a, {p_value(p)}"
        )
    return f"t = {statistic:.2f} (df {df:g}), {p_value(p)}"


# What models of counts answer beside the rest.
DETAILS = {
    "sigma2": "variance of the studies' levels",
    "rho": "intraclass correlation",
    "log_likelihood": "log-likelihood",
}


def q_name(fit: Pooled) -> str:
    """Cochran's Q, or the likelihood-ratio statistic where counts were modelled."""
    return "LR chi²" if fit.method in ("glmm", "beta-binomial") else "Q"


def heterogeneity_line(fit: Pooled) -> str:
    """Q, I2 and tau2 in one line, as under a forest plot."""
    parts = []
    if not math.isnan(fit.tau2):
        parts.append(f"tau² = {number(fit.tau2)}")
    parts.append(f"{q_name(fit)} = {fit.q:.2f}, df = {fit.q_df:g} ({p_value(fit.q_p_value)})")
    if not math.isnan(fit.i2):
        parts.append(f"I² = {fit.i2:.1f}%")
    return "; ".join(parts)


def model_sentence(fit: Pooled) -> str:
    """As "Random-effects model, inverse variance; tau² by restricted maximum likelihood"."""
    words = {
        "inverse-variance": "inverse variance",
        "mantel-haenszel": "Mantel-Haenszel",
        "peto": "Peto",
        "glmm": "generalised linear mixed model",
        "beta-binomial": "beta-binomial model",
    }
    sentence = f"{fit.model.capitalize()}-effect{'s' if fit.model == 'random' else ''} model, "
    given = fit.method_title if fit.method == "inverse-variance" else ""
    sentence += given or words.get(fit.method, fit.method)
    if fit.method_title and fit.method == "glmm":
        sentence += f" ({fit.method_title})"
    if fit.tau2_method:
        sentence += f"; tau² by {fit.tau2_method}"
    return sentence


def pooled_summary(fit: Pooled) -> str:
    """The summary of one pooled result."""
    entry = measure_named(fit.measure)
    ci = f"{per_cent(fit.level)} CI"
    title = f"Meta-analysis of {fit.k} {'study' if fit.k == 1 else 'studies'}: {entry.title}"
    lines = [title, "=" * len(title), model_sentence(fit) + "."]
    if fit.ci_method:
        lines.append(f"Confidence interval: {fit.ci_method}.")
    lines.append("")
    scales = [(entry.analysis_scale, fit.estimate, fit.ci_low, fit.ci_high, fit.prediction_low, fit.prediction_high)]
    if entry.transformed:
        back = fit.back_transformed()
        scales.append((entry.title, *back[:5]))
    width = max(len(row[0]) for row in scales)
    for name, estimate, low, high, *_ in scales:
        lines.append(f"{name.capitalize():<{width}}  {number(estimate):>9}  {ci} {interval(low, high)}")
    # One group's mean or proportion has no value of no effect; that it is not 0 is hardly ever the question.
    asks = "" if entry.no_effect is not None or math.isnan(fit.p_value) else f" (of {entry.analysis_scale} = 0)"
    lines.append(f"{'':<{width}}  SE {number(fit.se)}, {test_statistic(fit.statistic, fit.df, fit.p_value)}{asks}")
    if not math.isnan(fit.prediction_low):
        lines.append("")
        lines.append(f"{per_cent(fit.level)} prediction interval ({fit.prediction_method})")
        for name, _, _, _, low, high in scales:
            lines.append(f"{name.capitalize():<{width}}  {'':>9}  {interval(low, high)}")
    lines += ["", "Heterogeneity"]
    if not math.isnan(fit.tau2):
        tau2_limits = fit.tau2_interval()
        lines.append(f"  tau²  {number(fit.tau2)} {limits(tau2_limits)}, tau {number(fit.tau)}")
    if not math.isnan(fit.i2):
        source = "tau² and the typical sampling variance" if fit.options.i2 == "tau2" and fit.tau2_method else "Q"
        shown = "" if math.isnan(fit.tau2) else " " + limits(fit.i2_interval(), 1, "%")
        lines.append(f"  I²    {fit.i2:.1f}%{shown}, H² {number(fit.h2, 2)} (from {source})")
    lines.append(f"  {q_name(fit):<5} {fit.q:.2f}, df {fit.q_df:g}, {p_value(fit.q_p_value)}")
    for name, words in DETAILS.items():
        if not math.isnan(fit.details.get(name, math.nan)):
            lines.append(f"  {words}  {number(fit.details[name])}")
    effects = fit.effects
    if effects.left_out:
        lines += ["", f"Left out: {'; '.join(f'{label} ({reason})' for label, reason in effects.left_out[:10])}."]
    if effects.was_corrected is not None and effects.was_corrected.any():
        touched = [effects.label[i] for i in effects.was_corrected.nonzero()[0]][:10]
        # Methods that pool the counts take them as they are, unless a convention has it otherwise.
        own = fit.method != "inverse-variance" and not fit.options.corrected_tables
        whose = " of the studies' own effects, not of what was pooled" if own else ""
        lines += ["", f"Continuity correction{whose} ({added_in_words(effects)}): {', '.join(touched)}."]
    if fit.notes:
        lines += ["", *(f"Note: {note}." for note in fit.notes)]
    return "\n".join(lines)


def subgroups_summary(found: Subgroups) -> str:
    """The summary of a subgroup analysis."""
    entry = measure_named(found.overall.measure)
    ci = f"{per_cent(found.overall.level)} CI"
    title = f"Subgroups by {found.by}: {entry.title}"
    sharing = f", {found.tau2_sharing} tau²" if found.overall.model == "random" else ""
    lines = [title, "=" * len(title), f"{model_sentence(found.overall)}{sharing}.", ""]
    names = [*found.groups, "Overall"]
    width = max(len(name) for name in names)
    for name, fit in [*found.groups.items(), ("Overall", found.overall)]:
        estimate, low, high, *_ = fit.back_transformed()
        lines.append(
            f"{name:<{width}}  k = {fit.k:<3d} {number(estimate):>9}  {ci} {interval(low, high)}; {heterogeneity_line(fit)}"
        )
    lines += ["", f"Test for subgroup differences: {found.test_sentence()}"]
    lines += [f"Note: {note}." for note in found.notes]
    return "\n".join(lines)


def regression_summary(reg: Regression) -> str:
    """The summary of a meta-regression."""
    entry = measure_named(reg.measure)
    title = f"Meta-regression of {reg.k} studies: {entry.analysis_scale}"
    model = "Mixed-effects model" if reg.model == "random" else "Common-effect model"
    lines = [title, "=" * len(title), f"{reg.formula}", ""]
    model += f", {reg.weighting}" if reg.weighting else ""
    lines.append(model + (f"; residual tau² by {reg.tau2_method}." if reg.tau2_method else "."))
    lines += [f"Tests and intervals: {reg.ci_method}.", ""]
    table = reg.coefficients
    width = max(len(name) for name in ("term", *reg.names))
    letter = "z" if math.isinf(reg.df) else "t"
    ci = f"{per_cent(reg.level)} CI"
    lines.append(f"{'term':<{width}}  {'estimate':>10}  {'SE':>9}  {letter:>7}  {'p':>10}  {ci}")
    for name, row in table.iterrows():
        p = p_value(float(row["p_value"])).removeprefix("p ").removeprefix("= ")
        lines.append(
            f"{name!s:<{width}}  {number(float(row['estimate'])):>10}  {number(float(row['se'])):>9}  "
            f"{float(row['statistic']):>7.2f}  {p:>10}  {interval(float(row['ci_low']), float(row['ci_high']))}"
        )
    if entry.transformed:
        lines.append(
            f"(on the scale of the {entry.analysis_scale}; predict(…, transform=True) gives the {entry.title})"
        )
    lines.append("")
    df1, df2 = reg.q_moderators_df
    if not math.isnan(reg.q_moderators):
        test = (
            f"chi² = {reg.q_moderators:.2f}, df {df1:g}"
            if math.isinf(df2)
            else f"F = {reg.q_moderators:.2f}, df {df1:g}, {df2:g}"
        )
        lines.append(f"Test of moderators       {test}, {p_value(reg.q_moderators_p_value)}")
    lines.append(
        f"Residual heterogeneity   Q = {reg.q_residual:.2f}, df {reg.q_residual_df:g}, {p_value(reg.q_residual_p_value)}"
    )
    if reg.tau2_method:
        lines.append(
            f"Residual tau²            {number(reg.tau2)}, tau {number(reg.tau)}; I² {reg.i2:.1f}%, H² {reg.h2:.2f}"
        )
        if not math.isnan(reg.q_moderators):
            lines.append(f"R²                       {'n/a' if math.isnan(reg.r2) else f'{reg.r2:.1f}%'}")
    lines += [f"Left out: {label} ({reason})." for label, reason in reg.excluded[:10]]
    lines += [f"Note: {note}." for note in reg.notes]
    return "\n".join(lines)
