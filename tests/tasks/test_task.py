"""A task built from splits: what follows from the rows, what parts may see, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from promptdescent.errors import ConfigError, DataError
from promptdescent.records import Example, Prompt
from promptdescent.tasks.judge import Judge, Scale
from promptdescent.tasks.metrics import Choice, ExactMatch, Score
from promptdescent.tasks.splits import Splits, ready_splits
from promptdescent.tasks.task import Task, build_task, commonest_answer_score
from promptdescent.text import fingerprint


def example(i: int, target: str, **more: str) -> Example:
    inputs = (("text", f"text {i}"), *more.items())
    return Example(id=fingerprint([inputs, target])[:16], inputs=inputs, target=target)


def splits(targets: str = "abb", *, leaked: int = 0, **more: str) -> Splits:
    """60 rows; without targets, rows without any."""
    rows = [example(i, targets[i % len(targets)] if targets else "", **more) for i in range(60)]
    return ready_splits(rows[:10], rows[10:20], [*rows[20:], *rows[:leaked]])


class ConstantMetric:
    name = "constant"
    needs_target = True
    perfect_score = None
    scoring = "Whatever it is."

    def score(self, reply: str, example: Example) -> Score:
        return Score(1.0, reply)


def test_defaults_follow_from_prompt_and_targets() -> None:
    task = build_task(splits(), prompt="Sort it.", notes="letters of a shop")
    assert (task.placement, task.metric, task.labels) == ("after", Choice(("a", "b")), ("a", "b"))
    assert (task.start, task.objective.name, task.notes) == (Prompt.of("Sort it."), "mean", ())
    assert build_task(splits(), prompt="Sort {text}.").placement == "template"
    assert build_task(splits("12"), prompt="Count.").labels == ()


def test_labels_come_from_all_splits() -> None:
    rows = splits()
    rows = replace(rows, test=(*rows.test, example(99, "c")))
    assert build_task(rows, prompt="Sort it.").labels == ("a", "b", "c")


def test_labels_can_be_given() -> None:
    task = build_task(splits(), prompt="Sort it.", labels=["b", "z", "A"])
    assert task.labels == ("A", "b", "z")
    assert task.metric.score("the answer is A", task.train[0]).value == 1
    with pytest.raises(DataError, match="the target 'b' is none of the labels"):
        build_task(splits(), prompt="Sort it.", labels=["a", "z"])
    with pytest.raises(ConfigError, match="the metric is exact"):
        build_task(splits(), prompt="Sort it.", metric="exact", labels=["a", "b"])


def test_brief_holds_train_rows_only() -> None:
    task = build_task(splits(), prompt="Sort {text}.", notes="letters of a shop")
    brief = task.brief
    assert brief.train == task.train == task.splits.train
    assert not {row.id for row in brief.train} & {row.id for row in (*task.dev, *task.test)}
    assert (brief.labels, brief.placement, brief.placeholders) == (("a", "b"), "template", ("text",))
    assert (brief.notes, brief.mean_over_rows, brief.perfect_score) == ("letters of a shop", True, 1.0)
    assert build_task(splits(), prompt="Say {text}.", placement="after").brief.placeholders == ()


def test_metric_handed_in_has_no_known_upper_end() -> None:
    task = build_task(splits(), prompt="Sort it.", metric=ConstantMetric())
    assert (task.brief.perfect_score, task.labels) == (None, ())
    assert build_task(splits(), prompt="Sort it.", metric=ExactMatch()).brief.perfect_score == 1.0
    with pytest.raises(ConfigError, match="--read"):
        build_task(splits(), prompt="Sort it.", metric=ConstantMetric(), read="last")


def test_verdict_rows_leave_out_what_leaked() -> None:
    task = build_task(splits(leaked=3), prompt="Sort it.")
    assert len(task.test) == 43
    assert task.verdict_rows == task.test[:40]
    assert any("left out of the verdict" in note for note in task.notes)


@pytest.mark.parametrize("placement", [None, "template"])
def test_placeholder_that_is_no_column(placement: str | None) -> None:
    for prompt in ("Sort {txt}.", "Sort {text} by {txt}."):
        with pytest.raises(ConfigError, match=r"\{txt\} is no input column.*did you mean 'text'"):
            build_task(splits(), prompt=prompt, placement=placement)  # type: ignore[arg-type]


def test_braces_that_are_meant_as_text() -> None:
    task = build_task(splits(), prompt="Sort {txt}.", placement="after")
    assert (task.placement, task.brief.placeholders) == ("after", ())
    assert build_task(splits(), prompt='Say {"sort": {"x": 1}}.').placement == "after"


def test_template_without_a_column() -> None:
    with pytest.raises(ConfigError, match="no question"):
        build_task(splits(), prompt="Sort it.", placement="template")


def test_column_that_a_template_leaves_out_is_said() -> None:
    task = build_task(splits(date="May"), prompt="Sort {text}.")
    assert task.notes == ("The prompt does not name the input column 'date', so the model does not see it.",)
    assert build_task(splits(date="May"), prompt="Sort {text} {date}.").notes == ()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"metric": "chioce"}, ConfigError, "did you mean 'choice'"),
        ({"read": "frist"}, ConfigError, "did you mean 'first'"),
        ({"metric": "exact", "read": "first"}, ConfigError, "--read first"),
        ({"metric": "number"}, DataError, "the target 'a' is no number"),
        ({"metric": "no_such_module_at_all:f"}, ConfigError, "no module"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build_task(splits(), prompt="Sort it.", **settings)  # type: ignore[arg-type]


def test_function_that_fails_is_found_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_metric_of_the_user.py").write_text("def f(reply, target):\n    return None\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="failing_metric_of_the_user:f returned None"):
        build_task(splits(), prompt="Sort it.", metric="failing_metric_of_the_user:f")


def test_fingerprint_changes_with_what_scores_depend_on() -> None:
    base = build_task(splits(), prompt="Sort it.")
    others: list[Task] = [
        build_task(splits("aab"), prompt="Sort it."),
        build_task(splits(), prompt="Sort it.", placement="before"),
        build_task(splits(), prompt="Sort it.", metric="exact"),
        build_task(splits(), prompt="Sort it.", read="last"),
        build_task(splits(), prompt="Sort it.", labels=["a", "b", "c"]),
        replace(base, splits=replace(base.splits, train=base.dev, dev=base.train)),
    ]
    assert len({task.fingerprint for task in (base, *others)}) == 7
    same = [
        build_task(splits(), prompt="Another prompt.", notes="of no matter"),
        replace(base, splits=replace(base.splits, unused=7, notes=("said before",))),
    ]
    assert {task.fingerprint for task in (base, *same)} == {base.fingerprint}


def test_commonest_answer_score() -> None:
    task = build_task(splits("abb", leaked=2), prompt="Sort it.")
    targets = [row.target for row in task.verdict_rows]
    assert commonest_answer_score(task) == targets.count("b") / 40
    assert commonest_answer_score(build_task(splits("12"), prompt="Count.")) is None


# Objectives, judges, length


def test_f1_is_a_choice_with_an_objective_of_its_own() -> None:
    task = build_task(splits(), prompt="Sort it.", metric="f1:b", read="last")
    assert task.metric == Choice(("a", "b"), read="last")
    assert (task.objective.name, task.labels, task.brief.mean_over_rows) == ("b F1", ("a", "b"), False)
    assert "F1 of the output 'b'" in task.brief.scoring
    with pytest.raises(ConfigError, match="--metric f1:c: 'c' is no label"):
        build_task(splits(), prompt="Sort it.", metric="f1:c")
    assert build_task(splits(), prompt="Sort it.", metric="f1:c", labels=["a", "b", "c"]).objective.name == "c F1"


def test_the_commonest_answer_is_scored_by_the_objective() -> None:
    task = build_task(splits("abb"), prompt="Sort it.", metric="f1")
    share = [row.target for row in task.verdict_rows].count("b") / 40
    assert commonest_answer_score(task) == pytest.approx((2 * share / (1 + share) + 0) / 2)


def test_the_fingerprint_tells_objectives_judges_and_lengths_apart() -> None:
    settings: list[dict[str, object]] = [
        {"metric": "choice"},
        {"metric": "f1"},
        {"metric": "f1:micro"},
        {"metric": "f1:a"},
        {"metric": "choice", "length_cost": 0.01},
        {"metric": Judge()},
        {"metric": Judge(rubric="Is it kind?")},
        {"metric": Judge(scale=Scale(high=7))},
        {"metric": Judge(repeats=2)},
        {"metric": "regex:(a)"},
        {"metric": "regex:(b)"},
    ]
    tasks = [build_task(splits(), prompt="Sort it.", **one) for one in settings]  # type: ignore[arg-type]
    assert len({task.fingerprint for task in tasks}) == len(tasks)


def test_with_a_cost_of_length_no_score_is_perfect_and_the_optimizer_is_told() -> None:
    brief = build_task(splits(), prompt="Sort it.", length_cost=0.002).brief
    assert (brief.perfect_score, brief.reachable_score) == (None, 1 - 0.002)
    assert brief.mean_over_rows
    assert brief.scoring.endswith("Each word of the prompt takes 0.2 points off the score.")
    assert "points" not in build_task(splits(), prompt="Sort it.").brief.scoring
    own = build_task(splits(), prompt="Sort it.", metric=ConstantMetric(), length_cost=0.002).brief
    assert own.reachable_score is None
    assert own.scoring == "Whatever it is. Each word of the prompt takes 0.002 off the score."


def test_a_judge_needs_a_rubric_where_there_are_no_targets() -> None:
    rows = splits("")
    judge = Judge(rubric="Is it kind?")
    assert build_task(rows, prompt="Be kind.", metric=judge).metric == judge
    assert build_task(splits(), prompt="Be kind.", metric=Judge()).brief.scoring.startswith("A judge grades")
    with pytest.raises(ConfigError, match="--judge-rubric"):
        build_task(rows, prompt="Be kind.", metric=Judge())


def test_a_metric_handed_in_is_checked() -> None:
    class Nothing:
        name = "nothing"

    with pytest.raises(ConfigError, match="the metric Nothing has no needs_target"):
        build_task(splits(), prompt="Sort it.", metric=Nothing())  # type: ignore[arg-type]
