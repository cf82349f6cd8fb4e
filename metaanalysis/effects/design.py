"""A formula and a table -> a design matrix, and the same for new data."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaanalysis.effects.columns import FrameLike, is_missing, open_frame
from metaanalysis.effects.effects import Effects
from metaanalysis.errors import DataError, ExcludedStudiesWarning, OptionError, nearest
from metaanalysis.formulas.arrays import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

# Columns whose scaled singular values fall below this share of the largest can't be told from a combination of others.
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class Design:
    """A design matrix with the names of its columns, and what is needed to build the like for new data."""

    X: FloatArray
    names: tuple[str, ...]
    intercept: int | None
    formula: str
    variables: tuple[str, ...]
    spec: Any

    def categories(self) -> dict[str, list[Any]]:
        """The levels of each factor as they are in the table, the reference level among them."""
        found: dict[str, list[Any]] = {}
        for name, (kind, state) in self.spec.encoder_state.items():
            if str(kind).endswith("CATEGORICAL"):
                inner = (
                    str(name).removeprefix("C(").split(",")[0].rstrip(")") if str(name).startswith("C(") else str(name)
                )
                found[inner.strip()] = list(state.get("categories", []))
        return found

    def levels(self) -> dict[str, list[str]]:
        """The same as text."""
        return {factor: [str(level) for level in levels] for factor, levels in self.categories().items()}

    def rows_for(self, data: FrameLike) -> FloatArray:
        """The design matrix of new data; DataError where a column or a factor's level is missing or unknown."""
        table = moderators_frame(data, self.variables)
        missing = missing_rows(table)
        if missing.any():
            row = int(np.flatnonzero(missing)[0])
            name = next(c for c in table.columns if is_missing(table[c].iloc[row]))
            raise DataError(f"{name} is missing in row {row + 1} of the new data: a prediction needs every moderator.")
        self.check_levels(table)
        return matrix_of(self.spec, table, f"the new data do not fit the formula {self.formula!r}")

    def check_levels(self, table: pd.DataFrame) -> None:
        """DataError where new data have a level of a factor that no study has."""
        for factor, levels in self.categories().items():
            for row, value in enumerate(table[factor]) if factor in table.columns else ():
                if value not in levels:
                    known = [str(level) for level in levels]
                    raise DataError(
                        f"{factor} is {str(value)!r} in row {row + 1} of the new data, a level that no study has."
                        f"{nearest(str(value), known)} The levels are: {', '.join(known)}."
                    )


def first_line(error: Exception) -> str:
    """An error's first line without the colours that some libraries put in."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().split("\n", maxsplit=1)[0]


def variables_of(formula: str, parsed: Any, effects: Effects) -> tuple[str, ...]:
    """The columns that a formula names: formulaic's own list, and those inside functions that it does not look into."""
    names = {str(name) for name in parsed.required_variables}
    if effects.source is not None:
        words = set(re.findall(r"`([^`]+)`", formula)) | set(re.findall(r"[^\W\d]\w*", formula))
        names |= words & {str(name) for name in effects.source.columns}
    return tuple(sorted(names))


def moderators_frame(data: FrameLike, variables: tuple[str, ...]) -> pd.DataFrame:
    """The columns of a frame of any make that a formula names, as pandas."""
    import pandas as pd

    frame = open_frame(data)
    for name in variables:
        if name not in frame.columns:
            have = [str(column) for column in frame.columns]
            raise DataError(
                f"the formula names {name!r}, which is no column of the table.{nearest(name, have)} "
                f"The columns are: {', '.join(have) or 'none'}."
            )
    columns = {name: frame[name] for name in variables}
    return pd.DataFrame(
        {
            name: column.to_numpy() if column.dtype.is_numeric() else column.to_list()
            for name, column in columns.items()
        },
        index=pd.RangeIndex(frame.shape[0]),
    )


def missing_rows(table: pd.DataFrame) -> BoolArray:
    """Which rows miss a value."""
    if table.shape[1] == 0:
        return np.zeros(len(table), dtype=np.bool_)
    return np.asarray(table.isna().to_numpy().any(axis=1), dtype=np.bool_)


def matrix_of(spec: Any, table: pd.DataFrame, problem: str) -> FloatArray:
    """The design matrix as an array; its errors and warnings in our words."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            matrix = spec.get_model_matrix(table)
        except Exception as error:
            raise DataError(f"{problem}: {first_line(error)}") from error
    return np.array(matrix, dtype=np.float64)


def build_design(effects: Effects, formula: str) -> tuple[Design, Effects, tuple[tuple[str, str], ...]]:
    """The design of a formula over the effects' table, the effects that it keeps, and who was left out for missing values.

    Raises OptionError where the formula can't be read, DataError where its columns are missing, not finite or redundant.
    """
    import formulaic

    if not isinstance(formula, str):
        raise OptionError(f'a formula is text such as "~ latitude + C(allocation)", not {type(formula).__name__}.')
    text = formula.strip()
    right = text[1:] if text.startswith("~") else text
    if "~" in right:
        raise OptionError(
            f"the formula {formula!r} has something left of the ~: the effect sizes are what is regressed, so that it begins "
            f"with the ~, as in ~{right.split('~', maxsplit=1)[1]}."
        )
    if not right.strip():
        raise OptionError(
            f"the formula {formula!r} is empty. An example: ~ latitude + C(allocation); for the mean alone: ~ 1."
        )
    try:
        parsed = formulaic.Formula(right)
        variables = variables_of(right, parsed, effects)
    except Exception as error:
        raise OptionError(
            f"the formula {formula!r} can't be read: {first_line(error)} An example: ~ latitude + C(allocation)"
        ) from error
    if effects.source is None and variables:
        raise DataError(
            f"the formula {formula!r} needs a table with {', '.join(variables)}: make the effects by effect_sizes from one."
        )
    import pandas as pd

    table = moderators_frame(effects.table, variables) if variables else pd.DataFrame(index=pd.RangeIndex(effects.k))
    missing = missing_rows(table)
    left_out = tuple(
        (effects.label[row], f"{next(c for c in table.columns if is_missing(table[c].iloc[row]))} is missing")
        for row in np.flatnonzero(missing)
    )
    if left_out:
        shown = "; ".join(f"'{label}' ({reason})" for label, reason in left_out[:5])
        more = f"; and {len(left_out) - 5} more" if len(left_out) > 5 else ""
        warnings.warn(
            f"{len(left_out)} of {effects.k} studies left out of the regression: {shown}{more}.",
            ExcludedStudiesWarning,
            stacklevel=4,
        )
        effects = effects.subset(~missing)
        table = table.loc[~missing].reset_index(drop=True)
    if effects.k == 0:
        raise DataError("no study has all the moderators: nothing is left to regress on.")
    try:
        # An empty context: names in a formula are columns and formulaic's own functions, never our variables.
        with np.errstate(all="ignore"):
            matrix = formulaic.model_matrix(right, table, context={})
    except Exception as error:
        raise DataError(f"the formula {formula!r} can't be applied to this table: {first_line(error)}") from error
    names = tuple("intercept" if name == "Intercept" else str(name) for name in matrix.columns)
    X = np.array(matrix, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] == 0:
        raise OptionError(f"the formula {formula!r} has no terms. For the mean alone use ~ 1, or pool.")
    check_design(X, names, effects)
    intercept = names.index("intercept") if "intercept" in names else None
    return Design(X, names, intercept, formula, variables, matrix.model_spec), effects, left_out


def check_design(X: FloatArray, names: tuple[str, ...], effects: Effects) -> None:
    """Finite, and of full column rank; DataError names the study and the column, or the redundant columns."""
    bad = ~np.isfinite(X)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{names[column]} ({X[row, column]:g}) in study '{effects.label[row]}' is not a finite number: correct it, or make "
            f"it missing to leave the study out."
        )
    size = np.sqrt((X**2).sum(axis=0))
    redundant = [names[j] for j in range(X.shape[1]) if size[j] == 0]
    kept: list[int] = []
    for j in range(X.shape[1]):
        if size[j] == 0:
            continue
        trial = X[:, [*kept, j]] / size[[*kept, j]]
        singular = np.linalg.svd(trial, compute_uv=False) if trial.shape[0] >= trial.shape[1] else np.zeros(1)
        if singular.size and singular[-1] > RANK_TOLERANCE * singular[0]:
            kept.append(j)
        else:
            redundant.append(names[j])
    if redundant:
        raise DataError(
            f"{', '.join(redundant)} can't be told apart from the other columns of the design ({', '.join(names)}; "
            f"{X.shape[0]} studies): leave them out of the formula, or join the levels that too few studies have."
        )
