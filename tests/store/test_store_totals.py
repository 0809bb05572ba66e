"""The totals of a run: whatever is on record of them, they say what the tables say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from promptdescent.llm.base import NOTHING, Totals
from promptdescent.records import ROLES, Role, Usage, to_json
from promptdescent.store.ledger import RunLedger
from promptdescent.store.lineage import adopt_uses
from promptdescent.store.store import Store
from promptdescent.store.totals import RunTotals, later_totals, run_totals
from promptdescent.store.working_time import last_sent
from store.samples import OpenStore, begin, example, manifest, pay, stored

pytestmark = pytest.mark.anyio


class Recount:
    """The totals counted once more, row by row, without the store's help."""

    def __init__(self, store: Store, run_id: str) -> None:
        def rows(table: str) -> list[Any]:
            return list(store.database.read(text(f"SELECT * FROM {table}")))  # noqa: S608 - our own names

        ends = {row.attempt: row for row in rows("attempt_ends") if row.run_id == run_id}
        uses = [row for row in rows("uses") if row.run_id == run_id]
        replies = rows("replies")
        self.used: dict[Role, Usage] = dict.fromkeys(ROLES, NOTHING)
        self.paid, self.lost = self.used.copy(), self.used.copy()
        self.failures: dict[Role, dict[str, int]] = {}
        for row in rows("attempts"):
            if row.run_id != run_id:
                continue
            end = ends.get(row.attempt)
            self.paid[row.role] += Usage(
                calls=1, tokens_in=end.tokens_in if end else 0, tokens_out=end.tokens_out if end else 0
            )
            if end is None or end.lost:
                self.lost[row.role] += Usage(calls=1, tokens_in=row.reserved_in, tokens_out=row.reserved_out)
            if end is not None and end.counter is not None:
                counts = self.failures.setdefault(row.role, {})
                counts[end.counter] = counts.get(end.counter, 0) + 1
        for row in uses:
            self.used[row.role] += Usage(calls=row.calls, tokens_in=row.tokens_in, tokens_out=row.tokens_out)
        own = {row.call for row in replies if row.run_id == run_id}
        foreign = {row.call for row in uses} - own
        found = [row for row in replies if row.call in foreign]
        self.foreign = len({row.key for row in found})
        self.oldest = min((row.created_at for row in found), default=None)

    def check(self, totals: RunTotals) -> None:
        """Fail unless the totals are these."""
        assert totals.by_role() == {
            role: Totals(used=self.used[role], paid=self.paid[role], lost=self.lost[role]) for role in ROLES
        }
        assert totals.failures == self.failures
        assert (totals.foreign, totals.oldest_foreign) == (self.foreign, self.oldest)


def new_run(store: Store) -> str:
    return store.create_run(manifest(), {"test": [example("a")]})


async def keep(store: Store, run_id: str) -> None:
    """Put the totals on record, as each step does."""
    await store.append(run_id, "totals", to_json(run_totals(store, run_id)))


@pytest.mark.parametrize("seed", range(3))
async def test_totals_are_what_the_tables_say_after_any_history(open_store: OpenStore, seed: int) -> None:
    """Answers, failures, lost and open attempts, cached replies, kills and resumptions, in any order; totals are put on
    record now and then, and one reader has looked at other moments.
    """
    dice = Random(seed)
    store = open_store()
    earlier = RunLedger(store, new_run(store))
    for number in range(20):
        replies = [stored(f"old {number}/{index}", call=f"old {number}", at=100.0 + number) for index in range(2)]
        await pay(earlier, replies)
    run_id = new_run(store)
    ledger, live, cached = RunLedger(store, run_id), RunTotals(), list(range(20))
    dice.shuffle(cached)
    flying: list[tuple[int, str]] = []

    async def begin() -> None:
        role = dice.choice(ROLES)
        bound = Usage(calls=1, tokens_in=dice.randrange(90), tokens_out=dice.randrange(90))
        key = f"new {dice.randrange(10**9)}"
        flying.append((await ledger.begin(key, role, bound=bound), key))

    async def end() -> None:
        if not flying:
            return
        number, key = flying.pop(dice.randrange(len(flying)))
        usage = Usage(calls=1, tokens_in=dice.randrange(50), tokens_out=dice.randrange(50))
        if dice.random() < 0.6:
            await ledger.succeed(number, [stored(key, usage=usage)], first_use=dice.random() < 0.8)
        else:
            kind = dice.choice(["timeout", "refused"])
            await ledger.fail(number, "no", counter=kind, lost=dice.random() < 0.5, usage=usage)

    async def cache() -> None:
        if cached:
            await ledger.use(f"old {cached.pop()}", dice.choice(ROLES), Usage(calls=1, tokens_in=7, tokens_out=2))

    for _ in range(60):
        what = dice.choices(["begin", "end", "cache", "keep", "look", "kill"], [30, 30, 8, 8, 8, 2])[0]
        if what in ("begin", "end", "cache"):
            await {"begin": begin, "end": end, "cache": cache}[what]()
        elif what == "keep":
            await keep(store, run_id)
        elif what == "look":
            live = later_totals(store, run_id, live)
        else:
            store.close()
            store = open_store()
            store.claim(run_id)
            ledger = RunLedger(store, run_id)
            flying.clear()
    truth = Recount(store, run_id)
    truth.check(run_totals(store, run_id))
    truth.check(later_totals(store, run_id, live))
    truth.check(later_totals(store, run_id, RunTotals()))


async def test_uses_without_a_number_are_counted_once(store: Store) -> None:
    """Runs of schema 0002 have such; they may be gone on with."""
    run_id = new_run(store)
    await pay(RunLedger(store, run_id), [stored("a")])
    await RunLedger(store, run_id).use("a", "task", stored("a").usage)
    with store.database._engine.begin() as connection:
        connection.execute(text("UPDATE uses SET number = NULL"))
    for kept in range(3):
        Recount(store, run_id).check(run_totals(store, run_id))
        await keep(store, run_id)
        await RunLedger(store, run_id).use(f"later {kept}", "task", stored("a").usage)
        Recount(store, run_id).check(run_totals(store, run_id))


async def test_adopted_uses_are_counted(store: Store) -> None:
    origin, run_id = new_run(store), new_run(store)
    for name in ("a", "b", "c"):
        await pay(RunLedger(store, origin), [stored(name)], first_use=True)
    await RunLedger(store, run_id).use("a", "task", stored("a").usage)
    await keep(store, run_id)
    await adopt_uses(store, run_id, origin)
    Recount(store, run_id).check(run_totals(store, run_id))
    assert run_totals(store, run_id).used["task"].calls == 3


@contextmanager
def steps_taken(store: Store) -> Iterator[list[int]]:
    """How many steps SQLite's virtual machine takes: what reading costs, however busy the machine is."""
    driver = store.database._reader.connection.driver_connection
    steps = [0]

    def count() -> None:
        steps[0] += 1

    driver.set_progress_handler(count, 1)
    try:
        yield steps
    finally:
        driver.set_progress_handler(None, 0)


async def test_what_a_reading_costs_does_not_grow_with_the_calls_before(store: Store) -> None:
    if store.database._engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL does not count its steps")
    run_id = new_run(store)
    ledger = RunLedger(store, run_id)
    costs = []
    for calls in (20, 400):
        for number in range(calls):
            await pay(ledger, [stored(f"{calls}/{number}")], first_use=True)
        await keep(store, run_id)
        await pay(ledger, [stored(f"{calls}/after")], first_use=True)
        with steps_taken(store) as cost:
            run_totals(store, run_id)
        costs.append(cost[0])
    assert costs[0] == costs[1] > 0


async def test_the_last_attempt_before_a_moment_is_found(store: Store) -> None:
    """Also where a write that failed left a gap in the numbers, and with another run beside it."""
    run_id, other = new_run(store), new_run(store)
    before = last_sent(store, run_id)
    assert before(2000.0) == 0.0
    ledger, beside = RunLedger(store, run_id), RunLedger(store, other)
    for _ in range(13):
        await begin(ledger, "a")
        await begin(beside, "a")
    with store.database._engine.begin() as connection:
        connection.execute(text("DELETE FROM attempts WHERE attempt IN (1, 5, 6, 13)"))
    times = [row.at for row in store.database.read(text(f"SELECT at FROM attempts WHERE run_id = '{run_id}'"))]  # noqa: S608
    assert len(times) == 9
    for moment in (0.0, *times, *(at + 0.5 for at in times), 5000.0):
        assert before(moment) == max((at for at in times if at < moment), default=0.0)
