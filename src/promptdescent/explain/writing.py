"""The record of an explanation, from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptdescent.explain.effects import Average, Overlap
from promptdescent.explain.measurement import Measurement
from promptdescent.explain.plan import Plan
from promptdescent.explain.pruning import Shorter
from promptdescent.explain.rows.review import RowReview
from promptdescent.explain.subject import Subject
from promptdescent.records.explanation import Effect, Explanation, PieceEffect, PrunedPrompt, RedundantPair
from promptdescent.tasks.objective import Objective
from promptdescent.version import __version__

NOTHING = Effect(difference=0.0, interval=(0.0, 0.0), rows=0)
"""Of a piece that cannot be left out."""

ON_DEV_ROWS = (
    "All of it was measured on dev rows. Who changes the prompt by it makes a choice by these rows: score the changed "
    "prompt on the test rows."
)

CHOSEN = (
    "All of it was measured on dev rows, by which the search chose the prompt among others: its score there is likely "
    "too high, and only the verdict says what the prompt gains. Left out alone and the rows gained and lost compare "
    "with that score, so that even a piece that does nothing looks useful there, by some points where rows are few; "
    "the average effects do not."
)
"""The winner's curse: a prompt that won by its score had luck, which every other wording loses."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that an explanation is written from."""

    run: str
    """Id of the run that holds the calls."""
    subject: Subject
    plan: Plan
    measurement: Measurement
    score: float
    rows: int
    """With a score under the whole prompt."""
    objective: Objective
    found: Sequence[Average]
    """By place among the pieces that can be left out; so are the places in ``pairs``."""
    pairs: Sequence[Overlap]
    cautions: Sequence[str]
    """What the intervals do not cover, in sentences."""
    shorter: Shorter | None
    most_calls: int
    calls: int
    review: RowReview
    sampled: bool
    """Whether the task model's replies are drawn at random."""
    dev_rows: int
    """All that the run has."""

    @property
    def averages(self) -> dict[int, Effect]:
        """Average effects by piece."""
        return effects_by_piece(self.subject.pieces.free, self.found)


def effects_by_piece(free: Sequence[int], found: Sequence[Average]) -> dict[int, Effect]:
    """The average effects of the pieces ``free``."""
    return {place: one.effect for place, one in zip(free, found, strict=True)}


def explanation_of(measured: Measured) -> Explanation:
    """The record."""
    free = measured.subject.pieces.free
    return Explanation(
        run=measured.run,
        version=__version__,
        prompt=measured.subject.pieces.prompt,
        score=measured.score,
        rows=measured.rows,
        prompts=measured.measurement.prompts,
        most_calls=measured.most_calls,
        calls=measured.calls,
        pieces=tuple(_piece(measured, place) for place in range(len(measured.subject.pieces.pieces))),
        pairs=tuple(
            RedundantPair(
                first=free[pair.first],
                second=free[pair.second],
                without_first=pair.without_first,
                without_second=pair.without_second,
                without_both=pair.without_both,
            )
            for pair in measured.pairs
        ),
        pruned=_pruned(measured),
        doubts=measured.review.doubts,
        notes=(*measured.subject.notes, *_notes(measured), CHOSEN if measured.subject.chosen else ON_DEV_ROWS),
        row_notes=measured.review.notes,
    )


def _piece(measured: Measured, place: int) -> PieceEffect:
    subject, measurement = measured.subject, measured.measurement
    piece = subject.pieces.pieces[place]
    average = None if piece.locked else measured.found[subject.pieces.free.index(place)]
    alone = frozenset({place})
    was_alone = alone in measured.plan.first
    gained, lost = measurement.turned(alone) if was_alone else ((), ())
    return PieceEffect(
        start=piece.start,
        end=piece.end,
        average=average.effect if average else NOTHING,
        removed=measurement.removed(alone) if was_alone else None,
        p_value=average.p_value if average else 1.0,
        matters=average.matters if average else False,
        brought_by=subject.brought_by[place],
        gained=gained,
        lost=lost,
        locked=piece.locked,
    )


def _pruned(measured: Measured) -> PrunedPrompt | None:
    shorter = measured.shorter
    if shorter is None:
        return None
    return PrunedPrompt(
        prompt=measured.subject.pieces.without(shorter.left_out),
        left_out=tuple(sorted(shorter.left_out)),
        effect=shorter.effect,
    )


def _notes(measured: Measured) -> list[str]:
    plan, measurement, notes = measured.plan, measured.measurement, []
    if len(plan.rows) < measured.dev_rows:
        notes.append(
            f"{len(plan.rows)} of the {measured.dev_rows:,} dev rows were used, drawn at random, to stay within the "
            "budget."
        )
    free = len(measured.subject.pieces.free)
    if len(plan.alone) < free:
        notes.append(
            (
                f"Only the first {len(plan.alone)} of the {free} pieces that can go were left out alone as well"
                if plan.alone
                else "No piece was left out alone"
            )
            + ", since the budget has no room for more; which rows the others turn is not known."
        )
    if not measured.objective.mean_over_rows:
        notes.append(
            f"The objective {measured.objective.name} has no value of a single row: what pieces and pairs do is told by"
            " the score of the rows, such as the share that is right; the score of the whole prompt, and what a shorter"
            " prompt loses, by the objective."
        )
    if measurement.missing:
        scored = len(measurement.evaluations) * len(plan.rows)
        notes.append(
            f"{measurement.missing:,} of {scored:,} scores are missing, because a call failed or a cap was met; "
            f"effects rest on {measured.found[0].effect.rows} rows."
        )
    if measured.sampled:
        notes.append("The task model samples: each row was asked once per prompt, and the intervals hold that chance.")
    return [*notes, *measured.cautions, *_about_shorter(measured)]


def _about_shorter(measured: Measured) -> list[str]:
    """How a shorter prompt was judged; that none was found, where one was looked for."""
    shorter = measured.shorter
    if shorter is None:
        return ["No shorter prompt was found that loses nothing measurable."] if measured.plan.tries else []
    notes = [
        "The pieces that the shorter prompt lacks were chosen by the same rows"
        + (f", and it is the last of {shorter.tried} that were tried" if shorter.tried > 1 else "")
        + ": it may look too good."
    ]
    if measured.subject.chosen:
        fair = measured.measurement.without_luck(shorter.left_out, measured.averages) is not None
        notes.append(
            "What it loses is measured against prompts that nobody chose, not against the whole prompt, whose score "
            "holds the luck of having been chosen."
            if fair
            else "What it loses is measured against the whole prompt, whose score holds the luck of having been "
            "chosen, so the loss is likely smaller."
        )
    return notes
