"""Benchmarks from the Hugging Face hub: what is asked of ``datasets``, and what is said where it cannot be had.

No hub is reached here: the same call reads folders that are laid out as the hub's repositories are.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, DataError
from promptdescent.tasks.benchmarks import SUITES, Suite, hub_access, load_rows


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="no datasets: install the extra datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def from_folder(suite: Suite, folder: Path) -> Suite:
    """The suite with its repository replaced by a folder."""
    assert suite.hub is not None
    files = f"{folder}/{suite.hub.files.partition('parquet/')[2]}" if suite.hub.files else ""
    return replace(suite, hub=replace(suite.hub, id=str(folder), files=files))


def write_repository(folder: Path, config: str, splits: Mapping[str, Sequence[Mapping[str, object]]]) -> None:
    """A repository of one configuration, with a card that names its files as those on the hub do."""
    lines = ["---", "configs:", f"- config_name: {config}", "  data_files:"]
    for split, rows in splits.items():
        path = folder / config / f"{split}-00000-of-00001.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


@pytest.mark.usefixtures("cache")
def test_bbh(tmp_path: Path) -> None:
    rows = [{"input": "Which?\n(A) x\n(B) y", "target": "(B)"}, {"input": "Which?\n(A) z", "target": "a title"}]
    write_repository(tmp_path / "hub", "snarks", {"test": rows})
    loaded = load_rows(from_folder(SUITES["bbh"], tmp_path / "hub"), "snarks", data_dir=None)
    assert loaded.pool == ({"input": "Which?\n(A) x\n(B) y", "target": "(B)"},)
    assert loaded.ready is None
    assert "row 2 of" in loaded.notes[0]


@pytest.mark.usefixtures("cache")
def test_splits_of_mmlu_are_one_pool(tmp_path: Path) -> None:
    row = {"question": "Which?", "subject": "anatomy", "choices": ["p", "q", "r", "s"]}
    splits = {split: [row | {"answer": index}] for index, split in enumerate(("test", "validation", "dev"))}
    write_repository(tmp_path / "hub", "anatomy", splits)
    loaded = load_rows(from_folder(SUITES["mmlu"], tmp_path / "hub"), "anatomy", data_dir=None)
    assert [row["target"] for row in loaded.pool] == ["(A)", "(B)", "(C)"]
    assert loaded.ready is None


@pytest.mark.usefixtures("cache")
def test_gsm8k_keeps_its_test_split(tmp_path: Path) -> None:
    splits = {
        "train": [{"question": "One?", "answer": "It is.\n#### 1"}],
        "test": [{"question": "Two?", "answer": "It is.\n#### 2"}],
    }
    write_repository(tmp_path / "hub", "main", splits)
    loaded = load_rows(from_folder(SUITES["gsm8k"], tmp_path / "hub"), "gsm8k", data_dir=None)
    assert loaded.ready == {
        "train": ({"input": "One?", "target": "1"},),
        "test": ({"input": "Two?", "target": "2"},),
    }


@pytest.mark.usefixtures("cache")
def test_winograd_schemas_get_their_options(tmp_path: Path) -> None:
    row = {"text": "Ann met Eve as she left.", "pronoun": "she", "options": ["Ann", "Eve"], "label": 1}
    write_repository(tmp_path / "hub", "wsc273", {"test": [row]})
    loaded = load_rows(from_folder(SUITES["wsc"], tmp_path / "hub"), "wsc", data_dir=None)
    (only,) = loaded.pool
    assert only["input"].startswith("Ann met Eve as she left.\n")
    assert "'she'" in only["input"]
    assert only["input"].endswith("\n(A) Ann\n(B) Eve")
    assert only["target"] == "(B)"


@pytest.mark.usefixtures("cache")
def test_webnlg_joins_the_references_of_an_input(tmp_path: Path) -> None:
    import datasets

    facts = ["Rome | country | Italy", "Rome | river | Tiber"]
    one = {"input": facts, "target": "Rome is in Italy, on the Tiber.", "references": []}
    two = {"input": facts, "target": "Rome, Italy, lies on the Tiber.", "references": []}
    held = {"input": facts[:1], "target": "Rome is in Italy.", "references": ["Rome is in Italy.", "Italy has Rome."]}
    features = datasets.Features(
        {
            "input": datasets.List(datasets.Value("string")),
            "target": datasets.Value("string"),
            "references": datasets.List(datasets.Value("string")),
        }
    )
    for split, rows in {"train": [one, two], "validation": [held], "test": [held]}.items():
        path = tmp_path / "hub" / "en" / split / "0000.parquet"
        path.parent.mkdir(parents=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(path)
    loaded = load_rows(from_folder(SUITES["webnlg"], tmp_path / "hub"), "webnlg", data_dir=None)
    assert loaded.ready is not None
    (train,), (dev,), _ = (loaded.ready[split] for split in ("train", "dev", "test"))
    assert json.loads(train["target"]) == [one["target"], two["target"]]
    assert json.loads(dev["target"]) == held["references"]
    assert train["input"].splitlines()[1:] == facts


@pytest.mark.usefixtures("cache")
def test_row_of_the_hub_without_an_answer(tmp_path: Path) -> None:
    rows = [{"input": "How many?", "target": "3"}, {"input": "How many pens?", "target": ""}]
    write_repository(tmp_path / "hub", "object_counting", {"test": rows})
    suite = from_folder(SUITES["bbh"], tmp_path / "hub")
    with pytest.raises(DataError, match=r"hub, object_counting, test, row 2: no right answer in the column 'target'"):
        load_rows(suite, "object_counting", data_dir=None)


@pytest.mark.usefixtures("cache")
def test_configuration_that_the_repository_does_not_have(tmp_path: Path) -> None:
    write_repository(tmp_path / "hub", "snarks", {"test": [{"input": "Which?", "target": "(A)"}]})
    with pytest.raises(DataError, match=r"navigate, test\) cannot be fetched .*--data-dir") as caught:
        load_rows(from_folder(SUITES["bbh"], tmp_path / "hub"), "navigate", data_dir=None)
    assert "\n" not in str(caught.value)


def test_suite_without_a_copy_on_the_hub() -> None:
    with pytest.raises(DataError, match=r"no copy on the Hugging Face hub .*automatic_prompt_engineer.*--data-dir"):
        load_rows(SUITES["instruction_induction"], "sum", data_dir=None)


def test_extra_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r'pip install "promptdescent\[datasets\]"'):
        load_rows(SUITES["bbh"], "snarks", data_dir=None)


@pytest.mark.parametrize(("suite", "task"), [("bbh", "snarks"), ("webnlg", "webnlg")])
def test_offline(tmp_path: Path, suite: str, task: str) -> None:
    pytest.importorskip("datasets", reason="no datasets: install the extra datasets")
    program = f"""
from promptdescent.errors import DataError
from promptdescent.tasks.benchmarks import SUITES, load_rows
try:
    load_rows(SUITES[{suite!r}], {task!r}, data_dir=None)
except DataError as error:
    print(error)
"""
    # A new process: the library reads the variable when it is imported.
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{suite}: ")
    assert "cannot be fetched from the Hugging Face hub" in line
    assert "--data-dir" in line


# --- a hub that does not answer --------------------------------------------------------------------------------------

TWO_TASKS = """
import time
import datasets
from promptdescent.errors import DataError
from promptdescent.tasks.benchmarks import SUITES, load_rows
for task in ("snarks", "navigate"):
    began = time.monotonic()
    try:
        load_rows(SUITES["bbh"], task, data_dir=None)
    except DataError as error:
        print(f"{time.monotonic() - began:.1f}", error)
"""


def lines_of_two_tasks(endpoint: str, home: Path) -> list[tuple[float, str]]:
    """Seconds and message of each of two tasks, fetched by a process of their own, which prints nothing else."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", TWO_TASKS], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    found = [line.partition(" ") for line in done.stdout.splitlines()]
    return [(float(seconds), said) for seconds, _, said in found]


class Answering(ThreadingHTTPServer):
    """A server of this machine that answers everything with one status, and keeps what it was asked for."""

    def __init__(self, status: int) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *parts: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = asked

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def answering(status: int) -> Iterator[Answering]:
    with Answering(status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_hub_that_cannot_be_reached_is_found_out_fast_and_once(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="no datasets: install the extra datasets")
    port = closed_port()
    (first, said), (second, later) = lines_of_two_tasks(f"http://127.0.0.1:{port}", tmp_path)
    assert first < 15
    assert second < 5
    assert said.startswith("bbh: SaylorTwift/bbh (snarks, test) cannot be fetched from the Hugging Face hub: ")
    assert f"127.0.0.1:{port} cannot be reached (" in said
    assert "; go online, or take the folder bbh" in said
    assert said.endswith("name their folder with --data-dir")
    assert later == (
        f"bbh: SaylorTwift/bbh (navigate, test) cannot be fetched either, and 127.0.0.1:{port} was not asked again; "
        "name a folder with --data-dir"
    )


def test_a_hub_that_is_out_of_order_is_asked_twice_for_all_tasks(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason="no datasets: install the extra datasets")
    with answering(503) as server:
        (_, said), _ = lines_of_two_tasks(server.url, tmp_path)
    assert f"{server.url.removeprefix('http://')} answers with status 503; go online" in said
    of_data = [path for path in server.asked if "SaylorTwift" in path]  # the library asks after other things too
    assert of_data == ["/api/datasets/SaylorTwift/bbh"] * 2


@pytest.mark.usefixtures("cache")
def test_a_hub_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(hub_access, "PATIENCE", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(DataError, match=r"127\.0\.0\.1:\d+ cannot be reached \(timed out\); go online"):
            load_rows(SUITES["bbh"], "snarks", data_dir=None)
        assert time.monotonic() - began < 10
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.usefixtures("cache")
def test_what_the_libraries_say_is_as_before_afterwards(tmp_path: Path) -> None:
    import datasets
    from huggingface_hub.utils import are_progress_bars_disabled
    from huggingface_hub.utils import logging as hub_logging

    def state() -> tuple[object, ...]:
        levels = datasets.logging.get_verbosity(), hub_logging.get_verbosity()
        return (*levels, datasets.are_progress_bars_disabled(), are_progress_bars_disabled())

    before = state()
    write_repository(tmp_path / "hub", "snarks", {"test": [{"input": "Which?", "target": "(A)"}]})
    load_rows(from_folder(SUITES["bbh"], tmp_path / "hub"), "snarks", data_dir=None)
    assert state() == before
