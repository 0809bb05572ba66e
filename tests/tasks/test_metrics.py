"""Metrics: scores of replies, the default for a set of targets, and functions of the user's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, DataError, InputError
from promptdescent.records import Example
from promptdescent.tasks.metrics import (
    Choice,
    ExactMatch,
    FunctionMetric,
    JsonField,
    ListMatch,
    Metric,
    Number,
    RegexMatch,
    RougeL,
    Score,
    check_metric,
    choose_metric,
    metric_needs_target,
)


def row(target: str, question: str = "what?") -> Example:
    return Example(id="0" * 16, inputs=(("text", question),), target=target)


@pytest.mark.parametrize(
    ("reply", "target", "value"),
    [
        ("Paris", "Paris", 1),
        ("  paris.\n", "Paris", 1),
        ("Paris", "paris.", 1),
        ("Paris..", "Paris", 0),
        ("Paris!", "Paris", 0),
        ("It is Paris", "Paris", 0),
        ("a  b", "a b", 0),
        ("two", '["one", "two"]', 1),
        ('["one", "two"]', '["one", "two"]', 1),
        ("three", '["one", "two"]', 0),
        ("[ ( ) ]", "[ ( ) ]", 1),
    ],
)
def test_exact_match(reply: str, target: str, value: float) -> None:
    score = ExactMatch().score(reply, row(target))
    assert score.value == value
    assert score.answer == reply.strip()


def test_exact_match_of_nothing_is_unreadable() -> None:
    assert ExactMatch().score(" \n", row("Paris")) == Score(0.0, None)


def test_choice_scores_the_label_that_it_reads() -> None:
    metric = Choice(("(A)", "(B)"))
    assert metric.score("Between (A) and (B), I choose (B).", row("(B)")) == Score(1.0, "(B)", settled=True)
    assert metric.score("Between (A) and (B), I choose (B).", row("(A)")) == Score(0.0, "(B)", settled=True)
    assert metric.score("Both.", row("(A)")) == Score(0.0, None)


def test_choice_ignores_the_case_of_targets_too() -> None:
    metric = Choice(("Yes", "no", "yes"))
    assert metric.score("yes", row("Yes")).value == metric.score("YES", row("yes")).value == 1


def test_choice_with_another_rule_of_reading() -> None:
    assert Choice(("yes", "no"), read="first").score("no or yes", row("no")) == Score(1.0, "no", settled=True)
    assert Choice(("yes", "no")).score("no or yes", row("no")) == Score(0.0, None)


@pytest.mark.parametrize(
    ("reply", "target", "value", "answer"),
    [
        ("It costs $18.00.", "18", 1, "18.00"),
        ("17.5", "17.50", 1, "17.5"),
        ("17.5", "18", 0, "17.5"),
        ("2.5", "2", 0, "2.5"),
        ("(-7)", "-7", 1, "-7"),
        ("seven", "7", 1, "7"),
        ("The total is 1,000 eggs.", "She has 10 * 100 eggs.\n#### 1000", 1, "1000"),
        ("many", "7", 0, None),
    ],
)
def test_number(reply: str, target: str, value: float, answer: str | None) -> None:
    assert Number().score(reply, row(target)) == Score(value, answer)


def test_number_needs_numeric_targets() -> None:
    with pytest.raises(DataError, match="the target 'seven' is no number"):
        Number().score("7", row("seven"))


def test_scores_lie_between_0_and_1_and_names_are_those_of_the_flag() -> None:
    metrics: list[Metric] = [ExactMatch(), Choice(("7", "8")), Number()]
    assert [metric.name for metric in metrics] == ["exact", "choice", "number"]
    assert {metric.score(reply, row("7")).value for metric in metrics for reply in ("7", "8", "")} == {0.0, 1.0}


# The default


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        (["1", "2", "-3.5"], "number"),
        (["1", "2", "three"], "choice"),
        (["a #### 3", "#### 4"], "number"),
        (["yes", "no"], "choice"),
        ([f"label {i}" for i in range(20)] * 2, "choice"),
        ([f"label {i}" for i in range(21)], "exact"),
        ([str(i) for i in range(21)], "number"),
    ],
)
def test_default_metric_follows_from_the_targets(targets: list[str], name: str) -> None:
    assert choose_metric(None, targets, read=None).name == name


def test_metric_by_name() -> None:
    assert choose_metric("exact", ["1", "2"], read=None) == ExactMatch()
    assert choose_metric("choice", ["2", "1", "2"], read="last") == Choice(("1", "2"), read="last")
    assert choose_metric("number", ["1", "2"], read=None) == Number()
    assert choose_metric(None, ["1", "2"], read="last") == Choice(("1", "2"), read="last")
    assert choose_metric("f1:macro", ["a", "b"], read="first") == Choice(("a", "b"), read="first")
    assert choose_metric("list:ordered", ["a, b"], read=None) == ListMatch("ordered")
    assert choose_metric("list", ["pear fig", "plum"], read=None) == ListMatch(words=True)
    assert choose_metric("regex:a:b", ["a"], read=None) == RegexMatch("a:b")
    assert choose_metric("json:x.y", ["a"], read=None) == JsonField("x.y")
    assert choose_metric("rouge-l:mean", ["a"], read=None) == RougeL("mean")


@pytest.mark.parametrize(
    "name", ["exact", "choice", "number", "list", "list:same", "regex:(x)", "json:a", "rouge-l", "rouge-l:mean"]
)
def test_a_metric_has_the_name_that_it_is_chosen_by_and_all_members(name: str) -> None:
    metric = choose_metric(name, ["1", "2"], read=None)
    check_metric(metric)
    assert metric.name == name
    assert metric.needs_target
    assert metric_needs_target(name)
    assert metric.perfect_score == 1.0
    assert metric.scoring.endswith(".")


def test_metrics_that_need_no_target() -> None:
    assert not metric_needs_target("judge")
    assert not metric_needs_target("regex:^ok$")
    assert metric_needs_target(None)
    assert metric_needs_target("f1:micro")


def test_a_metric_object_that_lacks_members_is_refused() -> None:
    class Half:
        name = "half"

        def score(self, reply: str, example: Example) -> Score:
            return Score(0.5, reply)

    with pytest.raises(ConfigError, match="the metric Half has no needs_target, perfect_score, scoring; a metric has"):
        check_metric(Half())


@pytest.mark.parametrize(
    ("name", "read", "error", "message"),
    [
        ("excat", None, ConfigError, "--metric excat: .*did you mean 'exact'"),
        ("bleu", None, ConfigError, "--metric bleu: .*known: boolean, brackets, choice, exact, f1, json, judge, "),
        ("rouge", None, ConfigError, "--metric rouge: .*did you mean 'rouge-l'"),
        ("rouge-l:mena", None, ConfigError, "--metric rouge-l:mena: did you mean 'rouge-l:mean'"),
        ("list:orderd", None, ConfigError, "--metric list:orderd: did you mean 'list:ordered'"),
        ("exact:x", None, ConfigError, "exact takes nothing after a colon; .* give the module another name"),
        ("regex:", None, ConfigError, "write it as regex:PATTERN"),
        ("regex", None, ConfigError, "write it as regex:PATTERN"),
        ("json", None, ConfigError, "write it as json:FIELD"),
        ("list", "last", ConfigError, "--read last is about choices"),
        ("choice", "lsat", ConfigError, "--read lsat: .*did you mean 'last'"),
        ("exact", "last", ConfigError, "--read last is about choices"),
        ("number", None, DataError, "--metric number: the target 'a' is no number"),
    ],
)
def test_unknown_names(name: str, read: str | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        choose_metric(name, ["a", "b"], read=read)


# Functions

MODULE = """
import math
from decimal import Decimal

THRESHOLD = 3

def same(reply, target):
    return reply == target

def explained(reply, target):
    return len(reply), f"{len(reply)} letters"

def with_inputs(reply, target, inputs):
    return 1.0 if inputs["text"] in reply else 0.5

def optional_inputs(reply, target, inputs=None):
    return 1 if inputs else 0

def other_default(reply, target, weight=2):
    return weight

def named(reply, target, *, strict=True):
    return float(strict)

def decimal(reply, target):
    return Decimal("0.25")

def fails(reply, target):
    return 1 / 0

def nan(reply, target):
    return math.nan

def infinite(reply, target):
    return math.inf

def text(reply, target):
    return "good"

def nothing(reply, target):
    pass

def bad_feedback(reply, target):
    return 1, 2

async def later(reply, target):
    return 1

def reply_alone(reply):
    return len(reply)

def reply_and_inputs(reply, inputs):
    return 1.0 if inputs["text"] in reply else 0.5

def no_argument():
    return 1
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current directory, which is not on the path of imports."""
    name = "metrics_of_the_user"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("same", Score(0.0, "the what? of it")),
        ("explained", Score(16.0, "the what? of it", "16 letters")),
        ("with_inputs", Score(1.0, "the what? of it")),
        ("optional_inputs", Score(1.0, "the what? of it")),
        ("other_default", Score(2.0, "the what? of it")),
        ("named", Score(1.0, "the what? of it")),
        ("decimal", Score(0.25, "the what? of it")),
        ("reply_alone", Score(16.0, "the what? of it")),
        ("reply_and_inputs", Score(1.0, "the what? of it")),
    ],
)
def test_function_from_the_current_directory(module: str, function: str, expected: Score) -> None:
    metric = choose_metric(f"{module}:{function}", ["a", "b"], read=None)
    assert metric.score("the what? of it ", row("a")) == expected
    assert metric.name == f"{module}:{function}"
    assert isinstance(metric.score("the what? of it", row("a")).value, float)


@pytest.mark.parametrize(
    ("function", "needed"),
    [("same", True), ("with_inputs", True), ("named", True), ("reply_alone", False), ("reply_and_inputs", False)],
)
def test_function_that_takes_no_target_needs_none(module: str, function: str, needed: bool) -> None:
    assert FunctionMetric(f"{module}:{function}").needs_target is needed
    assert metric_needs_target(f"{module}:{function}") is needed


def test_function_is_not_asked_to_read_what_is_empty(module: str) -> None:
    assert FunctionMetric(f"{module}:decimal").score(" ", row("a")).answer is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("fails", "raised ZeroDivisionError .*division by zero"),
        ("nan", "returned nan"),
        ("infinite", "returned inf"),
        ("text", "returned 'good'"),
        ("nothing", "returned None"),
        ("bad_feedback", r"returned \(1, 2\)"),
        ("later", "returned <coroutine"),
    ],
)
def test_function_that_fails_is_named_with_its_row(module: str, function: str, message: str) -> None:
    metric = FunctionMetric(f"{module}:{function}")
    with pytest.raises(InputError, match=message) as caught:
        metric.score("reply", row("a", "how are you?"))
    assert f"{module}:{function}" in str(caught.value)
    assert "'how are you?' (target 'a')" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}:sane", "no function 'sane'; did you mean 'same'"),
        ("{}:THRESHOLD", "THRESHOLD is int, not a function"),
        ("{}:no_argument", r"must take \(reply, target\), .* but takes \(\)"),
        ("{}:", "write it as module:function"),
        ("no_such_module_here:f", "no module 'no_such_module_here' in .* or among the installed packages"),
    ],
)
def test_function_that_is_not_there(module: str, spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_metric(spec.format(module), ["a", "b"], read=None)


def test_module_that_cannot_be_imported(module: str) -> None:
    Path("broken_metric_module.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="importing broken_metric_module raised ZeroDivisionError"):
        FunctionMetric("broken_metric_module:f")
