"""A table of a TOML file, read key by key: what is missing, of another type or unknown is refused with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from metaanalysis.errors import DataError, nearest
from metaanalysis.reviews.printing import PrintedNumber, printed_number


class TomlTable:
    """The content of a table, where it is, and which of its keys have been read.

    Parameters
    ----------
    content
        Key to value.
    place
        For messages, such as ``datasets/bcg/review.toml, analysis 'rr-random'``.
    """

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self._content = content
        self._place = place
        self._read: set[str] = set()

    def error(self, key: str, what: str) -> DataError:
        """An error about a key, with its place."""
        return DataError(f"{self._place}: {key} {what}.")

    def left(self) -> list[str]:
        """The keys that have not been read yet."""
        return [key for key in self._content if key not in self._read]

    def skip(self, *keys: str) -> None:
        """Count keys as read."""
        self._read.update(keys)

    def done(self, also: Iterable[str] = ()) -> None:
        """Refuse keys that nothing reads; `also` are further keys that could have been there."""
        for key in self.left():
            raise self.error(key, f"is not a key that is read here.{nearest(key, {*self._read, *also})}".rstrip(".?"))

    def _take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._read.add(key)
        if key not in self._content:
            if default is None:
                raise self.error(key, f"is missing: add {what}")
            return default
        value = self._content[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.error(key, f"is {value!r}, but has to be {what}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text; not empty unless it may be left out."""
        value: str = self._take(key, str, f'a text in quotes, as in {key} = "…"', default)
        if not value.strip() and default is None:
            raise self.error(key, "is empty")
        return value

    def truth(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._take(key, bool, "true or false", default))

    def whole(self, key: str) -> int | None:
        """A whole number, or None."""
        value = self._take(key, int, "a whole number", "")
        return None if value == "" else int(value)

    def fraction(self, key: str, default: float) -> float:
        """A number."""
        return float(self._take(key, (int, float), "a number", default))

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of the choices."""
        value = self.text(key, default)
        if value not in choices:
            raise self.error(key, f"is {value!r}, but has to be one of: {', '.join(choices)}")
        return value

    def number(self, key: str) -> PrintedNumber:
        """A printed number, in quotes."""
        try:
            return printed_number(self.text(key))
        except DataError as problem:
            raise self.error(key, f"is not right: {problem}") from None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, or nothing."""
        values = self._take(key, list, f'a list of texts, as in {key} = ["…", "…"]', [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, f"is {values!r}, but has to be a list of texts in quotes")
        return tuple(values)

    def pair(self, key: str) -> tuple[str, str]:
        """Two printed limits."""
        values = self.texts(key)
        if len(values) != 2:
            raise self.error(
                key, f'has {len(values)} values, but needs a lower and an upper limit, as in ["0.34", "0.70"]'
            )
        return values[0], values[1]

    def values(self, key: str) -> Mapping[str, Any]:
        """A table of any values, or nothing."""
        return MappingProxyType(dict(self._take(key, dict, f'a table, as in {key} = {{ tau2 = "DL" }}', {})))

    def strings(self, key: str, at_least_one: bool = False) -> Mapping[str, str]:
        """A table of texts, or nothing."""
        values = self.values(key)
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.error(f"{key}.{name}", f"is {value!r}, but has to be a text in quotes")
        if at_least_one and not values:
            raise self.error(key, "is missing: describe each column in it")
        return values

    def table(self, key: str) -> TomlTable:
        """A table of its own, empty where there is none."""
        return TomlTable(self.values(key), f"{self._place}, [{key}]")

    def tables(self, key: str, name: str) -> list[TomlTable]:
        """The tables of a list, each called by one of its values."""
        values = self._take(key, list, f"a list of tables, each under [[{key}]]", [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, f"is {values!r}, but has to be a list of tables, each under [[{key}]]")
        return [
            TomlTable(value, f"{self._place}, {key} {value.get(name, '')!r}".replace(" ''", f" {at}"))
            for at, value in enumerate(values, start=1)
        ]
