"""The meta-prompts that recipes send, word for word: a change of wording is a change of the optimizer.

After a wanted change, ``PROMPTDESCENT_WRITE_GOLDEN=1 make test`` writes the files anew; read their difference before
committing it.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from promptdescent.optimizer import OptimizerModel
from promptdescent.parts.direction.momentum import LexicalSimilarity
from promptdescent.parts.meta_prompt import MetaPrompt, read_chat_reply, task_sections
from promptdescent.recipes import RECIPES, recipe_named
from promptdescent.records import Candidate, Example, ModelSettings, OptimizerState, Placement, Prompt, TaskBrief

FOLDER = Path(__file__).parent

ROWS = tuple(
    Example(id=str(index), inputs=(("text", text),), target=target)
    for index, (text, target) in enumerate(
        [
            ("The train left without me.", "complaint"),
            ("Do you sell gift cards?", "question"),
            ("Thanks, great trip!", "praise"),
        ]
    )
)


def state() -> OptimizerState:
    texts = [
        ("What kind of message is this?", 0.31),
        ("What kind of message is this: complaint, question or praise?", 0.4167),
        ("Think hard about it.", 0.0),
        ("Is this message a complaint, a question or praise? Answer with one word.", 0.624),
    ]
    trajectory = tuple(
        Candidate(id=f"{step}.1", prompt=Prompt.of(text), parent=None, fate="scored", score=score, rows=24)
        for step, (text, score) in enumerate(texts)
    )
    return OptimizerState(
        step=3, total_steps=18, current=trajectory[-1], trajectory=trajectory, best=trajectory[-1], tried=()
    )


def rendered(recipe_name: str, style: str, placement: Placement) -> str:
    recipe = recipe_named(recipe_name)
    labels = ("complaint", "praise", "question")
    brief = TaskBrief(
        labels=labels,
        placement=placement,
        placeholders=("text",) if placement == "template" else (),
        train=ROWS,
        mean_over_rows=True,
        notes="The messages come from a travel agency.",
    )

    async def compose() -> MetaPrompt:
        return MetaPrompt.of(
            *recipe.refinement.frame(brief),
            *await recipe.momentum.retrieve(state(), LexicalSimilarity()),
            *recipe.gradient.describe(state(), brief),
            *task_sections(brief, rows=ROWS, words=recipe.step_size.words(4, 18)),
        )

    settings = ModelSettings(name="m", temperature=1.0, max_tokens=512, style=style)  # type: ignore[arg-type]
    model = OptimizerModel(llm=None, settings=settings)  # type: ignore[arg-type]
    return model.message(asyncio.run(compose())).text


@pytest.mark.parametrize("recipe", sorted(RECIPES))
@pytest.mark.parametrize(
    ("style", "placement"),
    [("chat", "after"), ("chat", "before"), ("chat", "system"), ("chat", "template"), ("few-shot", "after")],
)
def test_the_meta_prompt_is_the_one_on_file(recipe: str, style: str, placement: Placement) -> None:
    path = FOLDER / f"{recipe}.{style}.{placement}.txt"
    text = rendered(recipe, style, placement)
    if os.environ.get("PROMPTDESCENT_WRITE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("style", ["chat", "few-shot"])
def test_both_styles_carry_what_gpo_shows(style: str) -> None:
    text = rendered("gpo", style, "after")
    past = text.index("What kind of message is this: complaint, question or praise?")
    assert past < text.index("Is this message a complaint, a question or praise?")
    assert re.search(r"\b42\b", text), "the score of a retrieved prompt, 0 to 100"
    assert re.search(r"\b62\b", text), "the score of the current prompt"
    assert re.search(r"\b45\b", text), "the word budget of step 4 of 18"
    assert "Think hard about it." not in text, "the least similar prompt is not retrieved"
    for label in ("complaint", "praise", "question"):
        assert label in text


@pytest.mark.parametrize(
    ("reply", "prompt"),
    [
        ("<prompt>Say yes or no.</prompt>", "Say yes or no."),
        ("Sure!\n<prompt>\nSay yes or no.\n</prompt>\nGood luck.", "Say yes or no."),
        ("Say yes or no.", "Say yes or no."),
        ("<prompt>first</prompt> better: <prompt>second</prompt>", "second"),
        ("**Prompt:** Say yes or no.", "Say yes or no."),
        ("</prompt>", ""),
    ],
)
def test_the_prompt_is_read_from_a_chat_reply(reply: str, prompt: str) -> None:
    assert read_chat_reply(reply) == prompt
