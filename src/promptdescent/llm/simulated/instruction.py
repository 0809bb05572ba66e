"""How good an instruction is for the simulated task model: a known, pure function of what it says.

accuracy = base
    + labels_gain x share of the labels that are named
    + format_gain if an answer format is asked for   ("only", "one word", "just the", "exactly", ...)
    + steps_gain  if steps are asked for             ("step by step", "think", "first ... then", ...)
    - harmful_loss x number of harmful words - useless_loss x number of useless words
    - short_loss x words below the best length - long_loss x words above it

held between ``floor`` and ``ceiling``. Case does not matter, but for labels of one letter. Words are runs of letters
and digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

HARMFUL = frozenset("guess ignore joke never opposite pirate pretend random randomly rhyme".split())  # noqa: SIM905
USELESS = frozenset(
    "actually basically kindly maybe obviously perhaps please quite really simply somehow very".split()  # noqa: SIM905
)

_FORMAT = re.compile(
    r"\b(?:only|exactly|nothing else|no explanation|(?:one|single|1)[ -]word|just (?:the|one|a)\b)", re.IGNORECASE
)
_STEPS = re.compile(r"\b(?:step[ -]by[ -]step|think|reason|first\b.*\bthen)\b", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"\w+")
_PADDING = ("Read", "all", "of", "the", "text", "with", "care", "and", "weigh", "what", "it", "says", "about", "this")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskModelSettings:
    """A simulated task model. Gains and losses are in accuracy, 0 to 1; shares are in [0, 1]."""

    name: str = "plain"
    seed: int = 0
    """Which rows are hard."""
    base: float = 0.45
    labels_gain: float = 0.2
    """When all labels are named; in proportion for a share of them. Never gained where the task has no labels."""
    format_gain: float = 0.12
    steps_gain: float = 0.1
    harmful_loss: float = 0.12
    """Per harmful word."""
    useless_loss: float = 0.03
    """Per useless word."""
    shortest: int = 6
    """Least words of the best length."""
    longest: int = 40
    """Most words of the best length."""
    short_loss: float = 0.01
    """Per word too few."""
    long_loss: float = 0.005
    """Per word too many."""
    floor: float = 0.02
    ceiling: float = 0.97
    own_luck: float = 0.15
    """Share of rows whose luck is new for every instruction, so that equally good ones err on different rows."""
    unreadable: float = 0.03
    """Share of the wrong replies that hold no answer."""
    empty: float = 0.01
    """Share of the wrong replies that are empty."""
    cut_off: float = 0.01
    """Share of the wrong replies that end at the token limit before an answer."""


PLAIN = TaskModelSettings()


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What the simulated task model sees in an instruction."""

    labels_named: float
    """Share of the labels that occur, 0 to 1; 0 where there are none."""
    format_asked: bool
    steps_asked: bool
    harmful: int
    """Number of harmful words, not counting those of labels."""
    useless: int
    words: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """The highest accuracy there is, and an instruction that has it."""

    accuracy: float
    instruction: str


def traits(instruction: str, labels: Sequence[str]) -> Traits:
    """Read the traits of an instruction. A label is named where it stands as a whole word, outside a longer label."""
    rest = instruction
    named = 0
    for label in sorted(set(labels), key=len, reverse=True):
        rest, count = _label_pattern(label).subn(" ", rest)
        named += count > 0
    others = [word.lower() for word in _WORD.findall(rest)]
    return Traits(
        labels_named=named / len(set(labels)) if labels else 0.0,
        format_asked=_FORMAT.search(instruction) is not None,
        steps_asked=_STEPS.search(instruction) is not None,
        harmful=sum(word in HARMFUL for word in others),
        useless=sum(word in USELESS for word in others),
        words=len(_WORD.findall(instruction)),
    )


@lru_cache(maxsize=4096)
def _label_pattern(label: str) -> re.Pattern[str]:
    pattern = rf"(?<!\w){re.escape(label)}(?!\w)"
    return re.compile(pattern, 0 if len(label) == 1 else re.IGNORECASE)


def accuracy(instruction: str, labels: Sequence[str], settings: TaskModelSettings = PLAIN) -> float:
    """Expected share of right rows in [0, 1] under an instruction, by the rule at the module's top."""
    return _accuracy(instruction, tuple(labels), settings)


@lru_cache(maxsize=4096)
def _accuracy(instruction: str, labels: tuple[str, ...], settings: TaskModelSettings) -> float:
    seen = traits(instruction, labels)
    value = (
        settings.base
        + settings.labels_gain * seen.labels_named
        + settings.format_gain * seen.format_asked
        + settings.steps_gain * seen.steps_asked
        - settings.harmful_loss * seen.harmful
        - settings.useless_loss * seen.useless
        - settings.short_loss * max(0, settings.shortest - seen.words)
        - settings.long_loss * max(0, seen.words - settings.longest)
    )
    return min(settings.ceiling, max(settings.floor, value))


def optimum(labels: Sequence[str], settings: TaskModelSettings = PLAIN) -> Optimum:
    """The best instruction there is. Where not all labels fit into the best length, the shortest are named."""
    shortest_first = sorted(set(labels), key=lambda label: (len(_WORD.findall(label)), label))
    best = max(_contenders(shortest_first, settings), key=lambda text: accuracy(text, labels, settings))
    return Optimum(accuracy=accuracy(best, labels, settings), instruction=best)


def _contenders(labels: Sequence[str], settings: TaskModelSettings) -> Iterator[str]:
    """Every worthwhile mix of traits, each in its fewest words; the natural wording first, so that it wins a tie."""
    choice = f"answer with only one of these: {', '.join(labels)}" if labels else "give only the answer"
    yield f"Think step by step, then {choice}."
    for named in range(len(labels), -1, -1):
        for opening in ("Think. Only:", "Only:", "Think:", ""):
            text = f"{opening} {', '.join(labels[:named])}".strip()
            missing = max(0, settings.shortest - len(_WORD.findall(text)))
            yield " ".join([*_padding(missing), text]).strip()


def _padding(count: int) -> list[str]:
    """``count`` words without any trait."""
    return [_PADDING[place % len(_PADDING)] for place in range(count)]
