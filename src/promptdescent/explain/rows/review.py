"""Which rows a person should look at, from the answers of many prompts on the same rows; nothing is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptdescent.explain.rows.mislabelled import FEWEST_PROMPTS, Suspicion, is_right, suspicions
from promptdescent.explain.rows.repeats import repeated_rows
from promptdescent.records import Evaluation, Example, Split
from promptdescent.records.explanation import RowDoubt

MANY = 0.1
"""Share of rows from which so many look mislabelled that another reason is more likely."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowReview:
    """Rows to look at, and what cannot be said of rows."""

    doubts: tuple[RowDoubt, ...]
    """First those that look mislabelled, the surest first; then near-duplicates; then rows that decide nothing."""
    notes: tuple[str, ...]
    """Sentences for the user."""


def review_rows(
    examples: Mapping[Split, Sequence[Example]],
    evaluations: Sequence[Evaluation],
    labels: Sequence[str],
    *,
    split: Split = "dev",
) -> RowReview:
    """Review the rows of a run.

    Args:
        examples: the run's rows by split.
        evaluations: one per prompt, all on the rows of ``split`` in order. None is fine: then only near-duplicates
            are looked for.
        labels: the answers to choose from; empty for a task that is no choice.
        split: the rows that the prompts were measured on.

    Raises:
        ValueError: an evaluation is of other rows than those of ``split``.
    """
    rows = examples.get(split, ())
    for evaluation in evaluations:
        if [outcome.example for outcome in evaluation.outcomes] != [row.id for row in rows]:
            raise ValueError(f"an evaluation is of other rows than the {split} rows: hand in those, in their order")
    found = suspicions(evaluations, labels)
    listed = [_mislabelled(one, rows, split, len(evaluations), labels) for one in found]
    idle = _deciding_nothing(evaluations, rows, split, {one.place for one in found})
    notes = [*_label_notes(evaluations, rows, labels, found), *_deciding_notes(evaluations, rows)]
    return RowReview(doubts=(*listed, *repeated_rows(examples), *idle), notes=tuple(notes))


def _mislabelled(
    one: Suspicion, rows: Sequence[Example], split: Split, prompts: int, labels: Sequence[str]
) -> RowDoubt:
    row = rows[one.place]
    given = round(one.share * prompts)
    reason = f"{given} of {prompts} prompts answer so, and the better prompts weigh {one.support:.0%} for it."
    if len(labels) == 2:
        reason += " With two labels a row that is too hard looks the same."
    return RowDoubt(
        example=row.id,
        split=split,
        kind="looks mislabelled",
        suggested=one.suggested,
        share=one.share,
        reason=reason,
    )


def _deciding_nothing(
    evaluations: Sequence[Evaluation], rows: Sequence[Example], split: Split, suspicious: set[int]
) -> list[RowDoubt]:
    """Rows that every prompt scores alike on."""
    if len(evaluations) < 2:
        return []
    found = []
    for place, (row, right) in enumerate(zip(rows, _alike(evaluations), strict=True)):
        if right is None or place in suspicious:
            continue
        prompts = len(evaluations)
        reason = (
            f"Right under all {prompts} prompts: it is too easy to tell them apart."
            if right
            else f"Wrong under all {prompts} prompts, with different answers or none: too hard to tell them apart."
        )
        found.append(RowDoubt(example=row.id, split=split, kind="decides nothing", reason=reason))
    return found


def _alike(evaluations: Sequence[Evaluation]) -> list[bool | None]:
    """For each row whether all prompts are right on it, or all wrong; None where they differ, or two have no score.

    Where answers are right or wrong, a cost of the prompt's length moves both, which is no difference between rows;
    graded scores differ wherever they are not equal.
    """
    graded = any(len({outcome.score for outcome in one.outcomes} - {None}) > 2 for one in evaluations)
    found: list[bool | None] = []
    for outcomes in zip(*(one.outcomes for one in evaluations), strict=True):
        scored = [outcome for outcome in outcomes if outcome.score is not None]
        different = {outcome.score if graded else is_right(outcome) for outcome in scored}
        found.append(is_right(scored[0]) if len(scored) > 1 and len(different) == 1 else None)
    return found


def _label_notes(
    evaluations: Sequence[Evaluation], rows: Sequence[Example], labels: Sequence[str], found: Sequence[Suspicion]
) -> list[str]:
    """What cannot be said of labels."""
    if not evaluations:
        return ["No prompts were measured on these rows, so nothing is known of their labels."]
    if not any(outcome.answer for one in evaluations for outcome in one.outcomes):
        return ["The metric reads no answers, so nothing can be said of labels: only scores are known."]
    if not any(row.target for row in rows):
        return ["The rows have no targets, so none can be wrong."]
    if len(evaluations) < FEWEST_PROMPTS:
        return [
            f"Only {len(evaluations)} prompts were measured; labels are judged from {FEWEST_PROMPTS} on, since few "
            "prompts agree by chance."
        ]
    notes = []
    if len(labels) == 2:
        notes.append(
            "The task has two labels, so every wrong answer is the same one, and a row that is too hard looks like a "
            "mislabelled one. In simulation often only one in eight of them was mislabelled (docs/rows.md)."
        )
    elif found:
        notes.append(
            "A row that the model misreads the same way under every prompt looks like a mislabelled one; answers of "
            "one model cannot tell them apart, so look at each row before leaving it out."
        )
    if len(found) > MANY * len(rows):
        notes.append(_many(found, rows))
    return notes


def _many(found: Sequence[Suspicion], rows: Sequence[Example]) -> str:
    """That fewer rows are likely mislabelled than are listed, and what they have in common."""
    said = (
        f"{len(found)} of {len(rows)} rows look mislabelled, more than labels are usually wrong: the model may read "
        "the task otherwise than the labels do."
    )
    (target, suggested), count = Counter((rows[one.place].target, one.suggested) for one in found).most_common(1)[0]
    if count * 2 > len(found):
        said += f" {count} of them have the target {target[:60]!r} and are answered {suggested[:60]!r}."
    return said


def _deciding_notes(evaluations: Sequence[Evaluation], rows: Sequence[Example]) -> list[str]:
    """What share of the rows decides."""
    if len(evaluations) < 2 or not rows:
        return []
    alike = _alike(evaluations)
    deciding, easy, hard = (sum(one is kind for one in alike) for kind in (None, True, False))
    return [
        f"{deciding} of {len(rows)} rows ({deciding / len(rows):.0%}) tell the {len(evaluations)} prompts apart; all "
        f"are right on {easy} and wrong on {hard}."
    ]
