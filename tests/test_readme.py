"""What the README shows runs as it stands, and names the two commands that the Makefile has."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    mpl.use("agg")
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Meta-analysis of 13 studies: risk ratio" in printed
    assert "Q = 1.54, df = 2" in printed
    assert "<svg" in (tmp_path / "bcg.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["reproduce", "test"])
def test_commands_are_targets_of_the_makefile(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
