"""Which rows a person should look at, from the answers of many prompts on the same rows; nothing is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from promptdescent.explain.rows.mislabelled import FEWEST_PROMPTS, Suspicion, is_right, suspicions
from promptdescent.explain.rows.repeats import repeated_rows
from promptdescent.records import Evaluation, Example, Split
from promptdescent.records.explanation import RowDoubt

MANY = 0.1
"""Share of the rows above which so many look mislabelled that another reason is more likely."""
_LEAST_SCORED = 0.5
"""Share of the prompts that must have a score on a row for it to count as one on which they all agree."""

_Told: TypeAlias = Literal["apart", "all right", "all wrong", "not known"]
"""What the scores of a row say of the prompts."""


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
    found = suspicions(evaluations, [row.target for row in rows], labels)
    listed = [_mislabelled(one, rows, split, len(evaluations), labels) for one in found]
    idle = _deciding_nothing(evaluations, rows, split, {one.place for one in found})
    notes = [*_label_notes(evaluations, rows, labels, found), *_deciding_notes(evaluations, rows)]
    return RowReview(doubts=(*listed, *repeated_rows(examples), *idle), notes=tuple(notes))


def too_many(suspected: int, rows: int) -> bool:
    """Whether more of the ``rows`` look mislabelled than labels are usually wrong."""
    return suspected > MANY * rows


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
    for place, (row, told) in enumerate(zip(rows, _told(evaluations), strict=True)):
        if told in ("apart", "not known") or place in suspicious:
            continue
        scored = sum(one.outcomes[place].score is not None for one in evaluations)
        prompts = f"all {scored} prompts" + (" that have a score" if scored < len(evaluations) else "")
        reason = (
            f"Right under {prompts}: it is too easy to tell them apart."
            if told == "all right"
            else f"Wrong under {prompts}, with different answers or none: too hard to tell them apart."
        )
        found.append(RowDoubt(example=row.id, split=split, kind="decides nothing", reason=reason))
    return found


def _told(evaluations: Sequence[Evaluation]) -> list[_Told]:
    """For each row whether it tells prompts apart, or all are right on it, or all wrong. Not known where those that
    have a score agree, but are fewer than two or than half.

    Where answers are right or wrong, a cost of the prompt's length moves both, which is no difference between rows;
    graded scores differ wherever they are not equal.
    """
    graded = any(len({outcome.score for outcome in one.outcomes} - {None}) > 2 for one in evaluations)
    found: list[_Told] = []
    for outcomes in zip(*(one.outcomes for one in evaluations), strict=True):
        scored = [outcome for outcome in outcomes if outcome.score is not None]
        different = {outcome.score if graded else is_right(outcome) for outcome in scored}
        if len(different) > 1:
            found.append("apart")
        elif len(scored) < max(2, _LEAST_SCORED * len(evaluations)):
            found.append("not known")
        else:
            found.append("all right" if is_right(scored[0]) else "all wrong")
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
            "mislabelled one. In simulation mostly between one in eight and two in five of them were mislabelled "
            "(docs/rows.md)."
        )
    elif found:
        notes.append(
            "A row that the model misreads the same way under every prompt looks like a mislabelled one; answers of "
            "one model cannot tell them apart, so look at each row before leaving it out."
        )
    if too_many(len(found), len(rows)):
        notes.append(_many(found, rows))
    return notes


def _many(found: Sequence[Suspicion], rows: Sequence[Example]) -> str:
    """That fewer rows are likely mislabelled than are listed, and what they have in common."""
    said = (
        f"{len(found)} of {len(rows)} rows look mislabelled, more than labels are usually wrong: the model may read "
        "the task otherwise than the labels do, so none is left out beforehand."
    )
    (target, suggested), count = Counter((rows[one.place].target, one.suggested) for one in found).most_common(1)[0]
    if count * 2 > len(found):
        said += f" {count} of them have the target {target[:60]!r} and are answered {suggested[:60]!r}."
    return said


def _deciding_notes(evaluations: Sequence[Evaluation], rows: Sequence[Example]) -> list[str]:
    """What share of the rows decides."""
    if len(evaluations) < 2 or not rows:
        return []
    counts = Counter(_told(evaluations))
    deciding, unknown = counts["apart"], counts["not known"]
    share = "" if unknown else f" ({deciding / len(rows):.0%})"
    said = (
        f"{deciding} of {len(rows)} rows{share} tell the {len(evaluations)} prompts apart; all are right on "
        f"{counts['all right']} and wrong on {counts['all wrong']}."
    )
    if unknown:
        said += f" Not known of {unknown} rows: too few of the prompts have a score there."
    return [said]
