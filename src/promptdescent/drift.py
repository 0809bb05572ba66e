"""What has changed since a run began: resuming it refuses by name what would make it another run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptdescent.assembly import Given, load_rows, recipe_for
from promptdescent.config import CHANGEABLE, RAISABLE, RunSpec, flag
from promptdescent.errors import ConfigError, InputError
from promptdescent.input_files import read_text
from promptdescent.llm.base import Totals
from promptdescent.llm.failures import read_limits
from promptdescent.records import Example, Role, RunManifest, Split, Usage, to_json


def check_files(manifest: RunManifest, examples: Mapping[Split, Sequence[Example]], given: Given) -> None:
    """Raise :class:`ConfigError` if a file that the run was made from is still there and now gives something else.

    Files that are gone are no matter: the run goes on from its record.
    """
    spec = RunSpec().with_settings(manifest.spec)
    changes = [
        *_changed_rows(spec, examples, given),
        *_changed_prompt(spec, manifest),
        *_changed_second_round(manifest),
        *_changed_rubric(manifest),
        *_changed_recipe(spec, manifest, given),
    ]
    if changes:
        raise ConfigError(
            f"{'; '.join(changes)}. Bring the file back, start a new run, or resume with --recorded to go on with what "
            "is on record"
        )


def _changed_rows(spec: RunSpec, examples: Mapping[Split, Sequence[Example]], given: Given) -> list[str]:
    data = [name for name in (spec.data, spec.train, spec.dev, spec.test) if name is not None]
    files = [*data, *([] if spec.leave_out is None else [spec.leave_out])]
    if not data or not all(Path(name).is_file() for name in files):
        return []
    names = " or ".join(files)
    try:
        splits = load_rows(spec, given)
    except InputError as error:
        return [f"{names} has changed since the run began and can no longer be used: {error}"]
    rows: dict[Split, Sequence[Example]] = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    differences = [_difference(split, examples.get(split, ()), now) for split, now in rows.items()]
    found = [one for one in differences if one]
    return [f"{names} has changed since the run began: {', '.join(found)}"] if found else []


def _difference(split: Split, before: Sequence[Example], now: Sequence[Example]) -> str:
    """How the rows of a split differ, in words; empty if they do not."""
    if len(before) != len(now):
        return f"{len(now)} {split} rows instead of {len(before)}"
    differing = sum(one != other for one, other in zip(before, now, strict=True))
    return f"{differing} of {len(before)} {split} rows differ" if differing else ""


def _changed_prompt(spec: RunSpec, manifest: RunManifest) -> list[str]:
    text = _text_now(spec.prompt)
    return [] if text in (None, manifest.prompt) else [f"{spec.prompt}: the starting prompt is another one by now"]


def _changed_second_round(manifest: RunManifest) -> list[str]:
    name = f"@{manifest.second_round_file}" if manifest.second_round_file else None
    text = _text_now(name)
    return (
        [] if text in (None, manifest.spec.get("second_round")) else [f"{name}: the second round is another one by now"]
    )


def _changed_rubric(manifest: RunManifest) -> list[str]:
    name = f"@{manifest.judge_rubric_file}" if manifest.judge_rubric_file else None
    text = _text_now(name)
    return [] if text in (None, manifest.spec.get("judge_rubric")) else [f"{name}: the rubric is another one by now"]


def _changed_recipe(spec: RunSpec, manifest: RunManifest, given: Given) -> list[str]:
    name = spec.recipe
    if given.recipe is not None or not isinstance(name, str) or not _is_file(name):
        return []
    try:
        recipe = json.loads(json.dumps(recipe_for(spec, given).as_data()))
    except InputError as error:
        return [f"{name}: the recipe has changed since the run began and can no longer be used: {error}"]
    return [] if recipe == _as_recorded(manifest) else [f"{name}: the recipe is another one by now"]


def _as_recorded(manifest: RunManifest) -> Any:
    return json.loads(to_json(manifest))["recipe"]


def _is_file(given: str) -> bool:
    return given.startswith("@") and Path(given[1:]).is_file()


def _text_now(given: str | None) -> str | None:
    """What ``@FILE`` holds now; None for a text, and for a file that is gone."""
    if given is None or not _is_file(given):
        return None
    return read_text(given, flag="the recorded file")


def changed_settings(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the wanted settings that differ from the recorded ones, as JSON can hold them.

    Raises :class:`ConfigError` for one that a resumed run may not change.
    """
    before = RunSpec().with_settings(recorded)
    after = before.with_settings({name: value for name, value in wanted.items() if value is not None})
    read_limits(after.failure_limit)
    changed: dict[str, Any] = {}
    for name in wanted:
        old, new = getattr(before, name), getattr(after, name)
        if new == old:
            continue
        if name not in CHANGEABLE:
            raise ConfigError(
                f"{flag(name)} is {_shown(old)} on record and cannot become {_shown(new)}: a resumed run keeps what "
                f"decides its result. Leave it out, or start a new run; {', '.join(map(flag, CHANGEABLE))} may change"
            )
        changed[name] = list(new) if isinstance(new, tuple) else new
    return changed


def _shown(value: Any) -> str:
    return "not set" if value is None else repr(value)


def check_caps(changed: Mapping[str, Any], totals: Mapping[Role, Totals], seconds: float) -> None:
    """Raise :class:`ConfigError` for a cap that the run has passed already. ``seconds``: its time at work so far."""
    used = sum((sums.used for sums in totals.values()), Usage())
    paid = sum((sums.paid for sums in totals.values()), Usage())
    reached: dict[str, tuple[float, str]] = {
        "max_calls": (max(used.calls, paid.calls), "calls"),
        "max_total_tokens": (max(used.tokens, paid.tokens), "tokens"),
        "max_minutes": (round(seconds / 60, 2), "minutes"),
    }
    for name in RAISABLE:
        spent, unit = reached.get(name, (0, ""))
        if name in changed and changed[name] < spent:
            raise ConfigError(
                f"{flag(name)} {changed[name]} is less than the {spent:,} {unit} that the run has come to already; "
                "give more, or leave it out"
            )
