"""The entry point: which command, and how errors and warnings are said."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from metaanalysis import __version__
from metaanalysis.cli import audit, datasets, new, pool, pool_many, report, reproduce
from metaanalysis.errors import MetaAnalysisError, MetaAnalysisWarning

COMMANDS = {
    "reproduce": reproduce,
    "audit": audit,
    "pool": pool,
    "pool-many": pool_many,
    "report": report,
    "new": new,
    "datasets": datasets,
}
FAILED = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        By default those of the process.

    Returns
    -------
    int
        Exit status: 0 for success; 1 where a printed number is not reproduced or a reported one is impossible; 2 where the
        command cannot be done, which one sentence on standard error explains.

    Examples
    --------
    >>> from metaanalysis.cli import main
    >>> main(["datasets", "hine1989"])
    study,events1,n1,events2,n2
    Chopra et al.,2,39,1,43
    Mogensen,4,44,4,44
    Pitt et al.,6,107,4,110
    Darby et al.,7,103,5,100
    Bennett et al.,7,110,3,106
    O'Brien et al.,11,154,4,146
    0
    """
    for stream in (sys.stdout, sys.stderr):
        speak_utf8(stream)
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser(next((word for word in words if not word.startswith("-")), "")).parse_args(words)
    try:
        with warnings_as_sentences():
            status: int = given.run(given)
            sys.stdout.flush()
    except MetaAnalysisError as problem:
        return failed(str(problem))
    except BrokenPipeError:
        # Whoever read has read enough. The interpreter flushes once more when it ends, which must not fail again.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as problem:
        named = f"{problem.filename}: " if problem.filename else ""
        return failed(f"{named}{problem.strerror or problem}.")
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def parser(chosen: str) -> argparse.ArgumentParser:
    """All commands, and the options of the chosen one: the others' need not be known, nor what they are made of loaded."""
    whole = argparse.ArgumentParser(
        prog="metaanalysis",
        description="Meta-analysis that reproduces published reviews to the last printed digit.",
        allow_abbrev=False,
    )
    whole.add_argument("--version", action="version", version=f"metaanalysis {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        if name == chosen:
            command.add_to(commands)
        else:
            commands.add_parser(name, help=command.SUMMARY)
    return whole


def failed(sentence: str) -> int:
    """Say why a command cannot be done, in one line."""
    with suppress(OSError, ValueError):
        print(f"metaanalysis: {' '.join(sentence.split())}", file=sys.stderr)
    return FAILED


def speak_utf8(stream: TextIO) -> None:
    """Write UTF-8 whatever the locale says: summaries hold τ², I² and names of authors."""
    if (getattr(stream, "encoding", None) or "").lower().replace("-", "") != "utf8":
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(encoding="utf-8")  # type: ignore[attr-defined]


@contextmanager
def warnings_as_sentences() -> Iterator[None]:
    """Say the library's warnings as sentences on standard error, each once; leave others as they are."""
    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", MetaAnalysisWarning)
        usual: Callable[..., Any] = warnings.showwarning

        def say(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, MetaAnalysisWarning):
                usual(message, category, *place, **more)
                return
            # The rest is for those who hold the object.
            sentence = str(message).removesuffix(" See .excluded.")
            if sentence not in said:
                said.add(sentence)
                print(f"warning: {sentence}", file=sys.stderr)

        warnings.showwarning = say
        yield
