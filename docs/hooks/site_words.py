"""Markdown: tables, anchors and links to the literature."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from metaanalysis.references import REFERENCES, Reference


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(text: object) -> str:
    """Code within a sentence; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def cited(key: str | None, root: str) -> str:
    """A link to the list of references; nothing where an entry has none."""
    return "" if key is None else f"[{REFERENCES[key].short}]({root}references.md#{key})"


def authors_of(reference: Reference) -> str:
    """The authors of a reference as formulas name them."""
    return reference.short.rsplit(" ", maxsplit=1)[0]


def known_by_text() -> dict[str, str]:
    """What a formula's source says, "DerSimonian & Laird (1986)", to the key of the only reference that it can mean."""
    names = {}
    for key, reference in REFERENCES.items():
        surnames = [part.strip().rsplit(" ", maxsplit=1)[0] for part in reference.authors.split(",")]
        spellings = {authors_of(reference)}
        if len(surnames) > 1:
            spellings.add(f"{', '.join(surnames[:-1])} & {surnames[-1]}")
            spellings.add(f"{surnames[0]} et al.")
        for who in spellings:
            names[f"{who} ({reference.year})", key] = key
    often = Counter(text for text, _ in names)
    return {text: key for (text, key) in names if often[text] == 1}


def linked(text: str, known: dict[str, str], root: str) -> str:
    """A sentence with its sources linked to the list of references."""
    if not known:
        return text
    pattern = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return re.sub(pattern, lambda found: f"[{found[0]}]({root}references.md#{known[found[0]]})", text)


def references_page() -> str:
    """Every reference that the library cites, by its first author."""
    # Else every search for an author would show the whole list.
    lines = [
        "---",
        "search:",
        "  exclude: true",
        "---",
        "",
        "# References",
        "",
        f"The {len(REFERENCES)} publications that results, reports and formulas cite.",
        "",
    ]
    for key, reference in sorted(REFERENCES.items(), key=lambda item: (item[1].authors.lower(), item[1].year)):
        doi = f" [doi:{reference.doi}](https://doi.org/{reference.doi})" if reference.doi else ""
        stop = "" if reference.title.endswith("?") else "."
        said = f"{reference.authors} ({reference.year}). {reference.title}{stop} {reference.source}.{doi}"
        lines.append(f'- <span id="{key}"></span>{said}')
    return "\n".join(lines) + "\n"
