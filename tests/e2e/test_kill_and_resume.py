"""A run that is killed and resumed is the run that was not, and pays again at most for what was in flight."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from whole_runs import (
    canonical,
    count_asked_again,
    count_in_flight,
    kill_after,
    optimize_arguments,
    record,
    run,
    write_rows,
)

CONCURRENCY = 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """The rows, and the canonical and full record of an undisturbed run on them."""
    folder = tmp_path_factory.mktemp("whole")
    rows = write_rows(folder / "rows.csv")
    run(*optimize_arguments(rows, folder / "store", concurrency=CONCURRENCY))
    return rows, canonical(folder / "store"), record(folder / "store")


@pytest.mark.parametrize(
    "number",
    [
        0,
        pytest.param(1, marks=pytest.mark.slow),
        pytest.param(2, marks=pytest.mark.slow),
        pytest.param(3, marks=pytest.mark.slow),
    ],
)
def test_kill_and_resume(number: int, whole: tuple[Path, str, dict[str, Any]], tmp_path: Path) -> None:
    rows, expected, undisturbed = whole
    store = tmp_path / "store"
    used = sum(undisturbed["usage"][role]["used"]["calls"] for role in ("task", "optimizer"))
    # `simulated:slow` replies as `simulated:plain` does, but late, so that there is something in flight.
    arguments = optimize_arguments(rows, store, concurrency=CONCURRENCY)
    arguments = [str(one).replace("simulated:plain", "simulated:slow") for one in arguments]
    kills = random.Random(number).sample(range(1, used), 2)
    kills = sorted(kills) if number % 2 else kills[:1]
    assert kill_after(kills[0], store, *arguments)
    for kill in kills[1:]:
        assert kill_after(kill, store, "resume", "latest", "--store", store)
    lost = count_in_flight(store)
    run("resume", "latest", "--store", store)

    assert canonical(store).replace("simulated:slow", "simulated:plain") == expected
    resumed: dict[str, Any] = record(store)
    paid = sum(resumed["usage"][role]["paid"]["calls"] for role in ("task", "optimizer"))
    assert lost <= len(kills) * CONCURRENCY
    assert paid - used == lost + count_asked_again(store)


def test_a_finished_run_is_not_run_again(whole: tuple[Path, str, dict[str, Any]], tmp_path: Path) -> None:
    rows, expected, _ = whole
    run(*optimize_arguments(rows, tmp_path, concurrency=CONCURRENCY))
    before = record(tmp_path)
    run("resume", "latest", "--store", tmp_path)
    assert record(tmp_path) == before
    assert canonical(tmp_path) == expected
