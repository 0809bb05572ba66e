"""RunSpec: task file and flags as one frozen value.

A task file is YAML whose keys are the fields of :class:`RunSpec`; a flag is a field with dashes for underscores.
Where both are given the flag wins. A path in a task file is relative to the file; so is the file of a ``prompt:
"@FILE"``, and of ``second_round``, ``judge_rubric`` and ``recipe`` given so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from promptdescent.cluster import check_address
from promptdescent.errors import ConfigError, nearest
from promptdescent.input_files import read_yaml
from promptdescent.llm.writer import WRITER_MODEL
from promptdescent.records import ModelSettings, Placement, Role, ScoredRows, Style

Cache = Literal["store", "run", "off"]

PATHS = ("data", "train", "dev", "test", "leave_out")
TEXTS = ("prompt", "second_round", "judge_rubric", "recipe")
"""Fields that hold a text or ``@FILE``."""
TASK_FILE_SUFFIXES = (".yaml", ".yml")
RAISABLE = ("max_calls", "max_total_tokens", "max_money", "max_minutes")
"""The caps: a resumed run may be given higher ones."""
CHANGEABLE = (
    *RAISABLE,
    *("task_price", "optimizer_price", "judge_price"),
    *("concurrency", "requests_per_minute", "tokens_per_minute", "attempts", "timeout", "failure_limit", "ray"),
)
"""Settings that decide what a run may cost and how fast it goes, not what it finds: a resumed run may change them."""
BY_RERUN = ("later_seeds",)
"""Settings that only a rerun makes: neither flags nor keys of a task file."""
OF_A_SEARCH = (
    *("length_cost", "notes", "later_seeds", "recipe", "candidates", "estimation", "patience", "whole_steps"),
    *("target_score", "optimizer_model", "optimizer_base_url", "optimizer_api_key_env", "optimizer_temperature"),
    *("optimizer_max_tokens", "optimizer_style", "optimizer_price"),
)
"""Settings that mean nothing where one prompt is scored; ``steps`` is then 0."""
ONLY_FLAGS = ("store", "yes", "quiet", "require_gain")
"""Flags of the command line that are no settings of a run."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides a run, as given. It holds names of environment variables, never their values."""

    # the rows
    data: str | None = None
    """File of rows to split by seed: CSV, TSV, JSONL, JSON or Parquet."""
    train: str | None = None
    """File of train rows, with ``dev`` and ``test`` in place of ``data``."""
    dev: str | None = None
    test: str | None = None
    split_column: str | None = None
    """Column of ``data`` that says train, dev or test."""
    input: tuple[str, ...] = ()
    """Input columns."""
    target: str | None = None
    """Column of the right answer."""
    train_rows: int | None = None
    """Rows to take; by default at most 100 train, 100 dev and 300 test rows."""
    dev_rows: int | None = None
    test_rows: int | None = None
    leave_out: str | None = None
    """CSV file with the columns id and leave_out, as ``promptdescent rows --output`` writes it: rows with yes are taken
    out after the split.
    """

    # the task
    prompt: str | None = None
    """The starting prompt, or ``@FILE``."""
    placement: Placement | None = None
    second_round: str = ""
    """What the task model is asked after its reply, as a further turn of the user, or ``@FILE``: the reply to that is
    what is scored. Empty for one round.
    """
    metric: str | None = None
    """``exact``, ``choice``, ``number``, ``f1``, ``list``, ``regex:PATTERN``, ``json:FIELD``, ``rouge-l``, ``judge`` or
    ``module:function``.
    """
    read: str | None = None
    """How a choice is read from a reply: ``default``, ``first``, ``last`` or ``line``."""
    length_cost: float = 0.0
    """What the search takes off a score per word of the prompt."""
    judge_rubric: str | None = None
    """What makes a good answer, or ``@FILE``; by default agreement with the target."""
    judge_scale: str = "1-5"
    """The worst and the best grade."""
    judge_repeats: int = 1
    """Grades per answer; their mean counts."""
    notes: str = ""
    """Anything about the domain that the optimizer model should know."""

    # the models
    task_model: str | None = None
    optimizer_model: str | None = None
    """The task model by default."""
    judge_model: str | None = None
    """For the metric ``judge``, which needs one."""
    base_url: str | None = None
    """Endpoint of all models."""
    task_base_url: str | None = None
    optimizer_base_url: str | None = None
    judge_base_url: str | None = None
    task_api_key_env: str | None = None
    """Environment variable that holds the key."""
    optimizer_api_key_env: str | None = None
    judge_api_key_env: str | None = None
    task_temperature: float = 0.0
    optimizer_temperature: float = 1.0
    judge_temperature: float = 0.0
    task_max_tokens: int = 256
    optimizer_max_tokens: int = 512
    judge_max_tokens: int = 256
    optimizer_style: Style | None = None
    """``few-shot`` for a small model that is asked by raw completion, ``writer`` for one that was trained to write
    prompts; by default what the model is made for.
    """

    # the search
    recipe: str | Mapping[str, Any] = "gpo"
    """A recipe's name, a mixture of parts such as ``{base: gpo, momentum: {k: 5}}``, or ``@FILE`` with a mixture."""
    seed: int = 0
    later_seeds: tuple[tuple[int, int], ...] = ()
    """``(step, seed)``: from which step on the search of a fork draws with which other seed, in order."""
    steps: int = 18
    """The most steps; 0 only scores the starting prompt, which may then be empty."""
    candidates: int | None = None
    """Proposals per step; the recipe's own number by default."""
    estimation: str | None = None
    """How candidates are scored, such as ``Racing``: a part by its name, in place of the recipe's own."""
    patience: int | None = None
    """Steps without a better prompt after which the search ends; 0 = never; the recipe's own number by default."""
    whole_steps: bool = False
    """Plan all steps whatever the caps, and end the search before the first step that a cap may not afford, so that it
    ends at the same place in every run.
    """
    target_score: float | None = None
    """Dev score at which the search ends."""

    # what it may cost
    max_calls: int | None = None
    max_total_tokens: int | None = None
    max_money: float | None = None
    """US dollars."""
    max_minutes: float | None = None
    """Time at work."""
    task_price: str | None = None
    """``IN/OUT``: US dollars per million tokens read and written; by default from the price list."""
    optimizer_price: str | None = None
    judge_price: str | None = None

    # how the endpoint is driven; none of it changes what the run finds
    concurrency: int | None = None
    """Calls in flight at once; None = as many as the endpoint turns out to take."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    attempts: int = 6
    """Attempts per call before it counts as failed; the waits between them double from half a second to 30 seconds."""
    timeout: float = 300.0
    """Seconds that a call to an endpoint may take."""
    failure_limit: tuple[str, ...] = ()
    """``COUNTER=SHARE``: ends the run when so large a share of a role's latest calls or replies failed that way."""
    cache: Cache = "store"
    ray: str | None = None
    """Ray cluster that serves a local task model: ``local``, ``auto`` or ``HOST:PORT``; ``off`` at resumption."""

    # set by `promptdescent evaluate`, see :meth:`scoring`
    evaluate_on: ScoredRows | None = None
    """The rows that the prompt is scored on, without a search."""

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_choices(self)
        _check_addresses(self)

    def with_settings(self, settings: Mapping[str, Any]) -> RunSpec:
        """This spec with some fields replaced. Raises :class:`ConfigError` for an unknown key, with the nearest known
        one.
        """
        return replace(self, **_checked(settings, where="settings"))

    def scoring(self, on: ScoredRows) -> RunSpec:
        """The spec of scoring ``prompt`` on these rows. What decides a search alone, and its model, is as if it had not
        been said, so that a task file of an optimization can be used.
        """
        defaults = RunSpec()
        unsaid = {name: getattr(defaults, name) for name in OF_A_SEARCH}
        return replace(self, **unsaid, steps=0, evaluate_on=on)

    @property
    def judged(self) -> bool:
        """Whether answers are graded by a model."""
        return self.metric == "judge"

    @property
    def cluster(self) -> str | None:
        """Address of the Ray cluster that serves a local task model; None if this process does."""
        return None if self.ray == "off" else self.ray

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that the run has."""
        return ("task", "optimizer", "judge") if self.judged else ("task", "optimizer")

    def model(self, role: Role) -> ModelSpec:
        """The model of a role with everything that is needed to open it. Raises :class:`ConfigError` if none is
        named.
        """
        if role == "judge":
            return self._judge()
        if self.task_model is None:
            raise ConfigError(
                "--task-model is missing: name the model that does the task, such as gpt-4o-mini or local:smollm2"
            )
        if role == "task":
            settings = ModelSettings(
                name=self.task_model, temperature=self.task_temperature, max_tokens=self.task_max_tokens
            )
            return ModelSpec(
                role=role,
                settings=settings,
                base_url=self.task_base_url or self.base_url,
                api_key_env=self.task_api_key_env,
            )
        same = self.optimizer_model is None
        name = self.optimizer_model or self.task_model
        # A model that is handed in from Python is recorded with a mark before its name.
        style = self.optimizer_style or ("writer" if name.removeprefix("python:") == WRITER_MODEL else "chat")
        settings = ModelSettings(
            name=name,
            temperature=self.optimizer_temperature,
            max_tokens=self.optimizer_max_tokens,
            style=style,
            stop=() if style == "chat" else ("\n",),
        )
        return ModelSpec(
            role=role,
            settings=settings,
            base_url=self.optimizer_base_url or self.base_url or (self.task_base_url if same else None),
            api_key_env=self.optimizer_api_key_env or (self.task_api_key_env if same else None),
        )

    def _judge(self) -> ModelSpec:
        if self.judge_model is None:
            raise ConfigError(
                "--metric judge needs --judge-model: name the model that grades the answers, best another one than the "
                "task model, whose own answers it would grade"
            )
        settings = ModelSettings(
            name=self.judge_model, temperature=self.judge_temperature, max_tokens=self.judge_max_tokens
        )
        return ModelSpec(
            role="judge",
            settings=settings,
            base_url=self.judge_base_url or self.base_url,
            api_key_env=self.judge_api_key_env,
        )

    def as_data(self) -> dict[str, Any]:
        """All fields that differ from their default, as JSON can hold them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = RunSpec()
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != getattr(defaults, name)
        }


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One role's model: which, where, how it is sampled, and where its key is."""

    role: Role
    settings: ModelSettings
    base_url: str | None
    api_key_env: str | None


def load_task_file(path: Path) -> RunSpec:
    """The spec in a YAML task file. Raises :class:`ConfigError` for anything that cannot be used, naming the file and
    the key.
    """
    content = read_yaml(path, kind="task", holds="a task file holds keys and values, such as `data: reviews.csv`")
    for key in content:
        name = {"True": "yes"}.get(str(key), str(key).replace("-", "_"))  # YAML reads the word yes as true
        if name in ONLY_FLAGS:
            raise ConfigError(
                f"{path}: {flag(name)} is a flag only, no key of a task file; give it on the command line"
            )
        if name == "evaluate_on":
            raise ConfigError(f"{path}: {name} is no key of a task file; `promptdescent evaluate --on` says it")
        if name in BY_RERUN:
            raise ConfigError(f"{path}: {name} is no key of a task file; `promptdescent rerun --from-step` says it")
    settings = _checked(content, where=str(path))
    for key in PATHS:
        if settings.get(key) is not None:
            settings[key] = str(path.parent / settings[key])
    for key in TEXTS:
        given = settings.get(key)
        if isinstance(given, str) and given.startswith("@"):
            settings[key] = "@" + str(path.parent / given[1:])
    try:
        return RunSpec(**settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _checked(settings: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Settings whose keys are known and whose values have the type of their field."""
    from pydantic import TypeAdapter, ValidationError

    types = _field_types()
    checked: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in types:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(str(key), types)}")
        if key == "input" and isinstance(value, str):
            value = (value,)
        try:
            checked[key] = TypeAdapter(types[key]).validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{where}: {key} cannot be {value!r}: {error.errors()[0]['msg']}") from None
    return checked


def _field_types() -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(RunSpec)


def _check_numbers(spec: RunSpec) -> None:
    least = {
        "train_rows": 1,
        "dev_rows": 1,
        "test_rows": 1,
        "length_cost": 0,
        "judge_repeats": 1,
        "task_max_tokens": 1,
        "optimizer_max_tokens": 1,
        "judge_max_tokens": 1,
        "task_temperature": 0,
        "optimizer_temperature": 0,
        "judge_temperature": 0,
        "steps": 0,
        "candidates": 1,
        "patience": 0,
        "max_calls": 1,
        "max_total_tokens": 1,
        "max_money": 0,
        "max_minutes": 0.001,
        "concurrency": 1,
        "requests_per_minute": 1,
        "tokens_per_minute": 1,
        "timeout": 0.001,
        "attempts": 1,
    }
    for one in fields(spec):
        value = getattr(spec, one.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{flag(one.name)} must be a finite number, not {value}")
    for name, minimum in least.items():
        value = getattr(spec, name)
        if value is not None and value < minimum:
            raise ConfigError(f"{flag(name)} must be at least {minimum}, not {value}")


def _check_choices(spec: RunSpec) -> None:
    for name, allowed in (
        ("placement", get_args(Placement)),
        ("cache", get_args(Cache)),
        ("optimizer_style", get_args(Style)),
        ("evaluate_on", get_args(ScoredRows)),
    ):
        value = getattr(spec, name)
        if value is not None and value not in allowed:
            raise ConfigError(f"{flag(name)} cannot be {value!r}; {nearest(str(value), allowed)}")
    optimizer_model = spec.optimizer_model or spec.task_model or ""
    if spec.optimizer_style == "writer" and optimizer_model.startswith("simulated:"):
        raise ConfigError("simulated models read the styles chat and few-shot; leave --optimizer-style out")


def _check_addresses(spec: RunSpec) -> None:
    """Addresses are kept in the store, so they may hold no secret."""
    if spec.cluster is not None:
        check_address(spec.cluster)
    for name in ("base_url", "task_base_url", "optimizer_base_url", "judge_base_url"):
        address = getattr(spec, name)
        if address is None:
            continue
        try:
            parts = urlsplit(address)
            complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError as error:  # such as a port that is no number, or too large a one
            raise ConfigError(f"{flag(name)} is no address: {error}") from None
        if not complete:
            raise ConfigError(f"{flag(name)} must be an address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                f"{flag(name)} may hold no user, password or query, since it is kept in the store; put the key into an "
                "environment variable and name it with --task-api-key-env, --optimizer-api-key-env or "
                "--judge-api-key-env"
            )


def flag(field_name: str) -> str:
    """The flag of a field: ``task_model`` -> ``--task-model``."""
    return "--" + field_name.replace("_", "-")
