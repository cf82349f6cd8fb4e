"""The command line as its users meet it: what it prints, what it writes, how it fails."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from numpy.testing import assert_allclose

import metaanalysis as ma
from metaanalysis.cli import main
from metaanalysis.effects import MEASURES
from metaanalysis.reviews import datasets, load_review

REPOSITORY = Path(__file__).parents[1]
BCG = str(load_review("bcg").table)
WHITE = str(load_review("white2020").table)
PEER_SUPPORT = str(load_review("peer-support-reviews").table)
CLOSING = re.compile(r"^(\d+) of (\d+) printed numbers agree\b", re.MULTILINE)


def failing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of a command that cannot be done."""
    assert main(arguments) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, said
    assert lines[0].startswith("metaanalysis: ")
    assert lines[0].endswith((".", "?"))
    return lines[0].removeprefix("metaanalysis: ")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the parser of arguments says to arguments that it does not know."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def table(tmp_path: Path, text: str | bytes, name: str = "studies.csv") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


# pool


def test_pool_prints_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", BCG, "--measure", "RR", "--tau2", "PM", "--ci", "hksj"]) == 0
    fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), tau2="PM", ci="hksj")
    said = capsys.readouterr()
    assert said.out == fit.summary() + "\n"
    assert said.err == ""


def test_pool_writes_json_and_a_forest_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_json, forest = tmp_path / "out.json", tmp_path / "forest.svg"
    arguments = ["pool", BCG, "--measure", "RR", "--tau2", "DL", "--json", str(as_json), "--forest", str(forest)]
    assert main(arguments) == 0
    found = json.loads(as_json.read_text(encoding="utf-8"))
    fit = ma.pool(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), tau2="DL")
    assert found["estimate"] == fit.estimate
    assert found["back_transformed"]["ci_high"] == fit.back_transformed().ci_high
    assert found["df"] is None  # infinite: the normal distribution
    assert found["labels"][0] == "Aronson 1948"
    assert found["excluded"] == []
    assert_allclose(sum(found["weights"]), 100, rtol=1e-12)
    drawn = forest.read_text(encoding="utf-8")
    assert "Ferguson &amp; Simes 1949" in drawn
    assert "Comstock et al 1976" in drawn
    assert "Meta-analysis of 13 studies" in capsys.readouterr().out


def test_pool_by_subgroups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_json, forest = tmp_path / "out.json", tmp_path / "forest.svg"
    arguments = ["pool", BCG, "--measure", "RR", "--by", "alloc", "--tau2", "DL", "--tau2-sharing", "common"]
    assert main([*arguments, "--json", str(as_json), "--forest", str(forest)]) == 0
    expected = ma.subgroups(ma.effect_sizes(ma.load_dataset("bcg"), "RR"), by="alloc", tau2="DL", tau2_sharing="common")
    assert capsys.readouterr().out == expected.summary() + "\n"
    found = json.loads(as_json.read_text(encoding="utf-8"))
    assert list(found["groups"]) == ["random", "alternate", "systematic"]
    assert found["groups"]["alternate"]["estimate"] == expected.groups["alternate"].estimate
    assert found["q_between"] == expected.q_between
    assert "systematic" in forest.read_text(encoding="utf-8")
    assert main([*arguments, "--forest", str(forest), "--layout", "revman5"]) == 0
    assert "IV, Random, 95% CI" in forest.read_text(encoding="utf-8").replace("\u00a0", " ")


def test_pool_maps_columns_and_passes_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "trial,tpos,ttot,cpos,ctot\nA,0,50,4,50\nB,3,60,9,60\nC,5,80,7,80\n"
    mapped = ["--events1", "tpos", "--n1", "ttot", "--events2", "cpos", "--n2", "ctot", "--label", "trial"]
    options = ["--method", "mantel-haenszel", "--convention", "revman5", "--add", "0.25", "--level", "0.9"]
    assert main(["pool", table(tmp_path, text), "--measure", "OR", *mapped, *options]) == 0
    frame = {
        "trial": ["A", "B", "C"],
        "events1": [0, 3, 5],
        "n1": [50, 60, 80],
        "events2": [4, 9, 7],
        "n2": [50, 60, 80],
    }
    effects = ma.effect_sizes(frame, "OR", label="trial", convention="revman5", add=0.25)
    assert capsys.readouterr().out == ma.pool(effects, method="mantel-haenszel", level=0.9).summary() + "\n"


def test_weights_of_the_generalised_q(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "study,y,v,size\nA,0.1,0.04,50\nB,0.9,0.01,60\nC,-0.2,0.09,20\nD,0.4,0.02,90\n"
    studies = table(tmp_path, text)
    weighted = ["--measure", "GEN", "--tau2", "GENQ", "--tau2-weights", "size"]
    assert main(["pool", studies, *weighted]) == 0
    y, v, size = [0.1, 0.9, -0.2, 0.4], [0.04, 0.01, 0.09, 0.02], [50, 60, 20, 90]
    expected = ma.pool(y, v, tau2="GENQ", tau2_weights=size)
    assert expected.tau2 > 0.01
    assert f"{expected.estimate:.4f}" in capsys.readouterr().out
    assert "needs fixed weights" in failing(["pool", studies, "--measure", "GEN", "--tau2", "GENQ"], capsys)
    assert "leave --by out" in failing(["pool", studies, *weighted, "--by", "study"], capsys)
    # A report asks for refits of all kinds; those that have no such weights are left out.
    assert main(["report", studies, *weighted, "--out", str(tmp_path / "report.html")]) == 0
    assert "Generalised Q" in (tmp_path / "report.html").read_text(encoding="utf-8").replace(
        "generalised", "Generalised"
    )


def test_pool_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = "study,y,se\nA,0.1,0.2\nB,0.4,0.1\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
    assert main(["pool", "-", "--measure", "GEN"]) == 0
    assert "Meta-analysis of 2 studies" in capsys.readouterr().out


def test_pool_knows_the_columns_of_every_measure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["pool", "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    for measure in MEASURES.values():
        assert measure.key in said
        for name in measure.inputs:
            assert f"--{name.replace('_', '-')} COLUMN" in said


def test_a_study_that_is_left_out_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "study,events1,n1,events2,n2\nA,2,10,3,40\nB,,10,2,10\nC,3,20,5,22\n"
    as_json = tmp_path / "out.json"
    # Peto's method computes the effects anew from the same table.
    arguments = ["pool", table(tmp_path, text), "--measure", "OR", "--method", "peto", "--json", str(as_json)]
    assert main(arguments) == 0
    assert capsys.readouterr().err == "warning: 1 of 3 studies left out: 'B' (events1 is missing).\n"
    assert json.loads(as_json.read_text(encoding="utf-8"))["excluded"] == [
        {"label": "B", "reason": "events1 is missing"}
    ]


def test_files_as_spreadsheets_write_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = b'\xef\xbb\xbfstudy, y, v\r\n"M\xc3\xbcller, A", 0.5, 0.04\r\nB,0.3,0.04\r\n,,\r\n\r\n'
    as_json = tmp_path / "out.json"
    assert main(["pool", table(tmp_path, text), "--measure", "GEN", "--json", str(as_json)]) == 0
    assert capsys.readouterr().err == ""
    found = json.loads(as_json.read_text(encoding="utf-8"))
    assert found["labels"] == ["Müller, A", "B"]
    assert_allclose(found["estimate"], 0.4, rtol=1e-15)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "studies.csv is empty: give it a line of column names"),
        ("\n\n,,\n", "studies.csv is empty"),
        ("study,y,v\n", "the table has no rows"),
        ("study;y;v\nA;1;1\n", "separates its columns by semicolons: save it with commas"),
        ("study\ty\tv\nA\t1\t1\n", "separates its columns by tabs"),
        ("study,y,y\nA,1,1\n", "has two columns named 'y': rename or remove one"),
        ("study,y,v\nA,1\n", "has 2 cells in row 1 but 3 columns"),
        ("study,y,v\nA,1,1\nB,1,1,000\n", "has 4 cells in row 2 but 3 columns: quote cells that hold a comma"),
        ("study,y,v\nA,1,x\n", "v ('x') in study 'A' (row 1) is not a number"),
        ("study,y,v\nA,1,-1\n", "v (-1) is not a positive sampling variance in study 'A' (row 1)"),
        (b"study,y,v\nM\xfcller,1,1\n", "is not text in UTF-8 (byte 12 is 0xfc)"),
        (b"PK\x03\x04\x00\x00", "is not a CSV file"),
    ],
)
def test_a_bad_file_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes, message: str
) -> None:
    assert message in failing(["pool", table(tmp_path, content), "--measure", "GEN"], capsys)


def test_counts_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "study,events1,n1,events2,n2\nAronson 1948,12,10,3,40\n"
    said = failing(["pool", table(tmp_path, text), "--measure", "RR"], capsys)
    assert said.startswith("events1 (12) exceeds n1 (10) in study 'Aronson 1948' (row 1)")


@pytest.mark.parametrize(
    "more, message",
    [
        (["--measure", "RX"], "measure='RX' is not a measure"),
        (["--measure", "RR", "--tau2", "DLL"], "tau2='DLL' is not a choice. Did you mean 'DL'"),
        (["--measure", "RR", "--level", "95"], "level='95' is not a confidence level"),
        (["--measure", "RR", "--convention", "revman6"], "convention='revman6' is not a choice"),
        (["--measure", "RR", "--events1", "event1"], "there is no column 'event1' for events1. Did you mean 'events1'"),
        (["--measure", "RR", "--by", "allocation"], "there is no column 'allocation' for by"),
        (["--measure", "RR", "--label", "name"], "there is no column 'name' for label"),
        (["--measure", "RR", "--tau2-sharing", "common"], "--tau2-sharing is about subgroups"),
        (["--measure", "RR", "--method", "peto", "--model", "random"], "Peto's method is a common-effect method"),
        (["--measure", "RR", "--forest", "forest.txt"], ".svg"),
        (["--measure", "RR", "--layout", "jama"], "--layout is about the forest plot"),
        (
            ["--measure", "RR", "--forest", "x.svg", "--layout", "jana"],
            "layout='jana' is not a layout. Did you mean 'jama'",
        ),
        (["--measure", "RR", "--json", "no/such/folder/x.json"], "No such file or directory"),
        (["--measure", "SMD"], "there is no column 'mean1' for mean1"),
    ],
)
def test_bad_options_get_one_sentence(capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    assert message in failing(["pool", BCG, *more], capsys)


@pytest.mark.parametrize("command", [["pool", "--measure", "RR"], ["audit"]])
def test_missing_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    name, *options = command
    assert "No such file or directory" in failing([name, str(tmp_path / "none.csv"), *options], capsys)
    assert "Is a directory" in failing([name, str(tmp_path), *options], capsys)
    assert "is empty" in failing([name, table(tmp_path, ""), *options], capsys)


# reproduce


def test_reproduce_prints_compares_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "reproduced"
    assert main(["reproduce", "bcg", "white2020", "hackshaw1998", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"estimate +printed +0\.49 +ours +0\.49 +agrees", said)
    assert re.search(r"CI high +printed +1\.36 +ours +1\.36 +agrees", said)
    assert "no forest plot: there are no data of studies" in said
    closing = CLOSING.search(said.splitlines()[-1])
    assert closing is not None
    assert closing[1] == closing[2]
    assert int(closing[1]) > 60
    assert sorted(path.name for path in out.iterdir()) == ["bcg.svg", "hackshaw1998.svg"]
    drawn = (out / "bcg.svg").read_text(encoding="utf-8")
    for word in ("Aronson 1948", "alternate", "Test for subgroup differences"):
        assert word in drawn


def test_reproduce_draws_beside_itself_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "hine1989"]) == 0
    assert (tmp_path / "reproduced" / "hine1989.svg").exists()
    assert "forest plot of risk-difference: " in capsys.readouterr().out


def test_reproduce_fails_where_a_number_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "hine1989"
    own.mkdir()
    original = load_review("hine1989")
    (own / "studies.csv").write_bytes(original.table.read_bytes())
    toml = (original.folder / "review.toml").read_text(encoding="utf-8")
    assert 'estimate = "0.029"' in toml
    (own / "review.toml").write_text(toml.replace('estimate = "0.029"', 'estimate = "0.028"'), encoding="utf-8")
    monkeypatch.setattr(datasets, "datasets_folder", lambda: tmp_path)
    assert main(["reproduce", "--no-plots"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"estimate +printed +0\.028 +ours +0\.029 +DIFFERS", said)
    closing = CLOSING.search(said)
    assert closing is not None
    assert int(closing[1]) == int(closing[2]) - 1
    (own / "review.toml").write_text(toml + "\nodd = 1\n", encoding="utf-8")
    assert "hine1989/review.toml" in failing(["reproduce", "--no-plots"], capsys)


def test_reproduce_refuses_what_it_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'bcg'" in failing(["reproduce", "hine1989", "bccg"], capsys)
    blocked = table(tmp_path, "x", "file")
    assert "File exists" in failing(["reproduce", "bcg", "--out", blocked], capsys)


# audit


def test_audit_of_what_is_consistent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "audit.md"
    assert main(["audit", WHITE, "--markdown", str(page)]) == 0
    assert "everything testable is consistent" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("# Audit of reported meta-analyses")


def test_audit_of_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", PEER_SUPPORT]) == 1
    said = capsys.readouterr().out
    assert "Z = 9.42 is impossible" in said
    assert "p = 0.56 is impossible" in said
    assert "3. " not in said


def test_audit_keeps_the_zeros_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Z = 1.265 and p = 0.206, which is printed as 0.2 and not as 0.20.
    text = "measure,estimate,ci_low,ci_high,p\nSMD,0.2000,-0.1100,0.5100,{}\n"
    assert main(["audit", table(tmp_path, text.format("0.2"))]) == 0
    assert main(["audit", table(tmp_path, text.format("0.20"))]) == 1
    capsys.readouterr()


def test_audit_maps_columns_and_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 0.50 (0.10 to 0.90): Z = 2.45 read at 95 %, 2.06 read at 90 %.
    text = "type,middle,from,to,z\nSMD,0.50,0.10,0.90,2.06\n"
    mapped = ["--measure", "type", "--estimate", "middle", "--ci-low", "from", "--ci-high", "to"]
    file = table(tmp_path, text)
    assert main(["audit", file, *mapped]) == 1
    assert main(["audit", file, *mapped, "--level", "0.9"]) == 0
    capsys.readouterr()
    assert "the table has no such column" in failing(["audit", file, "--estimate", "mid"], capsys)
    assert "level='9' is not a confidence level" in failing(["audit", file, *mapped, "--level", "9"], capsys)


# datasets, and the whole


def test_datasets_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].split() == ["name", "k", "measure", "title"]
    assert any(line.startswith("bcg ") and " 13 " in line for line in listed)
    assert main(["datasets", "bcg"]) == 0
    assert capsys.readouterr().out == Path(BCG).read_text(encoding="utf-8")
    assert main(["datasets", "bcg", "--about"]) == 0
    said = capsys.readouterr().out
    assert "Colditz GA" in said
    assert re.search(r"^n1 +people vaccinated \(count\)$", said, re.MULTILINE)


def test_datasets_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'hine1989'" in failing(["datasets", "hine1988"], capsys)
    assert "--about needs the name of a review" in failing(["datasets", "--about"], capsys)


def test_only_the_chosen_command_is_loaded() -> None:
    heavy = "{'numpy', 'scipy', 'pandas', 'metaanalysis.reviews', 'metaanalysis.effects'}"
    code = (
        "import sys, contextlib, io\nfrom metaanalysis.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):\n    main(['--help'])\n"
        f"print(sorted({heavy} & set(sys.modules)), all(name in said.getvalue() for name in ('audit', 'pool-many', 'datasets')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120)
    assert done.stdout.split() == [b"[]", b"True"], done.stderr


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"metaanalysis {ma.__version__}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "the following arguments are required: COMMAND"),
        (["pol"], "invalid choice: 'pol'"),
        (["pool", BCG], "the following arguments are required: --measure"),
        (["pool", BCG, "--measure", "RR", "--add", "much"], "argument --add: invalid float value: 'much'"),
        (["pool", BCG, "--meas", "RR"], "--measure"),
    ],
)
def test_arguments_that_are_not_understood(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in refused(arguments, capsys)


def run(arguments: list[str], **settings: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **settings}
    command = [sys.executable, "-m", "metaanalysis.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=120)


def test_utf8_whatever_the_locale_says() -> None:
    done = run(["pool", BCG, "--measure", "RR"], LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "tau²" in done.stdout.decode("utf-8")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-u", "-m", "metaanalysis.cli", "reproduce", "bcg", "hine1989", "--no-plots"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 141
