"""The examples run, in a process of their own as a reader runs them, and are short."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == [], "an example leaves nothing behind"
    return done.stdout


@pytest.mark.parametrize("name", ["custom_part.py", "ablation.py"])
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) < 80


def test_a_part_of_ones_own_finds_a_better_prompt(tmp_path: Path) -> None:
    said = run("custom_part.py", tmp_path)
    found = re.fullmatch(r"gpo-at-random: 'What is it\?' became (.+), dev score (\d\.\d+)\n", said)
    assert found
    assert found[1] != "'What is it?'"
    assert float(found[2]) > 0.5


@pytest.mark.slow
def test_an_ablation_has_a_line_for_every_variant(tmp_path: Path) -> None:
    head, first, *others = run("ablation.py", tmp_path).splitlines()
    assert head.split("  ")[0] == "variant"
    assert first.startswith("gpo ")
    assert first.endswith("+0.000")
    assert [line[:17].strip() for line in others] == [
        "no momentum", "recency", "reflection", "no word budget", "editing", "only better ones",
    ]  # fmt: skip
    scores = [float(line.split()[-2]) for line in (first, *others)]
    assert all(0.3 < score <= 1 for score in scores)
    assert len(set(scores)) > 1, "a replaced part makes a difference"
