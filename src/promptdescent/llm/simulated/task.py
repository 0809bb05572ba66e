"""The simulated task model: right or wrong by the accuracy of the instruction and the luck of the row."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from promptdescent.errors import RequestRefused
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated.delivery import Delivery, Faults, draw_key, uniform
from promptdescent.llm.simulated.forms import ANSWERS, Form, form_asked, without_marks
from promptdescent.llm.simulated.instruction import TaskModelSettings, accuracy, traits
from promptdescent.llm.simulated.rows import RowIndex
from promptdescent.records import Example, Reply
from promptdescent.text import fingerprint

_UNREADABLE = "Hmm, hard to say."
_CUT_OFF = "Let me go through this piece by piece. To begin with, the"
_FILLER = "All of it was read."
_NO_ROW = "the simulated task model knows no row that stands in this request: hand in all rows"
_NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+")
_FOUR = struct.Struct(">4Q")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the model makes of an instruction."""

    accuracy: float
    form: Form | None
    announces: bool
    """Whether the answer comes in a sentence, as after some thought."""
    start: hashlib._Hash
    """The hash of settings and instruction, to go on from with a row and a draw."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """A row as the model knows it."""

    answer: str
    fields: dict[str, Any] | None
    """The answer's own, where it is a JSON object: it is replied as it is, whatever form is asked for."""
    readable: bool
    """Whether the answer can be told from the words around it."""
    luck: float
    key: bytes


class SimulatedTask:
    """A task model that knows the right answer of every row handed in and gives it as often as the instruction merits.

    Whether a row is answered rightly rests on a number in [0, 1) that is fixed for the row and the settings' seed; at a
    share ``noise`` of the rows on one that is new for each instruction and, when sampled, each draw. The reply is
    right where that number is below :meth:`accuracy`, which is therefore the expected share of right rows.
    """

    def __init__(
        self,
        settings: TaskModelSettings,
        rows: Sequence[Example],
        labels: Sequence[str],
        latency: float = 0.0,
        faults: Faults | None = None,
        serves_n: bool = True,
    ) -> None:
        """``latency``: mean seconds per call; ``serves_n``: whether one call brings all samples asked for, or one."""
        self._settings = settings
        self._labels = tuple(labels)
        self._index = RowIndex(rows)
        self._cases = {row.id: self._case(row) for row in rows}
        known = {"settings": asdict(settings), "rows": [row.id for row in rows], "labels": list(labels)}
        self._identity = f"simulated-task:{settings.name}:{fingerprint(known)}"
        self._serves_n = serves_n
        self._delivery = Delivery(self._identity, latency=latency, faults=faults or Faults(), serves_n=serves_n)
        self._know = lru_cache(maxsize=4096)(self._study)

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def serves_n(self) -> bool:
        return self._serves_n

    @property
    def refuses_temperature(self) -> bool:
        return False

    @property
    def context_tokens(self) -> int | None:
        return None

    async def prepare(self) -> None:
        """Nothing to check."""

    async def complete(self, request: Request) -> Completion:
        """Answer the row in the request.

        Raises:
            RequestRefused: the request holds none of the rows.
            EndpointFailed, RateLimited: simulated faults.
        """
        return await self._delivery.deliver(request, self._reply)

    async def close(self) -> None:
        """Nothing to give back."""

    def accuracy(self, instruction: str) -> float:
        """Expected share of right rows under an instruction."""
        return accuracy(instruction, self._labels, self._settings)

    def outcome(self, instruction: str, row: Example) -> Reply:
        """What a greedy request with the instruction before, after, or as system message of the row would bring.

        Without any limit on tokens and without faults: for benchmarks that leave the machinery of requests out.
        Raises KeyError for a row that was not handed in.
        """
        return self._answer(self._know(instruction), self._cases[row.id], "")

    def is_right(self, instruction: str, row: Example) -> bool:
        """Whether :meth:`outcome` holds the right answer."""
        right, _, _ = self._luck(self._know(instruction), self._cases[row.id], "")
        return right

    def _case(self, row: Example) -> _Case:
        answer = _reference(row.target) or f"A fitting answer to: {' '.join(row.question.split())}"
        return _Case(
            answer=answer,
            fields=_json_object(answer),
            readable=bool(self._labels) or _NUMBER.fullmatch(answer) is not None,
            luck=uniform("row", self._settings.seed, row.id),
            key=row.id.encode("utf-8", "surrogatepass"),
        )

    def _study(self, rest: str) -> _Known:
        """Read what stands beside a row."""
        instruction = " ".join(without_marks(rest).split())
        # White space is no part of it: where the instruction stands must not change its luck.
        start = hashlib.sha256(f"{self._settings.seed}\x1f{instruction}\x1f".encode("utf-8", "surrogatepass"))
        return _Known(
            accuracy=self.accuracy(instruction),
            form=form_asked(rest, ANSWERS),
            announces="steps" in traits(instruction, self._labels).present,
            start=start,
        )

    def _reply(self, request: Request) -> Reply:
        if self._asks_about_a_reply(request):
            return self._second_reply(request)
        found = self._index.find(request)
        if found is None:
            raise RequestRefused(_NO_ROW)
        return self._answer(self._know(found.rest), self._cases[found.row.id], draw_key(request))

    def _asks_about_a_reply(self, request: Request) -> bool:
        """Whether the last turn goes on from a reply. After worked examples it is a row of its own that is asked."""
        turns = request.messages
        if len(turns) < 3 or (turns[-2].role, turns[-1].role) != ("assistant", "user"):
            return False
        return self._index.find(replace(request, messages=turns[-1:])) is None

    def _second_reply(self, request: Request) -> Reply:
        """The answer that the reply before gave, in the form that is asked for now. One that gave none was cut off or
        gave up, and the model now says what it had in mind.
        """
        *turns, reply, asked = request.messages
        found = self._index.find(replace(request, messages=tuple(turns)))
        if found is None:
            raise RequestRefused(_NO_ROW)
        known, case, said = self._know(found.rest), self._cases[found.row.id], reply.text
        if case.fields is not None and _json_object(said) is not None:
            return Reply(text=said)
        answer = answer_in(said, case.answer, self._labels)
        if answer is None:
            right, _, which = self._luck(known, case, draw_key(request))
            said_another = not (case.readable or _gave_up(said) or case.answer.startswith(said))
            answer = wrong_answer(case.answer, self._labels, which) if said_another or not right else case.answer
        form = form_asked(asked.text, ANSWERS)
        return Reply(text=form.put(answer, _FILLER) if form else answer)

    def _luck(self, known: _Known, case: _Case, draw: str) -> tuple[bool, float, int]:
        """Whether a row is answered rightly; and if not, a number in [0, 1) for the kind of error and one for which."""
        chance = known.start.copy()
        chance.update(case.key)
        if draw:
            chance.update(f"\x1f{draw}".encode())
        noise, own, kind, which = _FOUR.unpack(chance.digest())
        luck = _share(own) if _share(noise) < self._settings.noise else case.luck
        return luck < known.accuracy, _share(kind), which

    def _answer(self, known: _Known, case: _Case, draw: str) -> Reply:
        right, kind, which = self._luck(known, case, draw)
        if right:
            return Reply(text=_phrase(case.answer, known, case))
        settings = self._settings
        if kind < settings.empty:
            return Reply(text="")
        if kind < settings.empty + settings.cut_off:
            return Reply(text=_CUT_OFF, finish="length")
        if kind < settings.empty + settings.cut_off + settings.unreadable:
            return Reply(text=_UNREADABLE)
        if case.fields is not None:
            return Reply(text=json.dumps(_altered(case.fields, self._labels, which), ensure_ascii=False))
        return Reply(text=_phrase(wrong_answer(case.answer, self._labels, which), known, case))


def _share(number: int) -> float:
    """A number of 64 bits as one in [0, 1)."""
    return (number >> 11) / 2**53  # a quotient of all 64 bits could round to 1


def answer_in(reply: str, right: str, labels: Sequence[str]) -> str | None:
    """The answer that a reply of this model holds: the longest label, the last number, or the right answer word for
    word; None if it holds none.
    """
    if labels:
        return next((label for label in sorted(labels, key=len, reverse=True) if _holds(reply, label)), None)
    if _NUMBER.fullmatch(right):
        numbers = _NUMBER.findall(reply)
        return numbers[-1].rstrip(".,") if numbers else None
    return right if _holds(reply, right) else None


def _holds(reply: str, answer: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", reply) is not None


def _gave_up(reply: str) -> bool:
    """Whether a reply of this model says nothing of an answer."""
    return reply == _UNREADABLE or _CUT_OFF.startswith(reply)


def _phrase(answer: str, known: _Known, case: _Case) -> str:
    """The answer in the form that the instruction brings about. A free text stays plain: no cue marks it off."""
    if case.fields is not None:
        return answer
    if known.form is not None:
        return known.form.put(answer, _FILLER)
    return f"The answer is {answer}." if known.announces and case.readable else answer


def wrong_answer(right: str, labels: Sequence[str], luck: int) -> str:
    """Another label, another number, or an altered text; never equal to ``right`` when case is ignored."""
    others = [label for label in labels if label.casefold() != right.casefold()]
    if others:
        return others[luck % len(others)]
    if _NUMBER.fullmatch(right):
        value = float(right.replace(",", "")) + 1 + luck % 9
        return str(int(value)) if value.is_integer() else f"{value:.6g}"
    altered = " ".join(word[::-1] for word in right.split())
    return altered if altered.casefold() != right.casefold() else f"{altered}x"


def _altered(value: Any, labels: Sequence[str], luck: int) -> Any:
    """Another value of the same kind. Every field of an object is altered, since any may be the one that counts."""
    if isinstance(value, dict):
        return {key: _altered(one, labels, luck) for key, one in value.items()}
    if isinstance(value, list):
        return [_altered(one, labels, luck) for one in value] or [""]
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1 + luck % 9
    return wrong_answer(value or "", labels if value in labels else (), luck)


def _json_object(answer: str) -> dict[str, Any] | None:
    """The fields of an answer that is a JSON object; None for any other."""
    if not answer.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def _reference(target: str) -> str:
    """The target as one would answer it: of a list of references, the first."""
    if target.startswith("["):
        try:
            references = json.loads(target)
        except ValueError:
            return target
        if isinstance(references, list) and references:
            return str(references[0])
    return target
