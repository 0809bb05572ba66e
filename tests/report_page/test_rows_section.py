"""What a page says of rows: the notes of the explanation, and the rows that a gain needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_samples import (
    START,
    explanation,
    manifest,
    open_store,
    outcomes,
    rows,
    start_event,
    status,
    steps,
    verdict,
    write,
)

from promptdescent.records import to_json
from promptdescent.report.html.render import report_html
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.stats import rows_needed_binary
from promptdescent.store.store import Store

FOUND = "Say yes or no: is it good?"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path)) as opened:
        yield opened


def page_of(store: Store, *, found: str = FOUND, alike: float | None = None, notes: tuple[str, ...] = ()) -> RunPage:
    """A search with a verdict; ``alike``: both prompts have this score on the right rows and 0 on the others."""
    dev, test = rows("dev", 10), rows("test", 40)
    changes: dict[str, Any] = {}
    if alike is not None:
        same = tuple(replace(one, score=alike if one.score else 0.0) for one in outcomes(test, 15))
        changes = {"start_outcomes": same, "best_outcomes": same}
    said = replace(explanation(found), row_notes=notes)
    best = [] if found == START else steps([[(found, 0.9)]], dev=10)
    told = [("explanation", to_json(said))] if notes else []
    events = [
        status("running"),
        start_event(dev, 5),
        *best,
        ("verdict", to_json(verdict(test, 15, 30, **changes))),
        *told,
        status("finished"),
    ]
    return read_page(store, write(store, events, of=manifest(), dev=dev, test=test))  # type: ignore[arg-type]


def test_notes_of_rows_stand_with_the_rows_and_not_with_the_pieces(store: Store) -> None:
    page = page_of(store, notes=("The task has <b>two</b> labels.",))
    assert page.rows is not None
    assert page.rows.notes == ("The task has <b>two</b> labels.",)
    assert page.explanation is not None
    assert page.explanation.notes == ("Ten rows tell little.",)
    html = report_html(page)
    assert html.count("The task has &lt;b&gt;two&lt;/b&gt; labels.") == 1
    assert html.index('<h2 id="rows">') < html.index("The task has &lt;b&gt;")


@pytest.mark.parametrize(
    ("found", "alike", "why"),
    [
        (START, None, "The search found no other prompt"),
        (FOUND, 1.0, "The two prompts of the verdict score alike on every test row"),
    ],
    ids=["one prompt", "same outcomes"],
)
def test_no_rows_are_counted_where_no_difference_was_seen(
    store: Store, found: str, alike: float | None, why: str
) -> None:
    page = page_of(store, found=found, alike=alike)
    assert page.rows is not None
    assert page.rows.needed == ()
    assert page.rows.needed_note.startswith(f"{why}, so how many rows show a gain cannot be told")
    assert "disagreed on 20 % of the rows, which is assumed" in page.rows.needed_note
    assert f"2 points, {rows_needed_binary(0.02, 0.2):,} test rows" in page.rows.needed_note
    html = report_html(page)
    assert "which is assumed" in html
    assert "Test rows that show a gain" not in html


def test_scores_beyond_one_are_not_counted_at_all(store: Store) -> None:
    page = page_of(store, alike=7.0)
    assert page.rows is None or not page.rows.needed
    assert "assumed" not in report_html(page)
