"""Rows and replies are text and nothing more: they are filled in once, never run, and can do nothing to a terminal."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.cli import main

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m",
    "{text} {0} {__class__.__mro__} {{ 7 * 7 }}",
    "$(touch PWNED) `touch PWNED`; touch PWNED | touch PWNED",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "%s %n %(label)s %1000000d",
    "../../../PWNED",
    "/PWNED\x08.txt",
    "\u202egnp.exe \u2066x",
    "[bold red]x[/bold red] :boom: [link=file:///etc/passwd]y[/link]",
    "overwritten\rSAFE",
    "__import__('os').system('touch PWNED')",
    "=cmd|'/c touch PWNED'!A1",
    "'; DROP TABLE runs; --",
)
LABELS = ("../praise{text}", "com\x1b[31mplaint%s", "$(question)")
ROWS = 78


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, deep enough that what leaves it is seen."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setenv("COLUMNS", "200")
    return inner


def rows() -> list[dict[str, str]]:
    return [
        {"text": f"Row {number}: {HOSTILE[number % len(HOSTILE)]}", "label": LABELS[number % 3]}
        for number in range(ROWS)
    ]


class Models:
    """A task model and an optimizer model that reply with hostile text, and keep what they were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.proposals = 0

    def task(self, messages: list[dict[str, str]]) -> str:
        text = messages[-1]["content"]
        self.sent.append(text)
        number = int(text.split("Row ")[1].split(":")[0]) if "version" in text else 0  # so a hostile prompt is the best
        return f"{HOSTILE[len(text) % len(HOSTILE)]} {LABELS[number % 3]}"

    def optimizer(self, messages: list[dict[str, str]]) -> str:
        self.proposals += 1
        hostile = f"{HOSTILE[0]} {HOSTILE[self.proposals % len(HOSTILE)]}"
        return f"<prompt>Tell {hostile} in version {self.proposals}.</prompt>"


def harmless(text: str) -> bool:
    """Whether nothing in the text acts on a terminal."""
    return all(char in "\n\t" or char.isprintable() for char in text)


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["promptdescent", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def test_hostile_rows_and_replies(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models()
    result = promptdescent.optimize(
        rows(),
        input="text",
        target="label",
        prompt="Sort {{it}} for me.",
        task_model=models.task,
        optimizer_model=models.optimizer,
        steps=3,
        train_rows=10,
        dev_rows=12,
        test_rows=26,
        candidates=3,
        store="store",
    )
    capsys.readouterr()
    questions = {row["text"] for row in rows()}
    heard = {question for question in questions for text in models.sent if question in text}
    assert len(heard) == 12 + 26, "every row reached the model as it was given"
    assert models.proposals >= 3
    assert result.best_prompt.startswith("Tell ")

    for view in (("show",), ("show", "latest", "--json"), ("show", "latest", "--canonical"), ("runs",)):
        code, out, err = call(capsys, monkeypatch, *view, "--store", "store")
        assert (code, err) == (0, ""), err
        assert harmless(out), view
    record: dict[str, Any] = json.loads(call(capsys, monkeypatch, "show", "--json", "--store", "store")[1])
    assert record["id"] == result.run
    assert {name for name in files(tmp_path) if "PWNED" in name} == set()
    assert files(folder) <= {"store", *(f"store/{name}" for name in ("store.db", "store.db-wal", "store.db-shm"))}
    assert not list(Path("/").glob("PWNED*"))


def test_a_row_that_looks_like_a_placeholder_is_filled_in_once(folder: Path) -> None:
    models = Models()
    given = [{"text": f"{{label}} {{text}} {number}", "label": LABELS[number % 3]} for number in range(60)]
    promptdescent.optimize(
        given,
        input="text",
        target="label",
        prompt="Read <{text}> and sort it.",
        task_model=models.task,
        steps=0,
        dev_rows=10,
        test_rows=20,
        store="store",
    )
    assert len(models.sent) >= 30
    for text in models.sent:
        assert text.startswith("Read <{label} {text} ")
        assert not any(label in text for label in LABELS)


def test_a_hostile_file_on_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress, messages and errors, from a file whose name and columns are hostile as well."""
    file = folder / "r\x1b[31m{x}%s$(touch PWNED).csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["text\x1b[1m", "label"])
        writer.writeheader()
        writer.writerows({"text\x1b[1m": row["text"], "label": row["label"]} for row in rows())
    models = ("--task-model", "simulated:", "--prompt", "Sort it \x1b[31m.", "--steps", "1", "--candidates", "2")
    named = ("--input", "text\x1b[1m", "--target", "label")
    code, out, err = call(capsys, monkeypatch, "optimize", str(file), *named, *models, "--test-rows", "20")
    assert code == 0, err
    assert harmless(out)
    assert harmless(err)
    for bad in (("--input", "tex\x1b[1mt", "--target", "label"), ("--input", "label", "--target", "\x1b]0;x\x07")):
        code, out, err = call(capsys, monkeypatch, "optimize", str(file), *bad, *models)
        assert code == 2
        assert harmless(out + err)
    assert {name for name in files(tmp_path) if name.endswith("PWNED")} == set()
