"""Mathematical answers: what is equal, and that no answer holds up or harms the run."""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path

import fragile_checks
import pytest

from promptdescent import evaluate
from promptdescent.errors import ConfigError, DataError, RunFailed
from promptdescent.records import Example
from promptdescent.tasks.metrics import MathMatch, Score, choose_metric, maths, references
from promptdescent.tasks.metrics.maths import check_answer, prepare_worker
from promptdescent.tasks.scoring import SlowMetric, by_metric, close_metric

ENDLESS = "$9^{9^{9^9}}$"
"""What takes longer than the universe to work out."""


def row(target: str) -> Example:
    return Example(id="1", inputs=(("q", "?"),), target=target)


@pytest.fixture(scope="module")
def impatient() -> Iterator[MathMatch]:
    metric = MathMatch(seconds=1.5)
    yield metric
    metric.close()


@pytest.mark.parametrize(
    ("reply", "target", "right"),
    [
        ("The answer is $\\frac{2}{4}$.", "\\frac{1}{2}", 1),
        ("\\boxed{\\frac12}", "0.5", 1),
        ("**Answer:** 1/2", "\\frac{1}{2}", 1),
        ("1 + x^2", "x^2+1", 1),
        ("The answer is x^2 + 1.", "x**2+1", 1),
        ("$\\sqrt{2}$", "sqrt(2)", 1),
        ("Answer: 2*sqrt(2)", "\\sqrt{8}", 1),
        ("2*pi", "2\\pi", 1),
        ("So we have \\boxed{\\dfrac{3\\pi}{4}}, not \\frac{1}{4}.", "\\frac{3}{4}\\pi", 1),
        ("$(1,2)$", "(1,2)", 1),
        ("$\\{2,1\\}$", "\\{1,2\\}", 1),
        ("$\\begin{pmatrix}1\\\\2\\end{pmatrix}$", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", 1),
        ("She pays $18.00.", "18", 1),
        ("(-7)", "-7", 1),
        ("1000", "10^3", 1),
        ("It is 7 of 8, I think, so the answer is 7 apples.", "7", 1),
        ("7\n\nBecause 3+4 = 7.", "She has 3.\n#### 7", 1),
        ("x = 5", "5", 1),
        ("The answer is even.", "\\text{even}", 1),
        ("The answer is even.", "even", 1),
        ("two", '["two", "2"]', 1),
        ("\\boxed{2}", '["two", "2"]', 1),
        ("17.5", "18", 0),
        ("3.14", "\\pi", 0),
        ("q - p", "p - q", 0),
        ("odd", "even", 0),
        ("$\\infty$", "-\\infty", 0),
        ("$(2,1)$", "(1,2)", 0),
        ("I do not know", "3", 0),
        ("\\boxed{}", "3", 0),
    ],
)
def test_what_is_equal(reply: str, target: str, right: int) -> None:
    prepare_worker()
    assert check_answer(reply, references(target))[0] == bool(right)


def test_an_example_that_a_reply_makes_up_does_not_count(impatient: MathMatch) -> None:
    example = Example(id="1", inputs=(("q", "What is 2 + 2?"),), target="4")
    reply = "The answer is 4.\n\nQ: What is 3 + 3?\nA: The answer is 6."
    assert impatient.score(reply, example) == Score(1.0, "4")


def test_score_says_what_was_read(impatient: MathMatch) -> None:
    assert impatient.score("So \\boxed{\\frac{1}{2}}.", row("0.5")) == Score(1.0, "\\frac{1}{2}")
    assert impatient.score("Answer: 8", row("7")) == Score(0.0, "8")
    assert impatient.score("no idea", row("7")) == Score(0.0, None)
    assert impatient.score(" \n", row("7")) == Score(0.0, None)


@pytest.mark.parametrize(
    "reply",
    [
        "__import__('os').system('touch {}')",
        "$__import__('os').system('touch {}')$",
        "\\boxed{{__import__('os').system('touch {}')}}",
        "$\\operatorname{{__import__('os').system('touch {}')}}$",
        "The answer is (lambda: open('{}', 'w'))() + 1",
        "$\\text{{open('{}', 'w')}}$",
    ],
)
def test_nothing_that_a_reply_holds_is_run(reply: str, tmp_path: Path, impatient: MathMatch) -> None:
    trace = tmp_path / "trace"
    impatient.score(reply.format(trace), row("7"))
    impatient.score("7", row(reply.format(trace)))
    assert not trace.exists()


@pytest.mark.parametrize("reply", [ENDLESS, f"The answer is {ENDLESS[1:-1]}", "\\boxed{(9^{99999})!}"])
def test_an_answer_that_takes_too_long_is_unreadable_and_says_so(reply: str, impatient: MathMatch) -> None:
    started = time.monotonic()
    score = impatient.score(reply, row("7"))
    assert score == Score(
        0.0, None, "The check of this answer was stopped after 1.5 seconds, so it counts as unreadable."
    )
    assert time.monotonic() - started < 8
    assert impatient.score("7", row("7")).value == 1


@pytest.mark.parametrize("reply", ["(" * 20_000, "$" + "{" * 5_000, "\\boxed{" * 3_000, "9" * 20_000, "\x00\ud800"])
def test_odd_texts_raise_nothing(reply: str, impatient: MathMatch) -> None:
    assert impatient.score(reply, row("7")).value == 0


@pytest.mark.anyio
async def test_an_endless_answer_does_not_hold_up_the_event_loop(impatient: MathMatch) -> None:
    scorer = by_metric(impatient)
    await scorer("7", row("7"))
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not over:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            longest = max(longest, time.monotonic() - before)

    watching = asyncio.create_task(watch())
    scores = await asyncio.gather(*(scorer(reply, row("7")) for reply in (ENDLESS, "7", "\\boxed{8}")))
    over = True
    await watching
    assert [score.value for score in scores] == [0, 1, 0]
    assert longest < 1.0


def test_the_same_answers_score_the_same_whatever_came_before(impatient: MathMatch) -> None:
    replies = ["$\\frac{2}{4}$", "0.5", "\\boxed{x}", "1/3", "The answer is 50%."]
    first = [impatient.score(reply, row("1/2")) for reply in replies]
    assert [impatient.score(reply, row("1/2")) for reply in reversed(replies)] == first[::-1]


def test_close_ends_the_processes_and_a_later_answer_starts_them_again() -> None:
    before = set(multiprocessing.active_children())
    metric = choose_metric("math", ["7"], read=None)
    assert isinstance(metric, SlowMetric)
    close_metric(metric)  # nothing is open yet
    assert metric.score("7", row("7")).value == 1
    assert set(multiprocessing.active_children()) - before
    close_metric(metric)
    assert not set(multiprocessing.active_children()) - before
    assert metric.score("7", row("7")).value == 1
    close_metric(metric)
    assert not set(multiprocessing.active_children()) - before


def test_a_run_scores_by_it_and_leaves_no_process_behind(tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())
    rows = [{"question": f"Half of {n}?", "target": f"\\frac{{{n}}}{{2}}"} for n in range(1, 13)]

    def model(messages: list[dict[str, str]]) -> str:
        number = int(messages[-1]["content"].split("Half of ")[1].split("?")[0])
        return f"The answer is ${number} \\cdot 0.5$."

    result = evaluate("Work it out.", rows, on="all", task_model=model, metric="math", store=tmp_path / "store.sqlite")
    assert result.score.score == 1
    assert not set(multiprocessing.active_children()) - before


def test_a_script_without_a_main_guard_is_run_once(tmp_path: Path) -> None:
    """``multiprocessing`` would else import the script in each worker, and pay for its calls again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from promptdescent.records import Example\n"
        "from promptdescent.tasks.metrics import MathMatch\n"
        "print('begun')\n"
        "metric = MathMatch()\n"
        "print(metric.score('1/2', Example(id='1', inputs=(('q', '?'),), target='0.5')).value)\n"
        "metric.close()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["begun", "1.0"]


def test_without_the_extra_the_metric_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pebble" else find(name, *rest)
    )
    with pytest.raises(ConfigError, match=r'--metric math: .*pebble.*pip install "promptdescent\[math\]"'):
        choose_metric("math", ["7"], read=None)


def test_a_target_that_is_no_answer_is_refused() -> None:
    with pytest.raises(DataError, match=r"--metric math: the target '\.\.\.' is no answer"):
        choose_metric("math", ["7", "..."], read=None)


# --- processes that fail ---------------------------------------------------------------------------------------------


def refuse() -> None:
    raise OSError(11, "Resource temporarily unavailable")


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Iterator[MathMatch]:
    monkeypatch.setattr(maths, "prepare_worker", fragile_checks.nothing)
    monkeypatch.setattr(maths, "check_answer", fragile_checks.check_or_die)
    metric = MathMatch(seconds=20)
    yield metric
    metric.close()


def both_ways(metric: MathMatch, reply: str, target: str, aside: bool) -> Score:
    """The score as it is waited for, or beside other coroutines."""
    if aside:
        return asyncio.run(metric.score_aside(reply, row(target)))
    return metric.score(reply, row(target))


@pytest.mark.parametrize("aside", [False, True], ids=["waited for", "aside"])
def test_a_worker_that_dies_once_costs_no_score(fragile: MathMatch, tmp_path: Path, aside: bool) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    assert both_ways(fragile, f"die-once {flag}", "7", aside).value == 1
    assert not flag.exists()


@pytest.mark.parametrize("aside", [False, True], ids=["dies waited for", "dies aside"])
def test_an_answer_that_ends_every_process_is_unreadable_and_says_so(fragile: MathMatch, aside: bool) -> None:
    score = both_ways(fragile, "die /nowhere", "7", aside)
    assert score == Score(0.0, None, "The check of this answer ended its process twice, so it counts as unreadable.")
    assert fragile.score("7", row("7")).value == 1


@pytest.mark.parametrize("aside", [False, True], ids=["no worker waited for", "no worker aside"])
def test_processes_that_never_work_are_an_error_and_no_score(monkeypatch: pytest.MonkeyPatch, aside: bool) -> None:
    monkeypatch.setattr(maths, "prepare_worker", fragile_checks.die)
    metric = MathMatch(seconds=20)
    with pytest.raises(RunFailed, match=r"^--metric math: the processes that check answers do not work"):
        both_ways(metric, "7", "7", aside)
    metric.close()


@pytest.mark.parametrize("aside", [False, True], ids=["no start waited for", "no start aside"])
def test_processes_that_cannot_be_started_are_an_error(fragile: MathMatch, aside: bool) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SpawnProcess, "start", lambda self: refuse())
        with pytest.raises(RunFailed, match=r"no process can be started: .*Resource temporarily unavailable; free"):
            both_ways(fragile, "7", "7", aside)
    assert fragile.score("7", row("7")).value == 1  # once they can


@pytest.mark.anyio
async def test_answers_beside_one_that_ends_its_process_are_scored(fragile: MathMatch) -> None:
    replies = ["7", "die /nowhere", "7", "die /nowhere", "8", "7"]
    scores = await asyncio.gather(*(fragile.score_aside(reply, row("7")) for reply in replies))
    assert [score.value for score in scores] == [1, 0, 1, 0, 0, 1]
    assert [bool(score.feedback) for score in scores] == [False, True, False, True, False, False]


@pytest.mark.anyio
async def test_who_waits_for_an_answer_is_not_kept_when_the_metric_is_closed() -> None:
    metric = MathMatch(seconds=60)
    assert (await metric.score_aside("7", row("7"))).value == 1
    waiting = asyncio.create_task(metric.score_aside(ENDLESS, row("7")))
    await asyncio.sleep(0.3)
    metric.close()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(15):
            await waiting


def test_processes_that_were_replaced_end(fragile: MathMatch) -> None:
    before = set(multiprocessing.active_children())
    fragile.score("die /nowhere", row("7"))
    fragile.close()
    deadline = time.monotonic() + 20
    while left := set(multiprocessing.active_children()) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
