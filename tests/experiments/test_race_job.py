"""What a contestant's process writes, and what the race makes of it; its environment of other systems."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from promptdescent.errors import ConfigError, PermanentError, RunFailed
from promptdescent.experiments.race import answers
from promptdescent.experiments.race.answers import AnswerReader
from promptdescent.experiments.race.contestants import FAMILIES, contestants_named
from promptdescent.experiments.race.install import (
    INSTALLABLE,
    LOG,
    Family,
    environment_python,
    install,
    installed,
)
from promptdescent.experiments.race.job import FOUND, Layout, read_found
from promptdescent.experiments.race.ours import horizon
from promptdescent.experiments.race.scoring import InLayout
from promptdescent.llm.base import Draw, Request
from promptdescent.llm.function import FunctionLLM
from promptdescent.records import Message, Role


def line(prompt: str = "a", score: object = 0.5, **changes: object) -> dict[str, Any]:
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": "{input}"}]
    return {"prompt": prompt, "dev_score": score, "messages": messages, "answer_pattern": None, **changes}


def write(folder: Path, *lines: object, end: str = "") -> Path:
    text = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines)
    (folder / FOUND).write_text(text + end, encoding="utf-8")
    return folder


def test_the_highest_dev_score_counts_and_the_earliest_of_equals(tmp_path: Path) -> None:
    write(tmp_path, line("a", 0), line("b", 0.75), line("c", None), line("d", 0.75), line("e", 0.5))
    found = read_found(tmp_path)
    assert [one.prompt for one in found.scored] == ["a", "b", "d", "e"]
    assert found.best.prompt == "b"
    assert found.unscored == 1


def test_a_last_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, line("a"), end='{"prompt": "b", "dev_sc')
    assert [one.prompt for one in read_found(tmp_path).scored] == ["a"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param("{", "line 1 of its found.jsonl is no JSON", id="no JSON"),
        pytest.param([], "has no prompt", id="a list"),
        pytest.param(line(score=float("inf")), "which is no number", id="infinite"),
        pytest.param(line(score=True), "which is no number", id="a truth value"),
        pytest.param(line(score="0.5"), "which is no number", id="a text"),
        pytest.param(line(messages=[{"role": "tool", "content": "{input}"}]), "a message has a role", id="a tool"),
        pytest.param(line(messages=[{"role": "user", "content": "a"}]), "0 times", id="without the row"),
        pytest.param(line(prompt="{input}"), "2 times", id="the row twice"),
        pytest.param(line(answer_pattern="("), "regular expression with one group", id="no pattern"),
        pytest.param(line(answer_pattern="[[a]"), "regular expression with one group", id="a nested set"),
        pytest.param(line(answer_pattern="a"), "regular expression with one group", id="no group"),
        pytest.param(line(answer_pattern=f"({'a' * 1000})"), "regular expression with one group", id="a long pattern"),
        pytest.param(
            line(score=None),
            "it scored no prompt on the dev rows \\(1 line of its found.jsonl without a dev_score\\)",
            id="nothing scored",
        ),
    ],
)
def test_what_breaks_the_rules_is_said(tmp_path: Path, bad: object, message: str) -> None:
    with pytest.raises(RunFailed, match=message):
        read_found(write(tmp_path, bad, ""))


def test_without_a_file_nothing_was_found(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="it scored no prompt on the dev rows"):
        read_found(tmp_path)


def test_a_row_stands_literally_where_the_layout_says() -> None:
    layout = Layout(
        messages=(
            Message(role="system", content=("Braces {x} and {{y}} stay.",)),
            Message(role="user", content=("<{input}>",)),
        ),
    )
    row = r"a {input} \1 {x}"
    assert [message.text for message in layout.filled(row)] == ["Braces {x} and {{y}} stay.", f"<{row}>"]


@pytest.mark.anyio
async def test_a_model_in_a_layout_is_asked_with_it_and_answers_with_what_it_reads() -> None:
    asked: list[Any] = []

    def model(messages: list[dict[str, str]]) -> str:
        asked.append(messages)
        return "I think [[no]]"

    llm = InLayout(
        FunctionLLM(model),
        Layout(messages=(Message(role="user", content=("Q: {input}",)),), answer_pattern=r"\[\[(.*?)\]\]"),
    )
    await llm.prepare()
    draw = Draw(seed=0, step=0, slot="", index=0)
    messages = (Message(role="user", content=("is it?",)),)
    completion = await llm.complete(Request(role="task", messages=messages, temperature=0, max_tokens=9, draw=draw))
    assert asked == [[{"role": "user", "content": "Q: is it?"}]]
    assert completion.replies[0].text == "no"
    await llm.close()
    other = InLayout(FunctionLLM(model), Layout(messages=messages))
    await other.prepare()
    assert other.identity != llm.identity


SLOW = r"^(?:a+)+(b)$"
"""Takes twice as long for each more ``a`` that no ``b`` follows."""


@pytest.mark.anyio
async def test_answers_are_what_the_group_of_a_pattern_finds() -> None:
    reader = AnswerReader(r"answer: (\w*)")
    replies = ("The answer: yes", "yes", "", "answer: ", "\u00e4\ud83d\ude00 answer: \u00fc\nanswer: b", "x" * 30_000)
    try:
        assert [await reader.read(reply) for reply in replies] == ["yes", "", "", "", "\u00fc", ""]
        assert await AnswerReader(None).read("as it is") == "as it is"
        assert await asyncio.gather(*(reader.read(f"answer: {number}") for number in range(20))) == [
            str(number) for number in range(20)
        ]
    finally:
        await reader.close()


@pytest.mark.anyio
async def test_a_pattern_that_takes_for_ever_is_ended_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SECONDS", 1.0)
    reader = AnswerReader(SLOW)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await reader.read("ab") == "b"
    for _ in range(2):  # the second time it is not even tried
        began = time.monotonic()
        with pytest.raises(
            PermanentError, match=r"^its answer_pattern takes longer than 1 seconds on a reply, so that"
        ):
            await reader.read("a" * 60)
    assert time.monotonic() - began < 0.5
    ticking.cancel()
    assert ticks > 5


@pytest.mark.anyio
async def test_who_gives_up_leaves_no_answer_behind() -> None:
    reader = AnswerReader(SLOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await reader.read("a" * 60)
    assert await reader.read("aab") == "b"
    await reader.close()


def test_the_horizon_is_what_the_caps_afford_at_the_pace_so_far() -> None:
    start: dict[Role, int] = {"task": 100, "optimizer": 0}
    # two steps took 200 and 100 tokens; 700 and 900 are left
    used: dict[Role, int] = {"task": 300, "optimizer": 100}
    assert horizon(2, at_start=start, used=used, caps={"task": 1000, "optimizer": 1000}) == 2 + 7
    # nothing is left: one more step, which the cap then ends
    assert horizon(2, at_start=start, used=used, caps={"task": 300, "optimizer": 1000}) == 3
    assert horizon(1, at_start=start, used=start, caps={"task": 10**9, "optimizer": 10**9}) == 1000


# --- environments ----------------------------------------------------------------------------------------------------


def test_every_other_system_has_a_script_and_an_environment() -> None:
    for contestant in contestants_named(tuple(FAMILIES))[3:]:
        assert contestant.script is not None
        assert contestant.script.is_file()
        assert contestant.family in INSTALLABLE


def empty_family(*requirements: str, newest: tuple[int, int] = (9, 0)) -> dict[str, Family]:
    return {"nothing": Family(requirements=requirements, newest_python=newest)}


def small_wheel(folder: Path) -> Path:
    """A package of one line, as pip installs it without asking anybody."""
    wheel, about = folder / "small-1.0-py3-none-any.whl", "small-1.0.dist-info"
    files = {
        "small.py": "VALUE = 7\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in (*files, f"{about}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as content:
        for name, text in files.items():
            content.writestr(name, text)
    return wheel


def test_an_environment_is_made_once_and_what_pip_refuses_is_said_in_one_line(tmp_path: Path) -> None:
    """With a package of our own as requirement: no network is asked."""
    package = str(small_wheel(tmp_path))
    said: list[str] = []
    with pytest.raises(ConfigError) as caught:
        install((), tmp_path, say=said.append, families=empty_family("./no/such/folder"))
    text = str(caught.value)
    assert text.startswith("nothing could not be installed: ERROR: ")
    assert text.endswith(f"all that pip said is in {tmp_path / 'nothing' / LOG}")
    assert "\n" not in text
    assert installed(tmp_path, "nothing") == ()
    install((), tmp_path, say=said.append, families=empty_family(package))
    assert environment_python(tmp_path, "nothing").exists()
    assert installed(tmp_path, "nothing") == (package,)
    imported = [str(environment_python(tmp_path, "nothing")), "-I", "-c", "import small; print(small.VALUE)"]
    assert subprocess.run(imported, capture_output=True, text=True, check=True).stdout == "7\n"
    install(("nothing",), tmp_path, say=said.append, families=empty_family(package))
    assert [text.partition(";")[0] for text in said] == [
        f"nothing: installing 1 package into {tmp_path / 'nothing'}",
        f"nothing: installing 1 package into {tmp_path / 'nothing'}",
        "nothing: installed",
        f"nothing: installed already in {tmp_path / 'nothing'}",
    ]


def test_unknown_names_and_too_new_a_python_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'gepa'"):
        install(("dspy", "gpea"), tmp_path, say=lambda _: None)
    with pytest.raises(ConfigError, match=r"nothing needs Python 3\.1 or older"):
        install((), tmp_path, say=lambda _: None, families=empty_family("pip", newest=(3, 1)))
    assert list(tmp_path.iterdir()) == []
    assert sys.version_info > (3, 1)
