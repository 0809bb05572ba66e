"""Readers: what each kind of file gives, and what bad files get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, DataError
from promptdescent.tasks.datasets import DataSource, load_splits, to_examples
from promptdescent.tasks.files import Row, read_rows
from promptdescent.tasks.splits import SplitSizes


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def examples(*rows: dict[str, object], inputs: list[str] | None = None, target: str | None = None):  # type: ignore[no-untyped-def]
    return to_examples([Row(n, row) for n, row in enumerate(rows, 1)], path="rows.json", inputs=inputs, target=target)


# CSV


def test_csv_rows_have_the_columns_of_the_header_and_their_line(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", 'text,label\nfine,good\n\n"two\nlines, one field",bad\n"say ""no""",good\n')
    assert read_rows(path) == [
        Row(2, {"text": "fine", "label": "good"}),
        Row(4, {"text": "two\nlines, one field", "label": "bad"}),
        Row(6, {"text": 'say "no"', "label": "good"}),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_line_ends_of_all_systems(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, "rows.CSV", end.join(["text, label", "fine,good", "poor,bad"]))
    assert [(row.number, row.columns["label"]) for row in read_rows(path)] == [(2, "good"), (3, "bad")]


def test_csv_with_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", b"\xef\xbb\xbftext,label\ncaf\xc3\xa9,good\n")
    assert read_rows(path) == [Row(2, {"text": "café", "label": "good"})]


def test_csv_field_longer_than_the_csv_modules_own_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", "text,label\n" + "x" * 200_000 + ",good\n")
    assert len(str(read_rows(path)[0].columns["text"])) == 200_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label,text\na,b,c\n", "more than once"),
        ("text,label\na,b\nonly one\n", "line 3: 1 field, but the header has 2 columns"),
        ("text,label\na,b,c\n", "line 2: 3 fields"),
        ('text,label\na,b\n"never closed,b\nc,d\n', "begins at line 3: not readable as CSV"),
        ("text,label\n", "has no rows"),
        ("", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
    ],
)
def test_csv_faults_are_named_with_file_and_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, "rows.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        read_rows(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"\xef\xbb\xbfone\nb\xe9b\xe9,x\n", r"line 2 \(byte 9 "),
        (b"one\nb\xe9b\xe9,x\n", r"line 2 \(byte 6 "),
        ("text,label\na,b\n".encode("utf-16"), r"line 1 \(byte 1 "),
        ("text,label\na,b\n".encode("utf-16-le"), r"line 1 \(byte 2 "),
    ],
)
def test_wrong_encoding_is_named_with_place_and_remedy(tmp_path: Path, suffix: str, content: bytes, place: str) -> None:
    with pytest.raises(DataError, match=place + ".*save the file as UTF-8"):
        read_rows(write(tmp_path, f"rows.{suffix}", content))


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("text,label\na,b\n".encode("utf-16"), "iconv -f utf-16 -t utf-8"),
        ("text,label\na,b\n".encode("utf-16-le"), "iconv -f utf-16le -t utf-8"),
        ("text,label\na,b\n".encode("utf-16-be"), "iconv -f utf-16be -t utf-8"),
        (b"one\nb\xe9b\xe9,x\n", "with the encoding it has in place of latin1"),
        (b"PK\x03\x04\x14\x00\x06\x00", "no text at all: give a .csv"),
    ],
)
def test_wrong_encoding_gets_the_remedy_that_fits(tmp_path: Path, content: bytes, remedy: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, "rows.csv", content))
    assert remedy in str(caught.value)
    assert ("latin1" in str(caught.value)) == ("latin1" in remedy)


# JSONL and JSON


def test_jsonl_rows_have_their_line(tmp_path: Path) -> None:
    # U+2028 ends a line for str.splitlines(), but not in JSON
    path = write(tmp_path, "rows.jsonl", '{"text": "a\u2028b", "label": 1}\r\n\n{"text": "c", "label": 2}')
    assert read_rows(path) == [Row(1, {"text": "a\u2028b", "label": 1}), Row(3, {"text": "c", "label": 2})]


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "a"}, {"text": "b"}],
        {"canary": "do not train on this", "examples": [{"text": "a"}, {"text": "b"}]},
        {"tags": ["x", "y"], "none": [], "examples": [{"text": "a"}, {"text": "b"}]},
    ],
)
def test_json_list_or_object_that_holds_one(tmp_path: Path, content: object) -> None:
    path = write(tmp_path, "rows.json", json.dumps(content))
    assert read_rows(path) == [Row(1, {"text": "a"}), Row(2, {"text": "b"})]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", '{"a": 1}\n{"a": \n', r"line 2, column \d+: not valid JSON"),
        ("rows.jsonl", '{"a": 1}\n[1]\n', "line 2: a list, not an object"),
        ("rows.json", '[\n{"a": 1},\n{"a" 1}]', r"line 3, column 6: not valid JSON"),
        ("rows.json", '[{"a": 1}, 7]', "item 2: a number, not an object"),
        ("rows.json", '{"a": [{"x": 1}], "b": [{"x": 1}]}', "it has 2 of them: a, b"),
        ("rows.json", '{"a": 1}', "it has none"),
        ("rows.json", '"text"', "holds a text"),
        ("rows.json", "[]", "has no rows"),
        ("rows.json", " \n", "is empty"),
        ("rows.jsonl", "", "is empty"),
        ("rows.json", '[{"a": ' + "9" * 5000 + "}]", "not readable as JSON"),
        ("rows.json", "[" * 200_000, "not readable as JSON"),
        ("rows.xlsx", "PK", r"'\.xlsx' is not known; use one of \.csv, \.tsv, \.tab, \.jsonl, \.json, \.parquet"),
    ],
)
def test_json_faults_are_named_with_file_and_place(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as caught:
        read_rows(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["rows.csv", "rows", "rows.txt"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_rows(tmp_path / name)


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        read_rows(tmp_path / "rows.csv")


# Examples


def test_columns_by_name() -> None:
    (example,) = examples(
        {"date": "1 May", "body": "hello", "topic": "greeting"}, inputs=["body", "date"], target="topic"
    )
    assert example.inputs == (("body", "hello"), ("date", "1 May"))
    assert example.target == "greeting"
    assert example.question == "body: hello\ndate: 1 May"


@pytest.mark.parametrize("input_name", ["input", "text", "question", "sentence"])
@pytest.mark.parametrize("target_name", ["target", "label", "answer", "output"])
def test_usual_column_names_need_no_flag(input_name: str, target_name: str) -> None:
    (example,) = examples({"id": 1, input_name: "q", target_name: "a"})
    assert (example.inputs, example.target) == (((input_name, "q"),), "a")


@pytest.mark.parametrize(
    ("row", "flag"),
    [
        ({"text": "q", "question": "q", "label": "a"}, "--input"),
        ({"review": "q", "label": "a"}, "--input"),
        ({"text": "q", "label": "a", "answer": "a"}, "--target"),
        ({"text": "q", "class": "a"}, "--target"),
    ],
)
def test_column_that_cannot_be_guessed_names_the_flag(row: dict[str, object], flag: str) -> None:
    with pytest.raises(DataError, match=flag) as caught:
        examples(row)
    assert "rows.json" in str(caught.value)


@pytest.mark.parametrize(("given", "flag"), [({"inputs": ["txet"]}, "--input"), ({"target": "lable"}, "--target")])
def test_missing_column_names_file_column_nearest_name_and_flag(given: dict[str, object], flag: str) -> None:
    with pytest.raises(DataError) as caught:
        to_examples([Row(1, {"text": "q", "label": "a"})], path="rows.csv", **{"inputs": None, "target": None, **given})  # type: ignore[arg-type]
    for part in ("rows.csv", flag, "'txet'" if flag == "--input" else "'lable'", "did you mean '"):
        assert part in str(caught.value)


def test_semicolons_between_columns_are_pointed_out(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path, "rows.csv", "text;label\na;b\n"))
    with pytest.raises(DataError, match="save the file with commas"):
        to_examples(rows, path="rows.csv", inputs=["text"], target="label")


def test_column_that_only_some_rows_have() -> None:
    with pytest.raises(DataError, match=r"1 row \(number 2\): no column 'text' \(--input\)"):
        examples({"text": "q", "label": "a"}, {"label": "a"})


def test_one_column_for_two_things() -> None:
    with pytest.raises(ConfigError, match="--input and --target both name the column 'text'"):
        examples({"text": "q", "label": "a"}, inputs=["text"], target="text")
    with pytest.raises(ConfigError, match="more than once"):
        examples({"text": "q", "label": "a"}, inputs=["text", "text"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (1.0, "1.0"),
        (True, "True"),
        (" spaced ", "spaced"),
        (["one", "zwölf"], '["one", "zwölf"]'),
        ({"a": [1, 2.5]}, '{"a": [1, 2.5]}'),
    ],
)
def test_values_become_text(value: object, text: str) -> None:
    assert examples({"text": "q", "label": value})[0].target == text


def test_values_of_a_json_file_become_text(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.jsonl", '{"text": null, "label": 1.0}\n{"text": 7, "label": true}\n')
    both = to_examples(read_rows(path), path=path, inputs=None, target=None)
    assert [(example.question, example.target) for example in both] == [("", "1.0"), ("7", "True")]


@pytest.mark.parametrize("content", ["null", '""', '"  "', "NaN"])
def test_rows_without_a_target_are_named(tmp_path: Path, content: str) -> None:
    lines = ['{"text": "q", "label": "a"}'] + [f'{{"text": "q", "label": {content}}}'] * 6 + ['{"text": "q"}']
    path = write(tmp_path, "rows.jsonl", "\n".join(lines))
    with pytest.raises(DataError, match=r"7 rows \(number 2, 3, 4, 5, 6, \.\.\.\): no target in the column 'label'"):
        to_examples(read_rows(path), path=path, inputs=None, target=None)


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.jsonl", '{"text": "\\ud83d", "label": "a"}')
    with pytest.raises(DataError, match="row 1: holds half of a surrogate pair"):
        to_examples(read_rows(path), path=path, inputs=None, target=None)


def test_id_depends_on_inputs_and_target_alone() -> None:
    first, copy, other_target, other_text, other_column = examples(
        {"text": "q", "label": "a", "note": "x"},
        {"note": "y", "label": "a", "text": "q"},
        {"text": "q", "label": "b"},
        {"text": "r", "label": "a"},
        {"text": "q", "label": "c"},
    )
    assert first.id == copy.id
    assert len({first.id, other_target.id, other_text.id, other_column.id}) == 4
    assert len(first.id) == 16
    assert int(first.id, 16) >= 0


# Sources


def rows_of(n: int) -> list[dict[str, object]]:
    return [{"text": f"text {i}", "label": "yes" if i % 2 else "no"} for i in range(n)]


def test_one_file_is_split_by_seed(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.json", json.dumps(rows_of(100)))
    splits = load_splits(DataSource(file=path), seed=3)
    assert [len(rows) for rows in (splits.train, splits.dev, splits.test)] == [20, 20, 60]
    assert load_splits(DataSource(file=path), seed=3) == splits
    assert load_splits(DataSource(file=path), seed=4) != splits
    assert load_splits(DataSource(rows=rows_of(100)), seed=3) == splits


def test_sizes_reach_the_split(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.json", json.dumps(rows_of(100)))
    splits = load_splits(DataSource(file=path, sizes=SplitSizes(train=5, dev=10, test=30)), seed=0)
    assert [len(rows) for rows in (splits.train, splits.dev, splits.test)] == [5, 10, 30]
    assert splits.unused == 55


def test_ready_files_are_used_whole(tmp_path: Path) -> None:
    rows = rows_of(60)
    train = write(tmp_path, "train.json", json.dumps(rows[:10]))
    dev = write(tmp_path, "dev.jsonl", "\n".join(json.dumps(row) for row in rows[10:20]))
    test = write(tmp_path, "test.csv", "label,text\n" + "".join(f"{row['label']},{row['text']}\n" for row in rows[20:]))
    splits = load_splits(DataSource(train=train, dev=dev, test=test), seed=0)
    assert [example.question for example in (*splits.train, *splits.dev, *splits.test)] == [row["text"] for row in rows]
    assert splits.leaked == ()


def test_split_column(tmp_path: Path) -> None:
    names = ["train"] * 5 + ["Validation", "valid", "val", "dev "] + ["TEST"] * 25
    rows = [{**row, "part": name} for row, name in zip(rows_of(34), names, strict=True)]
    path = write(tmp_path, "rows.json", json.dumps(rows))
    splits = load_splits(DataSource(file=path, split_column="part"), seed=0)
    assert [len(part) for part in (splits.train, splits.dev, splits.test)] == [5, 4, 25]
    assert "part" not in dict(splits.train[0].inputs)


def test_split_column_faults(tmp_path: Path) -> None:
    content = "text,label,part\na,b,train\nc,d,holdout\n"
    path = write(tmp_path, "rows.csv", content)
    with pytest.raises(DataError, match=r"row 3: the column 'part' \(--split-column\) says 'holdout'"):
        load_splits(DataSource(file=path, split_column="part"), seed=0)
    with pytest.raises(DataError, match=r"no column 'parts' \(--split-column\); did you mean 'part'"):
        load_splits(DataSource(file=path, split_column="parts"), seed=0)
    path.write_text(content.replace("holdout", "test"))
    with pytest.raises(DataError, match="no row says dev"):
        load_splits(DataSource(file=path, split_column="part"), seed=0)


FILE = Path("rows.csv")


@pytest.mark.parametrize(
    ("source", "flags"),
    [
        (DataSource(file=FILE, train=FILE, test=FILE), ["--train", "--test"]),
        (DataSource(file=FILE, rows=()), ["data file", "rows"]),
        (DataSource(), ["--train, --dev and --test"]),
        (DataSource(train=FILE, test=FILE), ["--dev missing"]),
        (DataSource(train=FILE, dev=FILE, test=FILE, split_column="part"), ["--split-column"]),
        (DataSource(train=FILE, dev=FILE, test=FILE, sizes=SplitSizes(dev=5)), ["--dev-rows"]),
        (DataSource(file=FILE, split_column="part", sizes=SplitSizes(train=5, test=5)), ["--train-rows, --test-rows"]),
    ],
)
def test_conflicting_settings_name_their_flags(source: DataSource, flags: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_splits(source, seed=0)
    for flag in flags:
        assert flag in str(caught.value)


def test_rows_in_memory_that_cannot_be_used() -> None:
    with pytest.raises(DataError, match="there are none"):
        load_splits(DataSource(rows=[]), seed=0)
    with pytest.raises(DataError, match="number 2 is tuple"):
        load_splits(DataSource(rows=[{"text": "a"}, ("a", "b")]), seed=0)  # type: ignore[list-item]


# Rows without a target

NO_TARGET = "text\n" + "\n".join(f"row {n}" for n in range(60)) + "\n"


def test_a_file_needs_no_target_where_nothing_needs_one(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", NO_TARGET)
    splits = load_splits(DataSource(file=path, target_for=None), seed=0)
    assert {row.target for row in (*splits.train, *splits.dev, *splits.test)} == {""}
    assert len({row.id for row in splits.test}) == len(splits.test)


def test_what_needs_the_target_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "rows.csv", NO_TARGET)
    with pytest.raises(DataError, match=r"no column is called target.*\(--metric exact needs a right answer per row"):
        load_splits(DataSource(file=path, target_for="--metric exact"), seed=0)
    gap = write(tmp_path, "gap.csv", "text,label\na,b\nc,\n")
    with pytest.raises(DataError, match="no target in the column 'label', which --metric exact needs"):
        load_splits(DataSource(file=gap, target_for="--metric exact"), seed=0)


def test_a_target_that_is_not_needed_is_taken_where_there_is_one() -> None:
    rows = [Row(1, {"text": "q", "label": "a"}), Row(2, {"text": "r", "label": None})]
    taken = to_examples(rows, path="rows.json", inputs=None, target=None, target_for=None)
    assert [example.target for example in taken] == ["a", ""]
    with pytest.raises(DataError, match="no column 'lable' \\(--target\\); did you mean 'label'"):
        to_examples(rows, path="rows.json", inputs=None, target="lable", target_for=None)
    answer_is_the_input = to_examples(
        [Row(1, {"answer": "x", "text": "q"})], path="rows.json", inputs=["text"], target=None, target_for=None
    )
    assert answer_is_the_input[0].target == "x"
