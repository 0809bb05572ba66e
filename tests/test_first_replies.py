"""When what a model replies is of no use: what is said, and what is forgiven."""

from __future__ import annotations

import pytest

from promptdescent.errors import TooManyFailures, UnusableReplies
from promptdescent.first_replies import FIRST_REPLIES, ProposalCheck, check_answers, doubt
from promptdescent.optimizer_model import CUT_OFF_REPLY, EMPTY_REPLY
from promptdescent.records import Candidate, Message, Outcome, OutcomeKind, Prompt, SentRequest, StepRecord

CAP = "the cap of 9 calls (--max-calls) is reached"
START = Candidate(id="0.0", prompt=Prompt.of("start"), parent=None, fate="scored", score=0.5)


def step(*reasons: str, lost: int = 0, stop: str = "", request: int | None = 0) -> StepRecord:
    """A step whose proposals were rejected for these reasons, scored where one is empty, and cut by the cap."""
    return StepRecord(
        step=1,
        word_budget=None,
        requests=(
            SentRequest(
                purpose="proposal", message=Message(role="user", content=("?",)), parent="0.0", n=9, failed=lost
            ),
        ),
        candidates=tuple(
            Candidate(
                id=f"1.{place}",
                prompt=Prompt.of(f"prompt {place}"),
                parent="0.0",
                fate="scored" if not reason else "failed" if reason == CAP else "rejected",
                reason=reason,
                request=request,
            )
            for place, reason in enumerate(reasons)
        ),
        survivors=("0.0",),
        stop=stop,
        best=START,
        total_steps=9,
    )


def checked(*done: StepRecord) -> ProposalCheck:
    """The check after these steps."""
    check = ProposalCheck(max_tokens=77)
    for one in done:
        check.check_any_came(one, lambda: "no route")
        check.add(one)
    return check


def test_one_reply_that_could_be_scored_is_enough() -> None:
    checked(*[step("tried before")] * (FIRST_REPLIES - 2), step(""), *[step("tried before")] * 9).end()


def test_no_reply_that_could_be_scored_ends_the_run_once_there_are_many_or_at_the_end() -> None:
    with pytest.raises(UnusableReplies, match=r"none of the first 3 .* tried before \(2 times\); a question \(1 times"):
        checked(step("tried before", "a question", "tried before")).end()
    with pytest.raises(UnusableReplies, match=f"none of the first {FIRST_REPLIES} proposals"):
        checked(step(*["tried before"] * FIRST_REPLIES))


def test_empty_and_cut_off_replies_name_the_flag() -> None:
    few = [EMPTY_REPLY] * 5 + [CUT_OFF_REPLY] * 5
    checked(step(*few, *[""] * 10))
    with pytest.raises(UnusableReplies, match=r"6 of the first 20 .* 5 were cut off at 77 .* --optimizer-max-tokens"):
        checked(step(EMPTY_REPLY, *few, *[""] * 9))


def test_a_starting_prompt_that_lets_the_model_run_on_is_named_as_a_cause() -> None:
    def outcomes(*kinds: OutcomeKind) -> list[Outcome]:
        return [Outcome(example=str(place), kind=kind, score=0.0) for place, kind in enumerate(kinds)]

    check_answers(outcomes("cut off", "answered"), max_tokens=8)
    told = "--task-max-tokens .* let the starting prompt ask for a short answer, or choose .* --failure-limit cut-off=1"
    with pytest.raises(UnusableReplies, match=rf"1 were cut off at 8 .* {told}"):
        check_answers(outcomes("cut off", "empty", "answered"), max_tokens=8)
    check_answers(outcomes("cut off", "empty", "answered"), max_tokens=8, may_be_cut_off=True)
    with pytest.raises(UnusableReplies) as error:
        check_answers(outcomes("empty"), max_tokens=8)
    assert "short answer" not in str(error.value)
    with pytest.raises(UnusableReplies, match=r"2 of the first 3 .* were empty and 1 were cut off") as empty:
        check_answers(outcomes("empty", "empty", "cut off"), max_tokens=8, may_be_cut_off=True)
    assert "--failure-limit" not in str(empty.value)


def test_what_a_cap_left_without_a_score_might_have_been_of_use() -> None:
    checked(step("tried before", CAP, stop=CAP)).end()
    with pytest.raises(UnusableReplies):
        checked(step("tried before", stop=CAP)).end()


def test_prompts_that_were_given_are_no_replies() -> None:
    checked(step("tried before", request=None)).end()


def test_proposals_that_never_came_end_the_run_once_there_are_many_or_with_the_last_step() -> None:
    checked(step(lost=FIRST_REPLIES - 1)).end()
    with pytest.raises(TooManyFailures, match=r"all 20 proposals .*; the last one: no route\. Check .*resume"):
        checked(step(lost=12), step(lost=8))
    with pytest.raises(TooManyFailures, match="all 5 proposals"):
        checked(step(lost=2), step(lost=3, stop="all steps done"))


def test_proposals_that_never_came_are_forgiven_if_any_other_came() -> None:
    checked(step("", lost=3), *[step(lost=9)] * 9, step(lost=9, stop="all steps done")).end()
    checked(step(lost=9), step("", lost=FIRST_REPLIES)).end()


def test_replies_that_cannot_be_read_at_all_are_pointed_at() -> None:
    unreadable = Outcome(example="d", kind="unreadable", score=0.0, reply="That is\n a hard one.")
    said = doubt([unreadable] * 20, ("positive", "negative"))
    assert "None of the first 20 replies" in said
    assert "one of positive, negative is expected" in said
    assert "'That is a hard one.'" in said
    answered = Outcome(example="d", kind="answered", score=0.0, answer="positive", reply="positive")
    assert doubt([unreadable] * 19 + [answered], ("positive", "negative")) == ""
    assert doubt([], ()) == ""
    assert "expected" not in doubt([unreadable], ())
