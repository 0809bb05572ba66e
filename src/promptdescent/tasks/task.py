"""A task: its rows, where the prompt goes, and how an answer is scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from promptdescent.errors import ConfigError, DataError, nearest
from promptdescent.records import Example, Placement, Prompt, ScoredRows, TaskBrief
from promptdescent.tasks.judge import RIGHTNESS, Judge
from promptdescent.tasks.metrics import CHOICES, Choice, FunctionMetric, Metric, check_metric, choose_metric
from promptdescent.tasks.objective import Mean, Objective, ScoredRow, choose_objective
from promptdescent.tasks.reading import label_key
from promptdescent.tasks.splits import Splits
from promptdescent.tasks.target import check_template, choose_placement
from promptdescent.text import fingerprint, placeholders


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a prompt is optimized for."""

    splits: Splits
    metric: Metric | Judge
    objective: Objective = field(default_factory=Mean)
    length_cost: float = 0.0
    """What the search takes off a score per word of the prompt; the verdict compares plain scores."""
    placement: Placement
    second_round: str = ""
    """What the task model is asked after its first reply; empty where the first reply is what is scored."""
    labels: tuple[str, ...]
    """The answers to choose from, sorted; empty unless the metric is a choice."""
    start: Prompt
    about: str = ""
    """What the user says of the domain."""
    notes: tuple[str, ...] = ()
    """Sentences for the user, said before the run."""

    @property
    def train(self) -> tuple[Example, ...]:
        """Rows that an optimizer may show to its model."""
        return self.splits.train

    @property
    def dev(self) -> tuple[Example, ...]:
        """Rows that candidates are scored on."""
        return self.splits.dev

    @property
    def test(self) -> tuple[Example, ...]:
        """Rows that take no part in the search."""
        return self.splits.test

    @property
    def verdict_rows(self) -> tuple[Example, ...]:
        """Test rows that stand neither in train nor in dev, each once: a copy is no further evidence."""
        leaked = set(self.splits.leaked)
        distinct = {example.inputs: example for example in reversed(self.test) if example.id not in leaked}
        return tuple(reversed(distinct.values()))

    def rows_on(self, on: ScoredRows) -> tuple[Example, ...]:
        """The rows that a prompt is scored on without a search; where all rows are, the test rows are all there are."""
        return self.dev if on == "dev" else self.verdict_rows

    @property
    def brief(self) -> TaskBrief:
        """What the parts of an optimizer may know: of the rows, those of train only."""
        return TaskBrief(
            labels=_in_order_of(self.labels, self.start.text),
            placement=self.placement,
            placeholders=placeholders(self.start.text) if self.placement == "template" else (),
            train=self.train,
            mean_over_rows=self.objective.mean_over_rows,
            perfect_score=None if self.length_cost else self.metric.perfect_score,
            shortest_perfect=self._shortest_perfect,
            scoring=self._scoring,
            notes=self.about,
        )

    @property
    def _shortest_perfect(self) -> float | None:
        perfect = self.metric.perfect_score
        return None if perfect is None or not self.length_cost else perfect - self.length_cost

    @property
    def _scoring(self) -> str:
        how = self.objective.scoring or self.metric.scoring
        if not self.length_cost:
            return how
        taken = f"{100 * self.length_cost:g} points" if self.metric.perfect_score == 1.0 else f"{self.length_cost:g}"
        return f"{how} Each word of the prompt takes {taken} off the score."

    @property
    def fingerprint(self) -> str:
        """Digest of the rows in their splits, the metric with its labels or rubric, the objective, the cost of length,
        the placement and the second round: 64 hex digits.
        """
        # Only where there is one, so that runs recorded before there were any keep their digest.
        second_round = {"second_round": self.second_round} if self.second_round else {}
        return fingerprint(
            {
                "splits": [[example.id for example in rows] for rows in (self.train, self.dev, self.test)],
                "metric": self.metric.name,
                "read": self.metric.read if isinstance(self.metric, Choice) else None,
                "judge": asdict(self.metric) if isinstance(self.metric, Judge) else None,
                "labels": self.labels,
                "objective": self.objective.name,
                "length_cost": self.length_cost,
                "placement": self.placement,
                **second_round,
            }
        )


def build_task(
    splits: Splits,
    *,
    prompt: str,
    placement: Placement | None = None,
    second_round: str = "",
    metric: Metric | Judge | str | None = None,
    read: str | None = None,
    labels: Sequence[str] | None = None,
    length_cost: float = 0.0,
    notes: str = "",
) -> Task:
    """The task, checked.

    By default the placement follows from the prompt, the metric from the targets, and the labels of a choice are all
    targets of all splits; ``labels`` may name more answers than occur. ``length_cost`` is taken off per word of the
    prompt while candidates are compared. ``second_round`` is what the task model is asked after its first reply, whose
    answer is then what is scored. ``notes`` is what the user says of the domain.

    Raises :class:`ConfigError` for a placeholder that is no column, an unknown metric or rule, a function that fails on
    the first row, labels for what is no choice, and a judge with nothing to go by; :class:`DataError` for targets that
    do not fit the metric or the labels.
    """
    first = next(iter((*splits.train, *splits.dev, *splits.test)))
    columns = [name for name, _ in first.inputs]
    placed = choose_placement(prompt, columns, placement)
    if placed == "template" or (placement is None and placeholders(prompt)):
        check_template(prompt, columns)
    targets = [example.target for rows in (splits.train, splits.dev, splits.test) for example in rows]
    chosen = _choose_metric(metric, targets, read=read, labels=labels)
    if isinstance(chosen, FunctionMetric):
        # Whether the function works at all is to be known before calls are paid for.
        chosen.score(first.target or first.question, first)
    _check_judge(chosen, targets)
    chosen_labels = chosen.labels if isinstance(chosen, Choice) else ()
    return Task(
        splits=splits,
        metric=chosen,
        objective=choose_objective(metric if isinstance(metric, str) else None, chosen_labels),
        length_cost=length_cost,
        placement=placed,
        second_round=second_round,
        labels=chosen_labels,
        start=Prompt.of(prompt),
        about=notes,
        notes=(
            *splits.notes,
            *_copy_notes(splits),
            *_template_notes(prompt, columns, placed),
            *_round_notes(second_round),
        ),
    )


def _in_order_of(labels: tuple[str, ...], prompt: str) -> tuple[str, ...]:
    """The labels as the prompt names them, then the others: small models answer otherwise when the order changes."""
    text = prompt.casefold()
    found = {label: text.find(label.casefold()) for label in labels}
    return tuple(sorted(labels, key=lambda label: found[label] if found[label] >= 0 else len(text)))


def _choose_metric(
    metric: Metric | Judge | str | None, targets: Sequence[str], *, read: str | None, labels: Sequence[str] | None
) -> Metric | Judge:
    if metric is not None and not isinstance(metric, str):
        if read is not None:
            raise ConfigError("--read is about a choice, not about a judge or a metric that is handed in")
        if not isinstance(metric, Judge):
            check_metric(metric)
        return metric
    if labels is None:
        return choose_metric(metric, targets, read=read)
    if metric is not None and metric.partition(":")[0] not in CHOICES:
        raise ConfigError(f"labels are for the metric choice or boolean, but the metric is {metric}; leave one out")
    known = {label_key(label) for label in labels}
    for target in targets:
        if label_key(target) not in known:
            raise DataError(f"the target {target!r} is none of the labels; {nearest(target, labels)}")
    return choose_metric("boolean" if metric == "boolean" else "choice", list(labels), read=read)


def _check_judge(metric: Metric | Judge, targets: Sequence[str]) -> None:
    if isinstance(metric, Judge) and metric.rubric == RIGHTNESS and "" in targets:
        raise ConfigError(
            "--metric judge: some rows have no target to compare an answer with, so say with --judge-rubric what makes "
            "a good answer"
        )


def _copy_notes(splits: Splits) -> list[str]:
    copies = len(splits.test) - len({example.inputs for example in splits.test})
    return [f"{copies} of the test rows are copies of others; the score counts each row once."] if copies else []


def _template_notes(prompt: str, columns: Sequence[str], placement: Placement) -> list[str]:
    if placement != "template":
        return []
    unseen = [column for column in columns if column not in placeholders(prompt)]
    return [f"The prompt does not name the input column {column!r}, so the model does not see it." for column in unseen]


def _round_notes(second_round: str) -> list[str]:
    if not second_round:
        return []
    return [f"Each row takes two calls of the task model: after its reply it is asked {second_round!r}."]


def commonest_answer_score(task: Task, rows: Sequence[Example] | None = None) -> float | None:
    """The score of always answering the commonest label of these rows, the verdict's by default; None if it is no
    choice.
    """
    if not isinstance(task.metric, Choice):
        return None
    targets = [example.target for example in (task.verdict_rows if rows is None else rows)]
    ((commonest, _),) = Counter(label_key(target) for target in targets).most_common(1)
    return task.objective.combine(
        [ScoredRow(float(label_key(target) == commonest), commonest, target) for target in targets]
    )
