"""The house: which room may import which, what stays light, and what a public name must say of itself."""

from __future__ import annotations

import ast
import graphlib
import inspect
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import metaanalysis as ma

PACKAGE = Path(ma.__file__).parent
# From the ground up: a room imports only rooms above it in this list, or itself.
ROOMS = ("errors", "references", "registry", "formulas", "options", "conventions", "effects", "results", "models", "diagnostics",
         "many", "reviews", "io", "plots", "reports", "cli")  # fmt: skip
HEAVY = ("matplotlib", "pandas", "narwhals", "statsmodels", "formulaic", "polars", "pyarrow", "tqdm")
FORMULAS_MAY_IMPORT = {"numpy", "scipy", "metaanalysis", "collections", "dataclasses", "enum", "functools", "itertools", "math",
                       "types", "typing", "__future__", "warnings"}  # fmt: skip

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imports(path: Path) -> set[str]:
    """The modules that a file names in its imports, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            # `from metaanalysis import effects` imports a room too.
            if node.module == "metaanalysis":
                found |= {f"metaanalysis.{alias.name}" for alias in node.names}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_the_list_of_rooms_is_complete():
    assert {room_of(path) for path in FILES} <= {*ROOMS, "__main__"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_rooms_import_only_rooms_above_them(path):
    room = room_of(path)
    order = ROOMS.index(room) if room in ROOMS else len(ROOMS)
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "metaanalysis" and len(parts) > 1 and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= order, f"{room} imports {module}, which lies below it"


def needed(path: Path) -> set[str]:
    """The files of the package that a file imports while it runs, inside functions too: those for types alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in for_types:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_two_files_need_each_other():
    files = [path for path in FILES if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in files}
    graph = {module: needed(path) & modules.keys() for module, path in modules.items()}
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the files


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) == "formulas"], ids=named)
def test_formulas_know_arrays_alone(path):
    outside = {module.split(".")[0] for module in imports(path)} - FORMULAS_MAY_IMPORT
    assert not outside, f"formulas are arrays in, arrays out: {sorted(outside)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded."""
    script = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_the_import_is_light():
    assert loaded_after("import metaanalysis") == set()


def test_pooling_arrays_loads_no_plots_and_no_frames():
    assert loaded_after("import metaanalysis\nmetaanalysis.pool([0.1, 0.3], [0.1, 0.2]).summary()") == set()


def test_effects_of_a_frame_load_no_plots_and_no_statsmodels():
    code = "import metaanalysis\nmetaanalysis.effect_sizes({'y': [0.1, 0.3], 'v': [0.1, 0.2]}, 'GEN')"
    assert loaded_after(code) & {"matplotlib", "statsmodels", "formulaic", "polars"} == set()


def test_the_import_is_quick():
    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    # The least of several runs: a busy machine slows each of them down, none of them up.
    assert min(seconds("import metaanalysis") for _ in range(5)) - min(seconds("") for _ in range(5)) < 0.35


def public() -> list[str]:
    return list(ma.__all__)


def is_error(name: str) -> bool:
    value = getattr(ma, name)
    return inspect.isclass(value) and issubclass(value, Exception)


def sections(docstring: str) -> dict[str, str]:
    """The sections of a numpydoc docstring by their titles."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", public())
def test_public_names_are_there(name):
    assert getattr(ma, name).__doc__
    assert name in dir(ma)


@pytest.mark.parametrize("name", [name for name in public() if inspect.isfunction(getattr(ma, name))])
def test_public_functions_have_a_numpydoc_docstring_with_an_example(name):
    function = getattr(ma, name)
    parts = sections(function.__doc__)
    assert ">>>" in parts.get("Examples", ""), "an example"
    assert "Returns" in parts
    parameters = inspect.signature(function).parameters.values()
    # One entry may name several: "tau2, ci, prediction".
    listed = {word.strip(" *") for line in parts.get("Parameters", "").splitlines() if re.match(r"\S", line) for word in
              line.split(":")[0].split(",")}  # fmt: skip
    assert {parameter.name for parameter in parameters} <= listed


@pytest.mark.parametrize(
    "name", [name for name in public() if inspect.isclass(getattr(ma, name)) and not is_error(name)]
)
def test_public_classes_say_what_they_hold(name):
    parts = sections(getattr(ma, name).__doc__)
    assert "Attributes" in parts or "Parameters" in parts
    for member, value in vars(getattr(ma, name)).items():
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            assert value.__doc__, f"{name}.{member} has no docstring"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'meta'"):
        ma.meta  # noqa: B018
