"""Two prompts on record, word by word: which words go and come, how many, and what each prompt scores."""

from __future__ import annotations

import re
from dataclasses import dataclass

from promptdescent.errors import ConfigError, StoreError
from promptdescent.report.page.diff import Diff, diff_of
from promptdescent.report.record import Record, run_record
from promptdescent.store.store import Store

_NAME = re.compile(r"(?P<run>[^:]+)(:(?P<which>start|best|\d+\.\d+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedPrompt:
    """A prompt of a run."""

    run: str
    """Id of the run."""
    which: str
    """``start``, ``best``, or the id of a candidate: ``step.index``."""
    text: str
    dev_score: float | None
    """None if it was not scored on dev rows."""
    dev_rows: int
    test_score: float | None
    """None unless the verdict is on this prompt."""
    test_rows: int
    all_score: float | None = None
    """Of an evaluation on all rows of the data."""
    all_rows: int = 0
    fate: str = ""
    """Of a candidate that is no selected one: why it was dropped, rejected or failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptsCompared:
    """The way from one prompt to another."""

    before: NamedPrompt
    after: NamedPrompt
    diff: Diff


def compare_prompts(store: Store, first: str, second: str | None = None) -> PromptsCompared:
    """Compare two prompts; each is ``RUN`` (its best prompt), ``RUN:start``, ``RUN:best`` or ``RUN:STEP.INDEX``, with
    ``RUN`` the beginning of an id or ``latest``. With one name, the starting prompt of its run is what it is compared
    to.

    Raises :class:`~promptdescent.errors.StoreError` for a run or prompt that is not there, and :class:`ConfigError` for
    what is no such name.
    """
    if second is None:
        first, second = f"{_split(first)[0]}:start", first
    before, after = named_prompt(store, first), named_prompt(store, second)
    return PromptsCompared(before=before, after=after, diff=diff_of(before.text, after.text))


def named_prompt(store: Store, name: str) -> NamedPrompt:
    """The prompt that ``name`` stands for, as in :func:`compare_prompts`."""
    run, which = _split(name)
    return _prompt(run_record(store, run), which)


def _split(name: str) -> tuple[str, str]:
    """The run and which of its prompts."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(
            f"{name!r} names no prompt: give RUN for the best one of a run, RUN:start, RUN:best, or RUN:STEP.INDEX for "
            "a candidate, such as latest:2.1"
        )
    return found["run"], found["which"] or "best"


def _prompt(record: Record, which: str) -> NamedPrompt:
    if which == "0.0":
        which = "start"
    if which in ("start", "best"):
        return _end(record, which)
    for step in record["steps"]:
        for candidate in step["candidates"]:
            if candidate["id"] == which:
                on_test = _on_test(record, "best" if which == record["best"]["id"] else "")
                return NamedPrompt(
                    run=record["id"],
                    which=which,
                    text=candidate["prompt"],
                    dev_score=candidate["score"],
                    dev_rows=candidate["rows"],
                    test_score=on_test[0],
                    test_rows=on_test[1],
                    fate=": ".join(filter(None, (candidate["fate"], candidate["reason"])))
                    if candidate["fate"] != "scored"
                    else "",
                )
    last = f"the last step is {record['steps'][-1]['step']}" if record["steps"] else "it has no steps"
    raise StoreError(
        f"run {record['id']} has no candidate {which}; {last}. All of them: promptdescent show {record['id']} --json"
    )


def _end(record: Record, which: str) -> NamedPrompt:
    """The starting prompt or the best one; of an evaluation, which has but one, that."""
    prompt, (test_score, test_rows) = record[which], _on_test(record, which)
    dev_score, dev_rows = _evaluated(record, "dev") if record["evaluation"] else (prompt["dev_score"], prompt["rows"])
    all_score, all_rows = _evaluated(record, "all")
    return NamedPrompt(
        run=record["id"],
        which=which,
        text=prompt["prompt"],
        dev_score=dev_score,
        dev_rows=dev_rows,
        test_score=test_score,
        test_rows=test_rows,
        all_score=all_score,
        all_rows=all_rows,
    )


def _on_test(record: Record, which: str) -> tuple[float | None, int]:
    """Score of the starting or the best prompt on the test rows, and how many they are."""
    verdict = record["verdict"]
    if record["evaluation"] is not None:
        return _evaluated(record, "test")
    if verdict is None or not which:
        return None, 0
    return verdict[f"{which}_score"], verdict["rows"]


def _evaluated(record: Record, on: str) -> tuple[float | None, int]:
    """Score of an evaluation on these rows, and how many they are; None where it was on others."""
    evaluation = record["evaluation"]
    if evaluation is None or evaluation["on"] != on or evaluation["score"] is None:
        return None, 0
    return evaluation["score"], evaluation["rows"]
