"""Yes or no, in the wordings that models use."""

from __future__ import annotations

import pytest

from promptdescent.errors import ConfigError, DataError
from promptdescent.records import Example
from promptdescent.tasks.metrics import Choice, Score, choose_metric
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.task import build_task, commonest_answer_score


def row(target: str, question: str = "Is it so?") -> Example:
    return Example(id=question, inputs=(("text", question),), target=target)


def read(reply: str, *targets: str, rule: str | None = None) -> str | None:
    return choose_metric("boolean", targets or ("True", "False"), read=rule).score(reply, row("True")).answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("True", "True"),
        ("yes", "True"),
        ("VALID.", "True"),
        ("1", "True"),
        ("0.", "False"),
        ("**no**", "False"),
        ("Answer: 1", "True"),
        ("Answer: 0\nBecause 1 is not there.", "False"),
        ("Yes, it does.", "True"),
        ("Yes, it is not false.", "True"),
        ("No, it is not true.", "False"),
        ("no because it is true that all do", "False"),
        ("Answer: No", "False"),
        ("The answer is no, since it is true for none.", "False"),
        ("No. Wait, the answer is yes.", "True"),
        ("not ( True ) and ( True ) is False", "False"),
        ("( True or False ) and True is True.", "True"),
        ("The argument is not deductively valid.", "False"),
        ("It isn't true", "False"),
        ("The answer is not invalid", "True"),
        ("Is it true or false? False", "False"),
        ("Options:\n- yes\n- no\n\nno", "False"),
        ("It follows that it is\n\nFalse", "False"),
        ("There is no doubt: it is true", "True"),
        ("I think: yes!\nAnything else?", "True"),
        ("1. First, I look at it", None),
        ("It has 1 leg and 0 arms", None),
        ("While it is true that some are red, I cannot tell.", None),
        ("While it's true that some are red, the answer is no.", "False"),
        ("1. True: it may be so.\n2. False: it may not.", None),
        ("1. True\n2. False\n\nFalse.", "False"),
        ("True and ( not False ) is what is asked.", None),
        ("No fish can read.", None),
        ("yes or no", None),
        ("It is both true and false", None),
        ("Nobody knows what is invalidated or untrue", None),
        ("maybe", None),
        ("", None),
    ],
)
def test_reply(reply: str, answer: str | None) -> None:
    assert read(reply) == answer


@pytest.mark.parametrize(
    ("targets", "reply", "answer"),
    [
        (("yes", "no"), "True", "yes"),
        (("yes", "no"), "It is true that they met, so no.", "no"),  # the labels' own words first
        (("valid", "invalid"), "The argument is invalid, as it is true of some only", "invalid"),
        (("valid", "invalid"), "No", "invalid"),
        (("1", "0"), "yes", "1"),
        (("1", "0"), "There are 0 of them", "0"),
    ],
)
def test_words_of_the_targets(targets: tuple[str, ...], reply: str, answer: str) -> None:
    assert read(reply, *targets) == answer


@pytest.mark.parametrize(
    ("rule", "reply", "answer"),
    [
        ("first", "yes, no", "True"),
        ("last", "yes, no", "False"),
        ("line", "yes, no", None),
        ("line", "invalid.", "False"),
    ],
)
def test_other_rules(rule: str, reply: str, answer: str | None) -> None:
    assert read(reply, rule=rule) == answer


@pytest.mark.parametrize(
    ("targets", "labels"),
    [
        (["No", "Yes", "no"], ("No", "Yes")),
        (["Yes"], ("No", "Yes")),
        (["false"], ("false", "true")),
        (["invalid", "valid"], ("invalid", "valid")),
        (["1", "1"], ("0", "1")),
    ],
)
def test_labels_are_always_two(targets: list[str], labels: tuple[str, str]) -> None:
    metric = choose_metric("boolean", targets, read=None)
    assert isinstance(metric, Choice)
    assert (metric.labels, metric.name) == (labels, "boolean")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["Yes", "perhaps"], "--metric boolean: the target 'perhaps' is none of true, yes, valid, 1, false"),
        (["Yes", "No", "True"], "the targets '(True|Yes)' and '(True|Yes)' mean the same"),
    ],
)
def test_targets_that_do_not_fit(targets: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose_metric("boolean", targets, read=None)


def test_score_is_settled_as_that_of_a_choice() -> None:
    metric = choose_metric("boolean", ["Yes", "No"], read=None)
    assert metric.score("no, as it", row("No")) == Score(1.0, "No", settled=True)
    assert metric.score("no, as it", row("YES")) == Score(0.0, "No", settled=True)
    assert metric.score("hm", row("Yes")) == Score(0.0, None)


def test_task_knows_the_labels() -> None:
    rows = tuple(row("Yes" if n % 3 else "No", f"Is {n} so?") for n in range(9))
    splits = Splits(train=rows[:3], dev=rows[3:6], test=rows[6:], unused=0, leaked=(), notes=())
    task = build_task(splits, prompt="Say it.", metric="boolean")
    assert (task.labels, task.brief.labels, task.metric.name) == (("No", "Yes"), ("No", "Yes"), "boolean")
    assert commonest_answer_score(task, rows) == pytest.approx(6 / 9)
    assert task.fingerprint != build_task(splits, prompt="Say it.", metric="choice").fingerprint
    given = build_task(splits, prompt="Say it.", metric="boolean", labels=["Yes", "No"])
    assert (given.labels, given.metric.name) == (("No", "Yes"), "boolean")
    with pytest.raises(ConfigError, match="labels are for the metric choice or boolean, but the metric is number"):
        build_task(splits, prompt="Say it.", metric="number", labels=["Yes", "No"])
