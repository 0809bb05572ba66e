"""Where a run's time went."""

from __future__ import annotations

import asyncio
import gc
import re
from pathlib import Path

import pytest

from promptdescent.cli.profile_text import profile_text
from promptdescent.engine import few_collections
from promptdescent.errors import EndpointFailed
from promptdescent.llm.limits import LimitedLLM
from promptdescent.llm.profile import Profile
from scripted import MemoryBooks, ScriptedLLM, engine
from test_budget import request
from whole_runs import optimize_arguments, run, write_rows

pytestmark = pytest.mark.anyio


async def profiled(calls: int, *, slots: int, seconds: float, faults: int = 0) -> Profile:
    """The profile of so many calls at once."""
    errors = [EndpointFailed("500")] * faults
    inner = ScriptedLLM(lambda request, number: errors.pop() if errors else "a", delay=lambda request: seconds)
    shared = engine(MemoryBooks(), slots=slots)
    profile = shared.profile
    profile.watch(shared.slots)
    shared.slots._on_change = profile.slots_change  # type: ignore[attr-defined]
    profile.enter("search")
    llm = LimitedLLM(inner, shared)
    await asyncio.gather(*(llm.complete(request(str(number))) for number in range(calls)))
    profile.enter("done")
    return profile


async def test_slots_that_are_full_are_used_to_the_end() -> None:
    profile = await profiled(40, slots=4, seconds=0.02)
    assert profile.calls == 40
    assert 0.5 < profile.efficiency <= 1.0
    assert 0.2 <= profile.wall_seconds <= 1.0
    taken, there, full, some, none = profile.occupied["search"]
    assert taken / there > 0.7
    assert full > 2 * (some + none)
    assert profile.stages["model"] == pytest.approx(40 * 0.02, rel=1.0)
    assert profile.stages["slot"] > profile.stages["model"], "most calls waited for those before them"


async def test_slots_that_stand_idle_are_seen() -> None:
    profile = await profiled(2, slots=8, seconds=0.05)
    assert profile.efficiency == pytest.approx(0.25, abs=0.1)
    assert profile.occupied["search"][2] == 0.0, "never were all of them taken"


async def test_waits_for_another_try_are_counted() -> None:
    profile = await profiled(4, slots=4, seconds=0.001, faults=3)
    assert profile.stages["back-off"] > 0


async def test_the_text_says_it_in_figures() -> None:
    text = profile_text(await profiled(40, slots=4, seconds=0.02))
    assert re.search(r"^Profile: 40 calls in \d\.\d\d s, \d+ a second\.$", text, re.MULTILINE)
    assert re.search(r"efficiency (0\.[5-9]\d|1\.00)", text)
    assert re.search(r"\d+\.\d\d s of CPU per 1,000 calls; at most [\d,]+ MB of memory", text)
    assert re.search(r"^    search +\d\.\d\d +\d+% +\d+% +\d+% +\d+%$", text, re.MULTILINE)
    assert re.search(r" [2-9]\d\.\d ms with the model$", text, re.MULTILINE)


def test_a_run_without_a_call_has_no_profile() -> None:
    assert profile_text(Profile()) == "Profile: no call was sent."


def test_loaded_libraries_are_spared_from_collections_while_a_run_works() -> None:
    with few_collections():
        assert gc.get_freeze_count() > 1000
        with few_collections():
            pass
        assert gc.get_freeze_count() > 1000, "the inner one leaves it to the outer one"
    assert gc.get_freeze_count() == 0


def test_a_command_says_at_the_end_where_the_time_went(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv", 90)
    done = run(*optimize_arguments(rows, tmp_path / "store", steps=0), "--profile")
    assert re.search(r"^Profile: \d+ calls in \d", done.stderr, re.MULTILINE)
    assert "Profile" not in done.stdout
    again = run(
        "evaluate",
        "Which?",
        rows,
        "--task-model=simulated:plain",
        "--input=text",
        "--target=label",
        f"--store={tmp_path}",
        "--profile",
    )
    assert re.search(r"^    search|^    start", again.stderr, re.MULTILINE)
