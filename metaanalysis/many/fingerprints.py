"""What a function of the user's own does, as text that is equal from one process to the next: whether a run may be taken up."""

from __future__ import annotations

import functools
import hashlib
import pickle
import uuid
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any


def fingerprint(value: Any, seen: tuple[int, ...] = ()) -> str:
    """Equal texts for what does the same: a function's code, its defaults, what it encloses, and what of its module it uses.

    What can't be told, such as an open file that a function encloses, is equal to nothing, not to itself either.
    """
    if id(value) in seen:
        return "itself"
    seen = (*seen, id(value))
    if isinstance(value, functools.partial):
        return repr(
            (
                fingerprint(value.func, seen),
                [fingerprint(one, seen) for one in value.args],
                _of_table(value.keywords, seen),
            )
        )
    if isinstance(value, MethodType):
        return repr((fingerprint(value.__func__, seen), fingerprint(value.__self__, seen)))
    if isinstance(value, FunctionType):
        return of_function(value, seen)
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, int | float | complex | str | bytes | None):
        return repr(value)
    if isinstance(value, list | tuple):
        return repr((type(value).__name__, [fingerprint(one, seen) for one in value]))
    if isinstance(value, set | frozenset):
        return repr(("set", sorted(fingerprint(one, seen) for one in value)))
    if isinstance(value, dict):
        return _of_table(value, seen)
    return of_object(value, seen)


def _of_table(table: dict[Any, Any], seen: tuple[int, ...]) -> str:
    return repr(sorted((fingerprint(name, seen), fingerprint(one, seen)) for name, one in table.items()))


def of_function(function: FunctionType, seen: tuple[int, ...]) -> str:
    """The fingerprint of a plain function."""
    known = function.__globals__
    used = {name: known[name] for name in names_used(function.__code__) if name in known}
    enclosed = [cell.cell_contents for cell in function.__closure__ or ()]
    parts = (function.__defaults__, function.__kwdefaults__, enclosed, used)
    return repr((of_code(function.__code__, seen), [fingerprint(one, seen) for one in parts]))


def names_used(code: CodeType) -> set[str]:
    """The names that a function looks up, in functions within it too."""
    inner = (names_used(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def of_code(code: CodeType, seen: tuple[int, ...]) -> str:
    """The fingerprint of compiled code."""
    constants = [of_code(one, seen) if isinstance(one, CodeType) else fingerprint(one, seen) for one in code.co_consts]
    return repr((code.co_code, code.co_names, constants))


def of_object(value: Any, seen: tuple[int, ...]) -> str:
    """The fingerprint of anything else: what it holds, and what it does when it is called."""
    call = vars(type(value)).get("__call__")
    does = fingerprint(call, seen) if isinstance(call, FunctionType) else ""
    try:
        held = pickle.dumps(value, protocol=4)
    except Exception:
        # Of a class within a function, say, whose attributes may be told all the same.
        if not does:
            return uuid.uuid4().hex
        return repr((type(value).__qualname__, _of_table(dict(vars(value)), seen), does))
    return repr((hashlib.sha256(held).hexdigest(), does))
