"""Everything that recipes send to the optimizer model, word for word: a change of wording is a change of the optimizer.

After a wanted change, ``PROMPTDESCENT_WRITE_GOLDEN=1 make test`` writes the files anew; read their difference before
committing it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from golden_steps import requests, text_of

from promptdescent.parts.meta_prompt import read_chat_reply
from promptdescent.parts.recipe import Recipe
from promptdescent.recipes import RECIPES, mixture, recipe_named
from promptdescent.records import Placement

FOLDER = Path(__file__).parent

MIXTURES: dict[str, Mapping[str, Any]] = {
    "summary-of-prompts": {"base": "gpo", "momentum": {"part": "RunningSummary", "of": "prompts"}},
    "edit-with-past-and-reflection": {"base": "pe2:gpo-paper", "refinement": "Edit"},
    "paraphrase-with-budget": {"base": "ape", "initialization": "SeedPrompt", "step_size": "Cosine"},
}
"""Wordings that no recipe uses."""


def recipe_of(name: str) -> Recipe:
    return mixture(MIXTURES[name]) if name in MIXTURES else recipe_named(name)


@pytest.mark.parametrize(
    ("recipe", "style", "placement"),
    [
        *((name, style, "after") for name in [*RECIPES, *MIXTURES] for style in ("chat", "few-shot", "writer")),
        *(("gpo", "chat", placement) for placement in ("before", "system", "template")),
        ("ape", "chat", "template"),
    ],
)
def test_the_requests_are_those_on_file(recipe: str, style: str, placement: Placement) -> None:
    path = FOLDER / f"{recipe.replace(':', '.')}.{style}.{placement}.txt"
    text = text_of(requests(recipe_of(recipe), style, placement))
    if os.environ.get("PROMPTDESCENT_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_file_belongs_to_a_recipe() -> None:
    known = {name.replace(":", ".") for name in [*RECIPES, *MIXTURES]}
    found = [re.fullmatch(r"(.+)\.(?:chat|few-shot|writer)\.\w+\.txt", path.name) for path in FOLDER.glob("*.txt")]
    assert {match[1] for match in found if match} == known


def test_the_files_hold_every_kind_of_request() -> None:
    purposes = {sent.purpose for name in [*RECIPES, *MIXTURES] for sent in requests(recipe_of(name), "chat")}
    assert purposes == {"induction", "reflection", "summary", "proposal", "variant"}


@pytest.mark.parametrize("name", [*RECIPES, *MIXTURES])
def test_chat_meta_prompts_have_no_empty_section_and_say_nothing_twice(name: str) -> None:
    for sent in requests(recipe_of(name), "chat"):
        text = sent.message.text
        assert "\n\n\n" not in text
        assert text == text.strip()
        scores = [line for line in text.split("\n") if line.startswith("Score: ")]
        assert len(scores) == len(set(scores)), "the score of a prompt is told once"
        sentences = [one for one in re.split(r"(?<=[.:?])\s+", text) if len(one.split()) > 6 and "message" not in one]
        assert len(sentences) == len(set(sentences))
        assert ("[[PROMPT]]" in text) == (sent.purpose == "proposal" and "in other words" not in text)


@pytest.mark.parametrize("style", ["chat", "few-shot", "writer"])
def test_every_style_carries_what_gpo_shows(style: str) -> None:
    (sent,) = requests(recipe_named("gpo"), style)
    text = sent.message.text
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
