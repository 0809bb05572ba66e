"""The simulated task model: right or wrong by the accuracy of the instruction and the luck of the row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from promptdescent.errors import RequestRefused
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated.delivery import Delivery, Faults, content, draw_key, integer, uniform
from promptdescent.llm.simulated.instruction import TaskModelSettings, accuracy, traits
from promptdescent.records import Example, Reply
from promptdescent.text import fingerprint

_UNREADABLE = "Hmm, hard to say."
_CUT_OFF = "Let me go through this piece by piece. To begin with, the"
_NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+")


class SimulatedTask:
    """A task model that knows the right answer of every row handed in and gives it as often as the instruction merits.

    Whether a row is answered rightly rests on a number in [0, 1) that is fixed for the row and the settings' seed; at a
    share ``own_luck`` of the rows on one that is new for each instruction and, when sampled, each draw. The reply is
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
        known = {"settings": asdict(settings), "rows": [row.id for row in rows], "labels": list(labels)}
        self._identity = f"simulated-task:{settings.name}:{fingerprint(known)}"
        self._serves_n = serves_n
        self._delivery = Delivery(self._identity, latency=latency, faults=faults or Faults(), serves_n=serves_n)

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def serves_n(self) -> bool:
        return self._serves_n

    @property
    def refuses_temperature(self) -> bool:
        return False

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

    def _reply(self, request: Request) -> Reply:
        found = self._index.find(request)
        if found is None:
            raise RequestRefused("the simulated task model knows no row that stands in this request: hand in all rows")
        row, instruction = found.row, found.instruction
        settings = self._settings
        case = (settings.seed, row.id, instruction, draw_key(request))
        luck = uniform("row", settings.seed, row.id)
        if uniform("own", *case) < settings.own_luck:
            luck = uniform("luck", *case)
        if luck < self.accuracy(instruction):
            return Reply(text=self._phrase(_reference(row.target), instruction))
        return self._wrong(row, instruction, case)

    def _wrong(self, row: Example, instruction: str, case: tuple[object, ...]) -> Reply:
        settings = self._settings
        kind = uniform("kind", *case)
        if kind < settings.empty:
            return Reply(text="")
        if kind < settings.empty + settings.cut_off:
            return Reply(text=_CUT_OFF, finish="length")
        if kind < settings.empty + settings.cut_off + settings.unreadable:
            return Reply(text=_UNREADABLE)
        answer = wrong_answer(_reference(row.target), self._labels, integer("wrong", *case))
        return Reply(text=self._phrase(answer, instruction))

    def _phrase(self, answer: str, instruction: str) -> str:
        """The answer in the form that the instruction brings about. A free text stays plain: no cue marks it off."""
        readable = bool(self._labels) or _NUMBER.fullmatch(answer) is not None
        if readable and traits(instruction, self._labels).steps_asked:
            return f"The answer is {answer}."
        return answer


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


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRow:
    """A row that stands in a request, and the rest of the request: the instruction, white space made single."""

    row: Example
    instruction: str


class RowIndex:
    """Finds the row that a request holds, whatever the placement of the prompt.

    A row whose question fills whole lines at the start or end of a message comes first (placements before, after and
    system: there, words of the instruction may be rows themselves, as in a task on single words). Else, a row counts
    whose question, or each of whose columns, stands somewhere as whole words (template). Of several, the longest wins.
    """

    def __init__(self, rows: Iterable[Example]) -> None:
        first = {row.question.strip(): row for row in reversed(list(rows)) if row.question.strip()}
        self._edges = first  # of two rows with one question the first stays
        self._lines = {question.count("\n") + 1 for question in first}
        needles = [(row, needle) for question, row in first.items() for needle in _needles(question, row)]
        self._needles = sorted(needles, key=lambda item: sum(map(len, item[1])), reverse=True)

    def find(self, request: Request) -> FoundRow | None:
        """The row in the request with the instruction around it; None if it holds none."""
        texts = [request.text] if request.text is not None else [message.text for message in request.messages]
        return self._at_an_edge(texts) or self._inside(content(request))

    def _at_an_edge(self, texts: Sequence[str]) -> FoundRow | None:
        best: tuple[int, Example, str] | None = None
        for place, text in enumerate(texts):
            lines = text.strip().split("\n")
            others = [*texts[:place], *texts[place + 1 :]]
            for count in self._lines:
                if count > len(lines):
                    continue
                for piece, rest in ((lines[:count], lines[count:]), (lines[-count:], lines[:-count])):
                    question = "\n".join(piece).strip()
                    row = self._edges.get(question)
                    if row is not None and (best is None or len(question) > best[0]):
                        best = len(question), row, " ".join([*others, *rest])
        return None if best is None else FoundRow(row=best[1], instruction=" ".join(best[2].split()))

    def _inside(self, text: str) -> FoundRow | None:
        for row, needles in self._needles:  # longest first
            if needles[0] in text and all(_stands_in(text, needle) for needle in needles):
                rest = text
                for needle in needles:
                    rest = _whole(needle).sub(" ", rest)
                return FoundRow(row=row, instruction=" ".join(rest.split()))
        return None


def _needles(question: str, row: Example) -> list[tuple[str, ...]]:
    """What must stand in a text for the row to be there: its question, or else each of its columns, longest first."""
    columns = sorted((value.strip() for _, value in row.inputs if value.strip()), key=len, reverse=True)
    return [(question,)] if columns == [question] else [(question,), tuple(columns)]


def _stands_in(text: str, needle: str) -> bool:
    return needle in text and _whole(needle).search(text) is not None


def _whole(needle: str) -> re.Pattern[str]:
    """``needle`` where it neither starts nor ends inside a word."""
    start = r"(?<!\w)" if needle[0].isalnum() else ""
    end = r"(?!\w)" if needle[-1].isalnum() else ""
    return re.compile(start + re.escape(needle) + end)
