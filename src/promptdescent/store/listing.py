"""The runs of a store, each with the little that a list says of it, found by words and tags and put in order. However
many there are, three queries read them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from promptdescent.records import ROLES, Role
from promptdescent.store.schema import explains_another, tables
from promptdescent.store.store import RunStatus, Store
from promptdescent.store.summaries import SUMMARIZED, summary_of

if TYPE_CHECKING:
    from sqlalchemy import Select


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedVerdict:
    """What a verdict says of the found prompt."""

    difference: float
    """Found prompt less starting prompt, on the test rows."""
    interval: tuple[float, float]
    """95 % confidence interval of the difference."""
    gain_shown: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedScore:
    """What an evaluation without a search says of its prompt."""

    on: str
    """Which rows: test, dev or all."""
    score: float
    interval: tuple[float, float]
    """95 % confidence interval of the score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRun:
    """A run as a list shows it. What another version wrote, and this one cannot read, is empty."""

    id: str
    created_at: float
    """Unix time, seconds."""
    status: RunStatus
    version: str
    """Of promptdescent."""
    recipe: str
    seed: int | None
    models: Mapping[Role, str]
    """Names of the models, by the roles that the run has."""
    best_score: float | None
    """Highest dev score so far; None before the starting prompt was scored."""
    verdict: ListedVerdict | None
    evaluation: ListedScore | None
    calls: int
    """Attempts sent so far, of every role: what the run pays for."""
    prompt: str = ""
    """The starting prompt, or the one that was scored."""
    tags: tuple[str, ...] = ()
    explains: str = ""
    """Id of the run whose found prompt this one measures piece by piece; empty for every other run."""


Sort = Literal["started", "score", "gain", "calls", "recipe", "status"]
"""What runs are put in order by: the newest first, the highest first, or by the alphabet."""


def listed_runs(
    store: Store,
    *,
    last: int | None = None,
    search: str = "",
    sort: Sort = "started",
    reverse: bool = False,
    tags: Collection[str] = (),
    explanations: bool = False,
) -> tuple[ListedRun, ...]:
    """The first ``last`` runs, or all, of those that are looked for, in order.

    Args:
        store: where they are.
        last: how many at most.
        search: words that a run must have, all of them: the beginning of its id, or a part of its recipe, models, tags,
            status or starting prompt, without regard to case.
        sort: the order; of equals the newest come first, and runs that lack what is sorted by come last.
        reverse: the other way round, but for those that lack it.
        tags: tags that a run must have, all of them.
        explanations: runs that explain another one are listed too, which else only a search with the word ``explains``
            finds.

    Raises :class:`~promptdescent.errors.StoreError`.
    """
    by_number = not search.split() and not tags and sort == "started" and not reverse
    explanations = explanations or asks_for_explanations(search)
    rows = store.database.read(_runs(last if by_number else None, explanations=explanations))
    if not rows:
        return ()
    oldest = rows[-1].number
    statuses = store.statuses(since=oldest)
    summaries = _summaries(store, since=oldest)
    listed = [_listed(row, statuses[row.id], summaries.get(row.id, {})) for row in rows]
    if by_number:
        return tuple(listed)
    return chosen(listed, search=search, sort=sort, reverse=reverse, tags=tags, explanations=explanations)[:last]


def asks_for_explanations(search: str) -> bool:
    """Whether the words of a search ask for runs that explain another one."""
    return "explains" in search.casefold().split()


def chosen(
    newest_first: Sequence[ListedRun],
    *,
    search: str = "",
    sort: Sort = "started",
    reverse: bool = False,
    tags: Collection[str] = (),
    explanations: bool = False,
) -> tuple[ListedRun, ...]:
    """Those of the runs that are looked for, in order; the arguments are those of :func:`listed_runs`."""
    words = search.casefold().split()
    explanations = explanations or asks_for_explanations(search)
    found = [
        run
        for run in newest_first
        if (explanations or not run.explains) and set(tags) <= set(run.tags) and _has(run, words)
    ]
    return tuple(_in_order(found, sort, reverse=reverse))


def _has(run: ListedRun, words: Sequence[str]) -> bool:
    """Whether the run has all of the words, which have no upper case."""
    if not words:
        return True
    texts = [run.recipe, *run.models.values(), *run.tags, run.status.state, run.prompt]
    texts += ["explains", run.explains] if run.explains else []
    # A line break keeps a word from being found across two of them.
    everything = "\n".join(texts).casefold()
    return all(word in everything or run.id.startswith(word) for word in words)


def _score(run: ListedRun) -> float | None:
    """On the dev rows of a search, else that of an evaluation."""
    return run.evaluation.score if run.evaluation else run.best_score


_HIGHEST_FIRST: Mapping[Sort, Callable[[ListedRun], float | None]] = {
    "score": _score,
    "gain": lambda run: run.verdict.difference if run.verdict else None,
    "calls": lambda run: run.calls,
}
_BY_ALPHABET: Mapping[Sort, Callable[[ListedRun], str]] = {
    "recipe": lambda run: run.recipe,
    "status": lambda run: run.status.state,
}


def _in_order(newest_first: Sequence[ListedRun], sort: Sort, *, reverse: bool) -> list[ListedRun]:
    """Sorting keeps the order of equals, so that the newest of them stay first."""
    if sort in _BY_ALPHABET:
        return sorted(newest_first, key=_BY_ALPHABET[sort], reverse=reverse)
    if sort not in _HIGHEST_FIRST:
        return list(reversed(newest_first) if reverse else newest_first)
    value = _HIGHEST_FIRST[sort]
    known = [(number, run) for run in newest_first if (number := value(run)) is not None]
    known.sort(key=lambda one: one[0], reverse=not reverse)
    return [*(run for _, run in known), *(run for run in newest_first if value(run) is None)]


def count_runs(store: Store, *, explanations: bool = False) -> int:
    """How many runs there are; ``explanations``: with those that explain another one."""
    from sqlalchemy import func, select

    counted = select(func.count()).select_from(tables().runs)
    return int(store.database.read(counted if explanations else counted.where(~explains_another()))[0][0])


def _runs(last: int | None, *, explanations: bool) -> Select[Any]:
    from sqlalchemy import func, select

    runs, attempts = tables().runs, tables().attempts
    # Attempts are numbered from 1, so the number of the last one is found in the index; counting would read them all.
    sent = select(func.max(attempts.c.attempt)).where(attempts.c.run_id == runs.c.id).scalar_subquery()
    query = select(runs, func.coalesce(sent, 0).label("calls")).order_by(runs.c.number.desc()).limit(last)
    return query if explanations else query.where(~explains_another())


def _summaries(store: Store, *, since: int) -> Mapping[str, Mapping[str, Any]]:
    """What the newest events say, by run and kind. Events of schema 0001 have no summary; their payload is read."""
    from sqlalchemy import case, func, select

    runs, events = tables().runs, tables().events
    newest = (
        select(events.c.run_id, events.c.kind, func.max(events.c.seq).label("seq"))
        .join(runs, runs.c.id == events.c.run_id)
        .where(runs.c.number >= since, events.c.kind.in_(sorted(SUMMARIZED)))
        .group_by(events.c.run_id, events.c.kind)
        .subquery()
    )
    query = select(
        events.c.run_id,
        events.c.kind,
        events.c.summary,
        case((events.c.summary.is_(None), events.c.payload)).label("payload"),
    ).join(newest, (events.c.run_id == newest.c.run_id) & (events.c.seq == newest.c.seq))
    found: dict[str, dict[str, Any]] = {}
    for row in store.database.read(query):
        summary = row.summary or summary_of(row.kind, row.payload)
        if summary is not None:
            found.setdefault(row.run_id, {})[row.kind] = json.loads(summary)
    return found


def _listed(row: Any, status: RunStatus, summaries: Mapping[str, Any]) -> ListedRun:
    manifest = json.loads(row.manifest)
    scored = summaries.get("step") or summaries.get("start") or {}
    verdict, evaluation = (_with_interval(summaries.get(kind)) for kind in ("verdict", "evaluation"))
    seed = manifest.get("seed")
    return ListedRun(
        id=row.id,
        created_at=row.created_at,
        status=status,
        version=str(manifest.get("version", "")),
        recipe=str(manifest.get("recipe_name", "")),
        seed=seed if isinstance(seed, int) else None,
        models=_models(manifest),
        best_score=scored.get("best"),
        verdict=verdict and ListedVerdict(**verdict),
        evaluation=evaluation and ListedScore(**evaluation),
        calls=row.calls,
        prompt=str(manifest.get("prompt", "")),
        tags=tuple(summaries.get("tags", {}).get("tags", ())),
        explains=str(manifest.get("explains", "")),
    )


def _with_interval(summary: Mapping[str, Any] | None) -> Any:
    """A summary with its interval as a pair; None without one."""
    return summary and {**summary, "interval": tuple(summary["interval"])}


def _models(manifest: Mapping[str, Any]) -> dict[Role, str]:
    """Read without a RunManifest, which refuses what newer versions wrote."""
    named = {role: manifest.get(f"{role}_model") for role in ROLES}
    return {role: str(model["name"]) for role, model in named.items() if isinstance(model, Mapping) and "name" in model}
