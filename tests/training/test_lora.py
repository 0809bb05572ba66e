"""The training itself, where torch, transformers, peft and gguf are installed (``training/requirements.txt``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is for training alone; make train-writer installs it")
for name in ("transformers", "peft", "gguf"):
    pytest.importorskip(name, reason=f"{name} is for training alone; make train-writer installs it")

import numpy  # noqa: E402 - what is skipped above is needed first
from training.adapter import interleaved  # noqa: E402
from training.examples import Lesson  # noqa: E402
from training.lora import Plan, Training  # noqa: E402

from promptdescent import LocalLLM  # noqa: E402 - what is skipped above is needed first
from promptdescent.llm.base import Draw, Request  # noqa: E402
from promptdescent.llm.local import embedded_file  # noqa: E402

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]

LESSONS = tuple(
    Lesson(
        job="a",
        form=f"Answers: big, small\nCurrent: What is {thing}?\nBetter:",
        answers=(first, f"Big or small: {thing}?"),
    )
    for thing in ("it", "this thing", "that")
    for first in (f"Is {thing} big or small?", "Say big or small.")
)
PLAN = Plan(batch=2, rank=2, first_layer=28)


def training(state: Path, lessons: tuple[Lesson, ...] = LESSONS, plan: Plan = PLAN) -> Training:
    return Training(embedded_file(), lessons, plan, state)


def test_answers_cost_what_they_cost_alone_one_after_the_other(tmp_path: Path) -> None:
    """Several answers in one sequence, beside a shorter lesson, against one plain pass per answer."""
    made = training(tmp_path / "state.pt")
    made._model.eval()
    lessons = (
        LESSONS[0],
        replace(LESSONS[3], form=f'"A hill." = small\n{LESSONS[3].form}', answers=("Big or small?",)),
    )
    costs = []
    for form, answer in ((lesson.form, answer) for lesson in lessons for answer in lesson.answers):
        before, after = (made._tokenizer(text)["input_ids"] for text in (form, f" {answer}\n"))
        with torch.no_grad():
            logits = made._base(torch.tensor([before + after])).logits[0]
        costs += torch.nn.functional.cross_entropy(logits[len(before) - 1 : -1], torch.tensor(after), reduction="none")
    assert made.loss_on(lessons) == pytest.approx(float(sum(costs)) / len(costs), rel=1e-4)


def test_a_training_that_was_interrupted_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = training(tmp_path / "whole.pt")
    whole.run()
    monkeypatch.setattr("training.lora.SAVE_EVERY", 0.0)
    first = training(tmp_path / "parts.pt")
    losses = iter(range(2))
    loss_of = first._loss
    monkeypatch.setattr(first, "_loss", lambda batch: (next(losses), loss_of(batch))[1])
    with pytest.raises(StopIteration):
        first.run()
    again = training(tmp_path / "parts.pt")
    steps = again.steps - 2
    loss_then = again._loss
    taken = iter(range(steps))
    monkeypatch.setattr(again, "_loss", lambda batch: (next(taken), loss_then(batch))[1])
    again.run()
    assert next(taken, None) is None, "the steps that were done are not done again"
    for one, other in zip(whole._factors, again._factors, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_state_of_other_lessons_is_not_gone_on_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training(tmp_path / "state.pt").run()
    others = tuple(replace(lesson, answers=("Which size is it?",)) for lesson in LESSONS)
    assert training(tmp_path / "state.pt", others)._load() == (0, [])
    assert "starting anew" in capsys.readouterr().out
    assert training(tmp_path / "state.pt")._load()[0] == 3


def test_queries_and_keys_are_put_into_the_order_of_llama_cpp() -> None:
    """It rotates neighbours where transformers rotates the halves of a head: 0 4 1 5 2 6 3 7 for a head of eight."""
    rows = numpy.arange(16).reshape(16, 1)
    assert interleaved(rows, 2)[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
    assert interleaved(rows, 1)[:4, 0].tolist() == [0, 8, 1, 9]


async def test_llama_cpp_computes_what_was_trained(tmp_path: Path) -> None:
    made = training(tmp_path / "state.pt", LESSONS * 8, replace(PLAN, rank=8, first_layer=10, rate=3e-3))
    before = made.loss_on(LESSONS)
    made.run()
    assert made.loss_on(LESSONS) < before / 3
    made.write(tmp_path / "adapter.gguf", {"name": "test"})
    model = LocalLLM("smollm2", engines=1)
    writer = LocalLLM(f"smollm2+{tmp_path / 'adapter.gguf'}", beside=(model,))
    await writer.prepare()
    replies = [await continued(writer, form) for form in (LESSONS[0].form, *UNSEEN)]
    await writer.close()
    assert replies == [greedy(made, form) for form in (LESSONS[0].form, *UNSEEN)]
    assert replies[0] in {answer for lesson in LESSONS for answer in lesson.answers}


UNSEEN = (
    'Answers: cold, warm\n"It\'s 31 degrees in here!" = warm\nPast (12): What is it?\nCurrent (40): Is this so?\n'
    "Better, 20 words changed at most:",
    "Answers: yes, no\nCurrent: Is it?\nProblem: It does not say what to answer with.\nEdited:",
)
"""Forms with what forms have: rows in quotes, scores, a budget, a problem."""


async def continued(writer: LocalLLM, form: str) -> str:
    """How llama.cpp goes on."""
    asked = Request(
        role="optimizer",
        messages=(),
        text=form,
        temperature=0.0,
        max_tokens=12,
        stop=("\n",),
        draw=Draw(seed=0, step=0, slot="a", index=0),
    )
    return (await writer.complete(asked)).replies[0].text.strip()


def greedy(made: Training, form: str) -> str:
    """How torch goes on."""
    ids = made._tokenizer(form, return_tensors="pt")
    told = made._model.generate(**ids, max_new_tokens=12, do_sample=False)[0, ids["input_ids"].shape[1] :]
    return made._tokenizer.decode(told).split("\n")[0].strip()
