"""Text broken into lines of a given width; the caller says how wide a text is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

Width = Callable[[str], float]

ELLIPSIS = "…"
NO_BREAK = "\u00a0"
# After a blank, a hyphen or a slash a line may end; a no-break space is a letter like others.
_PIECES = re.compile(r" |[^ \-/]+[\-/]*|[\-/]+")
_BLANKS = re.compile(r"[ \t\n\r\f\v]+")


def one_line(text: str) -> str:
    """The text with single blanks, and none at its ends."""
    return _BLANKS.sub(" ", text).strip()


def unbroken(text: str) -> str:
    """The text with blanks that no line ends at."""
    return text.replace(" ", NO_BREAK)


def pieces_of(text: str) -> list[str]:
    """Words, hyphens and slashes at the end of what they follow, and the blanks between them."""
    return _PIECES.findall(text)


def clusters_of(word: str) -> list[str]:
    """Characters with the accents and joiners that belong to them: what a line may not break apart."""
    clusters: list[str] = []
    for character in word:
        joined = clusters and (clusters[-1].endswith("\u200d") or character == "\u200d")
        if clusters and (joined or unicodedata.combining(character) or unicodedata.category(character) == "Mn"):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def wrap(text: str, limit: float, width: Width, most: int = 0) -> tuple[str, ...]:
    """Lines no wider than the limit; a word wider than that is broken, and what exceeds `most` lines ends in "…"."""
    return tuple(line.replace(NO_BREAK, " ") for line in wrapped(one_line(text), limit, width, most))


def wrapped(text: str, limit: float, width: Width, most: int) -> tuple[str, ...]:
    """The lines, no-break spaces as they are."""
    if width(text) <= limit:
        return (text,)
    lines: list[str] = []
    line = ""
    for piece in pieces_of(text):
        if width((line + piece).strip()) <= limit:
            line += piece
            continue
        if line.strip():
            lines.append(line.strip())
        line = "" if piece == " " else piece
        if width(line) > limit:
            *whole, line = broken(line, limit, width)
            lines += whole
    if line.strip():
        lines.append(line.strip())
    if most and len(lines) > most:
        kept = lines[:most]
        kept[-1] = shortened(" ".join([kept[-1], *lines[most:]]), limit, width)
        return tuple(kept)
    return tuple(lines)


def broken(word: str, limit: float, width: Width) -> list[str]:
    """A word cut wherever the limit comes, at least one character a line."""
    lines, line = [], ""
    for cluster in clusters_of(word):
        if line and width(line + cluster) > limit:
            lines.append(line)
            line = ""
        line += cluster
    return [*lines, line]


def shortened(text: str, limit: float, width: Width) -> str:
    """The text cut to the limit, with an ellipsis for what is missing."""
    if width(text) <= limit:
        return text
    clusters = clusters_of(text)
    low, high = 0, len(clusters)
    while low < high:
        middle = (low + high + 1) // 2
        if width("".join(clusters[:middle]).rstrip() + ELLIPSIS) <= limit:
            low = middle
        else:
            high = middle - 1
    return "".join(clusters[:low]).rstrip() + ELLIPSIS


def longest_word(text: str, width: Width) -> float:
    """The width below which a word would have to be broken."""
    return max((width(piece) for piece in pieces_of(text) if piece != " "), default=0.0)


def in_lines(text: str, count: int, width: Width) -> tuple[str, ...]:
    """The text in `count` lines at most, as narrow as words allow."""
    low, high = longest_word(text, width), width(one_line(text))
    if count == 1:
        return wrap(text, high, width)
    if len(wrap(text, low, width)) <= count:
        return wrap(text, low, width)
    for _ in range(12):
        middle = 0.5 * (low + high)
        if len(wrap(text, middle, width)) <= count:
            high = middle
        else:
            low = middle
    return wrap(text, high, width)
