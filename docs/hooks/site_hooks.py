"""Hooks of mkdocs: pages from the registries, formulas and names; blocks of Python run and shown with what they say."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from site_blocks import BLOCK, outcomes
from site_evidence import Measurement, evidence_page, start
from site_formulas import formula_pages
from site_names import name_pages
from site_tables import conventions_page, measures_page, options_page
from site_words import references_page

ROOT = Path(__file__).parents[2]


# What is measured once serves every rebuild of `mkdocs serve`.
measured: dict[str, str] = {}
running: list[Measurement] = []


def on_startup(**_: Any) -> None:
    """Measure beside the rest of the build."""
    running.append(start(ROOT))


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are written from the library itself."""
    pages = {
        "evidence.md": "# Evidence\n",  # written last, when it is measured
        "reference/measures.md": measures_page(),
        "reference/options.md": options_page(),
        "reference/conventions.md": conventions_page(),
        "reference/references.md": references_page(),
        **{
            f"reference/formulas/{name}.md": text
            for name, text in formula_pages(ROOT / "metaanalysis" / "formulas").items()
        },
        **{f"reference/names/{name}.md": text for name, text in name_pages().items()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Put what each Python block printed and drew beneath it."""
    source = page.file.src_uri
    if source == "evidence.md":
        if not measured:
            measured["page"] = evidence_page(ROOT, running.pop())
        return measured["page"]
    if source.startswith("reference/"):
        return markdown
    found = outcomes(markdown, source)
    shown = iter(enumerate(found, start=1))

    def with_outcome(match: Any) -> str:
        number, outcome = next(shown)
        parts = [match[0]]
        if outcome.printed:
            parts.append("```text { .output }\n" + outcome.printed + "\n```")
        for i, picture in enumerate(outcome.pictures):
            name = f"pictures/{source.removesuffix('.md').replace('/', '-')}-{number}{'' if i == 0 else f'-{i}'}.svg"
            files.append(File.generated(config, name, content=picture))
            where = posixpath.relpath(name, posixpath.dirname(source) or ".")
            parts.append(f"![{outcome.title or page.title}]({where})")
        return "\n\n".join(parts)

    return BLOCK.sub(with_outcome, markdown)
