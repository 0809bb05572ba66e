"""A store with runs written by hand, and a terminal to draw on."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from promptdescent.records import Outcome, Verdict
from promptdescent.store.store import Store
from report.report_samples import VERDICT, manifest, write_run

HOSTILE = "Say \x1b[31mred\x07 [bold]yes[/bold] :smile: <script>alert(1)</script> or no."
"""A prompt that would act on a terminal or page that believes it."""


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def words(self) -> str:
        """What was written, without colours and on one line."""
        return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue()).split())


def outcomes(scores: Sequence[float | None], *, first: int = 1) -> tuple[Outcome, ...]:
    """One for each score, on the rows t1, t2, …"""
    return tuple(
        Outcome(example=f"t{number}", kind="missing" if score is None else "answered", score=score)
        for number, score in enumerate(scores, start=first)
    )


def verdict(scores: Sequence[float | None], *, first: int = 1) -> Verdict:
    """One whose found prompt has these scores on the test rows."""
    found = outcomes(scores, first=first)
    known = [score for score in scores if score is not None]
    mean = sum(known) / len(known)
    return replace(VERDICT, best_score=mean, best_outcomes=found, start_outcomes=found, rows=len(known))


def write(
    store: Store,
    *,
    best: str = "Say yes or no: is it good?",
    scores: Sequence[float | None] = (1.0,) * 20,
    first: int = 1,
    **changes: Any,
) -> str:
    """A run that found ``best``, which has these scores on the test rows; ``changes`` are of its manifest."""
    changed = replace(manifest(), **changes)
    return write_run(store, run_manifest=changed, best=best, verdict=verdict(scores, first=first))
