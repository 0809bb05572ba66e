"""``promptdescent export``: the best prompt for use elsewhere, to a pipe or to a file that the user names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_samples import PROMPT, Invoke, optimize_arguments, run

DOCS = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture
def best(invoke: Invoke, rows: Path) -> str:
    """The best prompt of the one run in the store."""
    assert invoke(*optimize_arguments(rows, "--quiet")).returncode == 0
    prompt: str = json.loads(invoke("show", "--json").stdout)["best"]["prompt"]
    assert prompt != PROMPT
    return prompt


def test_text_is_the_prompt_and_nothing_else(invoke: Invoke, rows: Path, best: str) -> None:
    for arguments in (("export",), ("export", "latest", "--to", "text")):
        done = invoke(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, best, "")
    assert run("export", folder=rows.parent).stdout == best


def test_text_is_exact(invoke: Invoke, rows: Path) -> None:
    odd = "\ttwo\r\nlines, \x1b[1m and 漢 \u202e; no line end"
    arguments = optimize_arguments(rows, "--quiet", "--steps", "0")
    arguments[arguments.index(PROMPT)] = odd
    assert invoke(*arguments).returncode == 0
    assert invoke("export").stdout == odd
    assert invoke("export", "-o", "prompt.txt").returncode == 0
    assert (rows.parent / "prompt.txt").read_bytes() == odd.encode()
    assert "\x1b" not in invoke("export", "--to", "json").stdout


def test_json_has_what_is_known_of_the_prompt(invoke: Invoke, best: str) -> None:
    exported = json.loads(invoke("export", "--to", "json").stdout)
    record = json.loads(invoke("show", "--json").stdout)
    assert exported["prompt"] == best
    assert (exported["start_prompt"], exported["placement"]) == (PROMPT, "after")
    assert exported["verdict"] == record["verdict"]
    assert exported["dev"]["score"] == record["best"]["dev_score"]
    assert exported["models"]["task"]["name"] == "simulated:clear"
    assert exported["models"]["task"]["temperature"] == 0.0
    assert exported["run"]["id"] == record["id"]


def test_every_key_is_documented(invoke: Invoke, best: str) -> None:
    exported = json.loads(invoke("export", "--to", "json").stdout)
    documented = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(exported) == documented


def test_a_scored_prompt_can_be_exported(invoke: Invoke) -> None:
    assert invoke("evaluate", PROMPT, "rows.csv", "--task-model", "simulated:clear", "--quiet").returncode == 0
    exported = json.loads(invoke("export", "--to", "json").stdout)
    assert exported["prompt"] == PROMPT
    assert exported["evaluation"]["score"] == pytest.approx(0.417, abs=0.001)
    assert "outcomes" not in exported["evaluation"]
    assert exported["recipe"] is None
    assert invoke("export").stdout == PROMPT


def test_a_file_is_written_over_only_by_force(invoke: Invoke, rows: Path, best: str) -> None:
    file = rows.parent / "prompt.txt"
    file.write_text("mine", encoding="utf-8")
    refused = invoke("export", "--output", "prompt.txt")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "prompt.txt: the file exists" in refused.stderr
    assert "--force" in refused.stderr
    assert file.read_text(encoding="utf-8") == "mine"
    done = invoke("export", "--output", "prompt.txt", "--force")
    assert (done.returncode, done.stdout) == (0, "")
    assert file.read_text(encoding="utf-8") == best


def test_a_file_that_cannot_be_written(invoke: Invoke, rows: Path, best: str) -> None:
    for name, why in (("no/prompt.txt", ": the file cannot be written"), (".", " is a folder: name a file in it")):
        done = invoke("export", "-o", name, "--force")
        assert done.returncode == 2
        assert f"--output {name}{why}" in done.stderr


def test_names_in_a_run_choose_no_file(invoke: Invoke, rows: Path) -> None:
    before = set(rows.parent.iterdir())
    arguments = optimize_arguments(rows, "--quiet", "--steps", "0")
    arguments[arguments.index(PROMPT)] = "../../escaped.txt"
    assert invoke(*arguments).returncode == 0
    assert invoke("export", "--to", "json").returncode == 0
    assert set(rows.parent.iterdir()) - before == {rows.parent / ".promptdescent"}


def test_a_run_that_never_scored_its_prompt(invoke: Invoke, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from promptdescent.errors import EndpointFailed

    async def search(run: object, engine: object) -> None:
        raise EndpointFailed("no")

    monkeypatch.setattr("promptdescent.phases.Run._search", search)
    assert invoke(*optimize_arguments(rows)).returncode == 3
    done = invoke("export")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no best prompt" in done.stderr
    assert "promptdescent resume" in done.stderr
