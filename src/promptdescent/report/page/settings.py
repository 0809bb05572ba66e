"""The settings of a run, and the commands that repeat it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptdescent.report.page.facts import Facts
from promptdescent.report.text import to_go_on

NO_FLAGS = frozenset({"data", "evaluate_on", "later_seeds"})
"""Settings that no flag of the same name says."""


LONGEST_LINE = 80
"""Characters of a command on one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A line for a shell."""

    what: str
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingsSection:
    """What a run was told, and where it came from."""

    facts: tuple[tuple[str, str], ...]
    """Name and value: what the run is, its task and its models."""
    given: tuple[tuple[str, str], ...]
    """The settings that were given, by their names in a task file. Secrets are never on record."""
    recipe: tuple[tuple[str, str], ...]
    """Slot and part."""
    notes: tuple[str, ...]
    """What the run told its user, word by word."""
    commands: tuple[Command, ...]
    missing: tuple[str, ...]
    """What an older version did not record, in sentences."""


def settings_section(facts: Facts) -> SettingsSection:
    """The settings in force."""
    record = facts.record
    return SettingsSection(
        facts=_facts(facts),
        given=tuple((name, _text(value)) for name, value in sorted(facts.settings.items())),
        recipe=tuple((slot, _part(part)) for slot, part in record["recipe_data"].items()) if facts.searched else (),
        notes=tuple(record["notes"]),
        commands=_commands(facts),
        missing=_missing(facts),
    )


def _facts(facts: Facts) -> tuple[tuple[str, str], ...]:
    record, task = facts.record, facts.record["task"]
    found = [
        ("Run", record["id"]),
        ("Began", record["created"]),
        ("Version", record["version"]),
        ("Seed", _seed(record)),
        *((("Recipe", record["recipe"]),) if facts.searched else ()),
        *((("Tags", ", ".join(facts.tags)),) if facts.tags else ()),
        ("Rows", ", ".join(f"{count:,} {split}" for split, count in task["split_sizes"].items())),
        ("Metric", task["metric"]),
        ("Objective", task["objective"]),
        ("Placement of the prompt", task["placement"]),
        *((("Labels", ", ".join(task["labels"])),) if task["labels"] else ()),
        *((("Second round", task["second_round"]),) if task.get("second_round") else ()),
        *((("Cost of length", f"{task['length_cost']:g} per word"),) if task["length_cost"] else ()),
        *((f"{role.capitalize()} model", _model(record["models"][role])) for role in record["usage"]),
        ("Similarity of prompts", record["similarity"]),
        ("Cache", record["cache"]),
        ("Fingerprint of the task", task["fingerprint"]),
    ]
    if record["origin"]:
        found.insert(1, ("Repeats", _origin(record)))
    if facts.manifest.explains:
        found.insert(1, ("Explains", f"run {facts.manifest.explains}"))
    return tuple(found)


def _seed(record: Mapping[str, Any]) -> str:
    later = "".join(f", {seed} from step {step} on" for step, seed in record["later_seeds"])
    return f"{record['seed']}{later}"


def _origin(record: Mapping[str, Any]) -> str:
    origin = record["origin"]
    forked = f", a fork from step {origin['forked_at']} on" if origin["forked_at"] is not None else ""
    return f"run {origin['run']}{forked}"


def _model(model: Mapping[str, Any]) -> str:
    style = f", {model['style']}" if model.get("style", "chat") != "chat" else ""
    return f"{model['name']}, temperature {model['temperature']:g}, at most {model['max_tokens']:,} tokens{style}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _part(part: Any) -> str:
    """A part of a recipe with its fields, as ``Cosine start=50 final=10``."""
    if isinstance(part, list):
        return "; ".join(map(_part, part))
    if not isinstance(part, Mapping):
        return _text(part)
    fields = (
        f"{name}={f'({_part(value)})' if isinstance(value, Mapping) else _text(value)}"
        for name, value in part.items()
        if name != "part"
    )
    return " ".join([str(part.get("part", "")), *fields]).strip()


# --- commands --------------------------------------------------------------------------------------------------------


def _commands(facts: Facts) -> tuple[Command, ...]:
    run = facts.record["id"]
    if facts.manifest.explains:
        again = f"promptdescent {to_go_on(facts.record)}"
        return (Command(what="Measure once more; no reply is paid for twice", line=again),)
    found = [
        Command(what="Once more from the record, as a new run", line=f"promptdescent rerun {run}"),
        Command(what="Check it without a call", line=f"promptdescent rerun {run} --replay-only"),
    ]
    if facts.record["status"] != "finished":
        found = [Command(what="Go on where it stopped", line=f"promptdescent {to_go_on(facts.record)}"), *found[:1]]
    origin, later = facts.record["origin"], facts.record["later_seeds"]
    if origin and origin["forked_at"] is not None and later:
        fork = f"promptdescent rerun {origin['run']} --from-step {origin['forked_at']} --seed {later[-1][1]}"
        found.append(Command(what="The same fork", line=fork))
    elif facts.manifest.spec and _from_the_command_line(facts.settings):
        what = "The same from its files" if facts.searched else "The same score from its files"
        found.append(Command(what=what, line=command_line(facts.settings)))
    return tuple(found)


def _from_the_command_line(settings: Mapping[str, Any]) -> bool:
    """Whether a command can say it all: rows, models and metrics of the user's own come from Python."""
    rows = settings.get("data") or settings.get("train")
    return bool(rows) and not any(str(value).startswith("python:") for value in settings.values())


def command_line(settings: Mapping[str, Any]) -> str:
    """The ``optimize`` or ``evaluate`` command that these settings came from, a long one with a line for each flag. A
    mixture of parts stands in a file of its own, which the settings show.
    """
    scored_on = settings.get("evaluate_on")
    words = ["promptdescent", "evaluate" if scored_on else "optimize"]
    if scored_on:
        words.append(str(settings.get("prompt", "")))
    if settings.get("data"):
        words.append(str(settings["data"]))
    flags = [["--on", str(scored_on)]] if scored_on else []
    for name, value in settings.items():
        if name not in NO_FLAGS and value is not None and not (scored_on and name in ("prompt", "steps")):
            flags += _flag(name, value)
    pieces = [shlex.join(one) for one in (words, *flags)]
    line = " ".join(pieces)
    return line if len(line) <= LONGEST_LINE else " \\\n    ".join(pieces)


def _flag(name: str, value: Any) -> list[list[str]]:
    """A setting as flags, each with its value."""
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [[flag]] if value else []
    if isinstance(value, Mapping):
        return [[flag, f"@{name}.yaml"]]
    if isinstance(value, list | tuple):
        return [[flag, _text(one)] for one in value]
    return [[flag, _text(value)]]


def _missing(facts: Facts) -> tuple[str, ...]:
    record, found = facts.record, []
    if not record["forecast"]:
        found.append("The record holds no forecast.")
    if facts.searched and len(facts.tokens) < len(facts.steps):
        found.append("The record does not say how many tokens each step used, so scores are not drawn against them.")
    if not facts.manifest.spec:
        found.append("The record holds no settings, so the command that began the run cannot be rebuilt.")
    return tuple(found)
