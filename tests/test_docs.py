"""The documentation: every block of Python on its pages runs, and the site builds without a warning and reads without a network."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

import metaanalysis as ma
from metaanalysis.conventions import CONVENTIONS
from metaanalysis.formulas.tau2 import TAU2
from metaanalysis.references import REFERENCES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md"))

pytest.importorskip("mkdocs", reason="mkdocs is not installed: it comes with the extra docs")


@pytest.fixture(scope="module")
def blocks() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS / "hooks"))
    yield importlib.import_module("site_blocks")
    sys.path.remove(str(DOCS / "hooks"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_every_block_runs(page: Path, blocks: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("```python") == len(blocks.BLOCK.findall(text)), "a block is not fenced as the others"
    blocks.outcomes(text, page.name)


def test_a_block_that_fails_is_named(blocks: ModuleType) -> None:
    with pytest.raises(blocks.BlockError, match=r"page\.md, block 2 does not run: ZeroDivisionError"):
        blocks.outcomes("```python\nx = 0\n```\n\n```python\n1 / x\n```\n", "page.md")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    # Not --quiet: mkdocs would then not count its warnings.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    quick = {**os.environ, "METAANALYSIS_DOCS_QUICK": "1", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quick, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return target


class Addresses(HTMLParser):
    """What a page fetches when it is read, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.linked: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given["id"]} if "id" in given else set()
        if tag in ("script", "img", "iframe", "source", "audio", "video", "embed") and "src" in given:
            self.fetched.append(given["src"])
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(given["href"])
        if tag == "a" and "href" in given:
            self.linked.append(given["href"])


def read(site: Path, page: str) -> str:
    return (site / page).read_text(encoding="utf-8")


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in Addresses(page.read_text(encoding="utf-8")).fetched:
            assert not re.match(r"(https?:)?//", address), f"{page.relative_to(site)} fetches {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_link_and_picture_is_there(site: Path) -> None:
    pages = {
        path: Addresses(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"
    }
    assert len(pages) > 30
    for path, addresses in pages.items():
        for address in addresses.linked + addresses.fetched:
            if re.match(r"[a-z]+:", address):
                continue
            name, _, anchor = address.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{path.relative_to(site)}: {address}"
            if anchor and target in pages:
                assert unquote(anchor) in pages[target].ids, f"{path.relative_to(site)}: {address}"


def test_no_path_of_the_machine_that_built_it(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert str(ROOT) not in text, page.name
        assert "/tmp/" not in text, page.name


def test_the_tables_hold_every_key_of_the_registries(site: Path) -> None:
    measures, options, conventions = (
        read(site, f"reference/{name}.html") for name in ("measures", "options", "conventions")
    )
    for key in ma.measures().index:
        assert f"<strong>{key}</strong>" in measures
    for key, entry in TAU2.items():
        assert f"<code>{key}</code>" in options
        assert entry.title in options
    for key in CONVENTIONS:
        assert f"<code>{key}</code>" in conventions
    assert all(f'id="{key}"' in read(site, "reference/references.html") for key in REFERENCES)


def test_every_public_name_is_documented(site: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference" / "names").glob("*.html"))
    for name in ma.__all__:
        value = getattr(ma, name)
        if not isinstance(value, ModuleType):
            assert f'id="{value.__module__}.{value.__qualname__}"' in text, name


def test_formulas_stand_with_equation_and_source(site: Path) -> None:
    text = read(site, "reference/formulas/heterogeneity.html")
    assert "tau2 = (Q - (k - p)) / (tr W - tr[(X'WX)^-1 X'W^2 X])" in re.sub(r"<[^>]+>", "", text).replace("&#39;", "'")
    assert '<a href="../references.html#dersimonian1986">DerSimonian &amp; Laird (1986)</a>' in text


def test_what_a_block_prints_stands_beneath_it(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", read(site, "getting-started.html"))
    assert "Log risk ratio    -0.7145  95% CI -1.1084 to -0.3206" in text
    assert "events1 (999) exceeds n1 (231) in study" in text
    assert 'alt="Forest plot of 13 trials of BCG vaccine"' in read(site, "getting-started.html")


def test_evidence_is_measured(site: Path) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", read(site, "evidence.html")))
    assert re.search(r"Mantel-Haenszel and Peto 3,\d\d\d 1[56]\.\d 1[2-6]\.\d 1[2-6]\.\d", text)
    assert re.search(r"(\d+) of \1 printed numbers agree", text)
    assert "bcg" in text
