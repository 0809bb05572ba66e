"""A step of any recipe on scripted models, in which every kind of request occurs that the recipe makes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from promptdescent.llm.base import Request
from promptdescent.optimizer import Surroundings, first_state, take_step
from promptdescent.optimizer_model import OptimizerModel
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.similarity import LexicalSimilarity
from promptdescent.records import (
    Candidate,
    Evaluation,
    Example,
    ModelSettings,
    OptimizerState,
    Outcome,
    Placement,
    Prompt,
    SentRequest,
    TaskBrief,
)
from scripted import ScriptedLLM

STEP, STEPS = 4, 18

ROWS = tuple(
    Example(id=str(index), inputs=(("text", text),), target=target)
    for index, (text, target) in enumerate(
        [
            ("The train left without me.", "complaint"),
            ("Do you sell gift cards?", "question"),
            ("Thanks, great trip!", "praise"),
            ("My bag is lost.", "complaint"),
            ("When does the office open?", "question"),
        ]
    )
)

SCORED = (
    ("What kind of message is this?", 0.31),
    ("What kind of message is this: complaint, question or praise?", 0.4167),
    ("Think hard about it.", 0.0),
    ("Is this message a complaint, a question or praise? Answer with one word.", 0.624),
)

REPLIES = {
    "prompt": "Name the kind of message: complaint, question or praise.",
    "reason": "It does not say that a lost bag is a complaint.",
    "summary": "It leaves the kinds open. It does not say that a lost bag is a complaint.",
}


def requests(recipe: Recipe, style: str, placement: Placement = "after") -> list[SentRequest]:
    """The first request of each purpose, in the order in which they are sent: first those of the initialization, then
    those of step 4 of 18.
    """
    import anyio

    async def sent() -> list[SentRequest]:
        around = _around(style, placement)
        states = [_state(recipe, end=" Message: {text}" if placement == "template" else "")]
        if recipe.initialization.proposals:
            states.insert(0, replace(states[0], step=0, initialized=False))
        return [one for state in states for one in (await take_step(recipe, state, around))[0].requests]

    first: dict[str, SentRequest] = {}
    for request in anyio.run(sent):
        first.setdefault(request.purpose, request)
    return list(first.values())


def text_of(sent: Sequence[SentRequest]) -> str:
    """All of it as one text, which a golden file holds."""
    return "\n\n\n".join(f"===== {one.purpose}, replies: {one.n} =====\n\n{one.message.text}" for one in sent) + "\n"


def _around(style: str, placement: Placement) -> Surroundings:
    settings = ModelSettings(name="m", temperature=1.0, max_tokens=512, style=style)  # type: ignore[arg-type]
    return Surroundings(
        brief=TaskBrief(
            labels=("complaint", "praise", "question"),
            placement=placement,
            placeholders=("text",) if placement == "template" else (),
            train=ROWS,
            mean_over_rows=True,
            notes="The messages come from a travel agency.",
        ),
        dev=ROWS,
        evaluate=_evaluate,
        model=OptimizerModel(llm=ScriptedLLM(_reply), settings=settings),  # type: ignore[arg-type]
        similarity=LexicalSimilarity(),
        seed=0,
    )


def _reply(request: Request, number: int) -> str:
    """What a model of either style answers, each time in other words."""
    if request.text is not None:
        last_line = request.text.rsplit("\n", 1)[-1]
        tag = {"Problem:": "reason", "All problems:": "summary"}.get(last_line, "prompt")
        return f"{REPLIES[tag]} [{number}]"
    text = request.messages[0].text
    tag = next(tag for tag in REPLIES if f"</{tag}>" in text)
    said = REPLIES["prompt"] if "one prompt" in text else REPLIES[tag]
    return f"<{tag}>{said} [{number}]</{tag}>"


async def _evaluate(
    prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
) -> AsyncGenerator[Evaluation, None]:
    async for _ in prompts:
        yield _evaluation(examples)


def _evaluation(examples: Sequence[Example]) -> Evaluation:
    """Only questions are recognized."""
    outcomes = tuple(
        Outcome(example=row.id, kind="answered", score=float(row.target == "question"), answer="question")
        for row in examples
    )
    return Evaluation(outcomes=outcomes, score=sum(one.score or 0.0 for one in outcomes) / len(outcomes))


def _state(recipe: Recipe, *, end: str) -> OptimizerState:
    """Before step 4: four prompts were selected, one after the other."""
    before = [
        Candidate(id=f"{step}.1", prompt=Prompt.of(text + end), parent=None, fate="scored", score=score, rows=5)
        for step, (text, score) in enumerate(SCORED)
    ]
    past: tuple[Candidate, ...] = ()
    for one in before:
        past = recipe.momentum.remember(past, [one], [one])
    start = first_state(recipe, before[0].prompt, _evaluation(ROWS), total_steps=STEPS)
    return replace(
        start,
        step=STEP - 1,
        survivors=(before[-1],),
        past=past,
        best=before[-1],
        row_scores={before[-1].id: (1.0, 1.0, 1.0, 0.0, 0.0)},
        tried=tuple(text + end for text, _ in SCORED),
        summary="It leaves the kinds open." if recipe.momentum.needs_reflection else f"Say what it is.{end}",
        initialized=True,
    )
