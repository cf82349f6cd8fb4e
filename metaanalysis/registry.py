"""Named choices: an option's value is a key of a registry, or a function of the same signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from metaanalysis.errors import OptionError, nearest

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


@dataclass(frozen=True)
class Entry(Generic[FunctionT]):
    """One choice: the function behind it, its title in words, and the key of its reference (see ``references.py``)."""

    function: FunctionT
    title: str
    reference: str | None = None


class Registry(Mapping[str, Entry[FunctionT]]):
    """The choices of one option, by key.

    Parameters
    ----------
    option
        The name of the option, for messages.
    entries
        A literal mapping of key to entry.
    """

    def __init__(self, option: str, entries: Mapping[str, Entry[FunctionT]]) -> None:
        self.option = option
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Entry[FunctionT]:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, choice: str | FunctionT) -> str:
        """The registry's own spelling of a choice (case does not matter); a function's name for a function."""
        if callable(choice):
            return getattr(choice, "__name__", repr(choice))
        if isinstance(choice, str):
            if choice in self._entries:
                return choice
            for key in self._entries:
                if key.lower() == choice.lower():
                    return key
        raise OptionError(
            f"{self.option}={choice!r} is not a choice.{nearest(str(choice), self._entries)} "
            f"The choices are: {', '.join(self._entries)}."
        )

    def entry(self, choice: str | FunctionT) -> Entry[FunctionT]:
        """The entry of a key, or a new one round a function of the same signature."""
        if callable(choice):
            return Entry(choice, getattr(choice, "__name__", repr(choice)))
        return self._entries[self.key(choice)]
