"""The scripts that drive other systems: what they share, and each one for real where its environment is installed."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import ModuleType
from typing import Any

import pytest

from promptdescent.experiments.race.contestants import FAMILIES
from promptdescent.experiments.race.install import DEFAULT_PEERS, environment_python
from promptdescent.experiments.race.peers import _peer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(_peer.__file__).parent
SCRIPTS = sorted(FOLDER.glob("*.py"))
PEERS = Path(os.environ.get("PROMPTDESCENT_PEERS") or ROOT / DEFAULT_PEERS)

Answer = tuple[int, dict[str, Any]]
"""Status and body."""

WORDS = ["slowly", "twice", "exact", "first", "every", "again", "calm", "whole", "short", "plain"]


def job_data(folder: Path, base_url: str = "http://127.0.0.1:9/v1", **changes: Any) -> dict[str, Any]:
    """A job on numbers that are to be doubled."""

    def rows(first: int, count: int) -> list[dict[str, str]]:
        return [{"input": f"The number is {n}", "target": str(2 * n)} for n in range(first, first + count)]

    return {
        "peer": "gepa",
        "seed": 1,
        "folder": str(folder),
        "base_url": base_url,
        "api_key": "a key",
        "task_model": "task",
        "optimizer_model": "optimizer",
        "task_max_tokens": 40,
        "optimizer_max_tokens": 80,
        "optimizer_temperature": 1.0,
        "concurrency": 3,
        "start": "Double it, without {braces}.",
        "about": "Numbers are doubled.",
        "labels": [],
        "perfect_score": 1.0,
        "train": rows(100, 6),
        "dev": rows(10, 5),
        "task_tokens": 4000,
        "optimizer_tokens": 4000,
        **changes,
    }


def a_job(folder: Path, base_url: str = "http://127.0.0.1:9/v1", **changes: Any) -> _peer.Job:
    """The same as the scripts get it."""
    path = folder / "job.json"
    path.write_text(json.dumps({**job_data(folder, base_url, **changes), "not known": 1}), encoding="utf-8")
    return _peer.Job.read(str(path))


@contextmanager
def served(answer: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    """The base URL of a server on this machine that answers what ``answer`` says to a path and a body."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def do_POST(self) -> None:
            status, body = answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client may be gone before its answer."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def said(text: str) -> Answer:
    """A reply of a model."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return 200, {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def found_in(folder: Path) -> list[dict[str, Any]]:
    """What a script wrote."""
    return [json.loads(line) for line in (folder / "found.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script as a module; its own addition to the search path goes away again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda name: importlib.import_module(f"promptdescent.experiments.race.peers.{name}")


# --- what is written down --------------------------------------------------------------------------------------------


def imports_at_run_time(source: str) -> set[str]:
    """Top-level names of all modules that a script imports, other than for type checkers."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("promptdescent" if node.level else (node.module or "").split(".")[0])
        waiting += ast.iter_child_nodes(node)
    return names


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_its_system_and_nothing_of_ours(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    compile(source, path.name, "exec")
    foreign = imports_at_run_time(source) - sys.stdlib_module_names
    family = path.stem.removeprefix("run_")
    if path.stem.startswith("run_"):
        names = {line.split("==")[0] for line in (FOLDER / f"requirements-{family}.txt").read_text().split()}
        assert foreign - {"_peer"} <= names
        assert {"_peer", family} <= foreign
    else:
        assert foreign == set()


def test_our_imports_are_seen() -> None:
    assert imports_at_run_time("if TYPE_CHECKING:\n    import promptdescent.a\nelse:\n    import b.c\n") == {"b"}
    assert imports_at_run_time("def f():\n    from promptdescent import text\n") == {"promptdescent"}
    assert imports_at_run_time("from . import _peer\n") == {"promptdescent"}


def test_every_family_has_a_script_and_pinned_requirements() -> None:
    for family in set(FAMILIES.values()):
        assert (FOLDER / f"run_{family}.py").exists()
        lines = (FOLDER / f"requirements-{family}.txt").read_text(encoding="utf-8").splitlines()
        assert lines
        assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


# --- what they share -------------------------------------------------------------------------------------------------


def test_a_job_is_read_and_a_field_may_not_be_missing(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    assert job.dev[1] == _peer.Row(input="The number is 11", target="22")
    assert (job.labels, job.seed, len(job.train)) == ((), 1, 6)
    data = job_data(tmp_path)
    del data["dev"]
    (tmp_path / "job.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(KeyError, match="dev"):
        _peer.Job.read(str(tmp_path / "job.json"))


def test_a_found_prompt_is_written_at_once_with_the_row_in_one_place(tmp_path: Path) -> None:
    found = _peer.Found(a_job(tmp_path))
    messages = [{"role": "user", "content": f"Say {{input}} or {{x}}.\n{_peer.STAND_IN}"}]
    found.start("Start", messages)
    found.add("Say it.", 0.5, messages, "(a)")
    found.close()
    (line,) = found_in(tmp_path)
    assert line == {
        "prompt": "Say it.",
        "dev_score": 0.5,
        "messages": [{"role": "user", "content": "Say { input } or {x}.\n{input}"}],
        "answer_pattern": "(a)",
    }


def test_a_start_that_was_never_scored_is_written_in_the_end(tmp_path: Path) -> None:
    found = _peer.Found(a_job(tmp_path))
    found.start("Start", [{"role": "user", "content": _peer.STAND_IN}])
    assert not (tmp_path / "found.jsonl").exists()
    found.close()
    found.close()
    assert [(line["prompt"], line["dev_score"]) for line in found_in(tmp_path)] == [("Start", None)]


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (1.0, "Right."),
        (0.0, "Wrong: the right answer is 22"),
        (0.25, "Partly right (0.25 of 1): the right answer is 22"),
    ],
)
def test_feedback_is_in_words(score: float, words: str) -> None:
    assert _peer.feedback(score, _peer.Row(input="11", target="22"), 1.0) == words


def test_the_proxy_is_asked_for_replies_and_scores(tmp_path: Path) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(path: str, body: dict[str, Any]) -> Answer:
        asked.append((path, body))
        return (200, {"score": 0.5, "answer": "x"}) if path == "/score" else said(f"from {body['model']}")

    with served(answer) as url:
        proxy = _peer.Proxy(a_job(tmp_path, url))
        message = {"role": "user", "content": "Hello"}
        assert proxy.chat("task", [message]) == "from task"
        assert proxy.chats("optimizer", [[message]] * 2) == ["from optimizer"] * 2
        row = _peer.Row(input="11", target="22")
        assert proxy.score("a reply", row) == 0.5
        assert proxy.score(None, row) == 0.0  # not asked
    assert [path for path, _ in asked] == ["/v1/chat/completions"] * 3 + ["/score"]
    assert [asked[0][1][name] for name in ("max_tokens", "temperature", "messages")] == [40, 0.0, [message]]
    assert [asked[1][1][name] for name in ("max_tokens", "temperature")] == [80, 1.0]
    assert asked[3][1] == {"reply": "a reply", "input": "11", "target": "22"}


def test_equal_requests_are_sent_one_after_the_other(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    at_work: Counter[str] = Counter()
    together: list[str] = []

    def answer(path: str, body: dict[str, Any]) -> Answer:
        text = body["messages"][0]["content"]
        at_work[text] += 1
        time.sleep(0.05)  # long enough for another to come
        together.extend([text] * (at_work[text] - 1))
        at_work[text] -= 1
        counts[text] += 1
        return said(f"{text}{counts[text]}")

    with served(answer) as url:
        asked = [[{"role": "user", "content": text}] for text in "aabacabb"]
        replies = _peer.Proxy(a_job(tmp_path, url)).chats("optimizer", asked)
    assert replies == ["a1", "a2", "b1", "a3", "c1", "a4", "b2", "b3"]
    assert together == []


def test_a_model_that_fails_for_a_moment_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(_peer.time, "sleep", waits.append)
    answers = [(503, {}), (429, {}), said("there")]
    with served(lambda path, body: answers.pop(0)) as url:
        assert _peer.Proxy(a_job(tmp_path, url)).chat("task", []) == "there"
    assert waits == [1.0, 2.0]
    with (
        served(lambda path, body: (500, {"error": "broken"})) as url,
        pytest.raises(RuntimeError, match=r"500.*broken"),
    ):
        _peer.Proxy(a_job(tmp_path, url)).chat("task", [])


def test_used_up_tokens_and_refused_requests_are_told_apart(tmp_path: Path) -> None:
    with served(lambda path, body: (402, {"error": {"code": "budget_used_up"}})) as url:
        proxy = _peer.Proxy(a_job(tmp_path, url))
        with pytest.raises(_peer.BudgetUsedUp):
            proxy.chat("task", [])
    with served(lambda path, body: (400, {"error": "too long"})) as url:
        assert _peer.Proxy(a_job(tmp_path, url)).chat("task", []) == ""


def run_script(source: str, folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """A script with the shared part, run as a race runs one."""
    path = folder / "script.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(FOLDER)!r})\nimport _peer\n{source}\n", encoding="utf-8")
    a_job(folder, url)
    return subprocess.run(
        [sys.executable, "-I", str(path), str(folder / "job.json")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("source", "status", "last"),
    [
        ("def search(job, proxy, found):\n    found.add('A', 0.5, [])", 0, "the search is over"),
        (
            "def search(job, proxy, found):\n    found.add('A', 1.0, [])\n    raise ValueError",
            0,
            "a prompt has the perfect score on the dev rows",
        ),
        (
            "def search(job, proxy, found):\n    found.add('A', 0.5, [])\n    try:\n        proxy.chats('task', [[]])\n"
            "    except BaseException:\n        while True:\n            pass",
            0,
            "the tokens are used up",
        ),
        (
            "def search(job, proxy, found):\n    found.add('A', 0.5, [])\n    raise ValueError('of\\ntwo lines')",
            1,
            "ValueError: of two lines",
        ),
        (
            "def search(job, proxy, found):\n    found.add('A', 0.5, [])\n    while True:\n        proxy.refused('no')",
            1,
            "a model refuses every request: no",
        ),
    ],
    ids=["over", "perfect", "used-up", "crash", "refused"],
)
def test_how_a_script_ends(source: str, status: int, last: str, tmp_path: Path) -> None:
    with served(lambda path, body: (402, {})) as url:
        ended = run_script(f"{source}\n_peer.run(search)", tmp_path, url)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (status, last)
    assert [line["prompt"] for line in found_in(tmp_path)] == ["A"]


# --- what each does on its own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("[[ ## answer ## ]]\n 22 \n\n[[ ## completed ## ]]", "22"),
        ("I think.\n  [[ ## answer ## ]] two\nlines", "two\nlines"),
        ("[[ ## answer ## ]]\n1\n[[ ## answer ## ]]\n2", "1"),
        ("[[ ## answer ## ]]\nnot [[ ## completed ## ]] yet", "not [[ ## completed ## ]] yet"),
        ("so [[ ## answer ## ]] 22", None),
        ("22", None),
    ],
)
def test_where_dspy_reads_an_answer(reply: str, answer: str | None, script: Callable[[str], ModuleType]) -> None:
    assert _peer.answer_in(reply, script("run_dspy").ANSWER) == answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("It is <final_answer> 22 </final_answer>.", "22"),
        ("<final_answer>1</final_answer><final_answer>2\n3</final_answer>", "2\n3"),
        ("<final_answer>22", "22"),
        ("22</final_answer> that is", "22"),
        (" 22\n", "22"),
        ("", ""),
    ],
)
def test_where_promptolution_reads_an_answer(reply: str, answer: str, script: Callable[[str], ModuleType]) -> None:
    assert _peer.answer_in(reply, script("run_promptolution").ANSWER) == answer


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (4, 4), (10, 5), (50, 5), (53, 6), (60, 6), (300, 30)])
def test_capo_has_ten_blocks_at_most_and_none_too_small(
    rows: int, size: int, script: Callable[[str], ModuleType]
) -> None:
    assert script("run_promptolution").block_size(rows) == size


def test_mipro_makes_as_many_sets_as_a_third_of_the_tokens_pays_for(
    tmp_path: Path, script: Callable[[str], ModuleType]
) -> None:
    sets = {tokens: script("run_dspy").number_of_sets(a_job(tmp_path, task_tokens=tokens)) for tokens in (9, 10**6)}
    assert sets == {9: 3, 10**6: 18}


class Models:
    """Stand-ins for both models: the more a prompt says of some words, the more rows the task model gets right."""

    def __init__(self, task_calls: int) -> None:
        self.sent: dict[str, str] = {}
        self._left = task_calls
        self._asked = 0
        self._lock = Lock()

    def __call__(self, path: str, body: dict[str, Any]) -> Answer:
        if path.endswith("/score"):
            return 200, {"score": float(body["reply"].strip() == body["target"]), "answer": body["reply"]}
        messages = body["messages"]
        with self._lock:
            if body["model"] == "task":
                self._left -= 1
                if self._left < 0:
                    return 402, {
                        "error": {"message": "used up", "type": "insufficient_quota", "code": "budget_used_up"}
                    }
                reply = self.sent[json.dumps(messages)] = self._task(messages)
                return said(reply)
            self._asked += 1
            return said(self._optimizer(messages))

    def _task(self, messages: list[dict[str, str]]) -> str:
        number = int(re.findall(r"The number is (\d+)", messages[-1]["content"])[-1])
        known = sum(word in messages[0]["content"] + messages[-1]["content"] for word in WORDS)
        # Never all of them: a perfect prompt would end the search before its tokens.
        reply = str(2 * number) if number % 5 < min(1 + known, 4) else "no idea"
        if "[[ ## answer ## ]]" in messages[0]["content"]:
            return f"[[ ## answer ## ]]\n{reply}\n\n[[ ## completed ## ]]"
        marked = "helpful" in messages[0]["content"] and self._left % 2  # under the system message of promptolution
        return f"It is <final_answer>{reply}</final_answer>." if marked else reply

    def _optimizer(self, messages: list[dict[str, str]]) -> str:
        text = f"Double it {WORDS[self._asked % len(WORDS)]} {WORDS[self._asked // 3 % len(WORDS)]}."
        last = messages[-1]["content"]
        if "[[ ##" in messages[0]["content"]:
            wanted = re.findall(r"\[\[ ## (\w+) ## \]\]", last.rpartition("Respond with")[2])
            return "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name in wanted)
        return f"<prompt>{text}</prompt>" if "<prompt>" in last else f"```\n{text}\n```"


@pytest.mark.parametrize("peer", FAMILIES)
def test_a_peer_finds_prompts_until_its_tokens_are_used_up(peer: str, tmp_path: Path) -> None:
    """What it writes down are the very messages that it sent, with the score that the replies to them get."""
    family = FAMILIES[peer]
    python = environment_python(PEERS, family)
    if not python.exists():
        pytest.skip(f"no environment for {family}: promptdescent install-peers {family}")
    folder = tmp_path / "job"
    folder.mkdir()
    models = Models(120)
    with served(models) as url:
        job = a_job(folder, url, peer=peer)
        ended = subprocess.run(
            [str(python), "-I", str(FOLDER / f"run_{family}.py"), str(folder / "job.json")],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (0, "the tokens are used up"), ended.stderr[-2000:]
    found = found_in(folder)
    assert found[0]["prompt"] == job.start
    assert len({line["prompt"] for line in found}) > 1
    for line in found:
        scores = []
        for row in job.dev:
            messages = [
                {**message, "content": message["content"].replace("{input}", row.input)} for message in line["messages"]
            ]
            reply: str | None = models.sent[json.dumps(messages)]
            if line["answer_pattern"] is not None:
                reply = _peer.answer_in(reply or "", line["answer_pattern"])
            scores.append(float((reply or "").strip() == row.target))
        assert line["dev_score"] == pytest.approx(sum(scores) / len(scores))
    assert [path for path in tmp_path.iterdir() if path != folder] == []  # nothing outside its folder
