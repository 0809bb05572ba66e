"""The second round of a row: what is sent, what is scored, and what it is counted with before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptdescent.assembly import Given, load_task, manifest_of, open_models, recipe_for
from promptdescent.config import RunSpec, load_task_file
from promptdescent.context_check import check_context
from promptdescent.engine import RunEngine, RunSetup
from promptdescent.errors import ConfigError, RequestRefused
from promptdescent.evaluator import Evaluator
from promptdescent.llm.base import Completion, Draw, Request
from promptdescent.llm.profile import Profile
from promptdescent.llm.simulated.instruction import TaskModelSettings
from promptdescent.llm.simulated.task import SimulatedTask, answer_in
from promptdescent.narrator import Narrator
from promptdescent.planning import Forecast, forecast
from promptdescent.records import Example, Message, ModelSettings, Outcome, Prompt, Reply, Role, Usage
from promptdescent.run_record import RunRecord
from promptdescent.store.store import Store
from promptdescent.tasks.metrics import Choice
from promptdescent.tasks.objective import Mean
from promptdescent.tasks.scoring import by_metric
from promptdescent.tasks.target import PromptTarget

ASK = "Now say yes or no alone."
ROW = Example(id="r1", inputs=(("text", "Is it late?"),), target="yes")
DRAW = Draw(seed=1, step=0, slot="task/r1", index=0)
SETTINGS = ModelSettings(name="m", temperature=0.7, max_tokens=9, stop=("##",))


class Speaker:
    """A model that gives these replies one after the other and keeps what it was sent."""

    identity = "speaker"
    context_tokens = None
    serves_n = True
    refuses_temperature = False

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    async def prepare(self) -> None: ...

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        return Completion(replies=(self.replies.pop(0),), usage=Usage(calls=1))

    async def close(self) -> None: ...


def said(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages]


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_conversation_goes_on_and_the_second_reply_counts() -> None:
    llm = Speaker(Reply(text="Well, it is dark outside. "), Reply(text="yes", thought_chars=3))
    reply = await PromptTarget(llm, SETTINGS, "system", ASK)(Prompt.of("Answer."), ROW, DRAW)
    assert reply == Reply(text="yes", thought_chars=3, earlier="Well, it is dark outside. ")
    first, second = llm.requests
    assert said(first.messages) == [("system", "Answer."), ("user", "Is it late?")]
    assert said(second.messages) == [
        *said(first.messages),
        ("assistant", "Well, it is dark outside. "),
        ("user", ASK),
    ]
    assert (second.temperature, second.max_tokens, second.stop, second.n) == (0.7, 9, ("##",), 1)


@pytest.mark.anyio
async def test_the_second_draw_has_a_slot_of_its_own() -> None:
    llm = Speaker(Reply(text="Hm."), Reply(text="yes"))
    await PromptTarget(llm, SETTINGS, "after", ASK)(Prompt.of("Answer."), ROW, DRAW)
    first, second = llm.requests
    assert first.draw == DRAW
    assert second.draw.slot not in ("", DRAW.slot)
    assert second.draw.model_seed() != first.draw.model_seed()
    assert second.key("e") != first.key("e")


@pytest.mark.anyio
async def test_one_round_sends_what_it_always_sent() -> None:
    llm = Speaker(Reply(text="yes"))
    assert await PromptTarget(llm, SETTINGS, "after")(Prompt.of("Answer."), ROW, DRAW) == Reply(text="yes")
    assert len(llm.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("finish", ["length", "refused"])
async def test_a_first_reply_that_was_cut_off_or_refused_in_words_is_asked_about(finish: Any) -> None:
    llm = Speaker(Reply(text="Let me think", finish=finish), Reply(text="no"))
    reply = await PromptTarget(llm, SETTINGS, "after", ASK)(Prompt.of("Answer."), ROW, DRAW)
    assert (reply.text, reply.finish, reply.earlier) == ("no", "stop", "Let me think")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "empty", [Reply(text=" \n"), Reply(text="", finish="refused"), Reply(text="", finish="length")]
)
async def test_an_empty_first_reply_is_the_replys_end(empty: Reply) -> None:
    llm = Speaker(empty)
    assert await PromptTarget(llm, SETTINGS, "after", ASK)(Prompt.of("Answer."), ROW, DRAW) == empty
    assert len(llm.requests) == 1


async def outcome(*replies: Reply) -> Outcome:
    evaluator = Evaluator(
        target=PromptTarget(Speaker(*replies), SETTINGS, "after", ASK),
        scorer=by_metric(Choice(("no", "yes"))),
        objective=Mean(),
        seed=1,
        window=4,
    )
    (evaluation,) = await evaluator.side_by_side([Prompt.of("Answer.")], [ROW])
    return evaluation.outcomes[0]


@pytest.mark.anyio
async def test_an_outcome_holds_both_replies_and_the_score_of_the_second() -> None:
    found = await outcome(Reply(text="no, or rather", finish="length"), Reply(text="yes"))
    assert (found.kind, found.score, found.answer) == ("answered", 1.0, "yes")
    assert (found.reply, found.earlier_reply) == ("yes", "no, or rather")
    found = await outcome(Reply(text="yes"), Reply(text="Who knows?"))
    assert (found.kind, found.score, found.earlier_reply) == ("unreadable", 0.0, "yes")


@pytest.mark.anyio
async def test_an_empty_reply_of_either_round_counts_as_empty() -> None:
    first, second = await outcome(Reply(text="")), await outcome(Reply(text="yes"), Reply(text=" "))
    assert (first.kind, first.score, first.earlier_reply) == ("empty", 0.0, "")
    assert (second.kind, second.score, second.earlier_reply) == ("empty", 0.0, "yes")


# --- settings ---------------------------------------------------------------------------------------------------------

ROWS = [{"text": f"text number {number}", "label": ("yes", "no")[number % 2]} for number in range(120)]


def spec(**changes: Any) -> RunSpec:
    settings: dict[str, Any] = {
        "input": ("text",),
        "target": "label",
        "prompt": "Yes or no?",
        "task_model": "simulated:plain",
        "optimizer_model": "simulated:plain",
        "train_rows": 20,
        "dev_rows": 20,
        "test_rows": 40,
        "steps": 4,
    }
    return RunSpec().with_settings({**settings, **changes})


def task_of(**changes: Any) -> Any:
    return load_task(spec(**changes), Given(rows=ROWS))


def test_it_is_part_of_what_the_task_is_and_without_it_nothing_changes() -> None:
    one, two, other = task_of(), task_of(second_round=ASK), task_of(second_round="Say it again.")
    assert len({one.fingerprint, two.fingerprint, other.fingerprint}) == 3
    assert one.second_round == ""
    assert "second_round" not in spec().as_data()
    assert spec(second_round=ASK).as_data()["second_round"] == ASK


def test_the_digest_of_a_task_of_one_round_is_the_one_before_there_were_two() -> None:
    from promptdescent.text import fingerprint

    task = task_of()
    before = {
        "splits": [[row.id for row in rows] for rows in (task.train, task.dev, task.test)],
        "metric": task.metric.name,
        "read": task.metric.read,
        "judge": None,
        "labels": task.labels,
        "objective": "mean",
        "length_cost": 0.0,
        "placement": "after",
    }
    assert task.fingerprint == fingerprint(before)


def test_the_user_is_told_that_each_row_takes_two_calls() -> None:
    assert any("two calls" in note and ASK in note for note in task_of(second_round=ASK).notes)
    assert not any("two calls" in note for note in task_of().notes)


def test_it_may_stand_in_a_file_beside_the_task_file(tmp_path: Path) -> None:
    (tmp_path / "ask.txt").write_text(f"{ASK}\n")
    (tmp_path / "task.yaml").write_text('second_round: "@ask.txt"\ninput: text\ntarget: label\nprompt: Yes or no?\n')
    loaded = load_task_file(tmp_path / "task.yaml")
    assert load_task(loaded, Given(rows=ROWS)).second_round == ASK


@pytest.mark.parametrize(
    ("content", "error"),
    [(" \n", "there is no text in it"), ("@other", "may not begin with @"), (None, "there is no such file")],
)
def test_a_file_without_a_turn_is_refused(content: str | None, error: str, tmp_path: Path) -> None:
    file = tmp_path / "ask.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=rf"--second-round @.*ask\.txt: .*{error}"):
        task_of(second_round=f"@{file}")


def test_white_space_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="--second-round"):
        task_of(second_round="  ")


# --- counted ----------------------------------------------------------------------------------------------------------


def plan(**changes: Any) -> Forecast:
    asked, given = spec(**changes), Given(rows=ROWS)
    return forecast(asked, recipe_for(asked, given), load_task(asked, given))


@pytest.mark.parametrize("recipe", ["gpo", "ape", "apo", "opro"])
def test_the_forecast_has_two_calls_of_the_task_model_per_row(recipe: str) -> None:
    one, two = plan(recipe=recipe), plan(recipe=recipe, second_round=ASK)
    assert two.verdict.calls == 2 * one.verdict.calls == 2 * 2 * 40
    for figure in ("low", "likely", "high"):
        before, after = one.roles["task"].range[figure], two.roles["task"].range[figure]
        assert after.calls == 2 * before.calls
        assert after.tokens_out == 2 * before.tokens_out
        # The second request holds the first one, its reply and the turn.
        assert after.tokens_in >= 2 * before.tokens_in + before.tokens_out
        assert two.roles["optimizer"].range[figure] == one.roles["optimizer"].range[figure]


def test_the_least_cap_counts_both_calls() -> None:
    least = 2 * 20 + 8 + 2 * 8 * 20 + 2 * 2 * 40
    assert plan(second_round=ASK, max_calls=least).steps == 1
    with pytest.raises(ConfigError, match=f"need {least} calls"):
        plan(second_round=ASK, max_calls=least - 1)


def test_scoring_one_prompt_counts_both_calls() -> None:
    asked, given = spec(second_round=ASK).scoring("test"), Given(rows=ROWS)
    found = forecast(asked, recipe_for(asked, given), load_task(asked, given))
    assert found.total.calls == 2 * 40
    capped = spec(second_round=ASK, max_calls=79).scoring("test")
    with pytest.raises(ConfigError, match="the 40 rows need 80 calls"):
        forecast(capped, recipe_for(capped, given), load_task(capped, given))


@dataclass
class Small:
    """What a model says of its context."""

    context_tokens: int | None


def checked(context: int, **changes: Any) -> tuple[str, ...]:
    asked = spec(task_max_tokens=50, **changes)
    models: dict[Role, Any] = {"task": Small(context)}
    return check_context(asked, load_task(asked, Given(rows=ROWS)), models)


def test_the_longest_request_is_the_second_one() -> None:
    # "text number 119" with the prompt has 26 characters, the turn 400: 54 tokens at 8 characters each, and a reply.
    long = "x" * 400
    assert checked(100) == ()
    with pytest.raises(ConfigError, match=r"starting prompt and the second round does not fit.*needs 104 at the very"):
        checked(103, second_round=long)
    # Usually 4 characters: 107 tokens, a first reply of up to 50 and a second one.
    (note,) = checked(206, second_round=long)
    assert "needs about 207 with two replies of up to 50 tokens each" in note
    assert checked(207, second_round=long) == ()


async def calls_of_the_verdict(folder: Path, **changes: Any) -> tuple[int, int]:
    """Tokens that a run reckons with for its verdict: of the dearest call, and in all if the dev rows took 1000."""
    asked, given = spec(**changes), Given(rows=ROWS)
    task, recipe = load_task(asked, given), recipe_for(asked, given)
    plan, models = forecast(asked, recipe, task), open_models(asked, task, given)
    manifest = manifest_of(asked, recipe, task, models, plan.steps)
    store = Store.open(folder)
    try:
        record = RunRecord(store, store.create_run(manifest, {"dev": task.dev, "test": task.test}))
        engine = RunEngine(
            RunSetup(
                record=record,
                manifest=manifest,
                spec=asked,
                task=task,
                recipe=recipe,
                models=models,
                narrator=Narrator((), run=record.id, total_steps=plan.steps, forecast_calls=plan.total.calls),
                plan=plan,
                profile=Profile(),
            )
        )
        return engine.dearest_verdict_call(task.start), engine.verdict_tokens(task.start, 1000)
    finally:
        store.close()


@pytest.mark.anyio
async def test_the_verdicts_reserve_has_room_for_the_longest_second_request(tmp_path: Path) -> None:
    one, all_one = await calls_of_the_verdict(tmp_path / "1", task_max_tokens=50)
    two, all_two = await calls_of_the_verdict(tmp_path / "2", task_max_tokens=50, second_round=ASK)
    assert two == one + 8 * 50 + len(ASK)  # a first reply of 50 tokens of 8 characters each
    # Both prompts, here the same, on 40 test rows take four times what one takes on 20 dev rows, in any rounds.
    assert all_one == pytest.approx(4000, rel=0.01)
    assert all_two == pytest.approx(4000, rel=0.01)


# --- the simulated task model -----------------------------------------------------------------------------------------


def simulated(labels: tuple[str, ...], rows: Sequence[Example]) -> SimulatedTask:
    return SimulatedTask(TaskModelSettings(), rows, labels)


def conversation(model_reply: str, ask: str = ASK, question: str = "Is it late?") -> Request:
    turns = (("user", f"{question}\nAnswer step by step."), ("assistant", model_reply), ("user", ask))
    return Request(
        role="task",
        messages=tuple(Message(role=role, content=(text,)) for role, text in turns),  # type: ignore[arg-type]
        temperature=0.0,
        max_tokens=256,
        draw=DRAW,
    )


async def second(model: SimulatedTask, request: Request) -> str:
    return (await model.complete(request)).replies[0].text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "bare"),
    [
        ("The answer is yes.", "yes"),
        ("The answer is no.", "no"),
        ('{"answer": "no", "why": "All of it was read."}', "no"),
    ],
)
async def test_the_simulated_model_gives_the_answer_of_its_reply_alone(before: str, bare: str) -> None:
    assert await second(simulated(("no", "yes"), [ROW]), conversation(before)) == bare


@pytest.mark.anyio
async def test_the_simulated_model_keeps_to_the_form_that_the_second_turn_asks_for() -> None:
    ask = "Put your answer as <answer>yes or no</answer>."
    assert await second(simulated(("no", "yes"), [ROW]), conversation("So: no.", ask)) == "<answer>no</answer>"


@pytest.mark.anyio
@pytest.mark.parametrize("labels", [("no", "yes"), ()])
async def test_both_rounds_of_the_simulated_model_agree_on_what_is_right(labels: tuple[str, ...]) -> None:
    rows = [
        Example(id=f"r{number}", inputs=(("text", f"row {number} of all"),), target=("yes", "no")[number % 2])
        for number in range(300)
    ]
    model = simulated(labels, rows)
    target = PromptTarget(model, ModelSettings(name="m", temperature=0.0, max_tokens=64), "after", "Only the answer.")
    prompt = Prompt.of("Think step by step, then answer.")
    seen = {"right": 0, "empty": 0, "mended": 0}
    for row in rows:
        reply = await target(prompt, row, Draw(seed=1, step=0, slot=f"task/{row.id}", index=0))
        right = model.is_right(prompt.text, row)
        seen["right"] += right
        seen["empty"] += not reply.text
        if reply.text:
            assert (reply.text == row.target) == right, row
            seen["mended"] += bool(labels) and answer_in(reply.earlier, row.target, labels) is None
    assert 100 < seen["right"] < 290
    assert seen["empty"], "no row shows what an empty reply does"
    assert seen["mended"] or not labels, "no row shows what a cut off reply does"


@pytest.mark.anyio
async def test_worked_examples_before_a_row_are_no_second_round() -> None:
    other = Example(id="r2", inputs=(("text", "Is it early?"),), target="no")
    model = simulated(("no", "yes"), [ROW, other])
    # The reply before is an echo of neither row's answer, so that only an answer to the last turn's own row is one.
    examples = conversation("maybe", ask="Is it early?", question="Is it dark?")
    assert await second(model, examples) in ("yes", "no", "The answer is yes.", "The answer is no.")
    with pytest.raises(RequestRefused, match="knows no row"):
        await second(model, conversation("maybe", question="Is it dark?"))
