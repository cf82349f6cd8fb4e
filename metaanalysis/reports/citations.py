"""Sentences whose references are numbered in the order in which they are cited."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from metaanalysis.references import REFERENCES
from metaanalysis.reports.wording import with_short_names

HEADING = "\n\nReferences\n"
BY_TEXT = {str(one): key for key, one in REFERENCES.items()}


class NumberedReferences:
    """Gives each reference its number when it is first cited."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def mark(self, keys: Iterable[str | None]) -> Markup:
        """The numbers of some references in brackets, each a link to the list; nothing for keys without a reference."""
        links = []
        for key in keys:
            if key is None or key not in REFERENCES:
                continue
            if key not in self.keys:
                self.keys.append(key)
            at = self.keys.index(key) + 1
            links.append(Markup('<a href="#reference-{0}" aria-label="reference {0}">{0}</a>').format(at))
        return Markup(' <span class="cite">[{}]</span>').format(Markup(", ").join(links)) if links else Markup("")

    def paragraph(self, described: str, labels: Iterable[str] = ()) -> Markup:
        """What a result's ``describe()`` says, with numbers for the authors and years that it cites."""
        text, keys = split(described)
        text = with_short_names(text, labels)
        by_short: dict[str, list[str]] = {}
        for key in keys:
            by_short.setdefault(f" ({REFERENCES[key].short})", []).append(key)
        done = Markup("")
        while by_short:
            found = [(text.find(short), short) for short in by_short if short in text]
            if not found:
                break
            at, short = min(found)
            done += escape(text[:at]) + self.mark(by_short[short])
            text = text[at + len(short) :]
        return done + escape(text)

    def listed(self) -> list[dict[str, str]]:
        """The references in their order, each with its link where there is a DOI."""
        found = []
        for key in self.keys:
            one = REFERENCES[key]
            words = str(one)
            doi = one.doi or ""
            found.append({"text": words.removesuffix(f" doi:{doi}") if doi else words, "doi": doi})
        return found


def split(described: str) -> tuple[str, list[str]]:
    """A described method and the keys of its references, however the studies may be called."""
    text, heading, rest = described.rpartition(HEADING)
    lines = rest.splitlines()
    if not heading or not lines or any(line not in BY_TEXT for line in lines):
        return described, []
    return text, [BY_TEXT[line] for line in lines]
