"""`metaanalysis pool`: from a CSV file of studies to a pooled estimate and its forest plot."""

from __future__ import annotations

import argparse
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaanalysis.results import Pooled, Subgroups

SUMMARY = "pool the studies of a CSV file"


def add_to(commands: Any) -> None:
    """Add the command to the parser."""
    from metaanalysis.effects import MEASURES

    command = commands.add_parser(
        "pool",
        help=SUMMARY,
        usage="metaanalysis pool STUDIES.csv --measure RR [options]",
        description="Compute the effect sizes of the studies in a CSV file, one row a study, and pool them.",
        allow_abbrev=False,
    )
    command.add_argument("file", metavar="STUDIES.csv", help="data in UTF-8, one row a study; - reads standard input")
    command.add_argument("--measure", required=True, help=f"one of: {', '.join(MEASURES)}")
    command.add_argument(
        "--label", metavar="COLUMN", help="column that names the studies (default: study, label or author)"
    )
    command.add_argument("--by", metavar="COLUMN", help="column of subgroups")
    command.add_argument("--tau2-sharing", help="tau² of subgroups: separate (default) or common")
    command.add_argument("--forest", metavar="FILE", help="write a forest plot, such as forest.svg, .pdf or .png")
    command.add_argument(
        "--layout", help="of the forest plot: default, revman5, revman-web, jama or bmj (with --forest)"
    )
    command.add_argument("--json", metavar="FILE.json", help="write every number; NaN and infinity as null")

    add_analysis(command)
    command.set_defaults(run=run)


def add_analysis(command: argparse.ArgumentParser) -> None:
    """Add every option of effect sizes and of pooling, and the columns that the file may call otherwise."""
    from metaanalysis.conventions import CONVENTIONS
    from metaanalysis.effects import MEASURES
    from metaanalysis.effects.calculate import GIVEN_NAMES
    from metaanalysis.formulas.prediction import PREDICTION
    from metaanalysis.formulas.tau2 import TAU2
    from metaanalysis.options import CI_CHOICES, METHODS, MODELS, EffectOptions, PoolOptions

    model = command.add_argument_group("model")
    model.add_argument("--convention", help=f"program whose numbers to reproduce: {', '.join(CONVENTIONS)}")
    tau2 = (*TAU2, "GENQ")
    choices = {"model": MODELS, "method": METHODS, "tau2": tau2, "ci": CI_CHOICES, "prediction": PREDICTION}
    for field in fields(PoolOptions):
        said = f"one of: {', '.join(choices[field.name])}" if field.name in choices else None
        add_option(model, field, said or HELP.get(field.name))
    model.add_argument("--tau2-weights", metavar="COLUMN", help=TAU2_WEIGHTS)

    effects = command.add_argument_group("effect sizes")
    effects.add_argument("--ci-level", metavar="LEVEL", help="level of given confidence intervals (default: 0.95)")
    for field in fields(EffectOptions):
        add_option(effects, field, HELP.get(field.name))

    columns = command.add_argument_group("columns, where the file calls them otherwise")
    names = dict.fromkeys([name for measure in MEASURES.values() for name in measure.inputs] + list(GIVEN_NAMES))
    for name in names:
        columns.add_argument(flag(name), metavar="COLUMN")
    command.set_defaults(
        for_effects=(*names, *(field.name for field in fields(EffectOptions)), "label", "convention", "ci_level"),
        for_pool=(*(field.name for field in fields(PoolOptions)), "convention", "tau2_weights"),
    )


TAU2_WEIGHTS = "column of the fixed weights, for --tau2 GENQ"

HELP = {
    "i2": "whether I² comes from tau2 or q",
    "corrected_tables": "pool continuity-corrected counts by Mantel-Haenszel",
    "risk_difference_variance": "of Mantel-Haenszel risk differences: sato or greenland-robins",
    "level": "level of the intervals (default: 0.95)",
    "add": "continuity correction: how much to add to each cell (default: 0.5)",
    "to": "to which studies: only0, all, if0all or none",
    "addition": "how: constant or treatment-arm",
    "risk_ratio_denominator": "what enters the group sizes of a corrected risk ratio: cells, events or none",
    "double_zero": "keep or drop studies with no events in both groups",
    "risk_difference": "whether the correction enters both estimate and variance, or the variance alone",
    "peto": "whether a study's own Peto odds ratio uses corrected or raw counts",
    "smd_correction": "small-sample correction of standardised mean differences",
    "smd_variance": "variance of standardised mean differences",
    "md_variance": "variance of mean differences",
}


def add_option(group: Any, field: Field[Any], said: str | None) -> None:
    """An option of the library as one of the command, of the same type and without a default of its own."""
    if field.type == "bool":
        group.add_argument(flag(field.name), action="store_true", default=None, help=said)
    elif field.type == "float" and field.name != "level":
        group.add_argument(flag(field.name), type=float, metavar="NUMBER", help=said)
    else:
        # The library itself says what is wrong with a level.
        group.add_argument(flag(field.name), metavar="LEVEL" if field.name == "level" else "CHOICE", help=said)


def flag(name: str) -> str:
    """An option's name as a flag."""
    return f"--{name.replace('_', '-')}"


def run(given: argparse.Namespace) -> int:
    """Read, compute, pool and print."""
    from metaanalysis.cli.files import read_table, write_json
    from metaanalysis.effects import effect_sizes
    from metaanalysis.errors import OptionError
    from metaanalysis.models import pool, subgroups

    def chosen(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(given, name) for name in names if getattr(given, name) is not None}

    if given.tau2_sharing is not None and given.by is None:
        raise OptionError("--tau2-sharing is about subgroups: name their column too, as in --by alloc.")
    if given.layout is not None and given.forest is None:
        raise OptionError("--layout is about the forest plot: say where it goes too, as in --forest forest.svg.")
    refuse_weights_of_subgroups(given)
    effects = effect_sizes(read_table(given.file), given.measure, **chosen(given.for_effects))
    result: Pooled | Subgroups
    if given.by is None:
        result = pool(effects, **chosen(given.for_pool))
    else:
        result = subgroups(effects, by=given.by, **chosen((*given.for_pool, "tau2_sharing")))
    print(result.summary())
    if given.json:
        write_json(document(result), given.json)
    if given.forest:
        from metaanalysis.plots import forest, save

        save(forest(result, layout=given.layout or "default"), given.forest)
    return 0


def refuse_weights_of_subgroups(given: argparse.Namespace) -> None:
    """OptionError where subgroups are asked for with weights of the generalised Q, which they do not have."""
    from metaanalysis.errors import OptionError

    if given.by and given.tau2_weights is not None:
        raise OptionError("--tau2-weights is for the studies all together: leave --by out, or take another --tau2.")


def document(result: Pooled | Subgroups) -> dict[str, Any]:
    """Every number of a result by name, with the studies that were left out and why."""
    from metaanalysis.results import Pooled

    fit = result if isinstance(result, Pooled) else result.overall
    excluded = [{"label": label, "reason": reason} for label, reason in fit.effects.left_out]
    if isinstance(result, Pooled):
        return {**result.to_dict(), "excluded": excluded}
    return {
        "by": result.by,
        "tau2_sharing": result.tau2_sharing,
        "groups": {name: group.to_dict() for name, group in result.groups.items()},
        "overall": result.overall.to_dict(),
        "q_between": result.q_between,
        "q_between_df": result.q_between_df,
        "q_between_p_value": result.q_between_p_value,
        "excluded": excluded,
    }
