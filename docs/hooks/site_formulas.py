"""The formulas with their sources, read from the docstrings of `metaanalysis/formulas`."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

from site_words import known_by_text, linked

# The files by the question that a reader comes with; a file that stands nowhere lands among the tools.
THEMES: dict[str, tuple[str, str]] = {
    "effect-sizes": (
        "Effect sizes and their variances",
        "binary rates paired one_group continuous smd_variances gamma_correction ratio_of_means before_after biserial "
        "correlation association tetrachoric reliability continuity log_ratio back_transformation delta_method estimates "
        "shared_control",
    ),
    "conversions": (
        "Conversions of what papers print",
        "arms quantiles quantile_estimation order_statistics conversions_from_tests tables_2x2 risk_conversions absolute_risks",
    ),
    "pooling": (
        "Pooling and its intervals",
        "weighted tables inference mean_intervals prediction prediction_bootstrap likelihood regression location_scale "
        "location_scale_fit location_scale_climb",
    ),
    "heterogeneity": (
        "Heterogeneity",
        "heterogeneity tau2 tau2_moments tau2_iterative tau2_one_start tau2_interval tau2_intervals tau2_interval_from_q "
        "tau2_interval_generalised_q tau2_interval_likelihood tau2_maxima moments quadratic_forms problems",
    ),
    "counts": (
        "Models of counts",
        "glmm glmm_families hypergeometric glmm_likelihood glmm_fit glmm_climb glmm_profile glmm_heterogeneity quadrature "
        "beta_binomial",
    ),
    "further": (
        "Small studies, influence, permutation, overlap, audit",
        "asymmetry rank_correlation trim_and_fill fail_safe deletion permutation many_designs resampling "
        "kernel_density overlap consistency rounding grim standard_deviation_bounds standard_error_as_sd",
    ),
    "tools": ("Numerical tools", "solve"),
}


def formula_pages(folder: Path) -> dict[str, str]:
    """One page a theme: its name to its Markdown."""
    files = {path.stem: path for path in sorted(folder.glob("*.py"))}
    placed = {name for _, names in THEMES.values() for name in names.split()}
    known = known_by_text()
    pages = {}
    for page, (title, names) in THEMES.items():
        stems = [name for name in names.split() if name in files]
        if page == "tools":
            stems += [name for name in files if name not in placed and name not in ("__init__", "arrays")]
        body = [part for stem in stems if (part := section(files[stem], known))]
        intro = (
            "Read from the docstrings of `metaanalysis.formulas`: arrays in, arrays out. `y` effect sizes, `v` sampling"
        )
        intro += " variances, `w` weights, `X` design, `k` studies; shapes in brackets, `...` any leading axes."
        pages[page] = "\n".join([f"# {title}", "", intro, "", *body])
    return pages


def section(path: Path, known: dict[str, str]) -> str:
    """One file: its question, and each public function with its equation and its source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node)
    ]
    if not functions:
        return ""
    lines = [f"## `{path.stem}`", "", linked(prose(ast.get_docstring(tree) or ""), known, "../"), ""]
    helpers = []
    for node in functions:
        said = ast.get_docstring(node) or ""
        if "Source:" in said or "\n    " in said or " = " in said.splitlines()[0]:
            lines += [f"### {node.name}", "", body_of(said, known), ""]
        else:
            helpers.append(f"- `{node.name}`: {linked(prose(said.splitlines()[0]), known, '../')}")
    if helpers:
        lines += ["**Helpers** without an equation or a source of their own:", "", *helpers, ""]
    return "\n".join(lines)


def prose(text: str) -> str:
    """Sentences that Markdown would otherwise take for markup."""
    kept = re.split(r"(``[^`]+``|`[^`]+`)", text)
    for i in range(0, len(kept), 2):
        kept[i] = re.sub(r"([*_>\[\]\\])", r"\\\1", kept[i]).replace("<", "&lt;")
    return "".join(kept).replace("``", "`")


def body_of(docstring: str, known: dict[str, str]) -> str:
    """A docstring as Markdown: sentences as they are, indented equations as blocks, each source a link."""
    lines = inspect.cleandoc(docstring).splitlines()
    parts: list[tuple[bool, list[str]]] = []
    for line in lines:
        indented = line.startswith("    ") or (not line.strip() and bool(parts) and parts[-1][0])
        if not parts or parts[-1][0] != indented:
            parts.append((indented, []))
        parts[-1][1].append(line)
    said = []
    for equation, block in parts:
        text = "\n".join(block).strip("\n")
        if not text.strip():
            continue
        if equation:
            said.append("```text\n" + inspect.cleandoc("\n" + text) + "\n```")
        else:
            text = re.sub(r"\s*\bSource: ", "\n\n**Source:** ", prose(text))
            said.append(linked(text.strip(), known, "../"))
    return "\n\n".join(said)
