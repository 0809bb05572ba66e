"""Files are read as streams: the same rows, numbers and faults as if all of a file were at hand."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptdescent.errors import DataError
from promptdescent.tasks import text_file
from promptdescent.tasks.datasets import DataSource, load_splits
from promptdescent.tasks.files import open_rows, read_rows

values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
line_ends = st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"])


@given(texts=st.lists(st.tuples(values, line_ends), min_size=1, max_size=20), chunk=st.integers(1, 9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_json_lines_do_not_depend_on_how_the_file_is_cut(
    tmp_path: Path, texts: list[tuple[str, str]], chunk: int
) -> None:
    path, lines = tmp_path / "rows.jsonl", []
    for text, end in texts:
        lines.append(json.dumps({"text": text}, ensure_ascii=False) + end)
    path.write_bytes("".join(lines).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_file, "CHUNK", chunk)
        rows = read_rows(path)
        places = list(range(0, len(rows), 3))
        assert list(open_rows(path).at(places)) == rows[::3]
    assert [row.columns["text"] for row in rows] == [text for text, _ in texts]
    in_file = "".join(lines).split("\n")
    assert [json.loads(in_file[row.number - 1]) for row in rows] == [row.columns for row in rows]


@given(table=st.lists(st.tuples(values, values), min_size=1, max_size=15), end=st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_of_a_table_are_those_of_its_whole_text(tmp_path: Path, table: list[tuple[str, str]], end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *table])
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    rows = read_rows(path)
    assert [tuple(row.columns.values()) for row in rows] == table
    whole = text.getvalue()
    lines = io.StringIO(whole, newline="").readlines()
    for row in rows:
        assert lines[row.number - 1].startswith('"' + str(row.columns["text"])[:1].replace('"', '""')[:1])


@given(
    before=st.text(max_size=30), bad=st.sampled_from([b"\xe9", b"\xff", b"\xe2\x82", b"\0"]), chunk=st.integers(1, 7)
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_byte_that_is_no_text_is_named_wherever_the_file_is_cut(
    tmp_path: Path, before: str, bad: bytes, chunk: int
) -> None:
    data = before.encode("utf-8", "replace").replace(b"\0", b"-") + bad + b"\nmore"
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    at = len(data) - len(bad) - len(b"\nmore")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_file, "CHUNK", chunk)
        with pytest.raises(DataError, match="not UTF-8 text") as caught:
            read_rows(path)
    assert f"line {data[:at].count(10) + 1} (byte {at + 1} of the file)" in str(caught.value)


def test_a_character_that_the_end_of_the_file_cuts_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": 1}\n\xe2\x82')
    with pytest.raises(DataError, match=r"line 2 \(byte 13 of the file\): not UTF-8 text"):
        read_rows(path)


@pytest.mark.parametrize(
    ("content", "first"),
    [
        (b'{"text": }\n{"text": "\xe9"}\n', r"line 2 \(byte 22 of the file\): not UTF-8"),
        (b'{"text": "a"}\n{"text": 1, "question": 2}\n[1]\n', "line 3: a list, not an object"),
        (b'{"txet": "a", "label": "x"}\n{"txet": "b"}\n7\n', "line 3: a number, not an object"),
        (b'{"text": "a", "label": ""}\n{"label": "x"}\n', r"1 row \(number 2\): no column 'text' \(--input\)"),
        (b'{"text": "\\ud83d", "label": "x"}\n{"text": "a"}\n', r"1 row \(number 2\): no target in the column 'label'"),
        (
            b'{"text": "a", "label": "x"}\n{"text": "b", "answer": "y"}\n',
            r"several columns may be it \(label, answer\)",
        ),
    ],
    ids=["encoding", "form-then-names", "form-then-missing", "input-then-target", "target-then-text", "late-column"],
)
def test_the_gravest_fault_is_said_wherever_it_stands(tmp_path: Path, content: bytes, first: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=first):
        load_splits(DataSource(file=path), seed=0)


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{i % 2}\n" for i in range(40)))
    rows = open_rows(path)
    first = next(iter(rows))  # left in the middle
    assert next(iter(rows)) == first
    assert len(list(rows)) == 40
    assert rows.columns() == ["text", "label"]
    assert [row.number for row in rows.at([0, 1, 7, 39])] == [2, 3, 9, 41]
    assert [row.number for row in rows.at([39, 40, 41])] == [41]


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    os.mkfifo(path)
    content = "".join(f'{{"text": "text {i}", "label": {i % 2}}}\n' for i in range(100))
    writer = threading.Thread(target=path.write_text, args=(content,))
    writer.start()
    splits = load_splits(DataSource(file=path), seed=0)
    writer.join()
    plain = tmp_path / "plain.jsonl"
    plain.write_text(content)
    assert splits == load_splits(DataSource(file=plain), seed=0)


def peak(path: Path) -> int:
    """Bytes that reading and splitting a file holds at most."""
    tracemalloc.start()
    try:
        load_splits(DataSource(file=path), seed=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_length_of_rows_and_hardly_with_their_number(tmp_path: Path, suffix: str) -> None:
    """29 bytes are held of a row here of more than 200; all of them would take 4 MB."""
    path = {count: tmp_path / f"{count}.{suffix}" for count in (1000, 4000)}
    for count, file in path.items():
        write(file, count)
    load_splits(DataSource(file=path[1000]), seed=0)  # what is imported and made once
    few, many = peak(path[1000]), peak(path[4000])
    assert many - few < 3000 * 29 * 1.5 + 500_000


def write(path: Path, count: int) -> None:
    rows = [(f"text {i} " + "and on " * 30, f"label {i % 3}") for i in range(count)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
        return
    table = path.with_suffix(".csv")
    table.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    if path.suffix == ".parquet":
        import duckdb

        with duckdb.connect(":memory:") as database:
            database.execute(f"COPY (SELECT * FROM read_csv('{table}')) TO '{path}' (FORMAT parquet)")  # noqa: S608
