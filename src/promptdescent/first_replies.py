"""Whether what a model replies is of any use: looked at early, so that a run that leads nowhere ends and says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from promptdescent.errors import TooManyFailures, UnusableReplies
from promptdescent.optimizer_model import CUT_OFF_REPLY, EMPTY_REPLY
from promptdescent.records import Candidate, Outcome, Role, StepRecord

FIRST_REPLIES = 20
"""A run stops if over half of a role's first replies are empty or cut off, or none of its proposals is of use."""


def check_answers(outcomes: Sequence[Outcome], *, max_tokens: int, may_be_cut_off: bool = False) -> None:
    """Raise :class:`UnusableReplies` if over half of the task model's first replies are empty or cut off.

    ``may_be_cut_off``: the user wants to search all the same, for a prompt that asks for shorter answers.
    """
    empty = sum(outcome.kind == "empty" for outcome in outcomes)
    cut = sum(outcome.kind == "cut off" for outcome in outcomes)
    if may_be_cut_off and not _over_half(empty, len(outcomes)):
        return
    _check_usable("task", len(outcomes), empty=empty, cut=cut, most=max_tokens)


def doubt(outcomes: Sequence[Outcome], labels: Sequence[str]) -> str:
    """What to say if no reply to the starting prompt could be read as an answer; empty if one could. A search may mend
    it, but more often metric, labels or prompt do not belong together.
    """
    if not outcomes or any(outcome.kind != "unreadable" for outcome in outcomes):
        return ""
    expected = f", where one of {', '.join(labels)} is expected" if labels else ""
    return (
        f"None of the first {len(outcomes)} replies to the starting prompt can be read as an answer{expected}; the "
        f"first one: {_shortened(outcomes[0].reply)!r}. Check that metric, labels and prompt belong together."
    )


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 100 else f"{text[:100]}…"


class ProposalCheck:
    """Looks at what the optimizer model proposes: at the first replies once there are so many, and at all of them at
    the end.
    """

    def __init__(self, *, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._replies: list[Candidate] = []
        self._lost = 0
        self._any_use = False
        self._done = False

    def check_any_came(self, step: StepRecord, last_error: Callable[[], str]) -> None:
        """Raise :class:`TooManyFailures` if every proposal so far was lost, of a step that is not on record yet: once
        there are ``FIRST_REPLIES`` of them, or the search is over. Resuming takes the step again.
        """
        lost = self._lost + step.failed_proposals
        over = bool(step.stop) or lost >= FIRST_REPLIES
        if over and lost and not self._replies and not _written(step):
            raise TooManyFailures(
                f"all {lost} proposals that the optimizer model was asked for failed for good; the last one: "
                f"{last_error()}. Check the optimizer model and its endpoint, then go on with `promptdescent resume`."
            )

    def add(self, step: StepRecord) -> None:
        """Take in a step. Raises :class:`UnusableReplies` if the first replies were of no use."""
        if self._done:
            return
        self._lost += step.failed_proposals
        for one in _written(step):
            # What a cap left without a score might have had one, but says nothing of the other replies.
            cut_by_cap = one.fate == "failed" and one.reason == step.stop
            self._any_use |= cut_by_cap or one.fate in ("scored", "dropped")
            if not cut_by_cap:
                self._replies.append(one)
        first = [candidate.reason for candidate in self._replies[:FIRST_REPLIES]]
        if len(first) == FIRST_REPLIES:
            self._done = True
            empty, cut = first.count(EMPTY_REPLY), first.count(CUT_OFF_REPLY)
            _check_usable("optimizer", len(first), empty=empty, cut=cut, most=self._max_tokens)
            self.end()

    def end(self) -> None:
        """Raise :class:`UnusableReplies` if there are replies, and not one of them could be scored."""
        if self._any_use or not self._replies:
            return
        reasons = Counter(candidate.reason for candidate in self._replies).most_common(3)
        raise UnusableReplies(
            f"none of the first {len(self._replies)} proposals of the optimizer model could be scored: "
            + "; ".join(f"{reason} ({count} times)" for reason, count in reasons)
            + ". Look at its replies with `promptdescent show --json`, or choose another --optimizer-model, or an "
            "--optimizer-style that it knows."
        )


def _written(step: StepRecord) -> list[Candidate]:
    """The candidates that the optimizer model wrote; a prompt that was given is none of its replies."""
    return [candidate for candidate in step.candidates if candidate.request is not None]


def _check_usable(role: Role, replies: int, *, empty: int, cut: int, most: int) -> None:
    if not _over_half(empty + cut, replies):
        return
    shorter = all_the_same = ""
    if role == "task" and cut:
        shorter = "let the starting prompt ask for a short answer, "
        if not _over_half(empty, replies):
            all_the_same = (
                " With --failure-limit cut-off=1 the search goes on, and may find a prompt that asks for one."
            )
    raise UnusableReplies(
        f"{empty} of the first {replies} replies of the {role} model were empty and {cut} were cut off "
        f"at {most} tokens. Raise --{role}-max-tokens (a reasoning model may spend them all on thinking), "
        f"{shorter}or choose another model.{all_the_same}"
    )


def _over_half(some: int, of: int) -> bool:
    return 2 * some > of
