"""Mathematical answers, in LaTeX or plain, compared by what they mean: 1/2 is 0.5, and x + 1 is 1 + x."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
from collections.abc import Generator
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, cast

from promptdescent.errors import ConfigError, DataError, RunFailed
from promptdescent.records import Example
from promptdescent.tasks.metrics.answers import RIGHT_OR_WRONG
from promptdescent.tasks.metrics.base import Score, plain, references
from promptdescent.tasks.metrics.deadline import DeadlinePool, Raised
from promptdescent.tasks.reading import after_cue, parse_number, without_new_example

SECONDS = 10.0
"""What one answer may take; a usual one takes some hundredths."""

LONGEST = 20_000
"""Characters of a reply's end that are read; of a longer one the beginning is thoughts."""

Checked: TypeAlias = tuple[bool, str | None] | Raised
"""What came of a check: whether the answer is right, and the answer."""

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_FUNCTIONS = "sqrt|pi|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|log|ln|exp|min|max|gcd|lcm|inf|oo"
_COMMAND = re.compile(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.")
_WORD = re.compile(rf"(?<![^\W\d_])(?!(?:{_FUNCTIONS})\b)[^\W\d_]{{2,}}")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_OUTER = " \t\r\n*_`\"'"
_SQUARE_ROOT = re.compile(r"(?<!\\)\bsqrt\s*\(([^()]*)\)")
_PLAIN_FUNCTION = re.compile(r"(?<![\\A-Za-z])(pi|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|log|ln|exp)\b")


@dataclass(frozen=True)
class MathMatch:
    """1 if the answer is mathematically equal to the target, as the library math-verify has it.

    Formulas from a model can take for ever to simplify, so each answer is checked in a process of its own and counts as
    unreadable after ``seconds``, which :attr:`Score.feedback` says. Processes that fail are replaced once, and an
    answer that ends those too is unreadable; but where they cannot check anything, scoring raises :class:`RunFailed`.
    Where math-verify reads no formula in the target, answer and target are compared as text. Raises
    :class:`ConfigError` if the extra is not installed.
    """

    seconds: float = SECONDS
    name: ClassVar[str] = "math"
    needs_target: ClassVar[bool] = True
    perfect_score: ClassVar[float] = 1.0
    scoring: ClassVar[str] = RIGHT_OR_WRONG
    _pool: DeadlinePool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        missing = [name for name in ("math_verify", "pebble") if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(
                f'--metric math: not installed: {" and ".join(missing)}, an extra; pip install "promptdescent[math]"'
            )
        object.__setattr__(self, "_pool", DeadlinePool(seconds=self.seconds, initializer=prepare_worker))

    def check(self, targets: tuple[str, ...]) -> None:
        """Raise :class:`DataError` for a target without a letter or digit: no answer could equal it."""
        for target in targets:
            if not re.search(r"[^\W_]|\\", target):
                raise DataError(f"--metric math: the target {target[:60]!r} is no answer; correct the data")

    def score(self, reply: str, example: Example) -> Score:
        """Waits for the check; :meth:`score_aside` does not hold up an event loop."""
        if not reply.strip():
            return Score(0.0, None)
        steps = self._steps(reply, example)
        while True:
            try:
                wait([next(steps)])
            except StopIteration as end:
                return cast(Score, end.value)

    async def score_aside(self, reply: str, example: Example) -> Score:
        """As :meth:`score`, while other coroutines go on."""
        if not reply.strip():
            return Score(0.0, None)
        steps = self._steps(reply, example)
        while True:
            try:
                future = next(steps)
            except StopIteration as end:
                return cast(Score, end.value)
            with suppress(Exception):  # the next step looks at it
                await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the processes that check; a later answer starts them again."""
        self._pool.close()

    def _steps(self, reply: str, example: Example) -> Generator[Future[Checked], None, Score]:
        """What has to be waited for, one after the other, and then the score: the check, again in new processes if
        these fail, and a check of which nobody doubts that it can be done. Raises :class:`RunFailed`.
        """
        text = without_new_example(reply, example.question)[-LONGEST:]
        for _ in range(2):
            future = self._pool.submit(check_answer, text, references(example.target))
            yield future
            try:
                return self._score(future.result())
            except TimeoutError:
                return _unreadable(f"was stopped after {self.seconds:g} seconds")
            except CancelledError:  # it is closed
                raise
            except Exception:
                self._pool.mend()
        future = self._pool.submit(check_answer, "1", ["1"])
        yield future
        try:
            future.result()
        except Exception as error:
            self._pool.mend()
            why = " ".join(str(error).split()) or type(error).__name__
            raise RunFailed(
                f"--metric math: the processes that check answers do not work, new ones neither: {why}; free memory or "
                "processes, then resume the run"
            ) from error
        return _unreadable("ended its process twice")

    def _score(self, checked: Checked) -> Score:
        if isinstance(checked, Raised):
            return _unreadable(f"broke off ({checked.name})")
        right, answer = checked
        return Score(float(right), answer)


def _unreadable(why: str) -> Score:
    return Score(0.0, None, f"The check of this answer {why}, so it counts as unreadable.")


# --- in the worker process -------------------------------------------------------------------------------------------


def prepare_worker() -> None:
    """Load math-verify, before the clock of the first answer starts."""
    import math_verify

    logging.getLogger(math_verify.__name__).setLevel(logging.ERROR)  # it warns that its own time-outs are off


def check_answer(reply: str, targets: list[str]) -> tuple[bool, str | None]:
    """Whether the reply's answer equals one of ``targets``, and the answer as it was read; None if there is none."""
    answer, formulas = read_formulas(reply)
    if not formulas and not answer:
        return False, None
    as_text = False  # whether a target is no formula, so that any text is an answer
    for target in targets:
        wanted = read_target(target)
        as_text = as_text or not wanted
        if plain(_without_text(answer)) == plain(_without_text(target)) or (wanted and _equal(wanted, formulas)):
            return True, answer
    return False, answer if formulas or as_text else None


def read_target(target: str) -> list[Any]:
    """The formula that ``target`` is, as math-verify has it; [] if it is none."""
    text = target.rpartition("####")[2].strip()
    if "$" in text or "\\(" in text or "\\[" in text or _BOXED.search(text):
        return _parse(text)
    return _parse(_formula(text) or text)


def read_formulas(reply: str) -> tuple[str, list[Any]]:
    """The answer of a reply as text, and as what math-verify makes of it.

    The answer is what stands in the last ``\\boxed``; else, after an answer cue or of a reply of one line, the line, if
    it is a formula and no sentence; else what math-verify finds.
    """
    if boxed := _last_boxed(reply):
        return boxed, _parse(f"\\boxed{{{boxed}}}") or _parse(_formula(boxed) or boxed)
    rest = after_cue(reply)
    lines = [line for line in rest.split("\n") if line.strip(_OUTER)]
    first = lines[0].strip(_OUTER).removesuffix(".").strip(_OUTER) if lines else ""
    if first and (rest is not reply or len(lines) == 1) and (formula := _formula(first)):
        return first, _parse(formula)
    found = (_parse(lines[0]) if lines and rest is not reply else []) or _parse(rest)
    texts = [one for one in found if isinstance(one, str)]
    return texts[-1] if texts else first, found


def _parse(text: str) -> list[Any]:
    from math_verify import parse

    # Its own time-outs are off: they are signals, and the pool's deadline holds for whatever hangs.
    return list(parse(text, parsing_timeout=None))


def _equal(wanted: list[Any], found: list[Any]) -> bool:
    from math_verify import verify

    return bool(found) and verify(wanted, found, timeout_seconds=None)


def _formula(text: str) -> str | None:
    """``text`` as LaTeX between dollars if it is a formula, a number as it is; None if it is a sentence."""
    if "%" not in text and (number := parse_number(text)) is not None:
        return f"{number:f}"
    inside = text[1:-1] if len(text) > 2 and text[0] == text[-1] == "$" else text
    if "$" in inside or _WORD.search(_COMMAND.sub(" ", _TEXT.sub(" ", inside))):
        return None
    inside = _SQUARE_ROOT.sub(r"\\sqrt{\1}", inside)
    inside = _PLAIN_FUNCTION.sub(r"\\\1 ", inside)
    inside = inside.replace("**", "^").replace("*", r" \cdot ")
    return f"${inside}$"


def _last_boxed(text: str) -> str | None:
    """What the last ``\\boxed{...}`` that is closed holds."""
    for start in reversed(list(_BOXED.finditer(text))):
        depth = 1
        for place in range(start.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return text[start.end() : place].strip() or None
    return None


def _without_text(answer: str) -> str:
    """An answer without what LaTeX puts around words: ``\\text{(C)}`` is (C)."""
    return _TEXT.sub(r"\1", answer).replace("$", "").strip()
