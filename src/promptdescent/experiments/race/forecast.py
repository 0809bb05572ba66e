"""What a race would use at most: its searches by their caps, and the scores on test rows, which no cap covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptdescent.experiments.race.contestants import Contestant
from promptdescent.experiments.race.plan import RACED, RacePlan, RaceTask
from promptdescent.llm.budget import estimate_tokens
from promptdescent.llm.choose import is_remote
from promptdescent.planning import LIKELY, LONG
from promptdescent.records import Role, Usage

OWN_LAYOUT = 2000
"""Characters that another system puts around its prompt, about."""


@dataclass(frozen=True, kw_only=True)
class RaceForecast:
    """At most, as if nothing had a result yet; retries come on top."""

    searches: int
    """Those of contestants that search."""
    searching: Mapping[Role, Usage]
    """Their tokens are exact, by the caps; calls if every one is as short as can be, by estimate."""
    scoring: Usage
    """The found prompts on the test rows: the calls are exact, tokens by estimate, if prompts are as long as a reply
    of the optimizer model may be and every reply is at its limit. The task model's.
    """
    remote: frozenset[Role]
    """Roles whose calls leave this machine."""
    missing: Mapping[str, str]
    """By contestant: what is not there to run it."""

    @property
    def total(self) -> Usage:
        """All of it."""
        return sum(self.searching.values(), self.scoring)


def forecast_race(plan: RacePlan) -> RaceForecast:
    """What a race would use. Reads no file and opens no model."""
    searching = [one for one in plan.contestants if one.kind != "prompt"]
    each = len(searching) * len(plan.seeds)
    used: dict[Role, Usage] = {role: Usage() for role in RACED}
    scoring = Usage()
    for task in plan.tasks:
        for role in RACED:
            cap = plan.caps[role]
            used[role] += Usage(calls=each * (cap // _shortest_call(task, role)), tokens_in=each * cap)
        for contestant in plan.contestants:
            scoring += _scoring(task, contestant, seeds=len(plan.seeds))
    missing = {one.label: one.missing(plan.peers) for one in searching}
    return RaceForecast(
        searches=each * len(plan.tasks),
        searching=used,
        scoring=scoring,
        remote=frozenset(role for role in RACED if any(_is_remote(task, role) for task in plan.tasks)),
        missing={label: why for label, why in missing.items() if why},
    )


def _shortest_call(task: RaceTask, role: Role) -> int:
    """Tokens: a row or the starting prompt alone, and a reply of one token."""
    rows = [row["input"] for split in ("train", "dev") for row in task.rows[split]]
    shortest = min(map(len, rows)) if role == "task" else len(task.start)
    return 1 + max(1, estimate_tokens(shortest))


def _scoring(task: RaceTask, contestant: Contestant, *, seeds: int) -> Usage:
    """All that a contestant's prompts cost on the test rows."""
    rows = len(task.rows["test"])
    question = max((len(row["input"]) for row in task.rows["test"]), default=0)
    if contestant.kind == "prompt":  # equal requests are asked once, whatever the seed
        prompt = len(task.start if contestant.prompt is None else contestant.prompt)
        return _calls(task, rows, prompt + question)
    prompt = max(len(task.start), LIKELY.characters_per_token * task.spec.optimizer_max_tokens)
    ours = _calls(task, rows * seeds, prompt + question)
    if contestant.kind == "ours":
        return ours
    return ours + _calls(task, rows * seeds, prompt + question + OWN_LAYOUT)


def _calls(task: RaceTask, count: int, characters: int) -> Usage:
    return Usage(calls=count, tokens_in=count * LONG.tokens(characters), tokens_out=count * task.spec.task_max_tokens)


def _is_remote(task: RaceTask, role: Role) -> bool:
    model = task.spec.model(role)
    return is_remote(model.settings.name, model.base_url)
