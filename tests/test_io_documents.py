"""Results out and in again: JSON to the last bit, Markdown, LaTeX and Excel with hostile names, tables of studies in."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

import metaanalysis as ma
from metaanalysis.io.json_documents import is_harmless

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "Adler | 1998 & 50% $x_1$ #{a}~^\\",
    "<script>alert(1)</script>",
    "a\nb\x07\u202ec *d* [e](f)",
]


def bcg(measure: str = "RR", **options: object) -> ma.Effects:
    return ma.effect_sizes(ma.load_dataset("bcg"), measure, label="author", **options)


RESULTS = {
    "random": lambda: ma.pool(bcg(), ci="hksj"),
    "mantel-haenszel": lambda: ma.pool(bcg(), method="mantel-haenszel", convention="revman5"),
    "one study": lambda: ma.pool([0.1], [0.2]),
    "given": lambda: ma.pool(ma.effect_sizes({"y": [0.1, 0.3, np.nan], "se": [0.1, 0.2, 0.1]}, "SMD"), tau2="PM"),
    "glmm": lambda: ma.pool(bcg("OR"), method="glmm"),
    "subgroups": lambda: ma.subgroups(bcg(), by="alloc", tau2="DL"),
    "regression": lambda: ma.meta_regression(bcg(), "~ ablat + C(alloc)", ci="hksj"),
}


def assert_same(left: object, right: object) -> None:
    """The same numbers to the last bit, field by field."""
    for entry in dataclasses.fields(left):
        ours, again = getattr(left, entry.name), getattr(right, entry.name)
        if entry.name in ("source", "design"):
            continue
        if entry.name == "groups":
            assert list(ours) == list(again)
            for name in ours:
                assert_same(ours[name], again[name])
        elif dataclasses.is_dataclass(ours):
            assert_same(ours, again)
        elif isinstance(ours, np.ndarray):
            assert np.array_equal(ours, again, equal_nan=True), entry.name
            assert ours.dtype == again.dtype
        elif isinstance(ours, float):
            assert ours == again or (math.isnan(ours) and math.isnan(again)), entry.name
        elif entry.name in ("inputs", "all_data"):
            assert list(ours) == list(again)
            assert all(np.array_equal(ours[name], again[name], equal_nan=True) for name in ours)
        elif entry.name in ("label", "all_labels"):
            assert list(ours) == list(again)
        else:
            assert ours == again or repr(ours) == repr(again), entry.name


@pytest.mark.filterwarnings("ignore::metaanalysis.errors.ExcludedStudiesWarning")
@pytest.mark.parametrize("name", RESULTS)
class TestJson:
    def test_it_comes_back_to_the_last_bit(self, name):
        result = RESULTS[name]()
        text = ma.to_json(result)
        again = ma.from_json(text)
        assert_same(result, again)
        assert str(again) == str(result)
        assert ma.to_json(again) == text

    def test_it_goes_on_from_there(self, name, tmp_path):
        result = RESULTS[name]()
        ma.to_json(result, tmp_path / "result.json")
        again = ma.from_json(tmp_path / "result.json")
        if isinstance(result, ma.Regression):
            new = {"ablat": [10.0, 20.0], "alloc": ["random", "alternate"]}
            pd.testing.assert_frame_equal(again.predict(new), result.predict(new))
        elif isinstance(result, ma.Pooled):
            assert again.tau2_interval() == result.tau2_interval() or result.k == 1 or result.method == "glmm"
            assert again.describe() == result.describe()
            if result.effects.source is not None and "alloc" in result.effects.source.columns:
                assert (
                    ma.subgroups(again.effects, by="alloc").q_between
                    == ma.subgroups(result.effects, by="alloc").q_between
                )

    def test_it_says_where_it_comes_from(self, name):
        document = json.loads(ma.to_json(RESULTS[name]()))
        facts = {"data_sha256", "result_sha256", "studies", "metaanalysis", "python", "numpy", "scipy"}
        assert set(document["provenance"]) == facts
        assert all(
            re.fullmatch("[0-9a-f]{64}", document["provenance"][f"{what}_sha256"]) for what in ("data", "result")
        )
        assert document["provenance"]["metaanalysis"] == ma.__version__


class TestJsonRefused:
    TEXT = ma.to_json(ma.pool([0.1, 0.3], [0.02, 0.03]))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"format": "metaanalysis"', '"format": "other"', "no result that to_json has written"),
            ('"version": 1', '"version": 2', "written by a later version"),
            ('"kind": "Pooled"', '"kind": "Object"', "holds a 'Object', which this version does not know"),
            ('"se":', '"sf":', "se is missing"),
            ('"k": 2', '"k": "two"', "k has to be a whole number"),
            ('"tau2": "REML"', '"tau2": "XXX"', "tau2='XXX' is not"),
            ('"measure": "GEN"', '"measure": "XXX"', "XXX"),
            ("0.02", "0.025", "SHA-256 differs"),
            ("0.02", "-0.02", "have to be finite numbers, and v positive"),
            ("0.02", '"NaN"', "have to be finite numbers, and v positive"),
            ('"level":', '"lievel":', "level is missing|is not an option"),
        ],
    )
    def test_changed_documents(self, old, new, message):
        assert old in self.TEXT
        with pytest.raises(ma.DataError, match=message):
            ma.from_json(self.TEXT.replace(old, new, 1))

    @pytest.mark.parametrize("key", ["estimate", "ci_high", "p_value", "tau2", "weights", "notes"])
    def test_changed_results(self, key):
        document = json.loads(self.TEXT)
        assert ma.from_json(json.dumps(document)).estimate == ma.from_json(self.TEXT).estimate
        value = document["result"][key]
        document["result"][key] = (
            value[::-1] + ["0.5"] * (key == "notes") if isinstance(value, list) else value * 1.01 + 1e-9
        )
        with pytest.raises(ma.DataError, match="not the one that was written"):
            ma.from_json(json.dumps(document))
        del document["provenance"]["result_sha256"]
        with pytest.raises(ma.DataError, match="result_sha256 is missing"):
            ma.from_json(json.dumps(document))

    @pytest.mark.parametrize("text", ["{", "[]", "{}", "[" * 100_000, '{"a":' * 100_000, "nosuch.json", "\0", "{\x00}"])
    def test_other_texts(self, text):
        with pytest.raises(ma.DataError):
            ma.from_json(text)

    def test_functions_and_other_results_are_not_written(self):
        def own(y: object, v: object, X: object) -> object:
            raise NotImplementedError

        fit = ma.pool([0.1, 0.3], [0.02, 0.03])
        fit = dataclasses.replace(fit, options=dataclasses.replace(fit.options, tau2=own))
        with pytest.raises(ma.OptionError, match="tau2 is a function of your own"):
            ma.to_json(fit)
        with pytest.raises(ma.OptionError, match="not list"):
            ma.to_json([fit])

    def test_formulas_of_documents_call_nothing(self, tmp_path):
        text = ma.to_json(ma.meta_regression(bcg(), "~ ablat"))
        for formula in (
            "~ {open('x','w')}", "~ __import__('os')", "~ ablat.__class__", "~ eval('1')", "~ (lambda: 0)()", "~ f'{1}'",
            "~ C(x)('y')", "~ log(open('x'))", "~ ablat.mean()", "~ [1][0]", "~ 'a'.join(ablat)",
        ):  # fmt: skip
            assert not is_harmless(formula)
            with pytest.raises(ma.DataError, match="it is not evaluated"):
                ma.from_json(text.replace('"~ ablat"', json.dumps(formula)))
        for formula in (
            "~ 0 + C(alloc)",
            "~ bs(year, df=4)",
            "~ log(n1) * `odd name()`",
            "~ C(x, contr.treatment('a'))",
        ):
            assert is_harmless(formula)


class TestMarkup:
    FIT = ma.pool([0.1, 0.3, -0.5, 0.2], [0.02, 0.03, 0.1, 0.1], label=HOSTILE)

    def test_every_row_of_markdown_has_its_cells(self):
        lines = [line for line in ma.to_markdown(self.FIT).splitlines() if line.startswith("|")]
        assert len(lines) == 2 + 4 + 2
        for line in lines:
            assert len(re.findall(r"(?<!\\)\|", line)) == 5
        text = "\n".join(lines)
        assert "<script" not in text.replace("\\<", "")
        assert "\u202e" not in text
        assert "\\[e\\](f)" in text

    def test_latex_has_no_command_of_a_study(self):
        text = ma.to_latex(self.FIT)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert all(len(re.findall(r"(?<!\\)&", row)) == 3 for row in rows)
        assert (
            r"Adler \textbar{} 1998 \& 50\% \$x\_1\$ \#\{a\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
        )
        assert r"$-$0.50" in text

    def test_decimals_are_fixed(self):
        assert "| 0.100 |" in ma.to_markdown(self.FIT, decimals=3)
        with pytest.raises(ma.OptionError, match="decimals=-1"):
            ma.to_markdown(self.FIT, decimals=-1)

    @pytest.mark.parametrize("name", ["subgroups", "regression"])
    def test_other_results_have_a_table(self, name):
        result = RESULTS[name]()
        assert "| alternate | 2 | 0.58 |" in ma.to_markdown(result) or "| ablat |" in ma.to_markdown(result)
        # Markdown has one row more: the one that tells which way columns lean.
        assert ma.to_latex(result).count(r"\\") == ma.to_markdown(result).count("\n|") - 1

    def test_frames_and_results_with_frames(self):
        assert "| 0.33 | x \\| y | 3 |" in ma.to_markdown(pd.DataFrame({"a": [1 / 3], "b": ["x | y"], "c": [3]}))
        assert ma.to_markdown(ma.leave_one_out(ma.pool(bcg()))).startswith("| ")
        with pytest.raises(ma.OptionError, match="int has no table"):
            ma.to_markdown(3)


class TestExcel:
    def test_numbers_are_numbers_and_names_are_texts(self, tmp_path):
        fit = TestMarkup.FIT
        path = ma.to_excel(fit, tmp_path / "result.xlsx")
        book = openpyxl.load_workbook(path)
        assert book.sheetnames == ["Result", "Studies", "Provenance"]
        result = {cell.value: book["Result"].cell(2, cell.column).value for cell in book["Result"][1]}
        # To the last of the 16 significant digits that openpyxl writes.
        assert result["estimate"] == float(f"{fit.estimate:.16g}")
        assert result["tau2"] == float(f"{fit.tau2:.16g}")
        first = book["Studies"]["A2"]
        assert (first.value, first.data_type, first.quotePrefix) == (HOSTILE[0], "s", True)
        assert not any(cell.data_type == "f" for sheet in book for row in sheet.iter_rows() for cell in row)
        facts = dict(book["Provenance"].iter_rows(min_row=2, values_only=True))
        assert facts["data_sha256"] == json.loads(ma.to_json(fit))["provenance"]["data_sha256"]
        assert facts["option: tau2"] == "REML"

    def test_what_is_not_applicable_is_empty(self, tmp_path):
        path = ma.to_excel(ma.pool([0.1], [0.2]), tmp_path / "one.xlsx")
        sheet = openpyxl.load_workbook(path)["Result"]
        values = {cell.value: sheet.cell(2, cell.column).value for cell in sheet[1]}
        assert values["tau2"] is None
        assert values["df"] == "infinite"

    @pytest.mark.parametrize("name", ["subgroups", "regression"])
    def test_other_results(self, name, tmp_path):
        ma.to_excel(RESULTS[name](), tmp_path / "x.xlsx")
        assert openpyxl.load_workbook(tmp_path / "x.xlsx")["Result"].max_row == 5

    def test_other_names_are_refused(self, tmp_path):
        with pytest.raises(ma.OptionError, match=r"does not end in \.xlsx"):
            ma.to_excel(TestMarkup.FIT, tmp_path / "x.xls")


class TestStudies:
    def read(self, tmp_path: Path, text: str, encoding: str = "utf-8") -> pd.DataFrame:
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        return ma.read_studies(path)

    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("slab,yi,vi\nBjörk 2001,0.1,0.02\n\nDuarte,-0.3,1e-2\n", "utf-8"),
            ("slab,yi,vi\nBjörk 2001,0.1,0.02\nDuarte,-0.3,1e-2\n", "utf-16"),
            ("slab;yi;vi\nBjörk 2001;0,1;0,02\nDuarte;-0,3;0,01\n", "cp1252"),
            ("slab\tyi\tvi\r\nBjörk 2001\t0.1\t0.02\r\nDuarte\t-0.3\t0.01\r\n", "utf-8-sig"),
        ],
    )
    def test_separators_decimals_and_encodings(self, tmp_path, text, encoding):
        frame = self.read(tmp_path, text, encoding)
        assert frame.to_dict("list") == {"study": ["Björk 2001", "Duarte"], "y": [0.1, -0.3], "v": [0.02, 0.01]}

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("yi,sei", ["y", "se"]),
            ("Effect Size,Standard Error", ["y", "se"]),
            ("ai,n1i,ci,n2i", ["events1", "n1", "events2", "n2"]),
            ("m1i,sd1i,n1i,m2i,sd2i,n2i", ["mean1", "sd1", "n1", "mean2", "sd2", "n2"]),
            ("yi,vi,n1i,ci", ["y", "v", "n1i", "ci"]),
            ("yi,vi,y", ["yi", "vi", "y"]),
            ("events1,n1,events2,n2", ["events1", "n1", "events2", "n2"]),
        ],
    )
    def test_names_are_renamed_where_that_is_clear(self, tmp_path, header, expected):
        row = ",".join("1" for _ in header.split(","))
        assert list(self.read(tmp_path, f"{header}\n{row}\n").columns) == expected

    def test_every_digit_is_kept(self, tmp_path):
        frame = self.read(tmp_path, "y,v\n0.1234567890123456789,5e-324\n")
        assert frame.y[0] == 0.12345678901234568
        assert frame.v[0] == 5e-324

    def test_a_workbook(self, tmp_path):
        frame = pd.DataFrame({"slab": ["=A1", "Björk"], "yi": [0.1, None], "vi": [0.02, 0.03]})
        ma.to_excel(frame, tmp_path / "table.xlsx")
        again = ma.read_studies(tmp_path / "table.xlsx")
        assert again.study.tolist() == ["=A1", "Björk"]
        assert again.y.isna().tolist() == [False, True]
        with pytest.raises(ma.DataError, match=r"has no sheet 'Sheet9'.*It has: Result"):
            ma.read_studies(tmp_path / "table.xlsx", sheet="Sheet9")

    def test_a_large_table_takes_no_more_than_twice_its_size(self, tmp_path):
        path = tmp_path / "large.csv"
        rows = (f"Study number {at};{at % 7};50;{at % 9};52" for at in range(20_000))
        path.write_text("\n".join(["study;events1;n1;events2;n2", *rows]), encoding="utf-8")
        ma.read_studies(path).describe()
        tracemalloc.start()
        read = ma.read_studies(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(read) == 20_000
        assert peak < 2 * path.stat().st_size

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ('<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>', "more than 100,000 rows or 2,000 columns"),
            ('<row r="2"><c r="XFD2"><v>2</v></c></row>', "more than 100,000 rows or 2,000 columns"),
            ("<row><c><v>1</v></c></row>" + " " * (1 << 26), "MB when unpacked"),
        ],
    )
    def test_workbooks_that_unpack_to_too_much(self, tmp_path, cells, message):
        ma.to_excel(pd.DataFrame({"yi": [1.0], "vi": [2.0]}), tmp_path / "small.xlsx")
        path = tmp_path / "large.xlsx"
        begin = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        first = '<row r="1"><c r="A1"><v>1</v></c></row>'
        with zipfile.ZipFile(tmp_path / "small.xlsx") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                sheet = name == "xl/worksheets/sheet1.xml"
                new.writestr(name, f"{begin}{first}{cells}</sheetData></worksheet>" if sheet else old.read(name))
        assert path.stat().st_size < 200_000
        with pytest.raises(ma.DataError, match=message):
            ma.read_studies(path)

    def test_a_formula_without_its_value(self, tmp_path):
        book = openpyxl.Workbook()
        for row in (["y", "v"], [0.1, "=A2/5"]):
            book.active.append(row)
        book.save(tmp_path / "formula.xlsx")
        with pytest.raises(ma.DataError, match="row 2, column 2 holds a formula without its value"):
            ma.read_studies(tmp_path / "formula.xlsx")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("y,v\n", "has no rows"),
            ("y,y\n1,2\n", "two columns named 'y'"),
            ("y,v\n1,2,3\n", "3 cells in row 1 but 2 columns"),
            ("y,v\n1,\0\n", "bytes that are no text"),
        ],
    )
    def test_what_is_no_table_is_refused(self, tmp_path, text, message):
        with pytest.raises(ma.DataError, match=message):
            self.read(tmp_path, text)

    def test_other_files_are_refused(self, tmp_path):
        (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0" + b"\0" * 100)
        with pytest.raises(ma.DataError, match="Excel 97 to 2003"):
            ma.read_studies(tmp_path / "old.xls")
        (tmp_path / "broken.xlsx").write_bytes(b"PK\x05\x06" + b"\0" * 18)
        with pytest.raises(ma.DataError, match="can't be read as an Excel workbook"):
            ma.read_studies(tmp_path / "broken.xlsx")
        with pytest.raises(ma.DataError, match="can't be read: No such file"):
            ma.read_studies(tmp_path / "nosuch.csv")
