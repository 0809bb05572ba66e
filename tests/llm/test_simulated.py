"""The simulated models do what their docstrings promise: a known accuracy, fixed replies, moves within the budget."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, EndpointFailed, RateLimited, RequestRefused
from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.llm.simulated import (
    PLAIN,
    PRESETS,
    Faults,
    OptimizerModelSettings,
    SimulatedOptimizer,
    SimulatedTask,
    TaskModelSettings,
    accuracy,
    optimum,
    simulated,
)
from promptdescent.llm.simulated.reading import read, read_raw
from promptdescent.records import Example, Message, Role
from promptdescent.text import extract_tagged, word_edit_distance

pytestmark = pytest.mark.anyio

LABELS = ("positive", "negative", "mixed")
NO_NONSENSE = OptimizerModelSettings(nonsense=0.0, obeys_tags=1.0, keeps_placeholders=1.0)


def rows(count: int, labels: Sequence[str] = LABELS) -> list[Example]:
    return [
        Example(
            id=f"row-{i}", inputs=(("text", f"Customer {i} says the parcel came {i} days late."),), target=labels[i % 3]
        )
        for i in range(count)
    ]


def ask(
    *texts: str, role: Role = "task", temperature: float = 0.0, index: int = 0, n: int = 1, max_tokens: int = 256
) -> Request:
    """A chat of user messages; with two texts, the first is the system message."""
    roles = ("system", "user") if len(texts) == 2 else ("user",)
    return Request(
        role=role,
        messages=tuple(Message(role=name, content=(text,)) for name, text in zip(roles, texts, strict=True)),  # type: ignore[arg-type]
        temperature=temperature,
        max_tokens=max_tokens,
        n=n,
        draw=Draw(seed=0, step=1, slot="test", index=index),
    )


async def text_of(llm: LLM, request: Request) -> str:
    return (await llm.complete(request)).replies[0].text


def is_right(reply: str, target: str) -> bool:
    return reply in (target, f"The answer is {target}.")


# The accuracy function


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("Say how the customer feels today: positive?", "Say how the customer feels today: positive, negative?"),
        ("Say how the customer feels about it.", "Say how the customer feels about it, in one word."),
        ("Say how the customer feels about it.", "Think, and say how the customer feels about it."),
        ("Say how the customer feels about it, or guess.", "Say how the customer feels about it, or not."),
        ("Guess how a pirate feels about it all.", "Guess how a person feels about it all."),
        ("Please say how the customer feels about it.", "Now say how the customer feels about it."),
        ("How?", "How does the customer feel here?"),
        ("How does it feel? " + "Look once more. " * 20, "How does it feel? " + "Look once more. " * 15),
    ],
)
def test_every_trait_moves_the_accuracy_its_own_way(worse: str, better: str) -> None:
    assert accuracy(worse, LABELS) < accuracy(better, LABELS)


def test_each_further_label_adds_the_same_gain() -> None:
    base = "Say how the writer of this text feels"
    levels = [accuracy(f"{base} {' '.join(LABELS[:named])}", LABELS) for named in range(4)]
    assert levels == pytest.approx([PLAIN.base + PLAIN.labels_gain * named / 3 for named in range(4)])


def test_a_label_inside_a_longer_one_or_a_word_is_not_named() -> None:
    labels = ("good", "not good")
    assert accuracy("Is this message not good, or what else?", labels) == pytest.approx(
        PLAIN.base + PLAIN.labels_gain / 2
    )
    assert accuracy("Are the goods of the best quality?", labels) == pytest.approx(PLAIN.base)
    assert accuracy("Is it a letter or a digit?", ("A", "B")) == pytest.approx(PLAIN.base)


def test_accuracy_stays_between_floor_and_ceiling() -> None:
    assert accuracy("guess " * 20, LABELS) == PLAIN.floor
    generous = replace(PLAIN, base=0.9)
    assert accuracy("Think step by step, only: positive negative mixed", LABELS, generous) == generous.ceiling


@pytest.mark.parametrize("labels", [LABELS, (), ("yes", "no"), tuple(f"topic number {i}" for i in range(30))])
def test_no_instruction_beats_the_optimum(labels: tuple[str, ...]) -> None:
    best = optimum(labels)
    assert best.accuracy == accuracy(best.instruction, labels)
    chance = random.Random(1)
    pieces = [*labels, "only", "think", "first", "then", "exactly", "the", "text", "please", "guess", "customer"]
    for _ in range(300):
        tried = " ".join(chance.choices(pieces, k=chance.randrange(60)))
        assert accuracy(tried, labels) <= best.accuracy + 1e-12


def test_the_optimum_of_a_small_task_has_every_gain() -> None:
    gains = PLAIN.base + PLAIN.labels_gain + PLAIN.format_gain + PLAIN.steps_gain
    assert optimum(LABELS).accuracy == pytest.approx(gains)
    assert optimum(()).accuracy == pytest.approx(gains - PLAIN.labels_gain)


# The task model


@pytest.mark.parametrize("instruction", ["How does the writer feel?", "Guess.", optimum(LABELS).instruction])
async def test_measured_accuracy_is_the_stated_one(instruction: str) -> None:
    data = rows(2000)
    model = SimulatedTask(PLAIN, data, LABELS)
    replies = await asyncio.gather(*(text_of(model, ask(f"{row.question}\n\n{instruction}")) for row in data))
    right = sum(is_right(reply, row.target) for reply, row in zip(replies, data, strict=True))
    stated = model.accuracy(instruction)
    assert abs(right / 2000 - stated) < 3 * math.sqrt(stated * (1 - stated) / 2000)


async def test_two_equally_good_instructions_err_on_different_rows() -> None:
    data = rows(400)
    model = SimulatedTask(PLAIN, data, LABELS)
    one, two = "How does the writer feel?", "How does the author feel?"
    assert model.accuracy(one) == model.accuracy(two)
    right = {
        instruction: [is_right(await text_of(model, ask(f"{row.question}\n{instruction}")), row.target) for row in data]
        for instruction in (one, two)
    }
    differing = sum(a != b for a, b in zip(right[one], right[two], strict=True))
    assert 0.06 < differing / 400 < 0.22  # (1 - 0.85 ** 2) * 2 * p * (1 - p) = 0.137 expected


async def test_wrong_replies_are_of_the_stated_kinds() -> None:
    settings = TaskModelSettings(base=0.0, floor=0.0, empty=0.2, cut_off=0.2, unreadable=0.2)
    data = rows(1000)
    model = SimulatedTask(settings, data, LABELS)
    kinds: Counter[str] = Counter()
    for row in data:
        reply = (await model.complete(ask(f"{row.question}\nFeel?"))).replies[0]
        assert not is_right(reply.text, row.target)
        kind = "empty" if not reply.text else "label" if reply.text in LABELS else "unreadable"
        kinds["cut off" if reply.finish == "length" else kind] += 1
    assert all(140 < kinds[kind] < 260 for kind in ("empty", "cut off", "unreadable"))
    assert kinds["label"] == 1000 - kinds["empty"] - kinds["cut off"] - kinds["unreadable"]


async def test_the_form_of_the_answer_follows_the_instruction() -> None:
    sure = TaskModelSettings(base=1.0, ceiling=1.0)
    model = SimulatedTask(sure, rows(3), LABELS)
    question = rows(3)[1].question
    assert await text_of(model, ask(f"{question}\nWhich of the three feelings is it?")) == "negative"
    assert await text_of(model, ask(f"{question}\nThink about the feeling behind it.")) == "The answer is negative."


@pytest.mark.parametrize("target", ["42", "-3.5", "1,200", "a longer free text", "abba", '["first text", "second"]'])
async def test_wrong_and_right_answers_without_labels(target: str) -> None:
    row = Example(id="r", inputs=(("q", "How many?"),), target=target)
    request = ask("How many?\nTell it to us all at once.")
    right = TaskModelSettings(base=1.0, ceiling=1.0)
    wrong = TaskModelSettings(base=0.0, floor=0.0, empty=0, cut_off=0, unreadable=0)
    shown = "first text" if target.startswith("[") else target
    assert await text_of(SimulatedTask(right, [row], ()), request) == shown
    answer = await text_of(SimulatedTask(wrong, [row], ()), request)
    assert answer.casefold() != shown.casefold()
    if target in ("42", "-3.5", "1,200"):
        assert float(answer) != float(target.replace(",", ""))


async def test_greedy_replies_ignore_the_draw_and_sampled_ones_do_not() -> None:
    data = rows(60)
    model = SimulatedTask(replace(PLAIN, own_luck=1.0), data, LABELS)

    async def replies(temperature: float, index: int) -> list[str]:
        return [await text_of(model, ask(row.question, temperature=temperature, index=index)) for row in data]

    assert await replies(0.0, 0) == await replies(0.0, 1)
    assert await replies(1.0, 0) == await replies(1.0, 0)
    assert await replies(1.0, 0) != await replies(1.0, 1)


async def test_a_low_token_limit_cuts_the_reply() -> None:
    model = SimulatedTask(TaskModelSettings(base=1.0, ceiling=1.0), rows(3), LABELS)
    request = ask(f"{rows(1)[0].question}\nHow does the writer feel?", max_tokens=1)
    completion = await model.complete(request)
    assert (completion.replies[0].text, completion.replies[0].finish) == ("posi", "length")
    assert completion.usage.tokens_out == 1
    assert completion.usage.tokens_in == math.ceil(request.characters / 4)
    stopped = await model.complete(replace(request, max_tokens=9, stop=("sit",)))
    assert (stopped.replies[0].text, stopped.replies[0].finish) == ("po", "stop")


# Finding the row

SHORT = Example(id="short", inputs=(("text", "Too late."),), target="negative")
LONG = Example(id="long", inputs=(("text", "Too late.\nBut the driver was kind."),), target="mixed")
PAIR = Example(id="pair", inputs=(("premise", "All are late."), ("claim", "One is late.")), target="positive")
WORD = Example(id="word", inputs=(("text", "opposite"),), target="negative")
DIGITS = Example(id="digits", inputs=(("text", "2 4"),), target="positive")
FOUND = (SHORT, LONG, PAIR, WORD, DIGITS, *rows(12)[-2:])


@pytest.mark.parametrize("row", FOUND, ids=lambda row: str(row.id))
@pytest.mark.parametrize(
    ("placement", "texts"),
    [
        ("after", ("{q}\n\nWrite the opposite of what it says.",)),
        ("before", ("Write the opposite of what it says.\n{q}",)),
        ("system", ("Write the opposite of what it says.", "{q}")),
        ("empty", ("{q}",)),
        ("template", ("Here is one: {q}. How does it feel to all of us?",)),
    ],
)
async def test_the_row_is_found_in_every_placement(row: Example, placement: str, texts: tuple[str, ...]) -> None:
    model = SimulatedTask(TaskModelSettings(base=1.0, ceiling=1.0, harmful_loss=0.0), FOUND, LABELS)
    assert await text_of(model, ask(*(text.replace("{q}", row.question) for text in texts))) == row.target, placement


async def test_a_template_with_several_columns_and_a_copied_row() -> None:
    model = SimulatedTask(TaskModelSettings(base=1.0, ceiling=1.0), FOUND, LABELS)
    assert await text_of(model, ask("Does this follow: One is late. From: All are late. So?")) == PAIR.target
    # A row that the instruction cites does not win over the one that stands by itself.
    cited = "For example, 'Customer 11 says the parcel came 11 days late.' is mixed."
    assert await text_of(model, ask(f"{SHORT.question}\n\n{cited}")) == SHORT.target
    # Digits count as whole words only.
    for longer in ("12 4", "2 45"):
        with pytest.raises(RequestRefused, match="hand in all rows"):
            await model.complete(ask(f"What is {longer} to you?"))


@pytest.mark.parametrize("around", ["{q}\nHow does the writer feel here?", "Here: {q}; how does the writer feel?"])
async def test_the_instruction_is_the_request_without_the_row(around: str) -> None:
    labels_in_row = Example(id="x", inputs=(("text", "positive negative mixed, guess, think, only"),), target="mixed")
    model = SimulatedTask(TaskModelSettings(base=0.5, own_luck=1.0), [labels_in_row], LABELS)
    text = around.replace("{q}", labels_in_row.question)
    right = [is_right(await text_of(model, ask(text, temperature=1.0, index=i)), "mixed") for i in range(600)]
    assert abs(sum(right) / 600 - 0.5) < 3 * math.sqrt(0.25 / 600)


async def test_thousands_of_calls_on_five_hundred_rows_are_quick() -> None:
    data = rows(500)
    model = SimulatedTask(PLAIN, data, LABELS)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for row in data:
        await model.complete(ask(f"Here: {row.question} How does the writer feel?"))
        await model.complete(ask(f"{row.question}\nHow does the writer feel?"))
    assert loop.time() - start < 5.0


# The optimizer model reads any meta-prompt

SCORED = {"Say how it feels.": 40.0, "Name the mood in one word.": 63.0, "Choose a mood: good, bad.": 71.5}
FORMS = {
    "lines": "Prompt: {p}\nScore: {s}\n\n",
    "text lines": "text: {p}\nscore: {s}\n",
    "numbered": "Instruction 3: {p}\nScore = {s}\n",
    "bold": "**Prompt:** {p}\n**Score:** {s}%\n\n",
    "quoted": 'Prompt: "{p}"\nScore: {s}\n',
    "brackets": "{p} ({s})\n",
    "listed brackets": "- {p} (score: {s}%)\n",
    "brackets out of 100": "2. {p} [{s}/100]\n",
    "scored label": "Instruction ({s}): {p}\n",
    "arrow": "{p} -> {s}\n",
    "quoted arrow": '"{p}" => {s}\n',
    "table": "{p} | {s}\n",
    "tags": "<prompt>{p}</prompt>\n<score>{s}</score>\n",
    "json": '{{"prompt": "{p}", "score": {s}}}\n',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("scale", [1, 100])
def test_scored_prompts_are_read_in_every_form(form: str, scale: int) -> None:
    entries = "".join(form.format(p=prompt, s=score / scale) for prompt, score in SCORED.items())
    text = f"Earlier prompts, each with a score from 0 to {100 // scale}:\n\n{entries}\nWrite a better one."
    assert {entry.text: entry.score for entry in read(text).scored} == {p: s / scale for p, s in SCORED.items()}


def test_templates_and_worked_pairs_are_read_whole() -> None:
    template = "Judge this.\nText: {text}\nMood:"
    assert [entry.text for entry in read(f"Prompt: {template}\nScore: 55\n").scored] == [template.rstrip(":") + ":"]
    few_shot = "Tell the tongue. (31) -> Name the language in one word. (80)\nSay how it feels. (40) -> "
    reading = read(few_shot)
    assert [(entry.text, entry.score) for entry in reading.scored] == [
        ("Tell the tongue.", 31),
        ("Name the language in one word.", 80),
        ("Say how it feels.", 40),
    ]
    assert reading.current == "Say how it feels."


@pytest.mark.parametrize(
    "text",
    [
        "The current prompt:\nSay how it feels.\n\nThe prompt stands after each input.",
        "**Current prompt:** Say how it feels.\n\nMore.",
        'Current instruction (score 40): "Say how it feels."',
        "The current prompt is:\n```\nSay how it feels.\n```\n",
        "Current prompt: <p>Say how it feels.</p>",
        "Prompt: Other one here.\nScore: 3\n\nPrompt: Say how it feels.\nScore: 40\n\nWrite a better one.",
        "Instruction (3): Name it.\nInstruction now (40): Say how it feels.\nBetter instruction, at most 9 words:",
        "Name the tongue. (9) -> Name the language. (50)\nSay how it feels. (40) ->",
    ],
)
def test_the_current_prompt_is_read(text: str) -> None:
    assert read(text).current == "Say how it feels."


def test_worked_pairs_of_other_jobs_are_left_aside() -> None:
    pair = "Instruction now (20): Name the tongue.\nBetter instruction, at most 30 words changed: Name the language."
    job = "Answers: good, bad\nInstruction (40): Say how it feels.\nBetter instruction, at most 9 words changed:"
    reading = read_raw(f"{pair}\n\n{job}")
    assert [entry.text for entry in reading.scored] == ["Say how it feels."]
    assert (reading.current, reading.words) == ("Say how it feels.", 9)


def test_a_current_prompt_with_an_empty_line_is_known_from_its_entry() -> None:
    prompt = "Say how it feels.\n\nUse one word."
    text = f"Prompt: {prompt}\nScore: 40\n\nThe current prompt:\n{prompt}\n\nWrite a better one."
    assert read(text).current == prompt


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("You may change up to 12 words of the current prompt.", 12),
        ("Edit at most **7** words.", 7),
        ("Word budget: 30", 30),
        ("Words to change: 9 at most", 9),
        ("Change no more than 1 word.", 1),
        (
            "A text of 500 words came. You may change up to 12 words. The next has 300 words and more.",
            12,
        ),
        ("Change up to 30 words: A -> B\nChange up to 12 words: C ->", 12),
        ("Answer with one word only.", None),
    ],
)
def test_the_word_budget_is_read(text: str, words: int | None) -> None:
    assert read(text).words == words


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Return it between <prompt> and </prompt>.", ("<prompt>", "</prompt>")),
        ("Wrap it: <new_text>...</new_text>", ("<new_text>", "</new_text>")),
        ("Put it between <START> and <END>", ("<START>", "<END>")),
        ("<row>a b</row> Reply as <ins>your prompt</ins>", ("<ins>", "</ins>")),
        ("The new prompt: <prompt>", ("<prompt>", "</prompt>")),
        ("Write at <INS> the text.", None),
    ],
)
def test_the_tags_are_read(text: str, tags: tuple[str, str] | None) -> None:
    assert read(text).tags == tags


# The optimizer model's replies


def meta_prompt(
    scored: Sequence[tuple[str, float]], current: str, words: int | None = None, tag: str = "prompt"
) -> str:
    entries = "\n\n".join(f"Prompt: {text}\nScore: {round(100 * score)}" for text, score in scored)
    budget = "" if words is None else f"You may change up to {words} words of it.\n"
    return (
        f"Some prompts with their scores:\n\n{entries}\n\nThe current prompt:\n{current}\n\n"
        f"Input:\nThe parcel came late.\nOutput: negative\n\n{budget}Reply between <{tag}> and </{tag}>."
    )


@pytest.mark.parametrize("words", [0, 1, 2, 5, 20])
async def test_moves_stay_within_the_words_allowed(words: int) -> None:
    model = SimulatedOptimizer(replace(NO_NONSENSE, keeps_placeholders=0.5), LABELS)
    current = "Please say how {text} feels to the one who reads it."
    text = meta_prompt([(current, 0.4), ("Think. Choose from: positive, negative, mixed.", 0.8)], current, words)
    completion = await model.complete(ask(text, role="optimizer", temperature=1.0, n=60))
    moved = [word_edit_distance(current, extract_tagged(reply.text, "prompt") or "") for reply in completion.replies]
    assert max(moved) <= words
    assert max(moved) >= min(words, 3)


async def test_n_at_once_are_the_same_as_singles() -> None:
    text = meta_prompt([("Say it.", 0.4)], "Say it now.", 20)
    together = SimulatedOptimizer(OptimizerModelSettings(), LABELS)
    singly = SimulatedOptimizer(OptimizerModelSettings(), LABELS, serves_n=False)
    request = ask(text, role="optimizer", temperature=1.0, n=8)
    at_once = (await together.complete(request)).replies
    one_by_one = [(await singly.complete(request.at(offset, n=8))).replies for offset in range(8)]
    assert together.serves_n
    assert not singly.serves_n
    assert [(reply,) for reply in at_once] == one_by_one
    assert len({reply.text for reply in at_once}) > 4
    other_seed = replace(request, draw=replace(request.draw, seed=1))
    assert (await together.complete(other_seed)).replies != at_once


async def test_nonsense_tags_and_placeholders_come_at_their_rates() -> None:
    settings = OptimizerModelSettings(nonsense=0.1, obeys_tags=0.8, keeps_placeholders=0.9)
    current = "Say how {text} feels to its writer."
    request = ask(meta_prompt([(current, 0.4)], current, 30, tag="ins"), role="optimizer", temperature=1.0, n=2000)
    replies = [reply.text for reply in (await SimulatedOptimizer(settings, LABELS).complete(request)).replies]
    nonsense = [reply for reply in replies if "feels" not in reply and "{text}" not in reply and len(reply) < 80]
    tagged = [inside for reply in replies if (inside := extract_tagged(reply, "ins"))]
    assert 0.07 < len(nonsense) / 2000 < 0.13
    assert {"", "The parcel came late.", "<ins></ins>", "</ins> <ins>"} <= set(nonsense)
    assert abs(len(tagged) / 2000 - 0.9 * 0.8) < 0.04
    assert abs(sum("{text}" in inside for inside in tagged) / len(tagged) - 0.9) < 0.03


async def test_a_raw_completion_gets_one_bare_line() -> None:
    text = "Worked pairs, at most 20 words changed.\nTell the\ntongue. (31) -> Name it. (80)\nSay how it feels. (40) ->"
    request = Request(
        role="optimizer", text=text, temperature=1.0, max_tokens=200, n=40, draw=Draw(seed=0, step=1, slot="p", index=0)
    )
    replies = (await SimulatedOptimizer(NO_NONSENSE, LABELS).complete(request)).replies
    assert all("\n" not in reply.text and "<" not in reply.text for reply in replies)
    assert all(word_edit_distance("Say how it feels.", reply.text) <= 20 for reply in replies)
    assert len({reply.text for reply in replies}) > 10


async def test_traits_of_better_prompts_are_imitated_and_those_of_worse_ones_are_not() -> None:
    settings = replace(NO_NONSENSE, ideas=0.0, imitates=1.0)
    current = "Say how it feels."
    scored = [("Sing about all oranges.", 0.1), (current, 0.4), ("Weigh every single lemon.", 0.9)]
    request = ask(meta_prompt(scored, current, 30), role="optimizer", temperature=1.0, n=50)
    replies = [reply.text for reply in (await SimulatedOptimizer(settings, LABELS).complete(request)).replies]
    assert sum("lemon" in reply for reply in replies) == 50
    assert not any("oranges" in reply for reply in replies)


async def test_any_text_gets_a_reply() -> None:
    model = SimulatedOptimizer(NO_NONSENSE)
    chance = random.Random(3)
    pieces = [
        "prompt:",
        "score",
        "63",
        "->",
        "(",
        ")",
        "<p>",
        "</p>",
        "\n",
        '"',
        "{x}",
        "words",
        "current prompt:",
        "é",
        " ",
    ]
    for _ in range(300):
        await model.complete(ask(" ".join(chance.choices(pieces, k=30)), role="optimizer", temperature=1.0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("words", [15, None])
async def test_a_hill_climb_on_the_best_prompts_gains(seed: int, words: int | None) -> None:
    model = SimulatedOptimizer(replace(OptimizerModelSettings(), seed=seed), LABELS)
    start = "Please say how the writer feels."
    known = {start: accuracy(start, LABELS)}
    for step in range(10):
        best = sorted(known.items(), key=lambda item: item[1])[-3:]
        request = ask(meta_prompt(best, best[-1][0], words), role="optimizer", temperature=1.0, n=8, index=8 * step)
        for reply in (await model.complete(request)).replies:
            prompt = extract_tagged(reply.text, "prompt") or reply.text
            known[prompt] = accuracy(prompt, LABELS)
    assert max(known.values()) >= known[start] + 0.15
    assert max(known.values()) <= optimum(LABELS).accuracy


# Both


IN_ANOTHER_PROCESS = """
import asyncio
from tests.llm.test_simulated import fixed_replies
print(asyncio.run(fixed_replies()))
"""


async def fixed_replies() -> list[str]:
    """What both models say to some fixed requests, and who they are."""
    data = rows(30)
    task = simulated("plain", role="task", rows=data, labels=LABELS)
    optimizer = simulated("plain", role="optimizer", rows=data, labels=LABELS)
    asked = ask(meta_prompt([("Say it.", 0.4)], "Say it now.", 20), role="optimizer", temperature=1.0, n=20)
    return [
        task.identity,
        optimizer.identity,
        *[await text_of(task, ask(f"{row.question}\nHow does it feel?", temperature=0.5)) for row in data],
        *[reply.text for reply in (await optimizer.complete(asked)).replies],
    ]


async def test_another_process_gives_the_same_replies() -> None:
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for salt in ("1", "2")
    }
    assert outputs == {str(await fixed_replies())}


def test_identity_is_settings_rows_and_labels() -> None:
    def identity(settings: TaskModelSettings, count: int, labels: Sequence[str], latency: float = 0.0) -> str:
        return SimulatedTask(settings, rows(count), labels, latency=latency).identity

    plain = identity(PLAIN, 5, LABELS)
    assert plain == identity(PLAIN, 5, LABELS, latency=1.0)
    others = {identity(replace(PLAIN, seed=1), 5, LABELS), identity(PLAIN, 6, LABELS), identity(PLAIN, 5, LABELS[:2])}
    assert len({plain, *others}) == 4


def test_models_are_built_by_name() -> None:
    for name, role in itertools.product((*PRESETS, "simulated:easy", "simulated:", ""), ("task", "optimizer")):
        assert simulated(name, role=role, rows=rows(3), labels=LABELS).identity  # type: ignore[arg-type]
    assert simulated("", role="task", rows=rows(3), labels=LABELS).identity.startswith("simulated-task:plain:")
    with pytest.raises(ConfigError, match="did you mean 'plain'"):
        simulated("simulated:plian", role="task", rows=rows(3), labels=LABELS)


async def test_latency_shuffles_arrivals_and_changes_no_reply() -> None:
    data = rows(40)
    slow, quick = SimulatedTask(PLAIN, data, LABELS, latency=0.1), SimulatedTask(PLAIN, data, LABELS)
    arrived: list[int] = []

    async def one(place: int) -> str:
        reply = await text_of(slow, ask(data[place].question))
        arrived.append(place)
        return reply

    loop = asyncio.get_running_loop()
    start = loop.time()
    replies = await asyncio.gather(*(one(place) for place in range(40)))
    assert 0.05 <= loop.time() - start < 1.0
    assert arrived != sorted(arrived)
    assert replies == [await text_of(quick, ask(row.question)) for row in data]


async def outcome_of(model: LLM, request: Request) -> str:
    try:
        return await text_of(model, request)
    except RateLimited as error:
        return f"limited, wait {error.retry_after}"
    except EndpointFailed:
        return "failed"


async def test_faults_hit_first_attempts_and_some_requests_for_good() -> None:
    data = rows(500)
    plain = SimulatedTask(PLAIN, data, LABELS)
    right = [await text_of(plain, ask(row.question)) for row in data]

    async def attempts(seed: int) -> list[tuple[str, ...]]:
        faults = Faults(first_attempts=0.3, for_good=0.05, retry_after=0.25, seed=seed)
        model = SimulatedTask(PLAIN, data, LABELS, faults=faults)
        tries = [[await outcome_of(model, ask(row.question)) for _ in range(3)] for row in data]
        return [
            tuple("ok" if outcome == reply else outcome for outcome in outcomes)
            for outcomes, reply in zip(tries, right, strict=True)
        ]

    outcomes = await attempts(0)
    kinds = Counter(outcomes)
    for_good, failed, limited = (("failed",) * 3, ("failed", "ok", "ok"), ("limited, wait 0.25", "ok", "ok"))
    assert set(kinds) == {("ok",) * 3, for_good, failed, limited}
    assert abs(kinds[for_good] - 25) < 15
    assert abs(kinds[failed] - 71) < 24
    assert abs(kinds[limited] - 71) < 24
    assert outcomes == await attempts(0)
    assert outcomes != await attempts(1)
