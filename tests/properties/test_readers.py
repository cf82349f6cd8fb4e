"""Whatever is done to a file, reading it ends in a review or in a DataError, and never in anything else."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metaanalysis as ma

EXAMPLE = ma.example_file("invented-review.rm5").read_bytes()
EXPORT = (
    "Comparison Number,Outcome Number,Subgroup Number,Name,Data Type,Statistical Method,Effect Measure,Analysis Model,Events 1,"
    "Mean 1,SD 1,Total 1,Events 2,Mean 2,SD 2,Total 2,Effect Estimate,SE,CI Start,CI End,Weight,Q,P(Q),I²(Q),Tau²,Z,P(Z),Qint,"
    "P(Qint),I²(Qint),df,Year of study,User defined order\n"
    "1,0,0,Tea against water,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n"
    "1,1,0,Relapse,DIC,MH,RR,Random,9,,,40,18,,,42,0.53,,0.2,1.4,100,1.2,0.3,17,0.1,1.3,0.2,0,0,0,1,,\n"
    "1,1,1,Adults,,,,,3,,,20,6,,,22,0.55,,0.2,1.9,60,0,0,0,0,1,0.3,,,,0,,\n"
    "1,1,1,Adler,,,,,3,0,0,20,6,0,0,22,0.55,0.63,0.16,1.9,60,,,,,,,,,,,1998,1\n"
    "1,1,2,Björk,,,,,6,0,0,20,12,0,0,20,0.5,0.35,0.25,1,40,,,,,,,,,,,2001,2\n"
    "1,2,0,Pain,CON,IV,SMD,Fixed,0,,,106,0,,,126,-0.7,,-1.2,-0.1,100,5.6,0.2,29,0,2.5,0.01,0,1,0,4,,\n"
    "1,2,0,Duarte,,,,,0,5,4.7,13,0,6.5,3.8,13,-1.5,1.6,-4.7,1.7,2.7,,,,,,,,,,,1973,12\n"
).encode()
PACKAGE = {
    "CD1-overall-estimates-and-settings.csv": b"Analysis group,Analysis number,Analysis name,Data type,"
    b"Statistical method,Effect measure,Analysis model,Overall estimates,Estimate CI,Mean,CI start,CI end\n"
    b"1,1,Relapse,Dichotomous,Mantel-Haenszel,Risk Ratio,"
    b"Random effects,TRUE,95%,0.5,0.2,1.1\n",
    "CD1-data-rows.csv": b"Analysis group,Analysis number,Subgroup,Applicability,Study,Study year,Experimental cases,"
    b"Experimental N,Control cases,Control N,Weight,Mean,CI start,CI end\n"
    b"1,1,A,SUBGROUP_AND_OVERALL,Adler,1999,3,20,6,22,60,0.5,0.1,2\n"
    b"1,1,B,OVERALL_ONLY,Duarte,2001,1,20,6,22,40,0.2,0.1,2\n",
}
DOCUMENT = ma.to_json(ma.pool([0.1, 0.3, -0.2], [0.02, 0.03, 0.05])).encode()
INSERTED = [
    b"\0",
    b"<",
    b">",
    b"&",
    b'"',
    b"&#0;",
    b"&lol;",
    b"<![CDATA[",
    b"-->",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\n",
    b",",
    b"{",
]
NUMBERS = [
    b"1e309",
    b"-1",
    b"NaN",
    b"abc",
    b"",
    b"1e-320",
    b"99999999999",
    b"Infinity",
    b"0x10",
    b"1_0",
    b"1e18",
    b"\xd9\xa1",
    b"0.5",
]


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def piece(found: list[re.Match[bytes]], rng: random.Random) -> re.Match[bytes] | None:
    return rng.choice(found) if found else None


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content after one or more of: bytes flipped, cut or doubled; elements, attributes and cells lost, doubled or changed."""
    for _ in range(rng.choice([1, 1, 1, 2, 4, 12])):
        if len(content) < 8:
            break
        at, kind = rng.randrange(len(content)), rng.randrange(8)
        if kind == 0:
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[at + rng.choice([1, 3, 50, 2000]) :]
        elif kind == 2:
            content = content[:at]
        elif kind == 3:
            start = rng.randrange(len(content))
            content = content[:at] + content[start : start + rng.choice([5, 100, 3000])] + content[at:]
        elif kind == 4:
            content = content[:at] + rng.choice(INSERTED) + content[at:]
        else:
            pattern = {
                5: rb'(?<=")[-\d.]+(?=")|(?<=,)[^,\n]*',
                6: rb"<[^>]*>|\n[^\n]*",
                7: rb'[A-Z_0-9]+="[^"]*"|,[^,\n]*',
            }[kind]
            all_found = list(re.finditer(pattern, content))
            found, other = piece(all_found, rng), piece(all_found, rng)
            if found and other:
                new = rng.choice(NUMBERS) if kind == 5 else rng.choice([b"", found[0] * 2, other[0]])
                content = content[: found.start()] + new + content[found.end() :]
    return content


def read(content: bytes, path: Path) -> ma.reviews.RevManReview | None:
    """The review, or None where it was refused in one sentence."""
    path.write_bytes(content)
    try:
        return ma.read_revman(path)
    except ma.DataError as problem:
        sentence = str(problem)
    assert 0 < len(sentence) < 1000
    return None


@pytest.mark.parametrize(
    ("name", "content"), [("rm5", EXAMPLE), ("csv", EXPORT), ("zip", zipped(PACKAGE)), ("rows", b"")]
)
def test_broken_files_of_review_manager(name, content, tmp_path):
    rng = random.Random(sum(name.encode()))
    path = tmp_path / "file"
    outcomes = set()
    for turn in range(300):
        if name == "rows":
            which = rng.choice(list(PACKAGE))
            broken = zipped({**PACKAGE, which: mutated(PACKAGE[which], rng)})
        else:
            broken = mutated(content, rng)
        review = read(broken, path)
        outcomes.add(review is not None)
        if review is not None and turn % 10 == 0:
            found = ma.reproduce(review)
            assert found.summary()
            assert len(found.to_frame()) == len(found.rows)
            assert review.summary()
    assert outcomes == {True, False} or name == "zip"


@pytest.mark.parametrize("content", [EXAMPLE, EXPORT, zipped(PACKAGE)])
def test_whole_files_are_read(content, tmp_path):
    assert read(content, tmp_path / "file") is not None


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes(content):
    path = Path(TEMPORARY.name) / "bytes"
    read(content, path)
    for reader in (ma.read_studies, ma.from_json):
        with suppress(ma.DataError):
            reader(path)


@given(
    st.text(max_size=80),
    st.sampled_from(["NAME", "P", "TITLE"]),
    st.text(alphabet='0123456789.-+eNaInfity "<&', max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_any_text_in_any_place(text, tag, number):
    from xml.sax.saxutils import escape, quoteattr

    kept = "".join(sign for sign in text if sign in "\t\n" or (ord(sign) >= 32 and not 0xD800 <= ord(sign) <= 0xDFFF))
    content = EXAMPLE.decode()
    content = re.sub(rf"<{tag}>[^<]*</{tag}>", lambda _: f"<{tag}>{escape(kept)}</{tag}>", content, count=1)
    content = content.replace('EVENTS_1="12"', f"EVENTS_1={quoteattr(number)}", 1)
    read(content.encode("utf-8", "replace"), Path(TEMPORARY.name) / "text")


def test_changed_documents():
    rng = random.Random(5)
    for _ in range(400):
        try:
            text = mutated(DOCUMENT, rng).decode("utf-8", "replace")
            ma.from_json(text if text.lstrip().startswith("{") else "{" + text)
        except ma.DataError:
            continue


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)),
       st.sampled_from(sorted(json.loads(DOCUMENT)["result"])))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_value_in_a_document(value, key):
    document = json.loads(DOCUMENT)
    document["result"][key] = value
    try:
        result = ma.from_json(json.dumps(document))
    except ma.DataError:
        return
    assert str(result)


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory):
    TEMPORARY.name = str(tmp_path_factory.mktemp("readers"))


class TEMPORARY:
    """Where files go in tests that hypothesis repeats, which take no fixture of a function."""

    name = ""
