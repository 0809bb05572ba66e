"""The loop on scripted models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from promptdescent.errors import BudgetExhausted
from promptdescent.evaluator import Evaluator
from promptdescent.llm.base import Request
from promptdescent.llm.budget import Caps
from promptdescent.llm.limits import RetryPolicy
from promptdescent.optimizer import Surroundings, first_state
from promptdescent.optimizer_model import OptimizerModel
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.similarity import LexicalSimilarity
from promptdescent.records import (
    Evaluate,
    Evaluation,
    Example,
    ModelSettings,
    OptimizerState,
    Outcome,
    Prompt,
    TaskBrief,
)
from promptdescent.tasks.metrics import ExactMatch
from promptdescent.tasks.objective import Mean
from promptdescent.tasks.scoring import by_metric
from promptdescent.tasks.target import PromptTarget
from scripted import Answer, MemoryBooks, ScriptedLLM, engine, wrapped

TRAIN = tuple(Example(id=f"t{n}", inputs=(("text", f"train {n}"),), target="x") for n in range(10))
DEV = tuple(Example(id=f"d{n}", inputs=(("text", f"dev {n}"),), target="x") for n in range(20))
BRIEF = TaskBrief(labels=(), placement="after", placeholders=(), train=TRAIN, mean_over_rows=True)
SETTINGS = ModelSettings(name="m", temperature=1.0, max_tokens=99)

RowScore = Callable[[str, Example], float | None]
"""The score of a prompt's text on a row; None for a row that is missing."""


def outcome(row: Example, score: float | None) -> Outcome:
    if score is None:
        return Outcome(example=row.id, kind="missing", score=None, error="down")
    return Outcome(example=row.id, kind="answered", score=score, answer="x" if score == 1 else "y")


def evaluation(scores: Sequence[float | None], rows: Sequence[Example] = DEV) -> Evaluation:
    known = [score for score in scores if score is not None]
    return Evaluation(
        outcomes=tuple(outcome(row, score) for row, score in zip(rows, scores, strict=True)),
        score=sum(known) / len(known) if known else None,
    )


class Scored:
    """Scores by a function of prompt and row, and keeps what it was asked for, in order."""

    def __init__(self, score: RowScore, *, most: int | None = None) -> None:
        self._score = score
        self._most = most
        self.asked: list[tuple[str, str]] = []
        """Text and row."""

    async def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        async with aclosing(prompts):
            async for prompt in prompts:
                scores = []
                for row in examples:
                    if self._most is not None and len(self.asked) >= self._most:
                        raise BudgetExhausted("the cap is reached")
                    self.asked.append((prompt.text, row.id))
                    scores.append(self._score(prompt.text, row))
                yield evaluation(scores, examples)

    def rows_of(self, text: str) -> list[str]:
        """The rows that a prompt was put to, in order."""
        return [row for asked, row in self.asked if asked == text]


def start(recipe: Recipe, score: float = 0.5, *, total: int = 4) -> OptimizerState:
    """The state after the prompt ``start`` got this score."""
    right = round(score * len(DEV))
    scores = [1.0] * right + [0.0] * (len(DEV) - right)
    return first_state(recipe, Prompt.of("start"), evaluation(scores), total_steps=total)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Models behind their limits, and what the loop works with."""

    around: Surroundings
    optimizer: ScriptedLLM
    task: ScriptedLLM
    books: MemoryBooks


def stage(
    reply: Callable[[Request], Answer],
    score: RowScore | None = None,
    *,
    evaluate: Evaluate | None = None,
    caps: Caps | None = None,
    concurrency: int = 8,
    delay: Callable[[Request], float] = lambda request: 0.0,
    brief: TaskBrief = BRIEF,
    seed: int = 3,
) -> Stage:
    """``reply`` is the optimizer model. ``score`` decides whether the task model is right in a row (above 0), so that
    everything goes through cache and budget; ``evaluate`` takes its place.
    """
    books = MemoryBooks()
    retry = RetryPolicy(attempts=2, first_wait=0.0001, longest_wait=0.001)
    shared = engine(books, caps=caps, slots=concurrency, retry=retry)

    def answer(request: Request, number: int) -> str:
        question, _, text = request.messages[0].text.partition("\n")
        row = next(row for row in (*TRAIN, *DEV) if row.question == question)
        assert score is not None
        return "x" if score(text, row) else "y"

    optimizer = ScriptedLLM(lambda request, number: reply(request), delay=delay)
    task = ScriptedLLM(answer, delay=delay)
    settings = ModelSettings(name="t", temperature=0.0, max_tokens=9)
    evaluator = Evaluator(
        target=PromptTarget(wrapped(task, books, shared), settings, "after"),
        scorer=by_metric(ExactMatch()),
        objective=Mean(),
        seed=seed,
        window=16 * concurrency,
    )
    around = Surroundings(
        brief=brief,
        dev=DEV,
        evaluate=evaluate or evaluator,
        model=OptimizerModel(llm=wrapped(optimizer, books, shared), settings=SETTINGS),
        similarity=LexicalSimilarity(),
        seed=seed,
    )
    return Stage(around=around, optimizer=optimizer, task=task, books=books)


def asked_for(request: Request) -> str:
    """What a chat request wants: prompt, reason or summary."""
    return request.messages[0].text.rsplit("</", 1)[-1].partition(">")[0]
