"""The simulated judge: grades an answer by its likeness to the reference, with slips."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass

from promptdescent.errors import RequestRefused
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated.delivery import Delivery, Faults, content, draw_key, integer, uniform
from promptdescent.records import Reply
from promptdescent.text import fingerprint

_BLOCK = re.compile(
    r"<(?P<name>question|reference|answer)(?P<mark>[\w-]*)>\n?(?P<text>.*?)\n?</(?P=name)(?P=mark)>", re.DOTALL
)
_SCALE = re.compile(r"from (\d+) \(worst\) to (\d+) \(best\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeModelSettings:
    """What decides a simulated judge's verdicts; shares are in [0, 1]."""

    name: str = "plain"
    noise: float = 0.1
    """Share of verdicts that are one grade off, at random up or down."""
    unreadable: float = 0.02
    """Share of requests whose verdict holds no grade."""
    seed: int = 0


class SimulatedJudge:
    """A judge that reads question, reference and answer between tags of these names, and grades on the scale asked for.

    An answer that holds a reference as whole words gets the best grade; another one, the share of words that they
    have in common. Without a reference the question stands in for it, since a right answer of the simulated task model
    then repeats the question.
    """

    serves_n = True
    refuses_temperature = False
    context_tokens = None

    def __init__(self, settings: JudgeModelSettings, *, latency: float = 0.0, faults: Faults | None = None) -> None:
        """``latency``: mean seconds per call."""
        self._settings = settings
        self._identity = f"simulated-judge:{settings.name}:{fingerprint(asdict(settings))}"
        self._delivery = Delivery(self._identity, latency=latency, faults=faults or Faults(), serves_n=True)

    @property
    def identity(self) -> str:
        return self._identity

    async def prepare(self) -> None:
        """Nothing to check."""

    async def complete(self, request: Request) -> Completion:
        """Grade the answer in the request.

        Raises:
            RequestRefused: the request holds no answer between tags.
            EndpointFailed, RateLimited: simulated faults.
        """
        return await self._delivery.deliver(request, self._reply)

    async def close(self) -> None:
        """Nothing to give back."""

    def _reply(self, request: Request) -> Reply:
        text, settings = content(request), self._settings
        blocks = {block["name"]: block["text"] for block in _BLOCK.finditer(text)}
        if "answer" not in blocks:
            raise RequestRefused("the simulated judge found no <answer> ... </answer> to grade in this request")
        case = (settings.seed, text, draw_key(request))
        if uniform("unreadable", *case) < settings.unreadable:
            return Reply(text="Well, that depends.")
        low, high = _scale(text)
        reference = blocks.get("reference") or blocks.get("question", "")
        right = reference.split("\n") if "each line of the reference" in text.lower() else [reference]
        grade = low + round(max(_likeness(blocks["answer"], one) for one in right) * (high - low))
        if uniform("slip", *case) < settings.noise:
            up = grade == low or (grade < high and integer("up", *case) % 2 == 0)
            grade += 1 if up else -1
        return Reply(text=f"<reason>It is worth {grade} to me.</reason>\n<grade>{grade}</grade>")


def _scale(text: str) -> tuple[int, int]:
    found = _SCALE.search(text)
    return (int(found[1]), int(found[2])) if found else (1, 5)


def _likeness(answer: str, reference: str) -> float:
    """How good an answer is by a reference, in [0, 1]."""
    found, wanted = (re.findall(r"\w+", text.casefold()) for text in (answer, reference))
    if f" {' '.join(wanted)} " in f" {' '.join(found)} ":
        return 1.0
    return 2 * (Counter(found) & Counter(wanted)).total() / (len(found) + len(wanted))
