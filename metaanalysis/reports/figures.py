"""Plots as SVG within the page: described in words, without a name that another figure has too."""

from __future__ import annotations

import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from metaanalysis.errors import MetaAnalysisWarning
from metaanalysis.reports.wording import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SVG = "{http://www.w3.org/2000/svg}"
USED = re.compile(r"url\(#([^)]+)\)")
POINT = 96.0 / 72.0  # CSS pixels


@dataclass(frozen=True)
class Figure:
    """One figure: what it shows, in a few words and in sentences, and its drawing; or why there is none."""

    key: str
    title: str
    description: str
    svg: Markup
    width: int
    height: int


def drawing(draw: Callable[[], Axes]) -> str:
    """The picture as the text of an SVG file."""
    from metaanalysis.plots import save

    with warnings.catch_warnings():
        # A letter that no font has here may well be there on the reader's machine: the page holds the text itself.
        warnings.simplefilter("ignore", MetaAnalysisWarning)
        ax = draw()
        try:
            with tempfile.TemporaryDirectory() as folder:
                path: Path = save(ax, Path(folder) / "figure.svg")
                return path.read_text(encoding="utf-8", errors="replace")
        finally:
            if "matplotlib.pyplot" in sys.modules:
                import matplotlib.pyplot as plt

                # Or a notebook would show it once more.
                plt.close(ax.get_figure(root=True))


def figure(key: str, title: str, description: str, draw: Callable[[], Axes]) -> Figure:
    """A figure of the page."""
    svg, width, height = inline(drawing(draw), key, title, description)
    return Figure(key, title, description, svg, width, height)


def inline(text: str, key: str, title: str, description: str) -> tuple[Markup, int, int]:
    """An SVG file as an element of a page, and its size in CSS pixels.

    Identifiers get the figure's key before them, as those of two figures would point to each other's shapes. What a page has no
    use for is left out: the prolog, metadata, comments, names that nothing points at, and a style sheet that would hold for
    the whole page.
    """
    # matplotlib wrote it a moment ago, and the parser keeps to what XML can hold: no entity is defined here.
    root = ElementTree.fromstring(printable(text[text.index("<svg") :]))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}metadata", f"{SVG}style"):
                parent.remove(child)
    used = {name for element in root.iter() for value in element.attrib.values() for name in pointed_at(value)}
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        named = {name.rpartition("}")[2]: value for name, value in element.items()}
        if named.get("id") not in used:
            named.pop("id", None)
        element.attrib = {name: of_figure(name, value, key) for name, value in named.items()}
        element.tail = None
        if element.text is not None and element.tag not in ("text", "tspan"):
            element.text = None
    shown = round(width * POINT)
    root.attrib = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{shown}",
        "height": f"{round(height * POINT)}",
        "class": "plot",
        "role": "img",
        "aria-labelledby": f"{key}-title",
        "aria-describedby": f"{key}-description",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for tag, words in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{key}-{'title' if tag == 'title' else 'description'}"})
        element.text = printable(words)
        root.insert(0, element)
    # The serialiser escapes texts and attributes.
    return Markup(ElementTree.tostring(root, encoding="unicode")), shown, round(height * POINT)


def pointed_at(value: str) -> list[str]:
    """The identifiers that an attribute points at."""
    return [value[1:]] if value.startswith("#") else USED.findall(value)


def of_figure(name: str, value: str, key: str) -> str:
    """An attribute with the figure's key before the identifiers in it."""
    if name == "id":
        return f"{key}-{value}"
    if name == "href" and value.startswith("#"):
        return f"#{key}-{value[1:]}"
    return USED.sub(lambda found: f"url(#{key}-{found[1]})", value)
