"""Runs side by side: what they are, what they came to and cost, the settings in which they differ, and, where their
verdicts stand on the same test rows, which found prompt is better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.records import Outcome, PromptScore, RunManifest, Verdict, from_json
from promptdescent.report.record import Record, changed_settings, run_record
from promptdescent.stats import compare_paired, holm, score_interval
from promptdescent.store.store import Store
from promptdescent.store.tags import tags_of

MOST_RUNS = 12
"""That are compared at once: more columns than that nobody reads."""

LEVEL = 0.05
"""A difference whose corrected p-value is below it counts as shown."""

_IN_THE_TABLE = frozenset({"seed", "recipe", "task_model", "optimizer_model", "judge_model"})
"""Settings that stand in the table in any case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreOnTest:
    """What a run's prompt scores on its test rows."""

    score: float
    interval: tuple[float, float] | None
    """95 % confidence interval of the score; None where it is no mean over the rows."""
    rows: int
    """Rows that the score rests on."""
    objective: str
    gain: float | None
    """Found prompt less starting prompt; None for an evaluation, which has no starting prompt."""
    gain_interval: tuple[float, float] | None
    """95 % confidence interval of the gain."""
    gain_shown: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRun:
    """One of the runs."""

    id: str
    created: str
    """ISO 8601, UTC."""
    version: str
    """Of promptdescent."""
    status: str
    recipe: str
    seed: int
    tags: tuple[str, ...]
    models: Mapping[str, str]
    """Names by role."""
    start_prompt: str
    prompt: str
    """The best prompt found so far; of an evaluation the one that was scored."""
    distance: int
    """Words by which it differs from the starting prompt."""
    dev_score: float | None
    """Of ``prompt``; None before the starting prompt was scored, and for an evaluation."""
    start_dev_score: float | None
    dev_rows: int
    test: ScoreOnTest | None
    """None while there is no verdict, and for an evaluation on other rows."""
    steps: int
    total_steps: int
    calls: int
    """Used: each distinct call once, as if nothing had been known before. So are tokens and money."""
    tokens: int
    money: float | None
    """US dollars; 0 if all models run on this machine, None if a price is not known."""
    seconds: float
    """At work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingCompared:
    """A setting in which the runs differ."""

    name: str
    values: tuple[str, ...]
    """One per run, in the order of the runs; empty where it is not set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairCompared:
    """The prompts of two runs on the test rows that both were scored on, row by row."""

    first: str
    """Id of a run."""
    second: str
    why_not: str
    """Why they cannot be compared, as the end of a sentence; empty if they are."""
    rows: int = 0
    """Rows with a score on both sides."""
    difference: float = 0.0
    """Mean score of the second less that of the first."""
    interval: tuple[float, float] = (0.0, 0.0)
    """95 % confidence interval of the difference; it is not corrected for the number of pairs."""
    p_value: float = 1.0
    """Two-sided, and corrected for the number of pairs by Holm's method."""
    test: str = ""
    """Name of the significance test."""
    better: str | None = None
    """Id of the run whose prompt is shown to be better: p-value and interval agree; None if neither is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunsCompared:
    """Runs side by side."""

    runs: tuple[ComparedRun, ...]
    """In the order asked for."""
    settings: tuple[SettingCompared, ...]
    pairs: tuple[PairCompared, ...]
    """Every two of the runs."""
    notes: tuple[str, ...]
    """What limits the comparison, in sentences."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """What is read of a run."""

    manifest: RunManifest
    settings: Mapping[str, Any]
    """Those in force, with what a resumption changed."""
    record: Record
    outcomes: tuple[Outcome, ...] | None
    """Of its prompt on the test rows; None while it has none there."""
    tags: tuple[str, ...]


def compare_runs(store: Store, runs: Sequence[str]) -> RunsCompared:
    """Compare two or more runs; each name is a prefix of an id, or ``latest``.

    Raises :class:`~promptdescent.errors.StoreError` for a run that is not there, and :class:`ConfigError` for fewer
    than two different runs or more than ``MOST_RUNS``.
    """
    ids = [store.find_run(name).id for name in runs]
    if len(set(ids)) < len(ids) or len(ids) < 2:
        raise ConfigError("compare takes two or more different runs: promptdescent compare RUN RUN")
    if len(ids) > MOST_RUNS:
        raise ConfigError(f"compare takes at most {MOST_RUNS} runs, and {len(ids)} are given")
    read = [_read(store, run) for run in ids]
    pairs = _corrected([_pair(first, second) for first, second in combinations(read, 2)])
    return RunsCompared(
        runs=tuple(_compared_run(one) for one in read), settings=_settings(read), pairs=pairs, notes=_notes(read, pairs)
    )


def _read(store: Store, run: str) -> _Read:
    manifest, record = store.manifest(run), run_record(store, run)
    changed = changed_settings(store.events(run, "caps"))
    return _Read(
        manifest=manifest,
        settings={**manifest.spec, **changed},
        record=record,
        outcomes=_outcomes(store, run, manifest),
        tags=tags_of(store, run),
    )


def _outcomes(store: Store, run: str, manifest: RunManifest) -> tuple[Outcome, ...] | None:
    if manifest.evaluated_on is None:
        verdicts = store.events(run, "verdict")
        return from_json(Verdict, verdicts[-1].payload).best_outcomes if verdicts else None
    scores = store.events(run, "evaluation") if manifest.evaluated_on == "test" else ()
    return from_json(PromptScore, scores[-1].payload).outcomes if scores else None


def _compared_run(one: _Read) -> ComparedRun:
    record, money = one.record, one.record["money"]
    used = [counters["used"] for counters in record["usage"].values()]
    searched = one.manifest.evaluated_on is None
    return ComparedRun(
        id=record["id"],
        created=record["created"],
        version=record["version"],
        status=record["status"],
        recipe=record["recipe"],
        seed=record["seed"],
        tags=one.tags,
        models={role: record["models"][role]["name"] for role in record["usage"]},
        start_prompt=record["start"]["prompt"],
        prompt=record["best"]["prompt"],
        distance=record["best"]["distance"],
        dev_score=record["best"]["dev_score"] if searched else None,
        start_dev_score=record["start"]["dev_score"] if searched else None,
        dev_rows=record["best"]["rows"] if searched else 0,
        test=_test_score(one),
        steps=record["search"]["steps_done"],
        total_steps=record["search"]["total_steps"],
        calls=sum(usage["calls"] for usage in used),
        tokens=sum(usage["tokens_in"] + usage["tokens_out"] for usage in used),
        money=0.0 if money is None else money["total"]["used"],
        seconds=record["seconds"],
    )


def _test_score(one: _Read) -> ScoreOnTest | None:
    if one.outcomes is None:
        return None
    verdict, evaluation = one.record["verdict"], one.record["evaluation"]
    if verdict is None:
        return ScoreOnTest(
            score=evaluation["score"],
            interval=tuple(evaluation["interval"]),
            rows=evaluation["rows"],
            objective=evaluation["objective"],
            gain=None,
            gain_interval=None,
            gain_shown=False,
        )
    return ScoreOnTest(
        score=verdict["best_score"],
        interval=_interval(one),
        rows=verdict["rows"],
        objective=verdict["objective"],
        gain=verdict["difference"],
        gain_interval=tuple(verdict["interval"]),
        gain_shown=verdict["gain_shown"],
    )


def _interval(one: _Read) -> tuple[float, float] | None:
    """Of the found prompt's mean score: a verdict has on record only that of the difference."""
    scores = [outcome.score for outcome in one.outcomes or () if outcome.score is not None]
    if one.manifest.objective != "mean" or not scores:
        return None
    _, interval = score_interval(scores, seed=one.manifest.seed)
    return interval.low, interval.high


# --- what differs ----------------------------------------------------------------------------------------------------


def _settings(read: Sequence[_Read]) -> tuple[SettingCompared, ...]:
    """Only the settings that are not the same everywhere, in the order in which runs record them."""
    said = [{**{name: _value(value) for name, value in one.settings.items()}, **_apart(one)} for one in read]
    names = dict.fromkeys(name for settings in said for name in settings if name not in _IN_THE_TABLE)
    rows = [SettingCompared(name=name, values=tuple(settings.get(name, "") for settings in said)) for name in names]
    return tuple(row for row in rows if len(set(row.values)) > 1)


def _apart(one: _Read) -> dict[str, str]:
    """What decides a run without being a setting of it, or stands in a setting only as the name of a file."""
    return {"version": one.manifest.version, "prompt": one.manifest.prompt}


def _value(value: Any) -> str:
    if value is None or value in ("", [], {}, ()):
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


# --- row by row ------------------------------------------------------------------------------------------------------


def _pair(first: _Read, second: _Read) -> PairCompared:
    """Both prompts on the rows that have a score on both sides; the p-value is not corrected yet."""
    pair = PairCompared(first=first.record["id"], second=second.record["id"], why_not=_why_not(first, second))
    if pair.why_not:
        return pair
    before, after = (_scores(one) for one in (first, second))
    ids = [row for row in before if row in after]
    if not ids:
        return replace(pair, why_not="no test row has a score in both")
    compared = compare_paired(
        [before[row] for row in ids], [after[row] for row in ids], seed=min(first.record["seed"], second.record["seed"])
    )
    return replace(
        pair,
        rows=compared.rows,
        difference=compared.difference,
        interval=(compared.interval.low, compared.interval.high),
        p_value=compared.p_value,
        test=compared.test,
    )


def _why_not(first: _Read, second: _Read) -> str:
    for one in (first, second):
        if one.outcomes is None:
            asked = one.manifest.evaluated_on
            return f"{one.record['id']} " + (f"was scored on the {asked} rows" if asked else "has no verdict")
    for what, before, after in (
        ("metrics", first.manifest.metric, second.manifest.metric),
        ("metrics' source", first.manifest.metric_source, second.manifest.metric_source),
        ("objectives", first.manifest.objective, second.manifest.objective),
    ):
        if before != after:
            said = f" ({before} and {after})" if what != "metrics' source" else ""
            return f"their {what} differ{said}"
    if _scoring(first) != _scoring(second):
        return "their answers were read or judged in different ways"
    if first.manifest.objective != "mean":
        return f"their objective, {first.manifest.objective}, is no mean over rows"
    rows = [{outcome.example for outcome in one.outcomes or ()} for one in (first, second)]
    if rows[0] != rows[1]:
        return (
            f"they stand on different test rows: {len(rows[0]):,} and {len(rows[1]):,}, "
            f"of which {len(rows[0] & rows[1]):,} are the same"
        )
    return ""


def _scoring(one: _Read) -> dict[str, Any]:
    """Beside the metric, what turns a reply into a score: how it is read, and the judge with all that it is told."""
    told = {name: value for name, value in one.settings.items() if name.startswith("judge_") and value is not None}
    return {**told, "judge": one.manifest.judge_identity, "read": one.settings.get("read") or "default"}


def _asking(one: _Read) -> dict[str, Any]:
    """Beside the prompt, what decides how the task model replies."""
    manifest = one.manifest
    asked = {"placement": manifest.placement, "second round": one.settings.get("second_round")}
    return {"model": manifest.task_identity, **asdict(manifest.task_model), **asked}


def _scores(one: _Read) -> dict[str, float]:
    """By row, without those that are missing."""
    return {outcome.example: outcome.score for outcome in one.outcomes or () if outcome.score is not None}


def _corrected(pairs: Sequence[PairCompared]) -> tuple[PairCompared, ...]:
    """The pairs with the p-values corrected for the number that were tested, and which prompt is better by them."""
    tested = [pair for pair in pairs if not pair.why_not]
    adjusted = dict(zip(map(id, tested), holm([pair.p_value for pair in tested]), strict=True))
    return tuple(
        pair if pair.why_not else replace(pair, p_value=adjusted[id(pair)], better=_better(pair, adjusted[id(pair)]))
        for pair in pairs
    )


def _better(pair: PairCompared, p_value: float) -> str | None:
    low, high = pair.interval
    if p_value < LEVEL and low > 0:
        return pair.second
    return pair.first if p_value < LEVEL and high < 0 else None


def _notes(read: Sequence[_Read], pairs: Sequence[PairCompared]) -> tuple[str, ...]:
    notes = []
    tested = [pair for pair in pairs if not pair.why_not]
    if len(tested) > 1:
        notes.append(f"The p-values are corrected for {len(tested)} comparisons by Holm's method.")
    if tested:
        compared = {run for pair in tested for run in (pair.first, pair.second)}
        asked = [_asking(one) for one in read if one.record["id"] in compared]
        differ = [name for name in asked[0] if any(other[name] != asked[0][name] for other in asked)]
        if differ:
            notes.append(
                f"The task models are asked differently ({', '.join(differ)}), so a difference may come from that and "
                "not from the prompt."
            )
        notes.append(
            "A prompt that is chosen because it looks best on these test rows looks better than it is; "
            "rows that no run has seen would settle it."
        )
    return tuple(notes)
