"""The loop: what is proposed, scored, selected and recorded."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loop_samples import BRIEF, DEV, TRAIN, Scored, asked_for, evaluation, stage, start
from promptdescent.errors import BudgetExhausted, EndpointFailed, RequestRefused, TooManyFailures
from promptdescent.llm.base import Request
from promptdescent.llm.budget import Caps
from promptdescent.optimizer import Step, Surroundings, descend, first_state, stop_reason, take_step
from promptdescent.parts.direction.gradient import DescentDirection, Reflect
from promptdescent.parts.direction.momentum import NoMomentum, RunningSummary
from promptdescent.parts.method.refinement import Edit, Paraphrase, Then
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.estimation import Bandit, Minibatch, Racing
from promptdescent.parts.search.initialization import Induction, PromptList
from promptdescent.parts.search.selection import Beam, Greedy, TopK
from promptdescent.recipes import recipe_named
from promptdescent.records import Example, OptimizerState, Prompt, Reply, StepRecord, from_json, to_json
from scripted import Answer

pytestmark = pytest.mark.anyio


def gpo(candidates: int = 3, *, minibatch: int = 8, **parts: Any) -> Recipe:
    recipe = replace(recipe_named("gpo"), **parts)
    return replace(recipe, search=replace(recipe.search, candidates=candidates, minibatch=minibatch))


def around(
    reply: Callable[[Request], Answer], score: Callable[[str], float | None] = lambda text: 0.4, **changes: Any
) -> Surroundings:
    """Models of which the task model is right on a share of the rows that the prompt alone decides."""
    return stage(reply, evaluate=Scored(lambda text, row: score(text)), **changes).around


def numbered(request: Request) -> str:
    """``a0``, ``a1``, …: the index of the sample."""
    return f"a{request.draw.index}"


def by_step(request: Request) -> str:
    """A text of its own for each sample of each step."""
    return f"p{request.draw.step}{request.draw.index}"


def unlike_any(request: Request) -> str:
    """Words that follow from the draw, in the form that is asked for."""
    chance = random.Random(request.draw.model_seed())
    tag, words = asked_for(request), (f"{chance.randrange(10**9)}" for _ in range(4))
    return f"<{tag}>say {' '.join(words)}</{tag}>"


def chance(text: str, row: Example) -> float:
    """Right or wrong, as text and row decide; nothing is perfect."""
    return float(row is not DEV[0] and random.Random(f"{text}/{row.id}").random() < random.Random(text).random())


# --- a step -----------------------------------------------------------------------------------------------------------


async def test_the_best_new_candidate_becomes_current_even_if_it_is_worse() -> None:
    scores = {"a0": 0.1, "a1": 0.4, "a2": 0.3}
    recipe = gpo()
    record, state = await take_step(recipe, start(recipe, 0.5), around(numbered, scores.__getitem__))
    assert [candidate.score for candidate in record.candidates] == pytest.approx([0.1, 0.4, 0.3])
    assert record.survivors == ("1.2",)
    assert state.current.prompt.text == "a1"
    assert state.best.prompt.text == "start"
    assert [one.prompt.text for one in state.past] == ["start", "a1"]
    assert state.row_scores == {"1.2": (0.4,) * 20}
    assert state.steps_without_gain == 1


async def test_every_proposal_is_recorded_with_its_fate() -> None:
    replies: list[Answer] = [
        "<prompt>fine words</prompt>",
        "start",
        "<prompt>fine words</prompt>",
        "",
        Reply(text="half a th", finish="length"),
        RequestRefused("no"),
        Reply(text="I will not", finish="refused"),
        "<prompt> </prompt>",
    ]
    recipe = gpo(8)
    record, _ = await take_step(recipe, start(recipe), around(lambda request: replies[request.draw.index]))
    assert [(one.id, one.fate, one.reason) for one in record.candidates] == [
        ("1.1", "scored", ""),
        ("1.2", "rejected", "tried before"),
        ("1.3", "rejected", "tried before"),
        ("1.4", "rejected", "empty reply"),
        ("1.5", "rejected", "reply cut off"),
        ("1.7", "rejected", "refused"),
        ("1.8", "rejected", "nothing of what was asked for in the reply"),
    ]
    assert record.failed_proposals == 1
    assert all((one.parent, one.request) == ("0.0", 0) for one in record.candidates)
    assert record.candidates[0].distance == 2
    assert record.candidates[1].distance == 0


async def test_a_candidate_that_lost_over_five_percent_of_its_rows_cannot_be_selected() -> None:
    scores, lost = {"a0": 0.99, "a1": 0.6, "a2": 0.7}, {"a0": 2, "a1": 0, "a2": 1}

    def score(text: str, row: Example) -> float | None:
        return None if DEV.index(row) < lost[text] else scores[text]

    recipe = gpo()
    record, state = await take_step(recipe, start(recipe), stage(numbered, evaluate=Scored(score)).around)
    assert [one.fate for one in record.candidates] == ["failed", "scored", "scored"]
    assert record.candidates[0].reason == "2 of 20 rows are missing"
    assert record.survivors == ("1.3",), "one of 20 missing rows is allowed"
    assert state.best.id == "1.3"
    assert state.row_scores["1.3"][0] is None
    assert "a0" not in state.tried, "a failed evaluation may be tried again"


async def test_a_step_without_a_usable_proposal_keeps_the_prompt() -> None:
    recipe = gpo()
    before = start(recipe)
    record, state = await take_step(recipe, before, around(lambda request: "start"))
    assert record.survivors == ("0.0",)
    assert state.current == state.best
    assert [one.prompt.text for one in state.past] == ["start"]
    assert state.row_scores == before.row_scores
    assert state.step == 1


async def test_a_tie_keeps_the_earlier_best_prompt() -> None:
    recipe = gpo()
    record, state = await take_step(recipe, start(recipe, 0.5), around(numbered, lambda text: 0.5))
    assert state.best.id == "0.0"
    assert record.survivors == ("1.1",)


async def test_proposals_that_never_come_do_not_end_the_search() -> None:
    recipe = gpo()
    record, state = await take_step(
        recipe,
        start(recipe),
        around(lambda request: EndpointFailed("down") if request.draw.index == 0 else "new", lambda text: 0.9),
    )
    assert record.failed_proposals == 1
    assert state.current.prompt.text == "new"


async def test_a_start_that_cannot_be_scored_ends_the_run() -> None:
    def scores(missing: int) -> list[float | None]:
        return [None] * missing + [0.5] * (20 - missing)

    with pytest.raises(TooManyFailures, match=r"2 of 20 calls .* failed for good; the first one: down"):
        first_state(gpo(), Prompt.of("start"), evaluation(scores(2)), total_steps=3)
    assert first_state(gpo(), Prompt.of("start"), evaluation(scores(1)), total_steps=3).current.rows == 19


async def test_dropped_candidates_keep_their_partial_score_and_are_not_asked_about_again() -> None:
    scores = {"a0": 0.1, "a1": 0.9, "a2": 0.3}
    recipe = gpo(estimation=Minibatch(rows=5))
    record, state = await take_step(recipe, start(recipe), around(numbered, scores.__getitem__))
    assert [(one.fate, one.rows) for one in record.candidates] == [("dropped", 5), ("scored", 20), ("dropped", 5)]
    assert record.candidates[0].reason == "not among the best 1 on 5 of 20 rows"
    assert record.candidates[0].score is not None
    assert set(state.tried) == {"start", "a0", "a1", "a2"}
    assert state.best.id == "1.2"


async def test_what_is_known_of_the_dev_rows_grows_with_each_step() -> None:
    recipe = gpo(2)
    before = start(recipe, 0.5)
    _, state = await take_step(recipe, before, around(numbered, {"a0": 1.0, "a1": 0.0}.__getitem__))
    assert [one.weight for one in before.row_history] == [1.0] * 20
    assert [one.weight for one in state.row_history] == pytest.approx([2.8] * 20)
    assert state.row_history[0].total == pytest.approx(1.8)
    assert state.row_history[19].total == pytest.approx(1.0)


# --- several parents, directions and stages ---------------------------------------------------------------------------


def parents_of(record: StepRecord) -> list[str | None]:
    return [one.parent for one in record.candidates]


async def two_steps(recipe: Recipe, surroundings: Surroundings) -> list[Step]:
    return [one async for one in descend(recipe, start(recipe, 0.1, total=2), surroundings)]


async def test_the_survivors_of_a_top_k_share_the_proposals() -> None:
    scores = {f"p1{index}": 0.2 + index / 10 for index in range(5)}
    recipe = gpo(5, selection=TopK(k=3))
    (first, _), (second, _) = await two_steps(recipe, around(unlike_any_or(scores), lambda text: scores.get(text, 0.0)))
    assert parents_of(first) == ["0.0"] * 5, "fewer survivors than it keeps: one has all proposals"
    assert first.survivors == ("1.5", "1.4", "1.3")
    assert parents_of(second) == ["1.5", "1.5", "1.4", "1.4", "1.3"]
    assert [one.n for one in second.requests] == [2, 2, 1]
    assert [one.request for one in second.candidates] == [0, 0, 1, 1, 2]


def unlike_any_or(scores: dict[str, float]) -> Callable[[Request], str]:
    """In step 1 the texts of the scores, later others."""
    texts = list(scores)
    return lambda request: texts[request.draw.index] if request.draw.step == 1 else unlike_any(request)


async def test_each_prompt_of_a_beam_has_all_proposals_for_itself() -> None:
    scores = {"p10": 0.3, "p11": 0.2}
    recipe = gpo(2, selection=Beam(width=3))
    (first, _), (second, after) = await two_steps(
        recipe, around(unlike_any_or(scores), lambda text: scores.get(text, 0.0))
    )
    assert first.survivors == ("1.1", "1.2", "0.0"), "more places than there are candidates"
    assert parents_of(second) == ["1.1", "1.1", "1.2", "1.2", "0.0", "0.0"]
    assert after.row_scores.keys() == set(second.survivors)


def reflecting(reasons: int = 1, mistakes: int = 8) -> DescentDirection:
    return DescentDirection(reflection=Reflect(reasons=reasons, mistakes=mistakes))


async def test_directions_share_the_proposals_of_their_prompt_and_their_reflection_is_shown() -> None:
    def reply(request: Request) -> str:
        if asked_for(request) == "reason":
            return f"<reason>reason {request.draw.slot}</reason>"
        return unlike_any(request)

    recipe = gpo(5, gradient=reflecting(reasons=3, mistakes=2))
    record, _ = await take_step(recipe, start(recipe), around(reply, lambda text: 0.0))
    assert [(one.purpose, one.n) for one in record.requests] == [("reflection", 1)] * 3 + [
        ("proposal", 2),
        ("proposal", 2),
        ("proposal", 1),
    ]
    for place in range(3):
        assert record.requests[place].text == f"reason reflection/{place}"
        assert f"reason reflection/{place}" in record.requests[3 + place].message.text
    assert [one.request for one in record.candidates] == [3, 3, 4, 4, 5]


async def test_a_failed_reflection_is_recorded_and_is_no_failed_proposal() -> None:
    def reply(request: Request) -> Answer:
        return RequestRefused("no") if asked_for(request) == "reason" else unlike_any(request)

    recipe = gpo(2, gradient=reflecting())
    record, _ = await take_step(recipe, start(recipe), around(reply, lambda text: 0.0))
    assert [(one.purpose, one.failed, one.text) for one in record.requests] == [
        ("reflection", 1, ""),
        ("proposal", 0, ""),
    ]
    assert record.failed_proposals == 0
    assert len(record.candidates) == 2


async def test_the_summary_of_a_step_holds_what_every_direction_found() -> None:
    def reply(request: Request) -> str:
        text = request.messages[0].text
        if asked_for(request) == "reason":
            return f"<reason>fault {request.draw.slot[-1]}</reason>"
        if asked_for(request) == "summary":
            found = sorted({text[at : at + 7] for at in range(len(text)) if text.startswith("fault ", at)})
            return f"<summary>{', '.join(found)}</summary>"
        return unlike_any(request)

    recipe = gpo(
        3, gradient=reflecting(reasons=3, mistakes=2), momentum=RunningSummary(of="reflections"), refinement=Edit()
    )
    record, state = await take_step(recipe, start(recipe), around(reply, lambda text: 0.0))
    assert state.summary == "fault 0, fault 1, fault 2"
    assert [one.purpose for one in record.requests].count("summary") == 2
    again, _ = await take_step(recipe, state, around(reply, lambda text: 0.0))
    assert "fault 0, fault 1, fault 2" in next(one for one in again.requests if one.purpose == "summary").message.text


TWO_STAGES = Then(first=Edit(), then=Paraphrase(), variants=2)


async def test_variants_are_made_of_the_proposals_of_the_same_step() -> None:
    recipe = gpo(7, refinement=TWO_STAGES)
    record, _ = await take_step(recipe, start(recipe), around(unlike_any))
    assert [(one.purpose, one.n, one.parent) for one in record.requests] == [
        ("proposal", 3, "0.0"),
        ("variant", 2, "0.0"),
        ("variant", 2, "0.0"),
    ]
    assert len(record.candidates) == 7
    for place in (1, 2):
        assert record.candidates[place - 1].prompt.text in record.requests[place].message.text
    assert [one.request for one in record.candidates] == [0, 0, 0, 1, 1, 2, 2]
    assert parents_of(record) == ["0.0"] * 7


async def test_what_cannot_be_read_gets_no_variants_and_others_never_more_than_the_plan() -> None:
    def reply(request: Request) -> Answer:
        if request.draw.slot.startswith("proposal"):
            unreadable: list[Answer] = ["", RequestRefused("no"), unlike_any(request)]
            return unreadable[request.draw.index]
        return unlike_any(request)

    recipe = gpo(7, refinement=TWO_STAGES)
    record, _ = await take_step(recipe, start(recipe), around(reply))
    assert [(one.purpose, one.n) for one in record.requests] == [("proposal", 3), ("variant", 2)]
    assert [one.fate for one in record.candidates] == ["rejected", "scored", "scored", "scored"]
    nothing, _ = await take_step(recipe, start(recipe), around(lambda request: ""))
    assert [one.purpose for one in nothing.requests] == ["proposal"]


async def test_each_direction_of_a_beam_has_variants_of_its_own() -> None:
    recipe = gpo(
        4, gradient=reflecting(reasons=2, mistakes=2), refinement=Then(first=Edit(), then=Paraphrase(), variants=1)
    )
    record, _ = await take_step(recipe, start(recipe), around(unlike_any, lambda text: 0.0))
    assert [(one.purpose, one.n) for one in record.requests[2:]] == [("proposal", 1)] * 2 + [("variant", 1)] * 2
    firsts = [one.prompt.text for one in record.candidates[:2]]
    assert [firsts[place] in record.requests[4 + place].message.text for place in range(2)] == [True, True]


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [(10, 5, [5, 5]), (10, 4, [4, 4, 2]), (10, 7, [7]), (10, 8, [8]), (3, 8, [3]), (4, 8, [4]), (1, 1, [1])],
)
async def test_an_epoch_goes_through_the_train_rows_once_in_an_order_of_its_own(
    rows: int, size: int, sizes: list[int]
) -> None:
    surroundings = stage(unlike_any, evaluate=Scored(chance), brief=replace(BRIEF, train=TRAIN[:rows])).around
    recipe = gpo(minibatch=size)

    def minibatch(step: int) -> list[str]:
        return [row.id for row in surroundings.context(recipe, start(recipe, total=99), step, None).minibatch]  # type: ignore[arg-type]

    steps = len(sizes)
    assert recipe.search.steps(rows) in (3 * steps, 1)
    first, second = ([minibatch(step) for step in range(begin, begin + steps)] for begin in (1, 1 + steps))
    assert [len(one) for one in first] == [len(one) for one in second] == sizes
    seen = [row for one in first for row in one]
    assert len(set(seen)) == len(seen)
    if rows > 4:
        assert first != second


async def test_the_meta_prompt_shows_train_rows_and_never_a_dev_row() -> None:
    recipe = gpo()
    records = [record async for record, _ in descend(recipe, start(recipe, total=3), around(by_step))]
    texts = [record.requests[0].message.text for record in records]
    shown = [{row.id for row in TRAIN if f"{row.question}\n" in text} for text in texts]
    assert len(shown[0]) == 3
    assert shown[0] == shown[1] == shown[2]
    assert not any("dev " in text for text in texts)


# --- from step to step ------------------------------------------------------------------------------------------------


async def test_the_word_budget_runs_its_whole_course() -> None:
    recipe = gpo()
    records = [record async for record, _ in descend(recipe, start(recipe, total=4), around(by_step))]
    assert [record.word_budget for record in records] == [44, 30, 15, 10]
    assert [record.stop for record in records] == ["", "", "", "all steps done"]
    assert "up to 44 words" in records[0].requests[0].message.text


async def test_patience_and_a_perfect_score_end_the_search() -> None:
    recipe = gpo()
    records = [record async for record, _ in descend(recipe, start(recipe, total=18), around(by_step))]
    assert len(records) == 6
    assert records[-1].stop == "6 steps without a better prompt"

    perfect = around(by_step, lambda text: float(text == "p31"))
    records = [record async for record, _ in descend(recipe, start(recipe, total=18), perfect)]
    assert len(records) == 3
    assert records[-1].stop == "no candidate can still win: perfect dev score"


async def test_a_step_record_survives_json() -> None:
    recipe = gpo(estimation=Minibatch(rows=5), gradient=reflecting())
    record, _ = await take_step(recipe, start(recipe), around(unlike_any, lambda text: 0.4))
    assert from_json(StepRecord, to_json(record)) == record


# --- step 0 -----------------------------------------------------------------------------------------------------------


LIST = PromptList(texts=("start", "one", "two"))
INDUCTION = Induction(subsamples=2, demonstrations=3, prompts_each=2)


async def test_given_prompts_are_step_zero() -> None:
    recipe = gpo(initialization=LIST)
    before = start(recipe, 0.5)
    assert not before.initialized
    (first, after), (second, _), *_ = [one async for one in descend(recipe, before, around(by_step, lambda text: 0.2))]
    assert (first.step, first.word_budget, first.requests, first.stop) == (0, None, (), "")
    assert [(one.id, one.prompt.text, one.fate, one.parent, one.request, one.distance) for one in first.candidates] == [
        ("0.1", "start", "rejected", None, None, None),
        ("0.2", "one", "scored", None, None, None),
        ("0.3", "two", "scored", None, None, None),
    ]
    assert first.survivors == ("0.2",)
    assert (after.step, after.initialized, after.steps_without_gain) == (0, True, 0)
    assert (second.step, second.candidates[0].parent) == (1, "0.2")


async def test_an_induction_is_step_zero() -> None:
    recipe = gpo(initialization=INDUCTION, selection=TopK(k=3))
    record, _ = await take_step(recipe, start(recipe, 0.0), around(unlike_any))
    assert [(one.purpose, one.parent, one.n) for one in record.requests] == [("induction", None, 2)] * 2
    assert [one.request for one in record.candidates] == [0, 0, 1, 1]
    assert record.survivors == ("0.1", "0.2", "0.3")


async def test_a_starting_prompt_that_needs_no_better_one_ends_the_search_before_step_zero() -> None:
    recipe = gpo(initialization=INDUCTION)
    assert stop_reason(recipe, start(recipe, 1.0), BRIEF).startswith("no candidate can still win")
    assert stop_reason(recipe, start(recipe, 0.9, total=0), BRIEF) == "", "step 0 is none of the steps"


@pytest.mark.parametrize(
    "recipe",
    [
        gpo(),
        gpo(initialization=LIST, selection=TopK(k=2)),
        gpo(initialization=INDUCTION, estimation=Racing()),
        gpo(4, gradient=reflecting(2, 3), momentum=RunningSummary(of="reflections"), selection=Beam(width=2)),
        gpo(
            6, refinement=TWO_STAGES, estimation=Bandit(rounds=3, prompts=2, rows=4), selection=Greedy(accept="better")
        ),
    ],
    ids=["gpo", "list", "induction", "beam", "stages"],
)
async def test_the_search_goes_on_from_any_stored_state(recipe: Recipe) -> None:
    surroundings = stage(unlike_any, evaluate=Scored(chance)).around
    before = start(recipe, 0.3, total=3)
    whole = [one async for one in descend(recipe, before, surroundings)]
    assert len(whole) >= 3
    for place, state in enumerate([before, *(state for _, state in whole[:-1])]):
        stored = from_json(OptimizerState, to_json(state))
        assert [one async for one in descend(recipe, stored, surroundings)] == whole[place:]


# --- order of arrival, and caps ---------------------------------------------------------------------------------------


RECIPES: dict[str, Recipe] = {
    "full": gpo(5),
    "reflections": gpo(
        6, gradient=reflecting(2, 3), momentum=RunningSummary(of="reflections"), selection=Beam(width=2)
    ),
    "stages": gpo(6, refinement=TWO_STAGES, momentum=NoMomentum(), estimation=Bandit(rounds=4, prompts=2, rows=4)),
    "stages, all rows": gpo(6, refinement=TWO_STAGES, momentum=NoMomentum()),
    "race": gpo(8, estimation=Racing(), selection=TopK(k=2)),
    "induction": gpo(4, initialization=INDUCTION, estimation=Minibatch(rows=5)),
}


def jitter(salt: int) -> Callable[[Request], float]:
    """Delays that make other requests overtake each other."""
    return lambda request: random.Random(f"{salt}/{request.key('any')}").random() / 2000


async def recorded(
    recipe: Recipe, *, concurrency: int, salt: int, caps: Caps | None = None, total: int = 2
) -> list[str]:
    """The records of a search through cache, budget and evaluator, and what ended it."""
    on = stage(unlike_any, chance, concurrency=concurrency, delay=jitter(salt), caps=caps)
    records: list[str] = []
    try:
        async for record, _ in descend(recipe, start(recipe, 0.2, total=total), on.around):
            records.append(to_json(record))
    except BudgetExhausted as error:
        records.append(str(error))
    if caps and caps.calls:
        assert len(on.books.attempts) <= caps.calls
    return records


@pytest.mark.parametrize("name", RECIPES)
async def test_the_same_seed_gives_the_same_steps_whatever_comes_first(name: str) -> None:
    once = await recorded(RECIPES[name], concurrency=1, salt=1)
    assert await recorded(RECIPES[name], concurrency=32, salt=2) == once
    assert len(once) >= 2


@pytest.mark.parametrize("name", RECIPES)
async def test_a_call_cap_cuts_the_same_at_any_concurrency(name: str) -> None:
    recipe = RECIPES[name]
    on = stage(unlike_any, chance)
    _ = [record async for record, _ in descend(recipe, start(recipe, 0.2, total=1), on.around)]
    whole = len(on.books.attempts)
    for calls in (3, 5, 9, 10, whole // 3, whole // 2, whole - 1):
        caps = Caps(calls=calls)
        once = await recorded(recipe, concurrency=1, salt=1, caps=caps, total=1)
        assert await recorded(recipe, concurrency=32, salt=2, caps=caps, total=1) == once
        assert f"the cap of {calls} calls" in once[-1]


async def test_a_cap_in_the_middle_of_reflections_ends_the_search_without_a_step() -> None:
    recipe = gpo(4, gradient=reflecting(reasons=3, mistakes=2), minibatch=5)
    on = stage(unlike_any, lambda text, row: 0.0, caps=Caps(calls=5 + 2))
    with pytest.raises(BudgetExhausted, match="cap of 7 calls"):
        await take_step(recipe, start(recipe), on.around)
    assert len(on.books.attempts) == 7


async def test_a_cap_in_the_middle_of_proposals_keeps_those_that_came() -> None:
    recipe = gpo(4)
    on = stage(unlike_any, evaluate=Scored(chance), caps=Caps(calls=2))
    record, _ = await take_step(recipe, start(recipe), on.around)
    assert [one.fate for one in record.candidates] == ["scored", "scored"]
    assert record.stop == "the cap of 2 calls (--max-calls) is reached"


async def test_a_cap_in_the_middle_of_scores_keeps_the_first_that_lacks_one_and_none_after_it() -> None:
    recipe = gpo(4)
    on = stage(unlike_any, chance, caps=Caps(calls=4 + 20 + 7))
    record, state = await take_step(recipe, start(recipe), on.around)
    assert [(one.fate, one.rows) for one in record.candidates] == [("scored", 20), ("failed", 0)]
    assert record.candidates[1].reason == record.stop == "the cap of 31 calls (--max-calls) is reached"
    assert state.step == 1
    assert record.candidates[1].prompt.text not in state.tried


async def test_a_cap_in_the_middle_of_a_race_leaves_dropped_candidates_with_what_is_known() -> None:
    recipe = gpo(8, estimation=Racing(first=0.25, least=1, halving=False))
    on = stage(unlike_any, lambda text, row: chance("all alike", row), caps=Caps(calls=8 + 8 * 5 + 3 * 5 + 2))
    record, state = await take_step(recipe, start(recipe), on.around)
    assert [(one.fate, one.rows) for one in record.candidates] == [("dropped", 10)] * 3 + [("dropped", 5)] * 5
    assert {one.reason for one in record.candidates} == {record.stop}
    assert record.survivors == ("0.0",), "nobody was scored on every row"
    assert state.best.id == "0.0"
