"""Initialization, selection, stopping, and the numbers of a search."""

from __future__ import annotations

import math
from contextlib import aclosing
from dataclasses import replace

import pytest
from part_samples import Scribe, candidate, context, state

from loop_samples import BRIEF, TRAIN
from promptdescent.errors import ConfigError
from promptdescent.parts.context import Answer
from promptdescent.parts.recipe import Search
from promptdescent.parts.search.initialization import Induction, Initialization, PromptList, SeedPrompt
from promptdescent.parts.search.selection import Beam, Greedy, Selection, TopK, score_of
from promptdescent.parts.search.stopping import Patience, PerfectScore, TargetScore
from promptdescent.parts.sections import Rows

# --- initialization ---------------------------------------------------------------------------------------------------


async def proposed(part: Initialization, scribe: Scribe, *, seed: int = 3) -> list[Answer]:
    around = context(state(candidate("start"), step=0, initialized=False), ask=scribe, step=0, seed=seed)
    async with aclosing(part.prompts(around)) as answers:
        return [answer async for answer in answers]


def shown_rows(scribe: Scribe) -> list[tuple[str, ...]]:
    sections = [query.meta_prompt.section(Rows) for query in scribe.queries]
    return [tuple(row.id for row in section.rows) for section in sections if section]


@pytest.mark.anyio
async def test_the_seed_prompt_proposes_nothing() -> None:
    scribe = Scribe()
    assert await proposed(SeedPrompt(), scribe) == []
    assert (SeedPrompt().proposals, SeedPrompt().calls, scribe.queries) == (0, 0, [])


@pytest.mark.anyio
async def test_an_induction_shows_several_draws_of_rows_and_no_prompt() -> None:
    part, scribe = Induction(subsamples=3, demonstrations=4, prompts_each=2), Scribe()
    answers = await proposed(part, scribe)
    assert [(answer.query, answer.request) for answer in answers] == [(place, place) for place in (0, 0, 1, 1, 2, 2)]
    assert len(answers) == part.proposals == part.calls == 6
    assert [(one.purpose, one.parent, one.n, one.greedy) for one in scribe.queries] == [
        ("induction", None, 2, False)
    ] * 3
    draws = shown_rows(scribe)
    assert all(len(set(draw)) == 4 for draw in draws)
    assert len(set(draws)) == 3
    assert "start" not in scribe.said()
    assert part.least_train_rows == 4


@pytest.mark.anyio
async def test_the_rows_of_an_induction_follow_from_the_seed() -> None:
    one, again, other = Scribe(), Scribe(), Scribe()
    part = Induction(subsamples=2, demonstrations=5, prompts_each=1)
    for scribe, seed in ((one, 3), (again, 3), (other, 4)):
        await proposed(part, scribe, seed=seed)
    assert shown_rows(one) == shown_rows(again) != shown_rows(other)
    assert {row for draw in shown_rows(one) for row in draw} <= {row.id for row in TRAIN}


@pytest.mark.anyio
async def test_a_list_gives_its_texts_in_order_and_asks_nobody() -> None:
    part, scribe = PromptList(texts=(" First.\n", "Second.")), Scribe()
    answers = await proposed(part, scribe)
    assert [(answer.text, answer.request, answer.problem) for answer in answers] == [
        ("First.", -1, ""),
        ("Second.", -1, ""),
    ]
    assert (part.proposals, part.calls, scribe.queries) == (2, 0, [])


@pytest.mark.parametrize("texts", [(), ("fine", " \n")])
def test_a_list_without_texts_is_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="at least one text, and none that is empty"):
        PromptList(texts=texts)


@pytest.mark.parametrize("field", ["subsamples", "demonstrations", "prompts_each"])
def test_an_induction_from_nothing_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match="at least 1 subsample, 1 demonstration and 1 prompt"):
        Induction(**{field: 0})


# --- selection --------------------------------------------------------------------------------------------------------


def ids(part: Selection, survivors: list[tuple[str, float]], new: list[tuple[str, float]]) -> list[str]:
    before, after = ([candidate(id, score, id=id) for id, score in some] for some in (survivors, new))
    return [one.id for one in part.select(before, after)]


NEW = [("2.1", 0.3), ("2.2", 0.5), ("2.3", 0.5)]


def test_greedy_takes_the_best_new_prompt_even_if_it_is_worse() -> None:
    assert ids(Greedy(), [("1.1", 0.9)], NEW) == ["2.2"], "the earlier one on a tie"
    assert ids(Greedy(), [("1.1", 0.9)], []) == ["1.1"]


def test_greedy_that_accepts_better_ones_alone_stays_on_a_tie() -> None:
    part = Greedy(accept="better")
    assert ids(part, [("1.1", 0.9)], NEW) == ["1.1"]
    assert ids(part, [("1.1", 0.5)], NEW) == ["1.1"]
    assert ids(part, [("1.1", 0.4)], NEW) == ["2.2"]


@pytest.mark.parametrize("part", [TopK(k=3), Beam(width=3)])
def test_the_best_of_old_and_new_live_on_and_the_older_one_of_equals_first(part: Selection) -> None:
    assert ids(part, [("1.1", 0.5), ("1.2", 0.1)], NEW) == ["1.1", "2.2", "2.3"]
    assert ids(part, [("1.1", 0.5)], []) == ["1.1"], "fewer than it keeps"
    assert ids(part, [("1.1", 0.2)], [("2.1", 0.4)]) == ["2.1", "1.1"]


def test_with_whom_candidates_compete_and_how_proposals_are_shared() -> None:
    survivors = [candidate("a", id="1.1"), candidate("b", id="1.2")]
    assert list(Greedy().rivals(survivors)) == []
    assert list(Greedy(accept="better").rivals(survivors)) == survivors
    assert list(TopK().rivals(survivors)) == list(Beam().rivals(survivors)) == survivors
    parts: list[Selection] = [Greedy(), TopK(k=3), Beam(width=5)]
    assert [(part.keep, part.each_in_full) for part in parts] == [(1, True), (3, False), (5, True)]


def test_a_prompt_without_a_score_cannot_be_selected() -> None:
    with pytest.raises(ValueError, match=r"candidate 1\.1 has no score"):
        score_of(candidate("a", None))


def test_impossible_selections_are_refused() -> None:
    with pytest.raises(ConfigError, match="always or better, not 'best'"):
        Greedy(accept="best")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="keeps at least 1 prompt, not 0"):
        TopK(k=0)
    with pytest.raises(ConfigError, match="keeps at least 1 prompt, not 0"):
        Beam(width=0)


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_patience_counts_steps_without_a_better_prompt() -> None:
    assert Patience(steps=6).reason(state(candidate("a"), idle=5), BRIEF) == ""
    assert Patience(steps=6).reason(state(candidate("a"), idle=6), BRIEF) == "6 steps without a better prompt"
    assert Patience(steps=0).reason(state(candidate("a"), idle=99), BRIEF) == ""
    with pytest.raises(ConfigError, match="at least 0 steps, not -1"):
        Patience(steps=-1)


def test_a_perfect_score_ends_the_search_where_there_is_one() -> None:
    assert PerfectScore().reason(state(candidate("a", 1.0)), BRIEF) == "no candidate can still win: perfect dev score"
    assert PerfectScore().reason(state(candidate("a", 0.99)), BRIEF) == ""
    assert PerfectScore().reason(state(candidate("a", 3.0)), replace(BRIEF, perfect_score=None)) == ""


def test_with_a_cost_of_length_only_a_perfect_prompt_of_one_word_ends_the_search() -> None:
    costly = replace(BRIEF, perfect_score=None, shortest_perfect=1 - 0.01)
    three_rows = math.fsum([1 - 0.01] * 3) / 3
    assert "no prompt is shorter" in PerfectScore().reason(state(candidate("a", three_rows)), costly)
    assert PerfectScore().reason(state(candidate("a", 1 - 0.02)), costly) == "", "a shorter one could still win"


def test_a_target_score_ends_the_search_once_the_best_prompt_reaches_it() -> None:
    assert TargetScore(score=0.8).reason(state(candidate("a", 0.79)), BRIEF) == ""
    assert TargetScore(score=0.8).reason(state(candidate("a", 0.8)), BRIEF) == "target dev score 0.8 reached"
    worse_now = state(candidate("a", 0.2), best=candidate("b", 0.9))
    # It goes by the best prompt, not by the current one.
    assert TargetScore(score=0.8).reason(worse_now, BRIEF) == "target dev score 0.8 reached"


# --- search: the steps of the paper's data sets ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train_rows", "steps"),
    [(48, 18), (35, 12), (33, 12), (27, 9), (20, 9), (50, 18), (100, 39), (1, 1), (4, 3), (3, 1)],
)
def test_three_epochs_of_minibatches_of_eight(train_rows: int, steps: int) -> None:
    assert Search().steps(train_rows) == steps


def test_rounds_take_the_place_of_epochs() -> None:
    assert Search(rounds=5).steps(48) == 5


@pytest.mark.parametrize("field", ["candidates", "epochs", "minibatch", "rounds"])
def test_a_search_of_nothing_is_an_error(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} must be at least 1, not 0"):
        Search(**{field: 0})


def test_no_rows_need_be_shown() -> None:
    assert Search(shown_rows=0).shown_rows == 0
    with pytest.raises(ConfigError, match="shown_rows must be at least 0, not -1"):
        Search(shown_rows=-1)
