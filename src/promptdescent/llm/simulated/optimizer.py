"""The simulated optimizer model: rewrites the current prompt by imitating the better ones that a meta-prompt shows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from promptdescent.llm.base import Completion, Request
from promptdescent.llm.simulated.delivery import Delivery, Faults, content, draw_key, integer
from promptdescent.llm.simulated.reading import Reading, read, read_raw
from promptdescent.records import Reply
from promptdescent.text import fingerprint, word_edit_distance

_GOOD_IDEAS = (
    "Think step by step.",
    "First read it all, then decide.",
    "Answer with one word only.",
    "Give just the answer, nothing else.",
)
_IDLE_IDEAS = (
    "Read the text with care.",
    "Look at the whole of it.",
    "The question is given above.",
    "Please be really very careful.",
    "Perhaps it is quite simply so.",
)
_BAD_IDEAS = ("Guess if you are not sure.", "Never mind the details.", "Make a joke of it.")
_SYNONYMS = {
    "answer": "reply",
    "reply": "answer",
    "choose": "pick",
    "pick": "choose",
    "decide": "judge",
    "give": "state",
    "look": "glance",
    "read": "study",
    "state": "give",
    "study": "read",
    "text": "passage",
    "the": "this",
    "this": "the",
    "what": "which",
    "which": "what",
}
_PLACEHOLDER = re.compile(r"(?<!\{)\{[A-Za-z_]\w*\}(?!\})")
_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+(?=\s|$)|\n|$)\s*")
_QUESTION = "Could you tell me more about what you would like the prompt to do?"
_EMPTY_START = "Answer the question."


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerModelSettings:
    """A simulated optimizer model. All but ``moves`` and ``seed`` are shares in [0, 1]."""

    name: str = "plain"
    seed: int = 0
    ideas: float = 0.5
    """How often the first move of a rewrite is a sentence of its own, not one of a better prompt or a small change."""
    decay: float = 0.6
    """By what factor that falls after each sentence of its own."""
    good_ideas: float = 0.5
    """Share of good ones among them."""
    imitates: float = 0.6
    """How often a move that is no idea takes something from a better prompt, where there is one."""
    moves: int = 3
    """Most changes that one rewrite makes."""
    nonsense: float = 0.05
    """Replies that are no prompt: empty, a question, a copied row, stray tags."""
    obeys_tags: float = 0.9
    keeps_placeholders: float = 0.95


class SimulatedOptimizer:
    """An optimizer model that knows the task's labels, and of the rest what the meta-prompt says.

    It never moves further from the current prompt than the words allowed (word-level edit distance).
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

    async def prepare(self) -> None:
        """Nothing to check."""

    async def complete(self, request: Request) -> Completion:
        """Rewrite the current prompt of the meta-prompt. Raises EndpointFailed or RateLimited as simulated faults."""
        return await self._delivery.deliver(request, self._reply)

    async def close(self) -> None:
        """Nothing to give back."""

    def _reply(self, request: Request) -> Reply:
        text = content(request)
        reading = read(text) if request.text is None else read_raw(text)
        seed = integer("optimizer", self._settings.seed, text, draw_key(request))
        chance = random.Random(seed)
        if chance.random() < self._settings.nonsense:
            return Reply(text=_nonsense(reading, chance))
        rewritten = self._rewrite(reading, chance)
        if request.text is not None:
            rewritten = " ".join(rewritten.split())  # a raw completion goes on in the line of its worked pairs
            starts_inside = reading.tags is not None and text.rstrip().endswith(reading.tags[0])
            return Reply(text=rewritten + (reading.tags[1] if reading.tags and starts_inside else ""))
        if reading.tags and chance.random() < self._settings.obeys_tags:
            return Reply(text=f"{reading.tags[0]}{rewritten}{reading.tags[1]}")
        return Reply(text=rewritten)

    def _rewrite(self, reading: Reading, chance: random.Random) -> str:
        """The current prompt after one to ``moves`` changes, each of which stays within the words allowed."""
        settings = self._settings
        start = reading.current or _EMPTY_START
        keep = chance.random() < settings.keeps_placeholders
        names = set(_PLACEHOLDER.findall(start))
        wanted = 1 + chance.randrange(settings.moves)
        text, made, ideas = start, 0, settings.ideas
        for _ in range(4 * settings.moves):
            own = chance.random() < ideas
            move = self._add_idea if own else self._other_move(reading, chance)
            trial = move(text, reading, chance).strip()
            allowed = reading.words is None or word_edit_distance(start, trial) <= reading.words
            if trial and trial != text and allowed and names <= set(_PLACEHOLDER.findall(trial)):
                text, made = trial, made + 1
                ideas *= settings.decay if own else 1.0
            if made == wanted:
                break
        if names and not keep:
            dropped = _PLACEHOLDER.sub("", text, count=1).strip()
            if reading.words is None or word_edit_distance(start, dropped) <= reading.words:
                text = dropped
        return text

    def _other_move(self, reading: Reading, chance: random.Random) -> Callable[[str, Reading, random.Random], str]:
        if _better(reading) and chance.random() < self._settings.imitates:
            return _imitate
        return (_drop_sentence, _drop_word, _swap_word)[chance.randrange(3)]

    def _add_idea(self, text: str, reading: Reading, chance: random.Random) -> str:
        if chance.random() < self._settings.good_ideas:
            pool = [*_GOOD_IDEAS, *self._label_ideas(reading, chance)]
        else:
            pool = [*_IDLE_IDEAS, *_BAD_IDEAS]
        return _add(text, pool[chance.randrange(len(pool))], chance)

    def _label_ideas(self, reading: Reading, chance: random.Random) -> list[str]:
        """Sentences that name the labels: all of them or, where the words allowed are too few, as many as fit."""
        if not self._labels:
            return []
        room = len(self._labels) if reading.words is None else max(1, reading.words - 3)
        first = chance.randrange(len(self._labels))
        some = [*self._labels[first:], *self._labels[:first]][:room]
        whole = self._labels if len(some) == len(self._labels) else some
        return [f"Choose from: {', '.join(whole)}.", f"Say {some[0]} where it fits."]


def _better(reading: Reading) -> list[tuple[float, str]]:
    """Prompts that score higher than the current one, or the best one where the current one's score is not given."""
    scores = {entry.text: entry.score for entry in reading.scored}
    bar = scores.get(reading.current, max(scores.values(), default=0.0) - 1e-9)
    return [(entry.score, entry.text) for entry in reading.scored if entry.score > bar]


def _imitate(text: str, reading: Reading, chance: random.Random) -> str:
    """A sentence of a better prompt added to the text, or that prompt as a whole."""
    better = sorted(_better(reading))
    # The better of two draws, so that higher scores are imitated more often.
    _, model = better[max(chance.randrange(len(better)), chance.randrange(len(better)))]
    if chance.random() < 0.3:
        return model
    missing = [sentence for sentence in sentences(model) if sentence.strip() not in text]
    return _add(text, missing[chance.randrange(len(missing))].strip(), chance) if missing else text


def _add(text: str, sentence: str, chance: random.Random) -> str:
    """The sentence at the start or the end of the text; at the start only if the text ends with a placeholder's cue."""
    if sentence in text:
        return text
    if chance.random() < 0.3 or text.rstrip().endswith((":", "}")):
        return f"{sentence} {text}"
    return f"{text.rstrip()} {sentence}"


def _drop_sentence(text: str, reading: Reading, chance: random.Random) -> str:
    parts = sentences(text)
    if len(parts) < 2:
        return text
    del parts[chance.randrange(len(parts))]
    return "".join(parts)


def _drop_word(text: str, reading: Reading, chance: random.Random) -> str:
    pieces = re.findall(r"\S+\s*", text)
    if len(pieces) < 3:
        return text
    del pieces[chance.randrange(len(pieces))]
    return "".join(pieces)


def _swap_word(text: str, reading: Reading, chance: random.Random) -> str:
    """One word replaced by another of the same meaning."""
    known = [match for match in re.finditer(r"[A-Za-z]+", text) if match[0].lower() in _SYNONYMS]
    if not known:
        return text
    match = known[chance.randrange(len(known))]
    other = _SYNONYMS[match[0].lower()]
    return text[: match.start()] + (other.capitalize() if match[0][0].isupper() else other) + text[match.end() :]


def sentences(text: str) -> list[str]:
    """The sentences or lines of a text, each with the white space after it; joined they are the text."""
    return [part for part in _SENTENCE.findall(text) if part]


def _nonsense(reading: Reading, chance: random.Random) -> str:
    start, end = reading.tags or ("<prompt>", "</prompt>")
    kinds = ("", _QUESTION, reading.row or _QUESTION, f"{end} {start}", f"{start}{end}")
    return kinds[chance.randrange(len(kinds))]
