"""The optimizer on one page: short, of the standard library alone, and equal to the package where both compute."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from promptdescent.parts.method.step_size import Cosine
from promptdescent.stats import mcnemar_exact
from scripts import load_script

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "tiny_optimizer.py"


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    return load_script("examples/tiny_optimizer.py")


def test_it_has_at_most_120_lines() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 120


def test_it_imports_the_standard_library_alone() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported
    assert imported - sys.stdlib_module_names == set()


def rehearse(hash_seed: str) -> str:
    """What a rehearsal prints; sets of texts are ordered by the hash seed."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--rehearse"],
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_a_rehearsal_shows_a_gain_and_is_the_same_every_time() -> None:
    printed = rehearse("1")
    last = re.search(r"100 test rows: (\S+) -> (\S+), p = (\S+): better\n\Z", printed)
    assert last
    before, after, p = map(float, last.groups())
    assert after > before + 0.2
    assert p < 0.001
    assert printed.count("\nstep ") == 5
    assert rehearse("2") == printed


def test_its_word_budget_is_that_of_the_cosine_part(tiny: ModuleType) -> None:
    steps = range(1, tiny.STEPS + 1)
    assert [tiny.step_size(step) for step in steps] == [Cosine().words(step, tiny.STEPS) for step in steps]


@pytest.mark.parametrize(("won", "lost"), [(9, 1), (10, 1), (0, 0), (1, 10), (6, 0), (5, 0)])
def test_its_verdict_is_the_exact_mcnemar_test(tiny: ModuleType, won: int, lost: int) -> None:
    before = [False] * won + [True] * lost + [True, False]
    after = [True] * won + [False] * lost + [True, False]
    p = mcnemar_exact(won, lost)
    says = "better" if won > lost and p < 0.05 else "no gain shown"
    assert tiny.verdict(before, after).endswith(f", p = {p:.2g}: {says}")


def test_momentum_shows_the_most_similar_past_prompts_in_ascending_order(tiny: ModuleType) -> None:
    past = [(0.1, "entirely different"), (0.2, "name one feeling now"), (0.3, "name one feeling")]
    shown = tiny.momentum((0.4, "name one feeling, please"), past)
    assert shown == "Prompt: name one feeling now\nScore: 20\n\nPrompt: name one feeling\nScore: 30"


def test_a_reply_that_names_two_labels_is_wrong(tiny: ModuleType) -> None:
    rows = [{"input": "1", "target": "Good"}, {"input": "2", "target": "bad"}, {"input": "3", "target": "bad"}]
    replies = {"1\n?": "It is good.", "2\n?": "good or bad", "3\n?": "BAD!"}
    assert tiny.right(lambda text, temperature: replies[text], "?", rows) == [True, False, True]


class Answers(BaseHTTPRequestHandler):
    """Answers chat completions: any row rightly under a prompt with "good or bad" in it, which it also proposes."""

    received: ClassVar[list[tuple[str, str | None, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, self.headers["Authorization"], body))
        text = body["messages"][0]["content"]
        if "<prompt>" in text:
            reply = "Here it is: <prompt>Say good or bad.</prompt>"
        else:
            reply = text.split()[0] if "good or bad" in text else "I cannot tell."
        content = json.dumps({"choices": [{"message": {"role": "assistant", "content": reply}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def base_url() -> Iterator[str]:
    Answers.received.clear()
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_it_optimizes_through_an_endpoint(base_url: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    lines = [{"input": f"{word} {number}", "target": word} for number in range(10) for word in ("good", "bad")]
    rows.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, str(SCRIPT), str(rows), "How is it?"],
        env={"BASE_URL": base_url, "MODEL": "some-model", "API_KEY": "a-key"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert printed.endswith(
        "start 'How is it?'\nfound 'Say good or bad.'\n10 test rows: 0.000 -> 1.000, p = 0.002: better\n"
    )
    paths, keys, bodies = zip(*Answers.received, strict=True)
    assert set(paths) == {"/v1/chat/completions"}
    assert set(keys) == {"Bearer a-key"}
    assert {body["model"] for body in bodies} == {"some-model"}
    asks = {"<prompt>" in body["messages"][0]["content"]: body["temperature"] for body in bodies}
    assert asks == {True: 1, False: 0}
