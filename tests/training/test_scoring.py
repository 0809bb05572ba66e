"""How instructions are scored, with a task model that does what a test says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from training.jobs import Job, Row, Weak
from training.measuring import worth_measuring
from training.scoring import STAGES, Scored, key_of, score_jobs, scored_rows

from promptdescent.llm.base import Completion, Request
from promptdescent.records import Reply, Usage

GOOD, HALF, POOR = "Loud or quiet? Say it.", "Quiet or loud?", "What is this?"
ROWS = tuple(Row(input=f"sound {place}", answer=("loud", "quiet")[place % 2]) for place in range(26))
JOB = Job(
    name="sounds",
    kind="sorting",
    labels=("loud", "quiet"),
    noun="sound",
    able=False,
    rows=ROWS,
    weak=(Weak(text=POOR, problem="It names no label."),),
    good=(GOOD, HALF),
)


class Told:
    """Gets every row right for one prompt, the rows of one label for another, and none for the rest."""

    refuses_temperature = False
    serves_n = False
    context_tokens = None
    asked = 0
    model = "told"

    def __init__(self, name: str) -> None:
        self.name = name

    async def identify(self) -> str:
        return Told.model

    async def prepare(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def complete(self, request: Request) -> Completion:
        Told.asked += 1
        row, _, prompt = "".join(request.messages[-1].content).partition("\n")
        answer = next(one.answer for one in ROWS if one.input == row)
        said = {GOOD: answer, HALF: "loud"}.get(prompt, "no idea")
        return Completion(replies=(Reply(text=said, finish="stop"),), usage=Usage(calls=1, tokens_in=1, tokens_out=1))


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.scoring.LocalLLM", Told)
    monkeypatch.setattr(Told, "asked", 0)
    monkeypatch.setattr(Told, "model", "told")


def scored(job: Job, path: Path) -> dict[str, Scored]:
    return {one.text: one for one in asyncio.run(score_jobs([job], path))[job.name]}


def test_an_instruction_is_scored_on_more_rows_the_better_it_does(tmp_path: Path) -> None:
    found = scored(JOB, tmp_path / "scores.jsonl")
    few, some, all_rows = (upto for upto, _ in STAGES)
    assert set(found) == set(JOB.instructions)
    assert (found[GOOD].right, found[GOOD].rows) == (all_rows, all_rows)
    assert (found[HALF].right, found[HALF].rows) == (some / 2, some)
    assert (found[POOR].right, found[POOR].rows) == (0, few)
    assert Told.asked == sum(one.rows for one in found.values())


def test_what_is_scored_is_not_scored_again_unless_rows_instructions_or_model_change(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    first = scored(JOB, path)
    asked = Told.asked
    assert scored(JOB, path) == first
    assert Told.asked == asked
    kept = scored_rows(JOB)[0]
    rows = tuple(
        replace(row, answer="quiet" if row.answer == "loud" else "loud") if row == kept else row for row in ROWS
    )
    keys = {key_of(job) for job in (JOB, replace(JOB, rows=rows), replace(JOB, good=(GOOD, "Which?")))}
    assert len(keys) == 3
    Told.model = "another"
    scored(JOB, path)
    assert Told.asked == 2 * asked


def test_scores_that_do_not_say_their_model_are_left_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps({"key": key_of(JOB), "job": "sounds", "scores": []}) + "\n", encoding="utf-8")
    assert set(scored(JOB, path)) == set(JOB.instructions)
    assert "1 jobs in" in capsys.readouterr().out


def test_a_line_that_was_cut_off_costs_that_job_alone(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    others = [replace(JOB, name=name) for name in ("one", "two", "three", "four")]
    for job in others[:2]:
        scored(job, path)
    path.write_text(path.read_text("utf-8")[:-20], encoding="utf-8")
    for job in others[2:]:
        scored(job, path)
    assert [json.loads(line)["job"] for line in path.read_text("utf-8").splitlines()] == ["one", "three", "four"]


def test_only_a_job_with_prompts_to_show_is_worth_measuring() -> None:
    def of(*right: int) -> tuple[Scored, ...]:
        return tuple(Scored(text=f"Prompt {place}", right=one, rows=8) for place, one in enumerate(right))

    assert worth_measuring(JOB, of(0, 0, 4, 8, 8))
    assert not worth_measuring(JOB, of(0, 8)), "of the current one and a poor past one, one is missing"
    assert not worth_measuring(JOB, of(4, 4, 5)), "none is poor"
    assert not worth_measuring(JOB, of(0, 0, 1, 1, 1)), "none does the job"
    assert not worth_measuring(JOB, of(0, 0, 8, 8, 0, 0)), "none lies between poor and the best few"
