"""Whole races on simulated models: what counts, what is a hole, and what is asked once only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest
from race_samples import SCRIPTS, SIZES, START, RaceWatch, race_plan, race_task, script

from promptdescent.errors import ConfigError
from promptdescent.experiments.race import answers
from promptdescent.experiments.race import search as race_search
from promptdescent.experiments.race.contestants import contestants_named
from promptdescent.experiments.race.plan import RacePlan
from promptdescent.experiments.race.process import carry_out as carry_out_process
from promptdescent.experiments.race.race import run_race
from promptdescent.report.race.files import RECORD, ROWS, TABLES
from promptdescent.report.race.record import RaceRecord, RaceRun


def carry_out(plan: RacePlan, folder: Path, *, workers: int = 1) -> RaceRecord:
    async def run() -> RaceRecord:
        return await run_race(plan, folder, workers=workers, observer=RaceWatch())

    return anyio.run(run)


def is_gone(process: int) -> bool:
    """Whether a process that was killed is no more; whoever inherited it may take a moment to see that it ended."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def run_of(record: RaceRecord, contestant: str, seed: int = 0) -> RaceRun:
    return next(run for run in record.runs if (run.contestant, run.seed) == (contestant, seed))


def folder_of(folder: Path, contestant: str, seed: int = 0, task: str = "messages") -> Path:
    return folder / "searches" / task / contestant / f"seed-{seed}"


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RacePlan, RaceRecord]:
    """A race of a recipe of ours, another system, and two that fail."""
    folder = tmp_path_factory.mktemp("race")
    names = ["gpo", script("random_search"), script("crashes"), script("reports_nan"), "gepa"]
    plan = race_plan(names, peers=folder / "peers", task_tokens=5000, optimizer_tokens=5000)
    return folder / "race", plan, carry_out(plan, folder / "race", workers=2)


@pytest.mark.parametrize("contestant", ["gpo", "random_search"])
def test_a_search_ends_at_its_cap_and_never_above_it(raced: tuple[Path, RacePlan, RaceRecord], contestant: str) -> None:
    folder, plan, record = raced
    run = run_of(record, contestant)
    assert (run.status, run.ended, run.reason) == ("finished", "cap", "")
    lines = [
        json.loads(line)
        for line in (folder_of(folder, contestant) / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for role, cap in plan.caps.items():
        counted = sum(line["tokens_in"] + line["tokens_out"] for line in lines if line["role"] == role)
        assert counted == run.tokens(role)
        assert 0 < counted <= cap
    assert max(run.tokens(role) / cap for role, cap in plan.caps.items()) > 0.5
    assert run.candidates > 1
    assert run.seconds > 0


def test_the_best_prompt_on_the_dev_rows_is_scored_on_the_test_rows(
    raced: tuple[Path, RacePlan, RaceRecord],
) -> None:
    folder, _, record = raced
    for contestant in ("gpo", "random_search"):
        run = run_of(record, contestant)
        found = (folder_of(folder, contestant) / "found.jsonl").read_text(encoding="utf-8").splitlines()
        lines = [json.loads(line) for line in found]
        best = max(line["dev_score"] for line in lines)
        assert lines[0]["prompt"] == START
        assert (run.dev_score, run.prompt) == (best, next(one["prompt"] for one in lines if one["dev_score"] == best))
        assert run.test_score is not None
        assert run.own_score is not None


def test_both_layouts_are_one_for_ours_and_two_for_others(raced: tuple[Path, RacePlan, RaceRecord]) -> None:
    _, _, record = raced
    ours, other = run_of(record, "gpo"), run_of(record, "random_search")
    assert ours.messages == ()
    assert ours.own_score == ours.test_score
    assert [message.role for message in other.messages] == ["system", "user"]
    assert other.own_score != other.test_score  # the system message changes what the model does with some rows


def test_prompts_without_a_search_are_in_every_race(raced: tuple[Path, RacePlan, RaceRecord]) -> None:
    _, _, record = raced
    assert [run_of(record, label).prompt for label in ("Start", "Empty", "CoT")] == [
        START,
        "",
        "Let's think step by step.",
    ]
    assert all(run_of(record, label).ended == "no search" for label in ("Start", "Empty", "CoT"))
    assert run_of(record, "Start").used == {}


def test_what_fails_is_a_hole_with_its_reason(raced: tuple[Path, RacePlan, RaceRecord]) -> None:
    folder, plan, record = raced
    reasons = {run.contestant: run.reason for run in record.holes}
    assert reasons == {
        "crashes": "it crashed (exit status 1): RuntimeError: the planted defect",
        "reports_nan": "line 1 of its found.jsonl: the dev score is nan, which is no number",
        "gepa": f"gepa is not installed in {plan.peers}: run `promptdescent install-peers gepa --into {plan.peers}`",
    }
    text = (folder / TABLES).read_text(encoding="utf-8")
    assert "the planted defect" in text
    assert "SIMULATED" in text
    assert json.loads((folder / RECORD).read_text(encoding="utf-8"))["simulated"] is True
    assert len((folder / ROWS).read_text(encoding="utf-8").splitlines()) == 1 + len(record.runs)


def test_a_contestant_sees_no_test_row(raced: tuple[Path, RacePlan, RaceRecord]) -> None:
    folder, plan, _ = raced
    texts = [row["input"] for row in plan.tasks[0].rows["test"]]
    for contestant in ("gpo", "random_search"):
        job = (folder_of(folder, contestant) / "job.json").read_text(encoding="utf-8")
        told = json.loads(job)
        assert (len(told["train"]), len(told["dev"])) == (SIZES["train"], SIZES["dev"])
        assert not [text for text in texts if text in job]


def test_given_again_only_holes_are_tried_again(raced: tuple[Path, RacePlan, RaceRecord]) -> None:
    folder, plan, record = raced

    def times() -> dict[str, int]:
        return {path.parent.parent.name: path.stat().st_mtime_ns for path in folder.glob("searches/*/*/*/job.json")}

    before = times()
    again = carry_out(plan, folder)
    after = times()
    assert {name for name in before if before[name] != after[name]} == {"crashes", "reports_nan"}
    assert [run for run in again.runs if run.status == "finished"] == [
        run for run in record.runs if run.status == "finished"
    ]


@pytest.mark.slow
def test_a_killed_race_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "race"
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS.parent)!r})\n"
        "from pathlib import Path\nfrom test_race_runs import carry_out, two_seeds\n"
        f"carry_out(two_seeds(Path({str(tmp_path)!r})), Path({str(folder)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    first = folder / "results" / "messages" / "random_search" / "seed-0.json"
    deadline = time.monotonic() + 60
    while not (first.exists() and json.loads(first.read_text(encoding="utf-8"))["run"]["status"] == "finished"):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    calls = folder_of(folder, "random_search") / "calls.jsonl"
    before = calls.stat().st_mtime_ns
    assert not (folder / RECORD).exists()
    record = carry_out(two_seeds(tmp_path), folder)
    assert calls.stat().st_mtime_ns == before
    assert [run.status for run in record.runs] == ["finished"] * 8
    assert record.runs == carry_out(two_seeds(tmp_path), folder).runs


def two_seeds(tmp_path: Path) -> RacePlan:
    """A race that takes a few seconds."""
    return race_plan([script("random_search")], peers=tmp_path, seeds=2, task_tokens=1500)


def test_a_contestant_that_hangs_is_cut_off_with_all_that_it_started(tmp_path: Path) -> None:
    record = carry_out(race_plan([script("hangs")], peers=tmp_path, minutes=2 / 60), tmp_path / "race")
    run = run_of(record, "hangs")
    assert (run.status, run.ended, run.prompt, run.dev_score) == ("finished", "time", "Name the kind.", 0.5)
    assert run.seconds < 10
    child = int((folder_of(tmp_path / "race", "hangs") / "child.txt").read_text(encoding="utf-8"))
    assert is_gone(child)
    assert "Cut off by the limit" in (tmp_path / "race" / TABLES).read_text(encoding="utf-8")


def test_a_limit_that_ends_a_search_without_a_result_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = "it scored no prompt on the dev rows (1 line of its found.jsonl without a dev_score)"
    for name, minutes, limit in (
        ("sort messages by kind", 1.5 / 60, "it was ended after 0.025 minutes (--max-minutes): "),
        (
            "use it up",
            1.0,
            "it was ended 1 seconds after it had used up its 4,000 optimizer tokens (--optimizer-tokens): ",
        ),
    ):
        monkeypatch.setattr(race_search, "AFTER_THE_CAP", 1.0)
        monkeypatch.setattr(race_search, "carry_out", partial(carry_out_process, patience=1.0))
        task = replace(race_task(), about=name)
        plan = race_plan([script("finds_nothing")], peers=tmp_path, minutes=minutes, tasks=[task])
        run = run_of(carry_out(plan, tmp_path / name), "finds_nothing")
        assert (run.status, run.reason) == ("hole", limit + found)


def test_a_pattern_that_takes_for_ever_is_a_hole_and_an_unscored_line_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 1.0)
    record = carry_out(race_plan([script("slow_pattern")], peers=tmp_path), tmp_path / "race")
    run = run_of(record, "slow_pattern")
    assert (run.status, run.unscored) == ("hole", 1)
    assert "its answer_pattern takes longer than 1 seconds on a reply" in run.reason
    text = (tmp_path / "race" / TABLES).read_text(encoding="utf-8")
    assert "Lines without a dev score, whose prompts could not be chosen: slow_pattern (1)." in text


def test_a_pattern_that_takes_for_ever_ends_with_nobody_there_to_end_it() -> None:
    script_of_patterns = Path(answers.__file__).with_name("read_answers.py")
    lines = "".join(f"{json.dumps(one)}\n" for one in (r"^(?:.?){400}()\x00", "a b", "a" * 400))
    done = subprocess.run(
        [sys.executable, "-I", str(script_of_patterns), "0.5"], input=lines.encode(), capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGALRM


@pytest.mark.slow
def test_equal_seeds_give_equal_searches(tmp_path: Path) -> None:
    task = race_task(concurrency=1)  # with more, the cap may find other calls in flight
    plan = race_plan([script("random_search")], peers=tmp_path, tasks=[task], task_tokens=1500)
    first, second = (run_of(carry_out(plan, tmp_path / name), "random_search") for name in ("a", "b"))
    assert replace(first, seconds=0.0) == replace(second, seconds=0.0)


@pytest.mark.slow
def test_a_raw_optimizer_model_is_asked_through_the_proxy(tmp_path: Path) -> None:
    task = race_task(optimizer_style="few-shot")
    plan = race_plan(["gpo"], peers=tmp_path, tasks=[task], task_tokens=3000, optimizer_tokens=3000)
    run = run_of(carry_out(plan, tmp_path / "race"), "gpo")
    assert (run.status, run.ended) == ("finished", "cap")
    assert run.candidates > 1
    assert run.tokens("optimizer") > 0


# --- before the first call -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caps", "flag"), [((40, 4000), "--task-tokens 40"), ((4000, 100), "--optimizer-tokens 100")])
def test_caps_that_afford_no_beginning_are_refused(tmp_path: Path, caps: tuple[int, int], flag: str) -> None:
    plan = race_plan(["gpo"], peers=tmp_path, task_tokens=caps[0], optimizer_tokens=caps[1])
    with pytest.raises(ConfigError, match=f"^{flag} is too small"):
        carry_out(plan, tmp_path / "race")
    assert not list(tmp_path.glob("race/searches/**/*"))


def test_a_folder_holds_one_race(tmp_path: Path) -> None:
    plan = race_plan([script("reports_nan")], peers=tmp_path)
    carry_out(plan, tmp_path / "race")
    with pytest.raises(ConfigError, match="holds another race: other caps"):
        carry_out(replace(plan, caps={"task": 4001, "optimizer": 4000}), tmp_path / "race")
    more = race_plan([script("reports_nan"), script("crashes")], peers=tmp_path, seeds=2)
    assert len(carry_out(more, tmp_path / "race").runs) == 10  # contestants and seeds may be added


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "names nobody"),
        (["gqo"], "did you mean 'gpo'"),
        (["gpo", "gpo"], "'gpo' stands there twice"),
        (["nowhere.py"], "there is no script nowhere.py"),
    ],
)
def test_contestants_that_make_no_sense_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        race_plan(names, peers=tmp_path)


def test_a_prompt_that_is_the_starting_one_is_not_scored_twice() -> None:
    thinking = "Let's think step by step."
    assert [one.label for one in contestants_named(["gpo"], starts=[thinking, thinking])] == ["Start", "Empty", "gpo"]
    assert len(contestants_named(["gpo"], starts=[thinking, START])) == 4


def test_a_judge_takes_part_in_no_race(tmp_path: Path) -> None:
    task = race_task(metric="judge", judge_model="simulated:")
    with pytest.raises(ConfigError, match="takes no judge"):
        carry_out(race_plan(["gpo"], peers=tmp_path, tasks=[task]), tmp_path / "race")


def test_a_contestant_is_given_no_key_and_no_test_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-1")
    monkeypatch.setenv("SOME_SECRET", "planted-key-2")
    plan = race_plan([script("looks_around")], peers=tmp_path / "peers", task_tokens=5000, optimizer_tokens=5000)
    record = carry_out(plan, tmp_path / "race")
    assert run_of(record, "looks_around").status == "hole"
    seen = (folder_of(tmp_path / "race", "looks_around") / "seen.json").read_text(encoding="utf-8")
    assert "planted-key" not in seen
    test_rows = [json.dumps(row["input"])[1:-1] for row in plan.tasks[0].rows["test"]]
    assert len(test_rows) == SIZES["test"]
    assert [row for row in test_rows if row in seen] == []
    assert json.dumps(plan.tasks[0].rows["dev"][0]["input"])[1:-1] in seen
