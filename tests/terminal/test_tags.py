"""Tags of runs."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from terminal_samples import write

from promptdescent.cli.tag import tag
from promptdescent.errors import ConfigError, StoreError
from promptdescent.report.record import canonical, run_record
from promptdescent.store.listing import listed_runs
from promptdescent.store.store import Store
from promptdescent.store.tags import MOST_TAGS, change_tags, checked_tags, tags_of
from report.report_samples import open_store, write_run


def test_tags_are_given_taken_and_said(store: Store, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write(store)
    tag("latest", store=str(folder))
    tag(run[:6], ["good", "v1.2/try-3"], store=str(folder))
    tag(run, ["good", "kept"], remove=["v1.2/try-3"], store=str(folder))
    tag(run, store=str(folder))
    assert capsys.readouterr().out.splitlines() == [
        f"{run}: no tags",
        f"{run}: good v1.2/try-3",
        f"{run}: good kept",
        f"{run}: good kept",
    ]
    assert listed_runs(store)[0].tags == ("good", "kept")
    assert len(store.events(run, "tags")) == 2


@pytest.mark.parametrize("wrong", ["", "two words", "-x", "+x", "a,b", "é", "x" * 41, "[red]", "\x1b[31m"])
def test_what_is_no_tag_is_refused(store: Store, wrong: str) -> None:
    run = write(store)
    with pytest.raises(ConfigError, match="is no tag"):
        asyncio.run(change_tags(store, run, add=[wrong]))
    assert tags_of(store, run) == ()


def test_a_run_has_at_most_twenty(store: Store) -> None:
    run = write(store)
    asyncio.run(change_tags(store, run, add=map(str, range(MOST_TAGS))))
    with pytest.raises(ConfigError, match="21 tags are too many"):
        asyncio.run(change_tags(store, run, add=["more"]))
    assert len(asyncio.run(change_tags(store, run, add=["more"], remove=["0"]))) == MOST_TAGS
    assert checked_tags(["a", "a"]) == ("a",)


def test_a_tag_that_is_not_there_cannot_be_taken_away(store: Store) -> None:
    run = write(store)
    with pytest.raises(ConfigError, match="has no tag 'x' to remove; it has none"):
        asyncio.run(change_tags(store, run, remove=["x"]))


def test_a_run_at_work_is_to_be_waited_for(store: Store, folder: Path) -> None:
    run = write(store)
    store.claim(run)
    with closing(open_store(folder)) as other, pytest.raises(StoreError, match="still running: wait for it to end"):
        asyncio.run(change_tags(other, run, add=["a"]))
    store.release(run)
    with pytest.raises(ConfigError, match="no tag"):
        asyncio.run(change_tags(store, run, remove=["x"]))
    assert not store.holds(run)  # a run is let go of after an error, too


def test_tags_change_neither_the_canonical_record_nor_the_time_at_work(store: Store) -> None:
    """A run whose process was killed still says that it runs; what is added later is no work of it."""
    run = store.create_run(store.manifest(write_run(store)), {})
    asyncio.run(store.set_status(run, "running"))
    asyncio.run(store.append(run, "note", '{"text": "well"}'))
    store.release(run)
    before = run_record(store, run)
    asyncio.run(change_tags(store, run, add=["late"]))
    after = run_record(store, run)
    assert after["seconds"] == before["seconds"] > 0
    assert canonical(after) == canonical(before)
