"""The wheel, installed into an environment of its own, reproduces the published reviews that it brings along."""

from __future__ import annotations

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
