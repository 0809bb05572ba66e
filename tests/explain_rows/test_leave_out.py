"""Rows that a reviewed file takes out after the split."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from promptdescent.assembly import NO_EXTRAS, load_rows, load_task
from promptdescent.config import RunSpec, load_task_file
from promptdescent.drift import check_files
from promptdescent.errors import ConfigError, DataError, InputError
from promptdescent.records import RunManifest
from promptdescent.tasks.review_file import read_left_out


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    """A task of 120 rows, of which 20 are unused."""
    file = tmp_path / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("text", "label"), *((f"thing {n}", "ab"[n % 2]) for n in range(120))])
    return RunSpec(
        data=str(file),
        input=("text",),
        target="label",
        prompt="Which?",
        train_rows=20,
        dev_rows=20,
        test_rows=60,
        task_model="simulated:clear",
    )


def write(folder: Path, lines: list[tuple[str, str]], *, name: str = "review.csv") -> str:
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("id", "kind", "leave_out"), *((one, "?", said) for one, said in lines)])
    return str(path)


def test_rows_are_taken_out_and_the_split_stays(spec: RunSpec, tmp_path: Path) -> None:
    whole = load_rows(spec, NO_EXTRAS)
    out = [whole.dev[3].id, whole.test[0].id, whole.test[5].id]
    file = write(tmp_path, [(out[0], "yes"), (out[1], "YES"), (out[2], "yes"), (whole.dev[0].id, "no"), ("", "")])
    left = load_rows(spec.with_settings({"leave_out": file}), NO_EXTRAS)
    assert left.train == whole.train
    assert left.dev == tuple(row for row in whole.dev if row.id not in out)
    assert left.test == tuple(row for row in whole.test if row.id not in out)
    assert (len(left.dev), len(left.test)) == (19, 58)
    assert left.notes[-1] == f"1 dev, 2 test rows are left out, as {file} says."
    task = load_task(spec.with_settings({"leave_out": file}), NO_EXTRAS)
    assert task.fingerprint != load_task(spec, NO_EXTRAS).fingerprint


def test_ids_of_rows_that_are_not_drawn_are_counted(spec: RunSpec, tmp_path: Path) -> None:
    known = load_rows(spec, NO_EXTRAS).dev[0].id
    file = write(tmp_path, [(known, "yes"), ("0123456789abcdef", "yes")])
    notes = load_rows(spec.with_settings({"leave_out": file}), NO_EXTRAS).notes
    assert notes[-1] == f"1 of 2 rows that {file} leaves out are not among those drawn."
    every = spec.with_settings({"leave_out": file, "test_rows": 80})
    with pytest.raises(DataError, match="1 of 2 ids are of none of the rows, such as '0123456789abcdef'"):
        load_rows(every, NO_EXTRAS)
    strange = write(tmp_path, [("0123456789abcdef", "yes")], name="strange.csv")
    with pytest.raises(DataError, match="1 of 1 ids are of none of the rows"):
        load_rows(spec.with_settings({"leave_out": strange}), NO_EXTRAS)


def test_too_few_rows_left(spec: RunSpec, tmp_path: Path) -> None:
    whole = load_rows(spec, NO_EXTRAS)
    for rows, said in ((whole.dev, "no dev rows are left"), (whole.test[:45], "only 15 distinct test rows")):
        file = write(tmp_path, [(row.id, "yes") for row in rows])
        with pytest.raises(InputError, match=said):
            load_rows(spec.with_settings({"leave_out": file}), NO_EXTRAS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no column id"),
        (b"id,text\nx,y\n", "there is no column leave_out"),
        (b"id,leave_out\nx,maybe\n", "line 2: leave_out cannot be 'maybe'"),
        (b'id,text,leave_out\nx,"a\nb",no\ny,"c,yes\nz,d,yes\n', "line 4: .*quotation mark that is not closed"),
        (b'id,leave_out,text\n"x,yes,a\ny,yes,"b"\n', "line 2: .*quotation mark"),
        (b'id,text,leave_out\nx,"a\nb",no\ny,c\n', "line 4: there is no leave_out, only 2 of 3 cells"),
        (b"leave_out,id\nyes\n", "line 2: there is no id, only 1 of 2 cells"),
        (b"id,leave_out\n\xff\xfe,yes\n", "not UTF-8"),
        (None, "there is no such file"),
    ],
    ids=[
        "empty",
        "no column",
        "neither yes nor no",
        "open quotation mark",
        "quotation mark closed later",
        "no leave_out",
        "no id",
        "encoding",
        "no file",
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "review.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_left_out(path)


def test_what_a_spreadsheet_makes_of_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "review.csv"
    path.write_bytes('\ufeffID,text,Leave_Out\r\na,"x, y",Yes\r\nb,z,No\r\n,,\r\na,x,yes\r\n'.encode())
    assert read_left_out(path) == ("a",)


def test_a_task_file_names_it_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("data: rows.csv\nleave_out: review.csv\n", encoding="utf-8")
    assert load_task_file(tmp_path / "task.yaml").leave_out == str(tmp_path / "review.csv")


def test_drift_of_the_file_is_noticed_and_its_absence_is_not(spec: RunSpec, tmp_path: Path) -> None:
    whole = load_rows(spec, NO_EXTRAS)
    file = write(tmp_path, [(whole.dev[0].id, "yes")])
    without = spec.with_settings({"leave_out": file})
    left = load_rows(without, NO_EXTRAS)
    examples = {"train": left.train, "dev": left.dev, "test": left.test}
    manifest = _manifest(without)
    check_files(manifest, examples, NO_EXTRAS)  # type: ignore[arg-type]
    write(tmp_path, [(whole.dev[0].id, "yes"), (whole.dev[1].id, "yes")])
    with pytest.raises(ConfigError, match=r"review\.csv has changed since the run began: 18 dev rows instead of 19"):
        check_files(manifest, examples, NO_EXTRAS)  # type: ignore[arg-type]
    Path(file).unlink()
    check_files(manifest, examples, NO_EXTRAS)  # type: ignore[arg-type]


def _manifest(spec: RunSpec) -> RunManifest:
    model = spec.model("task").settings
    return RunManifest(
        version="0",
        seed=0,
        recipe_name="gpo",
        recipe={},
        task_model=model,
        optimizer_model=model,
        task_identity="",
        optimizer_identity="",
        prompt="Which?",
        placement="after",
        metric="choice",
        labels=("a", "b"),
        task_fingerprint="",
        split_sizes={},
        similarity="lexical",
        total_steps=1,
        max_calls=None,
        max_total_tokens=None,
        cache="store",
        spec=spec.with_settings({"recipe": "gpo"}).as_data(),
    )
