"""The wheel, installed into an environment of its own, does with what it brings along: published reviews and templates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel; its dependencies are those of this one, seen through a path file.

    Path files are not followed from there, so that an editable install of the project stays out of sight.
    """
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    home = folder / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder
    )  # fmt: skip
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return python


def test_package_is_the_installed_one(python: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import metaanalysis; print(metaanalysis.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])


def test_reproduces_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    command = python.parent / "metaanalysis"
    printed = run(command, "reproduce", "--out", tmp_path / "plots", cwd=tmp_path)
    agree, of = map(int, re.findall(r"^(\d+) of (\d+) printed numbers agree", printed, flags=re.MULTILINE)[-1])
    assert agree == of >= 385
    assert len(list((tmp_path / "plots").glob("*.svg"))) >= 20


def test_writes_a_report_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    command = python.parent / "metaanalysis"
    (tmp_path / "bcg.csv").write_text(run(command, "datasets", "bcg", cwd=tmp_path), encoding="utf-8")
    said = run(command, "report", "bcg.csv", "--measure", "RR", "--by", "alloc", "--out", "bcg.html", cwd=tmp_path)
    assert said.strip() == "report: bcg.html"
    page = (tmp_path / "bcg.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert "<svg" in page
    assert "Hart &amp; Sutherland 1977" in page


def test_starts_every_template_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    command = python.parent / "metaanalysis"
    ours = {path.stem: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    listed = [line.split()[0] for line in run(command, "new", cwd=tmp_path).splitlines()]
    assert listed == sorted(ours)
    every = f"from metaanalysis.cli import main; assert not any(main(['new', name]) for name in {listed})"
    run(python, "-c", every, cwd=tmp_path)
    for name, path in ours.items():
        assert json.loads((tmp_path / f"{name}.ipynb").read_bytes()) == json.loads(path.read_bytes())


def test_a_template_runs_on_a_table_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    command = python.parent / "metaanalysis"
    (tmp_path / "bcg.csv").write_text(run(command, "datasets", "bcg", cwd=tmp_path), encoding="utf-8")
    run(command, "new", "first-review", "--data", "bcg.csv", "--out", "mine.ipynb", cwd=tmp_path)
    cells = json.loads((tmp_path / "mine.ipynb").read_bytes())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "mine.py").write_text(f"import matplotlib\nmatplotlib.use('agg')\n{code}\n", encoding="utf-8")
    assert "written: mine.html" in run(python, "mine.py", cwd=tmp_path)
    assert (tmp_path / "mine.html").exists()
