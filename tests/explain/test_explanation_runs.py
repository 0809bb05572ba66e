"""Explanations of whole runs: what they record, what they pay, what they refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptdescent
from promptdescent.cli.explain import explain
from promptdescent.cli.explain_text import explanation_text
from promptdescent.errors import ConfigError, StoreError
from promptdescent.explain import explaining
from promptdescent.explain.budget import most_scored
from promptdescent.explain.measurement import WHOLE, Measurement
from promptdescent.explain.pieces import cut
from promptdescent.explain.plan import make_plan
from promptdescent.records import ROLES, Evaluation, Example, Outcome, Prompt, from_json
from promptdescent.records.explanation import Explanation
from promptdescent.report.record import run_record
from promptdescent.store.ledger import totals_of
from promptdescent.store.store import Store
from promptdescent.tasks.objective import F1, ScoredRow

PROMPT = (
    "What does the customer feel? Choose from: positive, negative. Give only the answer. Dates do not matter here. "
    "Check your answer."
)
CALLS = 1200


def rows(count: int = 180) -> list[dict[str, str]]:
    return [
        {"text": f"Message {number} of parcel {number * 7}", "label": ("positive", "negative")[number % 2]}
        for number in range(count)
    ]


SETTINGS = {
    "input": "text",
    "target": "label",
    "task_model": "simulated:clear",
    "train_rows": 20,
    "dev_rows": 60,
    "test_rows": 60,
}


def optimized(store: Path, **settings: object) -> str:
    wanted = {**SETTINGS, "prompt": PROMPT, "steps": 0, **settings}
    return promptdescent.optimize(rows(), store=store, **wanted).run  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Explanation]:
    """A store with a run and its explanation."""
    store = tmp_path_factory.mktemp("explained")
    run = optimized(store, max_calls=400)
    with closing(Store.open(store)) as opened:
        before = run_record(opened, run)
    explanation = promptdescent.explain_run(run, store=store, max_calls=CALLS)
    with closing(Store.open(store)) as opened:
        assert {**run_record(opened, run), "explanation": None} == {**before, "explanation": None}
    return store, run, explanation


def calls_of(store: Path, run: str) -> tuple[int, int]:
    """Used and paid calls of all roles."""
    with closing(Store.open(store)) as opened:
        totals = totals_of(opened, run)
    return sum(totals[role].used.calls for role in ROLES), sum(totals[role].paid.calls for role in ROLES)


def test_the_pieces_are_the_prompt_and_the_calls_are_those_of_a_run_of_its_own(
    explained: tuple[Path, str, Explanation],
) -> None:
    store, run, explanation = explained
    assert "".join(PROMPT[piece.start : piece.end] for piece in explanation.pieces) == PROMPT
    assert [piece.brought_by for piece in explanation.pieces] == ["0.0"] * 5
    effects = [piece.average.difference for piece in explanation.pieces]
    assert max(effects) == effects[1], "naming the labels is worth most to the simulated model"
    assert explanation.pieces[1].average.interval[0] > 0
    for piece in explanation.pieces:
        removed = piece.removed
        assert removed is not None
        assert removed.difference == pytest.approx((len(piece.gained) - len(piece.lost)) / removed.rows)
    used, paid = calls_of(store, explanation.run)
    assert explanation.run != run
    assert used == explanation.calls <= explanation.most_calls <= CALLS
    assert paid <= CALLS
    with closing(Store.open(store)) as opened:
        assert opened.manifest(explanation.run).explains == run
        assert opened.status(explanation.run).state == "finished"
        events = opened.events(run, "explanation")
    assert from_json(Explanation, events[0].payload) == explanation
    assert any("dev rows" in note for note in explanation.notes)


def test_a_second_explanation_says_the_same_and_pays_nothing(explained: tuple[Path, str, Explanation]) -> None:
    store, run, explanation = explained
    again = promptdescent.explain_run(run, store=store, max_calls=CALLS)
    assert replace(again, run=explanation.run) == explanation
    assert calls_of(store, again.run)[1] == 0


def test_a_run_that_explains_is_neither_resumed_nor_explained_nor_run_again(
    explained: tuple[Path, str, Explanation],
) -> None:
    store, run, explanation = explained
    for job in (promptdescent.resume, promptdescent.explain_run, promptdescent.rerun):
        with pytest.raises(ConfigError, match=f"promptdescent explain {run}"):
            job(explanation.run, store=store)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seed": 3}, "--seed cannot be changed in an explanation"),
        ({"max_calls": 30}, "the budget is too small: 5 pieces need 13 prompts"),
    ],
    ids=["seed", "budget"],
)
def test_what_cannot_be_is_refused_before_a_call(
    explained: tuple[Path, str, Explanation], settings: dict[str, Any], said: str
) -> None:
    store, run, _ = explained
    with pytest.raises(ConfigError, match=said):
        promptdescent.explain_run(run, store=store, **settings)


def test_evaluations_are_explained_if_they_are_of_dev_rows(tmp_path: Path) -> None:
    data = rows()
    on_test = promptdescent.evaluate(PROMPT, data, on="test", store=tmp_path, **SETTINGS)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="test rows may decide nothing"):
        promptdescent.explain_run(on_test.run, store=tmp_path)
    on_dev = promptdescent.evaluate(PROMPT, data, on="dev", store=tmp_path, **SETTINGS)  # type: ignore[arg-type]
    with closing(Store.open(tmp_path)) as opened:
        prepared = explaining.prepare(on_dev.run, store=opened)
        assert prepared.subject.pieces.prompt == PROMPT
        held = prepared.plan
        assert len(held.rows) == 60
        assert prepared.forecast.total.calls <= (prepared.spec.max_calls or 0)


def test_an_empty_store_and_a_run_that_is_at_work_are_refused(
    explained: tuple[Path, str, Explanation], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="there is no run"):
        promptdescent.explain_run(store=tmp_path)
    store, run, _ = explained
    with closing(Store.open(store)) as opened:
        begun = opened.create_run(opened.manifest(run), opened.examples(run))
        with pytest.raises(StoreError, match="still running"):
            explaining.prepare(begun, store=opened)
        opened.release(begun)
        with pytest.raises(ConfigError, match=f"has found no prompt yet; .* promptdescent resume {begun}"):
            explaining.prepare(begun, store=opened)


def test_cancelling_records_an_interrupted_run_and_going_on_pays_nothing_twice(tmp_path: Path) -> None:
    run = optimized(tmp_path)
    asked: list[int] = []

    class Stop:
        def on_message(self, text: str) -> None: ...

        def on_progress(self, progress: promptdescent.Progress) -> None:
            asked.append(progress.used.calls)
            if progress.used.calls > 300 and task is not None and not task.cancelling():
                task.cancel()

        def on_step(self, record: object) -> None: ...

    task: asyncio.Task[Explanation] | None = None

    async def main() -> None:
        nonlocal task
        with closing(Store.open(tmp_path)) as store:
            work = explaining.explain(
                run, store=store, settings={"max_calls": CALLS}, observers=[Stop()], confirm=lambda _: True
            )
            task = asyncio.get_running_loop().create_task(work)
            with pytest.raises(asyncio.CancelledError):
                await task
            cut = store.runs()[-1]
            assert cut.manifest.explains == run
            assert cut.status.state == "interrupted"
            assert store.events(run, "explanation") == ()

    asyncio.run(main())
    with closing(Store.open(tmp_path)) as store:
        cut = store.runs()[-1].id
    explanation = promptdescent.explain_run(run, store=tmp_path, max_calls=CALLS, prune=True)
    # Replies that were empty were paid for twice where they came, as in every run; no other call is.
    used, paid = calls_of(tmp_path, explanation.run)
    assert paid < used - 200
    assert calls_of(tmp_path, cut)[0] >= 300
    assert explanation.pruned is None or len(explanation.pruned.prompt) < len(PROMPT)


def test_a_template_keeps_its_placeholder(tmp_path: Path) -> None:
    prompt = "Be careful. Read this: {text}. Choose from: positive, negative. Think. The list goes on for a while."
    run = promptdescent.evaluate(prompt, rows(), on="dev", store=tmp_path, **SETTINGS).run  # type: ignore[arg-type]
    explanation = promptdescent.explain_run(run, store=tmp_path, max_calls=700, prune=True)
    locked = [piece for piece in explanation.pieces if piece.locked]
    assert [prompt[piece.start : piece.end].strip() for piece in locked] == ["Read this: {text}."]
    assert locked[0].average.rows == 0
    assert not locked[0].matters
    if explanation.pruned is not None:
        assert "{text}" in explanation.pruned.prompt
    assert any("holds a placeholder" in note for note in explanation.notes)


@pytest.mark.anyio
async def test_a_shorter_prompt_is_compared_by_the_objective_and_pieces_by_rows() -> None:
    examples = [Example(id=str(n), inputs=(("q", str(n)),), target="ab"[n % 10 == 0]) for n in range(40)]

    async def score(prompts: Sequence[Prompt], asked: Sequence[Example]) -> list[Evaluation]:
        """The whole prompt is always right; one without the second piece always says the common label."""
        found = []
        for prompt in prompts:
            answers = [row.target if "Two" in prompt.text else "a" for row in asked]
            outcomes = tuple(
                Outcome(example=row.id, kind="answered", score=float(said == row.target), answer=said)
                for row, said in zip(asked, answers, strict=True)
            )
            found.append(Evaluation(outcomes=outcomes, score=None))
        return found

    pieces = cut("One a. Two b. Three c. Four d.", template=False)
    measured = Measurement(pieces, examples, score=score, objective=F1(), seed=1)
    await measured.measure([WHOLE, frozenset({1}), frozenset({0})])
    removed, shortened = measured.removed(frozenset({1})), measured.shortened(frozenset({1}))
    assert removed is not None
    assert shortened is not None
    assert removed.difference == pytest.approx(0.1)
    assert shortened.difference == pytest.approx(
        F1().combine([ScoredRow(1.0, "a", row.target) for row in examples]) - 1
    )
    assert shortened.interval[1] < 0
    assert measured.turned(frozenset({1})) == (("0", "10", "20", "30"), ())
    assert measured.removed(frozenset({0})) is not None


@pytest.fixture
def dev() -> tuple[Example, ...]:
    return tuple(Example(id=str(n), inputs=(("q", str(n)),), target="a") for n in range(1000))


def test_the_plan_keeps_to_every_budget(dev: tuple[Example, ...]) -> None:
    for pieces in (1, 2, 5, 12, 24):
        for budget in (900, 2000, 5000, 28_800):
            for prune in (False, True):
                for count in (20, 130, 1000):
                    try:
                        plan = make_plan(range(pieces), dev[:count], most_scored=budget, prune=prune, seed=1)
                    except ConfigError:
                        assert budget < 20 * (2 + 2 * (pieces + 1) + prune)
                        continue
                    assert plan.scored <= budget
                    assert len(plan.design) >= min(2**pieces, 2 * (pieces + 1))


def test_a_token_cap_bounds_the_plan(explained: tuple[Path, str, Explanation]) -> None:
    store, run, _ = explained
    with closing(Store.open(store)) as opened:
        free = explaining.prepare(run, store=opened)
        tokens = free.forecast.total.tokens // 2
        tight = explaining.prepare(run, store=opened, settings={"max_total_tokens": tokens})
    assert tight.plan.scored < free.plan.scored
    assert most_scored(tight.spec, tight.task) >= tight.plan.scored


def test_the_command_writes_a_table_json_or_nothing_but_the_shorter_prompt(
    explained: tuple[Path, str, Explanation], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    store, run, explanation = explained

    def command(**flags: object) -> tuple[str, str]:
        with pytest.raises(SystemExit) as end:
            explain(run, store=str(store), max_calls=CALLS, **flags)  # type: ignore[arg-type]
        out, err = capsysbinary.readouterr()
        assert end.value.code == 0, err
        return out.decode(), err.decode()

    shown, _ = command(as_json=True)
    assert json.loads(shown)["score"] == explanation.score
    shown, said = command(prune=True)
    assert "effect (95 % interval)" in said
    assert "effect" not in shown
    assert len(shown) <= len(PROMPT)
    explain(run, store=str(store), dry_run=True)
    shown, said = (part.decode() for part in capsysbinary.readouterr())
    assert "nothing was sent" in said
    assert "task model" in shown


def test_what_the_table_says_is_safe_to_print(explained: tuple[Path, str, Explanation]) -> None:
    _, _, explanation = explained
    hostile = replace(explanation, prompt="\x1b[31m" + explanation.prompt[5:])
    text = explanation_text(hostile, explained="abc", terminal=False)
    assert "\x1b" not in text
    assert "\\x1b[31m" in text
    assert "the starting prompt" in text


def test_replies_that_a_missing_piece_spoils_are_what_is_measured(tmp_path: Path) -> None:
    """A run ends when most of its replies cannot be read; an explanation expects that of prompts that lack pieces."""

    def fragile(messages: list[dict[str, str]]) -> str:
        said = messages[-1]["content"]
        if "Give only the answer." not in said or "Check your answer." not in said:
            return "Hmm."
        number = int(said.split("Message ")[1].split()[0])
        return ("positive", "negative")[number % 2]

    models = {"task_model": fragile, "optimizer_model": fragile}
    run = optimized(tmp_path, failure_limit=("unreadable=0.5",), **models)
    explanation = promptdescent.explain_run(run, store=tmp_path, max_calls=2400, task_model=fragile)
    matters = [PROMPT[piece.start : piece.end].strip() for piece in explanation.pieces if piece.matters]
    assert matters == ["Give only the answer.", "Check your answer."]
