"""Stores that earlier versions wrote: migrated, listed, shown and gone on with."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from promptdescent import runner
from promptdescent.errors import StoreError
from promptdescent.records import to_json
from promptdescent.report.record import as_text, canonical, run_record
from promptdescent.store.ledger import totals_of
from promptdescent.store.listing import listed_runs
from promptdescent.store.schema import HEAD
from promptdescent.store.store import Store
from promptdescent.version import __version__
from store.samples import manifest

RELEASED = Path(__file__).parent / "released"
SCHEMAS = sorted(path.stem for path in RELEASED.glob("*.sql"))


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> str:
    """The number of a released schema."""
    return str(request.param)


@pytest.fixture
def folder(schema: str, tmp_path: Path) -> Path:
    """The store of that schema, as it lay on the disk of its user."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.executescript((RELEASED / f"{schema}.sql").read_text())
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(schema,)]
    return tmp_path


def printed(schema: str, name: str) -> Any:
    """What the code of that schema printed."""
    return json.loads((RELEASED / f"{schema}.{name}.json").read_text())


def known_to(old: Any, new: Any) -> Any:
    """The part of ``new`` that ``old`` has keys for: a later version may say more, and says nothing else."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: known_to(old[key], value) for key, value in new.items() if key in old}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [known_to(one, other) for one, other in zip(old, new, strict=True)]
    return new


def shown(store: Store, run: str) -> Any:
    return json.loads(as_text(canonical(run_record(store, run))))


def test_every_schema_but_the_newest_is_kept() -> None:
    assert [f"{number:04}" for number in range(1, int(HEAD))] == SCHEMAS


def test_runs_are_shown_as_they_were(folder: Path, schema: str) -> None:
    store = Store.open(folder)
    (version,) = store.database.read(text("SELECT version_num FROM alembic_version"))
    assert version[0] == HEAD
    for run, name in [("latest", "finished"), (store.runs()[0].id, "interrupted")]:
        old = printed(schema, name)
        assert known_to(old, shown(store, run)) == old
    store.close()


def test_an_interrupted_run_ends_as_it_would_have_then(folder: Path, schema: str) -> None:
    store = Store.open(folder)
    run, other = (row.id for row in store.runs())
    before = totals_of(store, other)
    assert [row.status.state for row in store.runs()] == ["interrupted", "finished"]
    asyncio.run(runner.resume(run, store=store))
    store.close()
    store = Store.open(folder)
    old = printed(schema, "resumed")
    assert known_to(old, shown(store, run)) == old
    assert [row.status.state for row in store.runs()] == ["finished", "finished"]
    assert totals_of(store, other) == before
    store.close()


def test_runs_without_summaries_are_listed_by_their_records(folder: Path, schema: str) -> None:
    store = Store.open(folder)
    newest, oldest = listed_runs(store)
    for row, name in [(newest, "finished"), (oldest, "interrupted")]:
        old = printed(schema, name)
        assert (row.recipe, row.seed, row.status.state) == (old["recipe"], old["seed"], old["status"])
        assert row.best_score == old["best"]["dev_score"]
        assert row.calls == sum(totals.paid.calls for totals in totals_of(store, row.id).values())
    verdict = printed(schema, "finished")["verdict"]
    assert newest.verdict is not None
    assert newest.verdict.difference == verdict["difference"]
    assert list(newest.verdict.interval) == verdict["interval"]
    assert newest.verdict.gain_shown == verdict["gain_shown"]
    assert oldest.verdict is None
    store.close()


# --- newer than this version ---


def newer(**changes: object) -> str:
    """The manifest of a run by a version that does not exist yet."""
    return json.dumps({**json.loads(to_json(manifest())), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            newer(version="999.1"), rf"promptdescent 999\.1, which is newer than this {__version__}", id="new"
        ),
        pytest.param(newer(version="0.99.0rc1"), r"promptdescent 0\.99\.0rc1, which is newer", id="candidate"),
        pytest.param(newer(mutation="heavy"), r"another version of promptdescent \(mutation\)", id="unknown-field"),
        pytest.param(
            newer(placement="sideways"), r"another version of promptdescent \(placement\)", id="unknown-value"
        ),
        pytest.param(
            newer(task_model={"name": "m", "temperature": 0.0, "max_tokens": 1, "top_k": 4}),
            r"another version of promptdescent \(task_model\.top_k\)",
            id="unknown-field-of-a-model",
        ),
    ],
)
def test_a_run_of_a_newer_version_is_refused_and_still_listed(store: Store, text: str, said: str) -> None:
    row = {"id": "0123456789ab", "created_at": 1.0, "manifest": text}
    store.database.writer.write_sync({"runs": [row]})
    for read in (lambda: store.find_run("latest"), store.runs, lambda: store.manifest("0123456789ab")):
        with pytest.raises(StoreError, match=rf"run 0123456789ab was written by {said}.*: upgrade promptdescent$"):
            read()
    (listed,) = listed_runs(store)
    assert (listed.id, listed.recipe, listed.best_score, listed.calls) == ("0123456789ab", "gpo", None, 0)


def test_a_manifest_without_a_version_is_refused_too(store: Store) -> None:
    store.database.writer.write_sync({"runs": [{"id": "0123456789ab", "created_at": 1.0, "manifest": "{}"}]})
    with pytest.raises(StoreError, match=r"another version of promptdescent \(version, seed, .*, …\)"):
        store.find_run("latest")
