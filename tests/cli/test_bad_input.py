"""Everything that can be wrong with what a user gives: exit code 2, the place and the remedy are named, nothing is
recorded, and no store is left behind.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli_samples import PROMPT, Ended, Invoke

GOOD = [(f"The lamp number {n} was {('lovely', 'awful')[n % 2]}", ("yes", "no")[n % 2]) for n in range(60)]
LINES = [f"{text},{label}" for text, label in GOOD]
CSV = "\n".join(["text,label", *LINES]) + "\n"
JSONL = "\n".join(json.dumps({"text": text, "label": label}) for text, label in GOOD) + "\n"
TASK = 'data: rows.csv\nprompt: "Say yes or no."\ntask_model: simulated:clear\nsteps: 1\n'


def with_line(number: int, line: str, *, text: str = CSV) -> str:
    """``text`` with another line in the place of one."""
    lines = text.splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class Bad:
    """Something wrong, and what has to be said of it."""

    said: tuple[str, ...]
    files: dict[str, str | bytes] = field(default_factory=dict)
    """Beside rows.csv, which is good."""
    data: str | None = "rows.csv"
    flags: tuple[str, ...] = ()


def file(name: str, content: str | bytes, *said: str, flags: tuple[str, ...] = ()) -> Bad:
    """A bad data file, which is named."""
    return Bad(files={name: content}, data=name, said=(name, *said), flags=flags)


def flags(*given: str, said: tuple[str, ...], files: dict[str, str | bytes] | None = None) -> Bad:
    return Bad(flags=given, said=said, files=files or {})


ROWS = {
    "no data": Bad(data=None, said=("no data", "--train")),
    "missing file": Bad(data="rosw.csv", said=("rosw.csv: there is no such file",)),
    "folder": Bad(data="folder.csv", said=("folder.csv: this is a folder",)),
    "unknown suffix": file("rows.xlsx", "PK", "'.xlsx' is not known", ".tsv"),
    "no suffix": file("rows", CSV, "suffix '' is not known"),
    "empty file": file("a.csv", "", "the file is empty"),
    "white space only": file("a.csv", "\n \n", "the file is empty"),
    "header only": file("a.csv", "text,label\n", "the file has no rows"),
    "one row": file("a.csv", "text,label\nfine,yes\n", "too few rows"),
    "too few rows": file("a.csv", "\n".join(CSV.splitlines()[:22]), "too few rows", "--test-rows"),
    "copies only": file("a.csv", "text,label\n" + "fine,yes\nfine,no\n" * 40, "copies of 1 distinct"),
    "missing input column": file("a.csv", CSV, "no column 'txet' (--input)", "'text'", flags=("--input", "txet")),
    "missing target column": file("a.csv", CSV, "no column 'lable' (--target)", "'label'", flags=("--target", "lable")),
    "no usual column": file("a.csv", CSV.replace("text,label", "a,b"), "say which with --target"),
    "duplicate column": file("a.csv", CSV.replace("text,label", "text,text"), "column 'text' more than once"),
    "no target in a row": file("a.csv", with_line(3, "fine,"), "number 3", "no target", "fill it in"),
    "one class": file("a.csv", CSV.replace(",no", ",yes"), "all 60 rows have the same target 'yes'", "--target"),
    "utf-16": file("a.csv", CSV.encode("utf-16"), "line 1", "iconv -f utf-16 -t utf-8"),
    "utf-16 without a mark": file("a.csv", CSV.encode("utf-16-be"), "iconv -f utf-16be -t utf-8"),
    "latin1": file("a.csv", with_line(5, "caf\xe9,yes").encode("latin1"), "line 5", "latin1"),
    "nul byte": file("a.csv", with_line(9, "fi\0ne,yes"), "line 9", "NUL byte"),
    "archive": file("a.csv", b"PK\x03\x04\x14\x00\x06\x00\xff", "no text at all"),
    "too many fields": file("a.csv", with_line(7, "a,b,yes"), "line 7: 3 fields", "double quotes"),
    "too few fields": file("a.csv", with_line(7, "a"), "line 7: 1 field"),
    "open quote": file("a.csv", with_line(7, '"a,yes'), "line 7", "check its quotes"),
    "tabs in a csv": file("a.csv", CSV.replace(",", "\t"), "call the file .tsv", flags=("--input", "text")),
    "commas in a tsv": file("a.tsv", CSV, "call the file .csv", flags=("--input", "text")),
    "semicolons": file("a.csv", CSV.replace(",", ";"), "save the file with commas", flags=("--input", "text")),
    "broken line of jsonl": file("a.jsonl", with_line(4, '{"a": 1', text=JSONL), "line 4, column", "not valid JSON"),
    "list in jsonl": file("a.jsonl", with_line(4, "[1]", text=JSONL), "line 4: a list, not an object"),
    "key missing in a row": file("a.jsonl", with_line(4, '{"label": "no"}', text=JSONL), "number 4", "column 'text'"),
    "json of a number": file("a.json", "7", "holds a number"),
    "json of numbers": file("a.json", "[1, 2]", "item 1: a number"),
    "json of mixed items": file("a.json", '[{"text": "a", "label": "b"}, "c"]', "item 2: a text"),
    "json without a list": file("a.json", '{"rows": 3}', "exactly one list of objects"),
    "broken json": file("a.json", '[\n{"a" 1}]', "line 2, column 6"),
    "half a character": file("a.json", json.dumps([{"text": "\ud800", "label": "b"}] * 50), "row 1", "surrogate"),
    "empty parquet": file("a.parquet", b"", "not readable as Parquet"),
    "input is target": flags("--input", "label", "--target", "label", said=("--input and --target both name",)),
    "input twice": flags("--input", "text", "--input", "text", said=("--input names the column 'text' more",)),
    "too many rows asked for": flags("--train-rows", "50", "--test-rows", "50", said=("rows.csv", "more than the 60")),
    "no rows asked for": flags("--dev-rows", "0", said=("--dev-rows must be at least 1",)),
    "no split column": flags("--split-column", "part", said=("no column 'part' (--split-column)",)),
    "unknown split": flags("--split-column", "label", said=("row 2", "'yes', which is no split")),
    "data and splits": flags("--train", "rows.csv", said=("cannot both be given",)),
    "two of three splits": Bad(data=None, flags=("--train", "rows.csv", "--dev", "rows.csv"), said=("--test missing",)),
    "split overlap": Bad(
        data=None,
        flags=("--train", "rows.csv", "--dev", "rows.csv", "--test", "rows.csv"),
        said=("rows.csv", "only 0 distinct test rows (60 more also stand in train or dev)"),
    ),
    "splits of other columns": Bad(
        data=None,
        flags=("--train", "rows.csv", "--dev", "rows.csv", "--test", "b.csv"),
        files={"b.csv": CSV.replace("text,", "question,")},
        said=("different input columns", "test: question"),
    ),
    "sizes of splits": Bad(
        data=None,
        flags=("--train", "rows.csv", "--dev", "rows.csv", "--test", "rows.csv", "--test-rows", "20"),
        said=("ready splits are used whole", "--test-rows"),
    ),
}  # fmt: skip

SETTINGS = {
    "no prompt": flags(said=("--prompt is missing",)),
    "empty prompt": flags("--prompt", "", said=("--prompt is empty",)),
    "missing prompt file": flags("--prompt", "@no.txt", said=("--prompt @no.txt: there is no such file",)),
    "empty prompt file": flags("--prompt", "@e.txt", files={"e.txt": "\n"}, said=("--prompt @e.txt", "empty")),
    "prompt in latin1": flags("--prompt", "@e.txt", files={"e.txt": b"caf\xe9"}, said=("--prompt @e.txt", "UTF-8")),
    "prompt is a folder": flags("--prompt", "@folder.csv", said=("--prompt @folder.csv", "cannot be read")),
    "unknown placeholder": flags("--prompt", "Read {txt}", "--placement", "template", said=("{txt}", "text")),
    "unknown placement": flags("--placement", "under", said=("placement", "under")),
    "unknown metric": flags("--metric", "choise", said=("choise", "'choice'")),
    "metric without a pattern": flags("--metric", "regex:", said=("regex:",)),
    "metric of a broken pattern": flags("--metric", "regex:(", said=("regex:(",)),
    "metric of a missing module": flags("--metric", "no_such_module:score", said=("no_such_module",)),
    "numbers that are none": flags("--metric", "number", said=("rows.csv: --metric number", "'no' is no number")),
    "unknown reading": flags("--read", "middle", said=("middle",)),
    "judge without a judge": flags("--judge-model", "simulated:clear", said=("--judge-model", "--metric judge")),
    "bad judge scale": flags("--metric", "judge", "--judge-scale", "five", said=("--judge-scale", "five")),
    "equal judge grades": flags("--metric", "judge", "--judge-repeats", "3", said=("--judge-temperature above 0",)),
    "no task model": flags("--recipe", "gpo", said=("--task-model is missing",)),
    "unknown simulated model": flags("--task-model", "simulated:claer", said=("simulated:claer",)),
    "missing model file": flags("--task-model", "local:no.gguf", said=("no.gguf",)),
    "base url without a scheme": flags("--base-url", "localhost:1/v1", said=("--base-url must be an address",)),
    "base url of a file": flags("--task-base-url", "file:///x", said=("--task-base-url must be an address",)),
    "base url with a key": flags("--base-url", "http://me:secret@localhost/v1", said=("--base-url", "environment")),
    "bad port": flags("--base-url", "http://localhost:99999/v1", said=("--base-url is no address",)),
    "key unset": flags("--task-model", "gpt-4o-mini", said=("OPENAI_API_KEY",)),
    "other key unset": flags(
        "--task-model", "m", "--base-url", "http://localhost:1/v1", "--task-api-key-env", "NO_SUCH_KEY",
        said=("NO_SUCH_KEY",),
    ),
    "unknown recipe": flags("--recipe", "gop", said=("'gpo'",)),
    "missing recipe file": flags("--recipe", "@no.yaml", said=("no.yaml: there is no such recipe file",)),
    "recipe file of a list": flags("--recipe", "@r.yaml", files={"r.yaml": "- a\n"}, said=("r.yaml",)),
    "unknown slot": flags("--recipe", "@r.yaml", files={"r.yaml": "base: gpo\nmomentun: {k: 5}\n"}, said=("momentun",)),
    "unknown estimation": flags("--estimation", "Raceing", said=("Raceing", "Racing")),
    "no candidates": flags("--candidates", "0", said=("--candidates must be at least 1",)),
    "negative steps": flags("--steps", "-1", said=("--steps must be at least 0",)),
    "too few calls": flags("--max-calls", "5", said=("--max-calls 5 is too small", "Raise the cap")),
    "no calls": flags("--max-calls", "0", said=("--max-calls must be at least 1",)),
    "too few tokens": flags("--max-total-tokens", "50", said=("--max-total-tokens 50 is too small",)),
    "too little money": flags("--max-money", "0.0001", "--task-price", "1000/1000", said=("--max-money", "too small")),
    "negative money": flags("--max-money", "-1", said=("--max-money must be at least 0",)),
    "price of letters": flags("--task-price", "x/y", said=("--task-price", "x/y")),
    "price of one number": flags("--task-price", "3", said=("--task-price",)),
    "negative price": flags("--task-price=-1/2", said=("--task-price",)),
    "infinite price": flags("--task-price", "inf/nan", said=("--task-price",)),
    "no time": flags("--max-minutes", "-1", said=("--max-minutes must be at least 0",)),
    "target score above the highest": flags("--target-score", "1.5", said=("1.5", "highest is 1")),
    "target score that is no number": flags("--target-score", "nan", said=("--target-score", "nan")),
    "temperature that is no number": flags("--task-temperature", "nan", said=("--task-temperature", "nan")),
    "negative temperature": flags("--task-temperature", "-1", said=("--task-temperature must be at least 0",)),
    "no concurrency": flags("--concurrency", "0", said=("--concurrency must be at least 1",)),
    "no requests": flags("--requests-per-minute", "0", said=("--requests-per-minute must be at least 1",)),
    "no attempts": flags("--attempts", "0", said=("--attempts must be at least 1",)),
    "no timeout": flags("--timeout", "0", said=("--timeout must be at least",)),
    "unknown counter": flags("--failure-limit", "timeuot=0.5", said=("timeuot",)),
    "bad share": flags("--failure-limit", "lost=2", said=("lost=2", "lost=0.5")),
    "unknown cache": flags("--cache", "maybe", said=("cache", "maybe")),
    "word for a number": flags("--seed", "x", said=("--seed",)),
    "unknown flag": flags("--no-such-flag", said=("--no-such-flag",)),
    "store is a file": flags("--store", "rows.csv", said=("rows.csv",)),
}  # fmt: skip

TASK_FILES = {
    "missing task file": Bad(data="no.yaml", said=("no.yaml: there is no such task file",)),
    "unknown key": Bad(data="t.yaml", files={"t.yaml": TASK + "recipee: gpo\n"}, said=("t.yaml", "'recipe'")),
    "bad value": Bad(data="t.yaml", files={"t.yaml": TASK + "seed: many\n"}, said=("t.yaml", "seed", "many")),
    "impossible value": Bad(data="t.yaml", files={"t.yaml": TASK + "candidates: 0\n"}, said=("t.yaml", "--candidates")),
    "broken yaml": Bad(data="t.yaml", files={"t.yaml": TASK + "a: [\n"}, said=("t.yaml, line", "no valid YAML")),
    "list in yaml": Bad(data="t.yaml", files={"t.yaml": "- data\n"}, said=("t.yaml", "keys and values")),
    "flag in a task file": Bad(data="t.yaml", files={"t.yaml": TASK + "store: x\n"}, said=("t.yaml", "--store")),
    "evaluate in a task file": Bad(data="t.yaml", files={"t.yaml": TASK + "evaluate_on: dev\n"}, said=("--on",)),
    "data beside the task file": Bad(
        data="t.yaml", files={"t.yaml": TASK.replace("rows.csv", "no.csv")}, said=("no.csv: there is no such file",)
    ),
}  # fmt: skip


@pytest.fixture
def bad(invoke: Invoke, rows: Path) -> Iterator[Invoke]:
    """Calls the program with a good ``rows.csv`` beside it; afterwards no store is there."""
    rows.write_text(CSV, encoding="utf-8")
    (rows.parent / "folder.csv").mkdir()
    yield invoke
    assert not (rows.parent / ".promptdescent").exists()


def check(ended: Ended, said: tuple[str, ...]) -> None:
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    joined = " ".join(ended.stderr.replace("│", " ").split())
    for words in said:
        assert words in joined


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def arguments(case: Bad, *, prompt: bool = True, model: bool = True) -> list[str]:
    return [
        "optimize",
        *([case.data] if case.data else []),
        *(["--prompt", PROMPT] if prompt else []),
        *(["--task-model", "simulated:clear"] if model else []),
        *case.flags,
    ]


@pytest.mark.parametrize("name", ROWS)
def test_bad_rows(bad: Invoke, rows: Path, name: str) -> None:
    put(rows.parent, ROWS[name].files)
    check(bad(*arguments(ROWS[name])), ROWS[name].said)


@pytest.mark.parametrize("name", SETTINGS)
def test_bad_settings(bad: Invoke, rows: Path, name: str) -> None:
    case = SETTINGS[name]
    put(rows.parent, case.files)
    check(bad(*arguments(case, prompt=name != "no prompt", model=name != "no task model")), case.said)


@pytest.mark.parametrize("name", TASK_FILES)
def test_bad_task_files(bad: Invoke, rows: Path, name: str) -> None:
    put(rows.parent, TASK_FILES[name].files)
    check(bad(*arguments(TASK_FILES[name], prompt=False, model=False)), TASK_FILES[name].said)


# --- endpoints -------------------------------------------------------------------------------------------------------


class Refusing(BaseHTTPRequestHandler):
    """Asks for a key, and has one model."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != "Bearer right":
            self._answer(401, {"error": {"message": "Incorrect API key provided"}})
        else:
            self._answer(200, {"object": "list", "data": [{"id": "llama-small", "object": "model"}]})

    def do_POST(self) -> None:
        raise AssertionError("a call was made")

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of such an endpoint."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("model", "key", "said"),
    [
        ("llama-small", "wrong", ("OPEN_DOOR", "key")),
        ("llama-smal", "right", ("llama-smal", "llama-small")),
    ],
    ids=["key refused", "model unknown"],
)
def test_what_the_endpoint_refuses_at_once(
    bad: Invoke, refusing: str, monkeypatch: pytest.MonkeyPatch, model: str, key: str, said: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OPEN_DOOR", key)
    where = ("--base-url", refusing, "--task-api-key-env", "OPEN_DOOR", "--optimizer-api-key-env", "OPEN_DOOR")
    ended = bad("optimize", "rows.csv", "--prompt", PROMPT, "--task-model", model, *where)
    check(ended, said)
    assert "wrong" not in ended.stderr.replace("is wrong", "")


# --- the other commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["evaluate", PROMPT, "rows.csv"], ("--task-model",)),
        (["evaluate", PROMPT, "--task-model", "simulated:clear"], ("no data",)),
        (["evaluate", PROMPT, "no.csv", "--task-model", "simulated:clear"], ("no.csv: there is no such file",)),
        (["evaluate", "@no.txt", "rows.csv", "--task-model", "simulated:clear"], ("@no.txt",)),
        (["evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--on", "train"], ("--on", "train")),
        (["evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--wrong", "-1"], ("--wrong",)),
        (["evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--max-calls", "5"], ("--max-calls 5",)),
        (["evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--steps", "2"], ("--steps",)),
        (["evaluate", "latest:best", "rows.csv", "--task-model", "simulated:clear"], ("no store in .promptdescent",)),
        (["export", "latest"], ("no store in .promptdescent",)),
        (["export", "latest", "--to", "yaml"], ("--to", "yaml")),
        (["show", "latest"], ("no store in .promptdescent",)),
        (["resume", "latest"], ("no store in .promptdescent",)),
    ],
    ids=lambda one: " ".join(one).replace(PROMPT, "") if isinstance(one, list) else "",
)
def test_the_other_commands(bad: Invoke, given: list[str], said: tuple[str, ...]) -> None:
    check(bad(*given), said)


def test_what_is_only_odd_is_taken(invoke: Invoke, rows: Path) -> None:
    """Long cells, numbers beside texts, and rows with more keys than are needed are no faults."""
    lines = [{"text": text, "label": label, "more": [1]} for text, label in GOOD]
    lines[0]["text"] = "long " * 300_000
    lines[1]["text"] = 7  # type: ignore[assignment]
    put(rows.parent, {"a.jsonl": "\n".join(map(json.dumps, lines))})
    done = invoke("evaluate", PROMPT, "a.jsonl", "--task-model", "simulated:clear", "--quiet")
    assert done.returncode == 0, done.stderr
