"""TSV and Parquet files, and what is said of files that are called something else than they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from promptdescent.errors import DataError
from promptdescent.tasks.datasets import DataSource, load_splits, to_examples
from promptdescent.tasks.files import NotText, Row, read_rows


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parquet(folder: Path, select: str, name: str = "rows.parquet") -> Path:
    """A Parquet file with what a SELECT gives."""
    import duckdb

    path = folder / name
    with duckdb.connect(":memory:") as database:
        database.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


# TSV


@pytest.mark.parametrize("name", ["rows.tsv", "rows.TSV", "rows.tab"])
def test_fields_between_tabs(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path, name, 'text\tlabel\nfine, really; yes\tgood\n\n"two\nlines\tand a tab"\tbad\nsay "no"\tgood\n'
    )
    assert read_rows(path) == [
        Row(2, {"text": "fine, really; yes", "label": "good"}),
        Row(4, {"text": "two\nlines\tand a tab", "label": "bad"}),
        Row(6, {"text": 'say "no"', "label": "good"}),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text\tlabel\na\tb\tc\n", "line 2: 3 fields, but the header has 2 columns; put fields that hold a tab"),
        ("text\tlabel\na\n", "rows.tsv, line 2: 1 field, but the header has 2 columns"),
        ('text\tlabel\na\tb\n"open\tb\n', "rows.tsv, row that begins at line 3: not readable as TSV"),
        ('text\tlabel\n"Hi" he said\tb\n', "rows.tsv, row that begins at line 2: not readable as TSV"),
        ("text\ttext\na\tb\n", "names the column 'text' more than once"),
        ("text\tlabel\n", "rows.tsv: the file has no rows"),
        ("", "rows.tsv: the file is empty"),
        ("text\tlabel\na\tb\n".encode("utf-16"), "line 1 (byte 1 of the file): not UTF-8 text; save the file"),
        ("text\tlabel\n\u0430\t\u0431\n".encode("utf-16-le"), "iconv -f utf-16le -t utf-8"),
        (b"text\tlabel\na\0\tb\n", "line 2 (byte 13 of the file): not UTF-8 text: it holds a NUL byte; take it out"),
    ],
    ids=["many", "few", "open-quote", "stray-quote", "twice", "header-only", "empty", "utf-16", "cyrillic", "nul"],
)  # fmt: skip
def test_faults_of_a_tsv_file(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, "rows.tsv", content))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "text\tlabel\na\tb\n", "call the file .tsv"),
        ("rows.csv", "text\tlabel\na, or not\tb\n", "call the file .tsv"),
        ("rows.tsv", "text,label\na,b\n", "call the file .csv"),
        ("rows.csv", "text;label\na;b\n", "save the file with commas"),
    ],
    ids=["tabs", "tabs-and-commas", "commas", "semicolons"],
)
def test_another_separator_is_pointed_out(tmp_path: Path, name: str, content: str, said: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        to_examples(read_rows(path), path=path, inputs=["text"], target="label")
    assert said in str(caught.value)


# Parquet


def test_plain_values_become_what_other_files_hold(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        """SELECT 'it''s' AS text, 3 AS n, 1.5::DOUBLE AS x, 'NaN'::DOUBLE AS gap, NULL::VARCHAR AS nothing,
           true AS yes, 2.50::DECIMAL(9, 2) AS price, DATE '2026-01-31' AS day_of,
           TIMESTAMPTZ '2026-01-31 10:00:00+00' AS at,
           ['a', 'b'] AS answers, 1 AS "odd ""name" """,
    )
    (row,) = read_rows(path)
    assert row.number == 1
    assert str(row.columns["at"]).startswith("2026-01-31 10:00:00+00")
    assert {name: value for name, value in row.columns.items() if name != "at"} == {
        "text": "it's",
        "n": 3,
        "x": 1.5,
        "gap": None,
        "nothing": None,
        "yes": True,
        "price": "2.50",
        "day_of": "2026-01-31",
        "answers": ["a", "b"],
        'odd "name': 1,
    }


def test_a_parquet_file_is_split_like_any_other(tmp_path: Path) -> None:
    select = (
        "SELECT 'message ' || range AS text, CASE range % 2 WHEN 0 THEN 'yes' ELSE 'no' END AS label FROM range(60)"
    )
    lines = [f"message {number}\t{('yes', 'no')[number % 2]}" for number in range(60)]
    tsv = write(tmp_path, "rows.tsv", "\n".join(["text\tlabel", *lines]))
    assert load_splits(DataSource(file=parquet(tmp_path, select)), seed=1) == load_splits(DataSource(file=tsv), seed=1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("{'a': 1}", "STRUCT(a INTEGER)"), ("[[1]]", "INTEGER[][]"), ("'x'::BLOB", "BLOB"), ("map{'k': 1}", "MAP")],
    ids=["struct", "lists", "bytes", "map"],
)
def test_a_column_of_tables_is_left_out_until_it_is_asked_for(tmp_path: Path, value: str, kind: str) -> None:
    path = parquet(tmp_path, f"SELECT 'a' AS text, 'b' AS label, {value} AS more")
    rows = read_rows(path)
    assert isinstance(rows[0].columns["more"], NotText)
    assert to_examples(rows, path=path, inputs=None, target=None)[0].target == "b"
    for inputs, target, flag in ((["more"], "label", "--input"), (["text"], "more", "--target")):
        with pytest.raises(DataError) as caught:
            to_examples(rows, path=path, inputs=inputs, target=target)
        assert f"rows.parquet: the column 'more' ({flag}) holds {kind}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "rows.parquet: not readable as Parquet"), (b"PAR1 nothing of the sort PAR1", "not readable as Parquet")],
    ids=["empty", "junk"],
)
def test_faults_of_a_parquet_file(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, "rows.parquet", content))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no rows"):
        read_rows(parquet(tmp_path, "SELECT 'a' AS text WHERE false"))


def test_a_name_with_a_star_is_that_one_file(tmp_path: Path) -> None:
    parquet(tmp_path, "SELECT 'other' AS text", name="rows1.parquet")
    path = parquet(tmp_path, "SELECT 'this' AS text", name="rows[1]*.parquet")
    assert [row.columns["text"] for row in read_rows(path)] == ["this"]


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, "rows.parquet", b"PAR1"))
    assert "pip install 'promptdescent[parquet]'" in str(caught.value)
