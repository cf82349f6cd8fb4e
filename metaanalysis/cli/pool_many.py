"""`metaanalysis pool-many`: pool every group of Parquet files, however large, into one Parquet file."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing.connection import wait
from typing import Any

from metaanalysis.cli.pool import HELP, TAU2_WEIGHTS, add_option, flag

SUMMARY = "pool every group of Parquet files into one Parquet file"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    from metaanalysis.conventions import CONVENTIONS
    from metaanalysis.effects import MEASURES
    from metaanalysis.effects.calculate import GIVEN_NAMES
    from metaanalysis.formulas.prediction import PREDICTION
    from metaanalysis.formulas.tau2 import TAU2
    from metaanalysis.options import CI_CHOICES, MODELS, EffectOptions, PoolOptions

    command = commands.add_parser(
        "pool-many",
        help=SUMMARY,
        usage="metaanalysis pool-many SOURCE [SOURCE ...] TARGET.parquet --by COLUMN [options]",
        description="Pool every group of Parquet files, one row a study, and write one row a group. The files need not fit into "
        "memory. A run that was stopped goes on where it was when the same command is given again.",
        allow_abbrev=False,
    )
    command.add_argument(
        "source", nargs="+", metavar="SOURCE", help="Parquet files, folders of them, or quoted patterns"
    )
    command.add_argument("target", metavar="TARGET.parquet", help="the file to write, one row a group")
    command.add_argument(
        "--by",
        required=True,
        action="append",
        metavar="COLUMN",
        help="column that names the group; again for a second one",
    )
    command.add_argument(
        "--measure",
        help=f"computes effect sizes from data, one of: {', '.join(MEASURES)} (default: they are given); or the column that "
        f"holds each row's",
    )
    command.add_argument(
        "--columns",
        metavar="NAMES",
        help="numbers to compute, as in estimate,se,p_value (default: all that `pool` gives)",
    )

    run_options = command.add_argument_group("run")
    run_options.add_argument(
        "--memory-limit", metavar="SIZE", help="beside the program itself, as in 500MB (default: 1GB)"
    )
    order = run_options.add_mutually_exclusive_group()
    order.add_argument("--sorted", action="store_true", default=None, help="the rows of a group stand together")
    order.add_argument("--unsorted", dest="sorted", action="store_false", help="they do not (default: it is found out)")
    run_options.add_argument("--engine", help="numpy or numba (default: the faster one that is installed)")
    run_options.add_argument(
        "--workers", type=int, metavar="NUMBER", help="threads (default: as many as there are cores)"
    )
    run_options.add_argument(
        "--processes", type=int, metavar="NUMBER", help="pool parts in so many processes at a time"
    )
    run_options.add_argument("--overwrite", action="store_true", help="replace TARGET if it exists")
    run_options.add_argument("--anew", action="store_true", help="do not go on with a run that was stopped")
    run_options.add_argument("--quiet", action="store_true", help="show no progress bar")

    model = command.add_argument_group("model")
    model.add_argument("--convention", help=f"program whose numbers to reproduce: {', '.join(CONVENTIONS)}")
    choices = {
        "model": MODELS,
        "method": ("inverse-variance", "mantel-haenszel", "peto"),
        "tau2": (*TAU2, "GENQ"),
        "ci": CI_CHOICES,
        "prediction": PREDICTION,
    }
    of_pool = [field for field in fields(PoolOptions) if field.name != "glmm"]
    for field in of_pool:
        said = f"one of: {', '.join(choices[field.name])}" if field.name in choices else None
        add_option(model, field, said or HELP.get(field.name))
    model.add_argument("--tau2-weights", metavar="COLUMN", help=TAU2_WEIGHTS)

    effects = command.add_argument_group("effect sizes")
    effects.add_argument("--ci-level", metavar="LEVEL", help="level of given confidence intervals (default: 0.95)")
    for field in fields(EffectOptions):
        add_option(effects, field, HELP.get(field.name))

    columns = command.add_argument_group("columns, where the files call them otherwise")
    names = dict.fromkeys([*GIVEN_NAMES, *(name for measure in MEASURES.values() for name in measure.inputs)])
    for name in names:
        columns.add_argument(flag(name), metavar="COLUMN")
    of_effects = ("measure", "ci_level", *(field.name for field in fields(EffectOptions)), *names)
    command.set_defaults(
        run=run,
        options=(
            "engine",
            "workers",
            "memory_limit",
            "convention",
            "tau2_weights",
            *(field.name for field in of_pool),
            *of_effects,
        ),
    )


# What messages say of the function's keywords, as the command has them.
IN_THE_SHELL = (
    (r"overwrite=True", "--overwrite"),
    (r"resume=False", "--anew"),
    (r"sorted=True", "--sorted"),
    (r"sorted=False", "--unsorted"),
    (r"memory_limit='([^']+)'", r"--memory-limit \1"),
    (r"workers=(\d+)", r"--workers \1"),
)


@contextmanager
def in_words_of_the_shell() -> Iterator[None]:
    """Errors that name the options of the command."""

    def said(text: object) -> Any:
        for pattern, words in IN_THE_SHELL:
            text = re.sub(pattern, words, text) if isinstance(text, str) else text
        return text

    try:
        yield
    except OSError as problem:
        problem.strerror = said(problem.strerror)
        raise
    except Exception as problem:
        problem.args = tuple(said(one) for one in problem.args)
        raise


def end_with_the_command() -> None:
    """In a worker: end when the command does, however it ends; of a command that is killed nobody else tells its workers."""
    command = multiprocessing.parent_process()
    if command is None:
        return

    def watch() -> None:
        wait([command.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run(given: argparse.Namespace) -> int:
    """Pool and say what was done."""
    from concurrent.futures import ProcessPoolExecutor
    from contextlib import nullcontext

    from metaanalysis.errors import OptionError
    from metaanalysis.many.parquet import pool_parquet

    options = {name: getattr(given, name) for name in given.options if getattr(given, name) is not None}
    if given.columns is not None:
        options["columns"] = [name.strip() for name in given.columns.split(",")]
    if given.processes is not None and given.processes < 1:
        raise OptionError(
            f"--processes {given.processes} is no number of processes: it is a whole number from 1 upward."
        )
    workers = (
        nullcontext()
        if given.processes is None
        else ProcessPoolExecutor(given.processes, initializer=end_with_the_command)
    )
    with in_words_of_the_shell(), workers as executor:
        done = pool_parquet(
            given.source,
            given.target,
            by=given.by,
            executor=executor,
            sorted=given.sorted,
            resume=not given.anew,
            overwrite=given.overwrite,
            progress=False if given.quiet else None,
            **options,
        )
    print(done)
    return 0
