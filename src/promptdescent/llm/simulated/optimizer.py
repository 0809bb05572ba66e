"""The simulated optimizer model: does what a meta-prompt asks for, as well and as obediently as its settings say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated.delivery import Delivery, Faults, content, draw_key, integer
from promptdescent.llm.simulated.forms import PROMPTS, Form, fence_asked, json_asked, marks_asked
from promptdescent.llm.simulated.reading import Reading, read, read_raw
from promptdescent.llm.simulated.reflecting import reflect, summarize
from promptdescent.llm.simulated.rewriting import Writer, has_placeholder, without_placeholder
from promptdescent.records import Reply
from promptdescent.text import fingerprint

_QUESTION = "Could you tell me more about what you would like the prompt to do?"
_FILLER = "Going by what was shown."


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerModelSettings:
    """A simulated optimizer model. ``ability``, ``obedience`` and ``truth`` are in [0, 1]."""

    name: str = "plain"
    seed: int = 0
    ability: float = 0.7
    """Share of useful sentences among those of its own; the others do nothing, or harm."""
    obedience: float = 0.9
    """How often, each by itself, a reply keeps the tags or other form asked for, the placeholders, and the limit on
    words. One half of the rest is the share of replies that are nothing of the kind asked for.
    """
    truth: float = 0.8
    """How often a problem that it names in a reflection is one."""

    @property
    def nonsense(self) -> float:
        """Share of the replies that are empty, a question, a copied row, or stray tags."""
        return (1 - self.obedience) / 2


class SimulatedOptimizer:
    """An optimizer model that knows the task's labels and what makes an instruction good, and reads the meta-prompt.

    Asked for a prompt, it joins what the shown ones have, mends the problems named and has ideas of its own
    (``rewriting``); asked for a reason, it names problems (``reflecting``).
    """

    def __init__(
        self,
        settings: OptimizerModelSettings,
        labels: Sequence[str] = (),
        latency: float = 0.0,
        faults: Faults | None = None,
        serves_n: bool = True,
    ) -> None:
        """``latency``: mean seconds per call; ``serves_n``: whether one call brings all samples asked for, or one."""
        self._settings = settings
        self._labels = tuple(labels)
        self._identity = (
            f"simulated-optimizer:{settings.name}:{fingerprint({'settings': asdict(settings), 'labels': list(labels)})}"
        )
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

    @property
    def context_tokens(self) -> int | None:
        return None

    async def prepare(self) -> None:
        """Nothing to check."""

    async def complete(self, request: Request) -> Completion:
        """Do what the meta-prompt asks for. Raises EndpointFailed or RateLimited as simulated faults."""
        return await self._delivery.deliver(request, self._reply)

    async def close(self) -> None:
        """Nothing to give back."""

    def _reply(self, request: Request) -> Reply:
        text = content(request)
        reading = read(text) if request.text is None else read_raw(text)
        settings = self._settings
        chance = random.Random(integer("optimizer", settings.seed, text, draw_key(request)))
        if chance.random() < settings.nonsense:
            return Reply(text=_nonsense(reading, chance))
        keeps_placeholders = chance.random() < settings.obedience
        keeps_form = chance.random() < settings.obedience
        written = self._written(reading, text, chance)
        if not keeps_placeholders and has_placeholder(reading.current):
            written = without_placeholder(written)
        if request.text is not None:
            return Reply(text=_continued(written, reading, text))
        return Reply(text=_wrapped(written, reading, form_of(text)) if keeps_form else written)

    def _written(self, reading: Reading, text: str, chance: random.Random) -> str:
        """What was asked for, without the form around it."""
        settings = self._settings
        keeps_words = chance.random() < settings.obedience
        writer = Writer(
            ability=settings.ability,
            labels=self._labels,
            chance=chance,
            words=reading.words if keeps_words else None,
        )
        if reading.kind == "reflect":
            return reflect(reading.current, self._labels, settings.truth, chance)
        if reading.kind == "summarize":
            if reading.problems or not reading.current:
                return summarize(reading.problems)
            return writer.join(reading.joined or reading.current, reading.current)
        if reading.kind == "induce":
            return writer.induce([label for label in self._labels if label in text])
        if reading.kind == "paraphrase" and reading.current:
            return writer.paraphrase(reading.current)
        return writer.rewrite(reading)


def form_of(text: str) -> Form | None:
    """The fields, the JSON object or the fence that another tool's meta-prompt asks for."""
    return marks_asked(text, PROMPTS) or json_asked(text, PROMPTS) or fence_asked(text)


def _wrapped(written: str, reading: Reading, form: Form | None) -> str:
    if form is not None and (form.kind == "marks" or reading.tags is None):
        return form.put(written, _FILLER)
    return f"{reading.tags[0]}{written}{reading.tags[1]}" if reading.tags else written


def _continued(written: str, reading: Reading, text: str) -> str:
    """A raw completion goes on in the line where the text breaks off; an open tag there is closed."""
    line = " ".join(written.split())
    starts_inside = reading.tags is not None and text.rstrip().endswith(reading.tags[0])
    return line + (reading.tags[1] if reading.tags and starts_inside else "")


def _nonsense(reading: Reading, chance: random.Random) -> str:
    start, end = reading.tags or ("<prompt>", "</prompt>")
    return chance.choice(("", _QUESTION, reading.row or _QUESTION, f"{end} {start}", f"{start}{end}"))
