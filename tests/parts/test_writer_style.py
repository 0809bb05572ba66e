"""The form that the prompt writer was trained on, and when it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError
from promptdescent.parts.few_shot import render_few_shot
from promptdescent.parts.meta_prompt import MetaPrompt, job_sections, task_sections
from promptdescent.parts.raw_job import RawJob, read_raw_reply
from promptdescent.parts.sections import CurrentPrompt
from promptdescent.parts.writer import MOST_ROW_WORDS, render_form, render_writer
from promptdescent.records import Example, TaskBrief

GOLDEN = Path(__file__).parents[1] / "golden"

BRIEF = TaskBrief(
    labels=("good", "bad"), placement="after", placeholders=(), train=(), mean_over_rows=True, notes="About hotels."
)


def meta_prompt(text: str = "Nice bed.") -> MetaPrompt:
    row = Example(id="1", inputs=(("text", text),), target="good")
    return MetaPrompt.of(
        *job_sections("write"),
        *task_sections(BRIEF, rows=(row,), words=12),
        CurrentPrompt(text="Say\nsomething.", score=0.25),
    )


def test_the_form_says_what_there_is_in_one_line_each() -> None:
    assert render_writer(meta_prompt()).split("\n") == [
        "Answers: good, bad",
        '"Nice bed." = good',
        "Current (25): Say something.",
        "Better, 12 words changed at most:",
    ]


def test_what_a_job_does_not_say_has_no_line() -> None:
    assert render_form(RawJob(verb="induce")) == "Instruction:"
    assert render_form(RawJob(verb="write", scored=(("Say it.", ""),))) == "Current: Say it.\nBetter:"


def test_of_a_long_input_its_beginning_is_shown() -> None:
    text = " ".join(f"w{place}" for place in range(MOST_ROW_WORDS + 1))
    shown = render_writer(meta_prompt(text)).split("\n")[1]
    assert shown == f'"{" ".join(text.split()[:MOST_ROW_WORDS])} ..." = good'
    assert text in render_few_shot(meta_prompt(text)), "other styles show all of it"


@pytest.mark.parametrize("of_writer", sorted(GOLDEN.glob("*.writer.after.txt")), ids=lambda path: path.name)
def test_a_request_is_less_than_half_as_long_as_in_few_shot_style(of_writer: Path) -> None:
    of_few_shot = of_writer.with_name(of_writer.name.replace(".writer.", ".few-shot."))
    assert len(of_writer.read_text("utf-8")) < len(of_few_shot.read_text("utf-8")) / 2


@pytest.mark.parametrize(("reply", "prompt"), [(" Good or bad?\nmore", "Good or bad?"), ("\n\n", ""), ("", "")])
def test_the_answer_is_the_first_line(reply: str, prompt: str) -> None:
    assert read_raw_reply(reply) == prompt


# --- which style an optimizer model gets ------------------------------------------------------------------------------


def test_the_writer_gets_its_form_unless_another_style_is_said() -> None:
    spec = RunSpec(task_model="local:smollm2", optimizer_model="local:smollm2+writer")
    assert (spec.model("optimizer").settings.style, spec.model("optimizer").settings.stop) == ("writer", ("\n",))
    handed_in = RunSpec(task_model="m", optimizer_model="python:local:smollm2+writer").model("optimizer").settings
    assert handed_in.style == "writer"
    other = spec.with_settings({"optimizer_style": "few-shot"}).model("optimizer").settings
    assert (other.style, other.stop) == ("few-shot", ("\n",))


@pytest.mark.parametrize("model", ["local:smollm2", "gpt-4o-mini", None])
def test_other_models_get_a_chat(model: str | None) -> None:
    settings = RunSpec(task_model="local:smollm2", optimizer_model=model).model("optimizer").settings
    assert (settings.style, settings.stop) == ("chat", ())


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--optimizer-style cannot be 'write'.*writer"):
        RunSpec(task_model="m", optimizer_style="write")  # type: ignore[arg-type]


def test_simulated_models_do_not_know_the_form() -> None:
    with pytest.raises(ConfigError, match="simulated models read the styles chat and few-shot"):
        RunSpec(task_model="m", optimizer_model="simulated:plain", optimizer_style="writer")
