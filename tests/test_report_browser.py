"""The report in a real browser: headless Chromium opens it from disk, reads, sorts, switches, prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import metaanalysis as ma


def works(path: str | None) -> bool:
    """Whether a browser is there and starts: some systems have a file of that name that only says where to get one."""
    if path is None:
        return False
    return subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).returncode == 0


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if not works(CHROMIUM):
    pytest.skip("there is no chromium here: tests/install_browser.sh installs Debian's", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# Less than a dot of overlap is rounding.
TOLERANCE = 1.0
# Web Content Accessibility Guidelines 2.2, level AA, for text of usual size.
LEAST_CONTRAST = 4.5
LONG = "x" * 10_000
NAMES = ["<script>alert(1)</script>", "\"quotes' & <b>", "]]> --> </script>", LONG, "שלום עולם", "\u202eturned",
         "</style><img src=x onerror=alert(1)>"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def fit() -> ma.Pooled:
    return ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR", label="study"))


@pytest.fixture(scope="module")
def report(fit: ma.Pooled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    groups = ma.subgroups(fit.effects, by="alloc")
    regression = ma.meta_regression(fit.effects, "~ ablat")
    return ma.report(groups, tmp_path_factory.mktemp("report") / "report.html", regression=regression, title="BCG")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = ma.load_dataset("bcg").head(len(NAMES))
    table["study"] = pd.Series(NAMES, dtype=object)
    table["<i>notes</i>"] = pd.Series([name * 2 for name in NAMES], dtype=object)
    found = ma.subgroups(ma.effect_sizes(table, "RR", label="study"), by="study")
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    return ma.report(found, path, title=NAMES[0] * 9, outcome=LONG, groups=("<i>A</i>" * 9, LONG[:300]))


class Watch:
    """Opens pages, and remembers what they say and ask for."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.heard: list[str] = []
        self.contexts: list[Any] = []

    def open(self, path: Path, width: int = 1200, **options: Any) -> Any:
        context = self.browser.new_context(viewport={"width": width, "height": 800}, **options)
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.heard.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        return page


@pytest.fixture
def watch(browser: Any) -> Iterator[Watch]:
    found = Watch(browser)
    yield found
    for context in found.contexts:
        context.close()


def boxes(page: Any, selector: str) -> dict[str, tuple[float, float, float, float]]:
    """The boxes of the elements that are shown: left, top, right, bottom."""
    script = """elements => elements.map(e => { const r = e.getBoundingClientRect();
        return [e.id || e.tagName + ' ' + (e.className.baseVal ?? e.className), r.left, r.top, r.right, r.bottom]; })"""
    found = page.eval_on_selector_all(selector, script)
    return {f"{at} {name}": tuple(box) for at, (name, *box) in enumerate(found) if box[2] > box[0] and box[3] > box[1]}


def check_apart(found: dict[str, tuple[float, float, float, float]]) -> None:
    """No two of the boxes overlap."""
    names = list(found)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            a, b = found[one], found[other]
            wide = min(a[2], b[2]) - max(a[0], b[0])
            tall = min(a[3], b[3]) - max(a[1], b[1])
            assert min(wide, tall) <= TOLERANCE, f"{one} and {other} overlap"


def shown(page: Any) -> tuple[str, str, str]:
    """What the panel says: which studies, the estimate, its interval."""
    status, estimate, ci = (page.inner_text(f"#panel-{name}") for name in ("status", "estimate", "ci"))
    return status, estimate, ci.replace("\u00a0", " ")


def in_words(estimate: float, low: float, high: float) -> tuple[str, str]:
    return f"{np.exp(estimate):.2f}", f"95% CI {np.exp(low):.2f} to {np.exp(high):.2f}"


class TestLoading:
    @pytest.mark.parametrize("which", ["report", "hostile"])
    def test_no_error_and_no_request_but_for_the_page(
        self, watch: Watch, request: pytest.FixtureRequest, which: str
    ) -> None:
        path = request.getfixturevalue(which)
        page = watch.open(path)
        page.wait_for_timeout(200)
        assert watch.heard == [f"request: {path.as_uri()}"]

    @pytest.mark.parametrize("which", ["report", "hostile"])
    @pytest.mark.parametrize("width", [1200, 768, 360])
    def test_the_parts_are_there_and_none_overlap(
        self, watch: Watch, request: pytest.FixtureRequest, which: str, width: int
    ) -> None:
        page = watch.open(request.getfixturevalue(which), width)
        parts = boxes(page, "header, nav, main > section, footer")
        assert len(parts) >= 14
        check_apart(parts)
        for section in page.query_selector_all("main > section"):
            name = section.get_attribute("id")
            check_apart(boxes(page, f"#{name} > *"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.body.scrollWidth") <= width

    def test_figures_are_drawn(self, watch: Watch, report: Path) -> None:
        page = watch.open(report)
        for name, (left, top, right, bottom) in boxes(page, "svg.plot").items():
            assert right - left > 300, name
            assert bottom - top > 150, name
        assert "Aronson 1948" in page.text_content("#figure-forest")
        # A clip path or a mark that points nowhere would leave the studies' marks out.
        assert page.evaluate(
            "[...document.querySelectorAll('use')].every(u => document.querySelector(u.getAttribute('href')))"
        )

    def test_names_are_text_and_nothing_else(self, watch: Watch, hostile: Path) -> None:
        page = watch.open(hostile)
        names = page.eval_on_selector_all("#study-table tbody th", "elements => elements.map(e => e.textContent)")
        assert names[0] == NAMES[0]
        assert names[2] == NAMES[2]
        assert names[6] == NAMES[6]
        assert page.query_selector("img, main i, main b b") is None
        assert page.locator("script").count() == 2


class TestTable:
    def test_any_column_sorts(self, watch: Watch, report: Path, fit: ma.Pooled) -> None:
        page = watch.open(report)
        head = page.locator("#study-table th", has_text="Weight")
        order = "rows => rows.map(row => Number(row.dataset.study))"
        rows = "#study-table tbody tr"
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert page.eval_on_selector_all(rows, order) == np.argsort(fit.weights, kind="stable").tolist()
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert page.eval_on_selector_all(rows, order) == np.argsort(-np.asarray(fit.weights), kind="stable").tolist()
        study = page.locator("#study-table th", has_text="Study").first
        study.locator("button").click()
        assert head.get_attribute("aria-sort") is None
        names = page.eval_on_selector_all(f"{rows} th", "cells => cells.map(cell => cell.textContent)")
        assert names == sorted(names)

    def test_without_one_study_the_numbers_are_those_of_leave_one_out(
        self, watch: Watch, report: Path, fit: ma.Pooled
    ) -> None:
        page = watch.open(report)
        assert shown(page) == ("All 13 studies", *in_words(fit.estimate, fit.ci_low, fit.ci_high))
        whole = page.get_attribute("#strip-now", "points")
        refits = ma.leave_one_out(fit)
        # Sorted first: the switch belongs to the study and not to the place.
        page.locator("#study-table th", has_text="Weight").locator("button").click()
        for i in (3, 7):
            page.get_by_label(f"Include {fit.effects.label[i]}").uncheck()
            expected = in_words(refits.estimate[i], refits.ci_low[i], refits.ci_high[i])
            assert shown(page) == (f"Without {fit.effects.label[i]}", *expected)
            assert page.get_attribute("#strip-now", "points") != whole
            page.click("#panel-reset")
            assert shown(page)[0] == "All 13 studies"
        assert page.get_attribute("#strip-now", "points") == whole

    def test_without_two_and_more(self, watch: Watch, report: Path, fit: ma.Pooled) -> None:
        page = watch.open(report)
        for i in (9, 4):
            page.get_by_label(f"Include {fit.effects.label[i]}").uncheck()
        keep = np.ones(13, dtype=bool)
        keep[[4, 9]] = False
        found = ma.pool(fit.effects.subset(keep))
        names = f"Without {fit.effects.label[4]} and {fit.effects.label[9]}"
        assert shown(page) == (names, *in_words(found.estimate, found.ci_low, found.ci_high))
        page.get_by_label(f"Include {fit.effects.label[0]}").uncheck()
        status, estimate, ci = shown(page)
        assert "only results without one or two studies were computed beforehand" in status
        assert (estimate, ci) == ("–", "")

    def test_pointing_at_a_study_or_moving_to_its_name_shows_its_data(self, watch: Watch, report: Path) -> None:
        page = watch.open(report)
        card = page.locator("#study-card")
        assert card.is_hidden()
        page.locator("#study-table tbody th").nth(1).hover()
        assert "Ferguson & Simes 1949" in card.inner_text()
        assert re.search(r"Events, Treatment\s+6", card.inner_text())
        page.keyboard.press("Escape")
        assert card.is_hidden()
        page.locator("#study-table tbody th").nth(12).focus()
        assert "Comstock et al 1976" in card.inner_text()
        left, top, right, bottom = next(iter(boxes(page, "#study-card").values()))
        assert left >= 0
        assert right <= 1200
        assert top >= 0
        assert bottom <= 800

    def test_the_card_of_a_hostile_study_stays_text(self, watch: Watch, hostile: Path) -> None:
        page = watch.open(hostile, 360)
        page.locator("#study-table tbody th").nth(6).focus()
        assert NAMES[6] in page.locator("#study-card").inner_text()
        assert page.query_selector("#study-card img") is None
        left, _, right, _ = next(iter(boxes(page, "#study-card").values()))
        assert left >= 0
        assert right <= 360


class TestReading:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_stands_out_from_its_ground(self, watch: Watch, report: Path, scheme: str) -> None:
        page = watch.open(report, color_scheme=scheme)
        assert (luminance(ground(page, "html")) > 0.5) == (scheme == "light")
        for selector in (
            "p.lead",
            ".note",
            ".missing, .about",
            "td .interval",
            "nav a",
            "th",
            "summary",
            "#panel-status",
            "code",
        ):
            ink = colour(page.eval_on_selector(selector, "e => getComputedStyle(e).color"))
            assert contrast(ink, ground(page, selector)) >= LEAST_CONTRAST, selector
        # The plots keep their own light ground.
        assert luminance(ground(page, "svg.plot")) > 0.9

    def test_without_a_script_everything_is_there_to_read(self, watch: Watch, report: Path) -> None:
        page = watch.open(report, java_script_enabled=False)
        assert page.locator("#study-table tbody tr").count() == 13
        assert page.locator("#panel").is_hidden()
        assert page.locator("#study-table input").first.is_hidden()
        assert page.locator("#study-table button").count() == 0
        assert page.locator("#figure-forest").is_visible()

    def test_the_first_stop_of_the_keyboard_leads_past_the_contents(self, watch: Watch, report: Path) -> None:
        page = watch.open(report)
        page.keyboard.press("Tab")
        page.wait_for_function("document.activeElement.className === 'skip'")
        assert page.locator(".skip").is_visible()
        page.keyboard.press("Enter")
        page.wait_for_url("**#main")

    def test_controls_have_names(self, watch: Watch, report: Path) -> None:
        page = watch.open(report)
        script = "found => found.map(e => e.ariaLabel || e.getAttribute('aria-labelledby') || e.textContent)"
        names = page.eval_on_selector_all("input, button, [role=region], [role=img]", script)
        assert len(names) > 30
        assert all(name.strip() for name in names)

    def test_it_prints(self, watch: Watch, report: Path) -> None:
        page = watch.open(report)
        pdf = page.pdf(prefer_css_page_size=True)
        assert pdf.startswith(b"%PDF")
        assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 14
        page.emulate_media(media="print")
        assert page.locator("nav").is_hidden()
        assert page.locator("#panel").is_hidden()
        assert page.locator("#figure-forest").is_visible()


Colour = tuple[float, float, float]


def colour(text: str) -> Colour:
    """Red, green and blue of a computed colour."""
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", text)[:3])
    return red, green, blue


def ground(page: Any, selector: str) -> Colour:
    """The colour behind an element: that of the nearest one around it that is not transparent."""
    script = """e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255, 255, 255)'; }"""
    return colour(page.eval_on_selector(selector, script))


def luminance(found: Colour) -> float:
    """Relative luminance as the Web Content Accessibility Guidelines define it."""
    parts = [x / 255 for x in found]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
