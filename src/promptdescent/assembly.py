"""Puts a run's pieces together: the task from its rows, the models from their names, the recipe with its settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent.config import Cache, ModelSpec, RunSpec, flag
from promptdescent.errors import ConfigError, DataError
from promptdescent.input_files import read_mixture, read_prompt, read_text, read_turn
from promptdescent.llm.base import LLM, Embedder
from promptdescent.llm.choose import LOCAL, PYTHON, SIMULATED, check_model, check_role, is_remote, open_model
from promptdescent.llm.concurrency import FIRST_LEVEL, AdaptiveSlots, FixedSlots, Slots
from promptdescent.llm.function import FunctionLLM
from promptdescent.llm.limits import Engine, LimitedLLM
from promptdescent.llm.local import LocalLLM
from promptdescent.llm.prefix_slots import PrefixSlots
from promptdescent.llm.ray_actors import RayLocalLLM
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.registry import part_named, recipe_from_data
from promptdescent.parts.search.stopping import Patience, TargetScore
from promptdescent.parts.similarity import EmbeddingSimilarity, LexicalSimilarity, Similarity
from promptdescent.recipes import mixture, recipe_named
from promptdescent.records import Example, Role, RunManifest, Split, to_json
from promptdescent.tasks.datasets import DataSource, load_splits
from promptdescent.tasks.judge import RIGHTNESS, Judge, Scale
from promptdescent.tasks.metrics import FunctionMetric, Metric, metric_needs_target
from promptdescent.tasks.review_file import read_left_out
from promptdescent.tasks.splits import Splits, SplitSizes, without_rows
from promptdescent.tasks.task import Task, build_task
from promptdescent.version import __version__


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a caller in Python hands in, because a spec cannot hold it as text."""

    task_model: LLM | None = None
    optimizer_model: LLM | None = None
    judge_model: LLM | None = None
    metric: Metric | None = None
    rows: Sequence[Mapping[str, object]] | None = None
    """In place of a data file."""
    prompt: str | None = None
    """In place of the spec's: a text that a model may have written, so that an @ at its start names no file."""
    recipe: Recipe | None = None
    """In place of a name or a mixture; its parts may be the caller's own."""
    embedder: Embedder | None = None
    """For the similarity of past prompts; lexical without one."""


NO_EXTRAS = Given()


def recipe_for(spec: RunSpec, given: Given) -> Recipe:
    """The recipe that was handed in, or that the spec names or mixes, with the spec's settings put in.

    Raises :class:`ConfigError` for one that is unknown, makes no sense or cannot be kept on record.
    """
    recipe = given.recipe or _named_or_mixed(spec.recipe)
    if spec.candidates is not None:
        recipe = replace(recipe, search=replace(recipe.search, candidates=spec.candidates))
    if spec.estimation is not None:
        estimation = part_named("estimation", spec.estimation)()
        recipe = replace(recipe, name=f"{recipe.name}+{spec.estimation}", estimation=estimation)
    if spec.patience is not None:
        others = tuple(part for part in recipe.stopping if not isinstance(part, Patience))
        recipe = replace(recipe, stopping=(Patience(steps=spec.patience), *others))
    if spec.target_score is not None:
        others = tuple(part for part in recipe.stopping if not isinstance(part, TargetScore))
        recipe = replace(recipe, stopping=(*others, TargetScore(score=spec.target_score)))
    try:
        json.dumps(recipe.as_data())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"recipe {recipe.name}: a field of its parts cannot be kept as JSON: {error}") from error
    return recipe


def _named_or_mixed(wanted: str | Mapping[str, Any]) -> Recipe:
    if not isinstance(wanted, str):
        return mixture(wanted)
    return mixture(read_mixture(Path(wanted[1:]))) if wanted.startswith("@") else recipe_named(wanted)


def recorded_recipe(manifest: RunManifest, given: Given) -> Recipe:
    """The recipe that a run began with, rebuilt from its record or handed in once more.

    Raises :class:`ConfigError` if a part of it is not at hand, or if it is not the same in every field.
    """
    recorded = json.loads(to_json(manifest))["recipe"]
    bring_back = f"resume with version {manifest.version} and the packages that the run began with, or start a new run"
    if given.recipe is not None:
        recipe = recipe_for(RunSpec().with_settings(manifest.spec), given)
    else:
        try:
            recipe = recipe_from_data(recorded, name=manifest.recipe_name)
        except ConfigError as error:
            raise ConfigError(
                f"{error}. The run cannot be rebuilt: hand its recipe in from Python; or {bring_back}"
            ) from error
    if json.loads(json.dumps(recipe.as_data())) != recorded:
        raise ConfigError(f"the recipe {manifest.recipe_name} is not the one that the run began with; {bring_back}")
    return recipe


def load_task(spec: RunSpec, given: Given) -> Task:
    """The task from the files of the spec, or from rows in memory. Raises the :class:`InputError` family."""
    prompt = given.prompt
    if prompt is None:
        prompt = read_prompt(spec.prompt, may_be_empty=spec.steps == 0)
    rows = load_rows(spec, given)
    try:
        return _task(spec, rows, prompt, _metric(spec, given))
    except DataError as error:  # targets that do not fit the metric: the task does not know where they come from
        files = [name for name in (spec.data, spec.train, spec.dev, spec.test) if name is not None]
        raise DataError(f"{', '.join(files) or 'rows'}: {error}") from error


def load_rows(spec: RunSpec, given: Given) -> Splits:
    """The rows in the files of the spec, or in memory, less those left out. Raises the :class:`InputError` family."""
    left_out = () if spec.leave_out is None else read_left_out(Path(spec.leave_out))
    source = DataSource(
        file=_path(spec.data),
        rows=given.rows,
        train=_path(spec.train),
        dev=_path(spec.dev),
        test=_path(spec.test),
        split_column=spec.split_column,
        inputs=spec.input or None,
        target=spec.target,
        target_for=_target_for(_metric(spec, given)),
        sizes=SplitSizes(train=spec.train_rows, dev=spec.dev_rows, test=spec.test_rows),
        whole=spec.evaluate_on == "all",
    )
    splits = load_splits(source, seed=spec.seed)
    return splits if spec.leave_out is None else without_rows(splits, left_out, path=spec.leave_out)


def rebuild_task(manifest: RunManifest, examples: Mapping[Split, tuple[Example, ...]], given: Given) -> Task:
    """The task of a run from its record: its data files may be gone."""
    spec = RunSpec().with_settings(manifest.spec)
    splits = Splits(
        train=examples.get("train", ()),
        dev=examples.get("dev", ()),
        test=examples.get("test", ()),
        unused=0,
        leaked=manifest.leaked,
        notes=(),
    )
    task = _task(spec, splits, manifest.prompt, _metric(spec, given))
    if task.fingerprint != manifest.task_fingerprint:
        raise ConfigError("the metric handed in is not the one that the run began with; hand in the same one")
    source = metric_source(task)
    if source and manifest.metric_source and source != manifest.metric_source:
        raise ConfigError(
            f"the source of the metric {manifest.metric} has changed since the run began, so its scores would not be "
            "comparable: bring the former source back, or start a new run"
        )
    return task


def metric_source(task: Task) -> str:
    """Digest of the source of a metric that is the user's function; empty for others, and where it cannot be seen."""
    return task.metric.source if isinstance(task.metric, FunctionMetric) else ""


def _task(spec: RunSpec, splits: Splits, prompt: str, metric: Metric | Judge | str | None) -> Task:
    return build_task(
        splits,
        prompt=prompt,
        placement=spec.placement,
        second_round=read_turn(spec.second_round, flag="--second-round"),
        metric=metric,
        read=spec.read,
        length_cost=spec.length_cost,
        notes=spec.notes,
    )


def _metric(spec: RunSpec, given: Given) -> Metric | Judge | str | None:
    """The metric that was handed in, the judge that the spec describes, or the name of a metric.

    Raises :class:`ConfigError` for a judge that nothing asks, and for repeats that would all be the same.
    """
    if given.metric is not None or not spec.judged:
        for name, value in spec.as_data().items():
            if name.startswith("judge_"):
                raise ConfigError(f"{flag(name)} {value} is about --metric judge; set that, or leave it out")
        return given.metric or spec.metric
    if spec.judge_repeats > 1 and spec.judge_temperature == 0:
        raise ConfigError(
            f"--judge-repeats {spec.judge_repeats} needs --judge-temperature above 0: "
            "at 0 a judge gives the same grade every time"
        )
    rubric = RIGHTNESS if spec.judge_rubric is None else read_text(spec.judge_rubric, flag="--judge-rubric").strip()
    if not rubric:
        raise ConfigError("--judge-rubric is empty: say what makes a good answer")
    return Judge(rubric=rubric, scale=Scale.read(spec.judge_scale), repeats=spec.judge_repeats)


def _target_for(metric: Metric | Judge | str | None) -> str | None:
    """What needs the rows' targets, in words; None if nothing does."""
    if metric is None:
        return "the metric"
    if isinstance(metric, str):
        return f"--metric {metric}" if metric_needs_target(metric) else None
    return f"the metric {metric.name}" if metric.needs_target else None


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def _file(given: str | None) -> str:
    """The path in ``@FILE``; empty for a text."""
    return given[1:] if given is not None and given.startswith("@") else ""


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models of a run."""

    task: LLM
    optimizer: LLM
    judge: LLM | None
    """None where no model grades answers."""
    similarity: Similarity
    concurrency: int | None
    """Calls in flight at once; None = as many as the endpoints turn out to take."""
    remote: bool
    """Whether calls leave this machine."""
    notes: tuple[str, ...]
    sender: Callable[[LLM, Engine], LimitedLLM] = LimitedLLM
    """What a model's requests are sent to once the store has no reply."""

    async def prepare(self) -> None:
        """Check keys and names without paying. Raises :class:`~promptdescent.errors.ModelError`."""
        for model in self._distinct():
            await model.prepare()

    async def close(self) -> None:
        """Give everything back."""
        for model in self._distinct():
            await model.close()

    def slots(self, on_change: Callable[[], None], *, in_order: bool = False) -> Slots:
        """Places for the calls of all models together, which ``in_order`` are given in the order of asking whatever
        that takes; ``on_change`` is called before each change of how many are taken.
        """
        if self.concurrency is None:
            return AdaptiveSlots(on_change=on_change)
        every = {model.engines if isinstance(model, LocalLLM) else None for model in self._distinct()}
        engines = every.pop() if len(every) == 1 else None
        if engines is not None and engines.kind.stepwise and not in_order:
            return PrefixSlots(min(self.concurrency, engines.most), on_change=on_change)
        actors = self.task.engines if isinstance(self.task, RayLocalLLM) else 0
        return FixedSlots(max(self.concurrency, actors), on_change=on_change)

    def check_same(self, manifest: RunManifest) -> None:
        """Raise :class:`ConfigError` if a model is not the one that the run began with."""
        for role, before, now in (
            ("task", manifest.task_identity, self.task.identity),
            ("optimizer", manifest.optimizer_identity, self.optimizer.identity),
            ("judge", manifest.judge_identity, self.judge.identity if self.judge else ""),
        ):
            if before != now:
                raise ConfigError(
                    f"the {role} model is not the one that the run began with (then {before}; now {now}): "
                    "its scores would not be comparable. Start a new run, or bring the former model back."
                )
        if manifest.similarity != self.similarity.name:
            raise ConfigError(
                f"the run began with past prompts compared by {manifest.similarity}, now it is {self.similarity.name}; "
                "hand in the same embedder, from Python"
            )

    @property
    def by_role(self) -> dict[Role, LLM]:
        """The models by the roles that the run has."""
        judge: dict[Role, LLM] = {"judge": self.judge} if self.judge else {}
        return {"task": self.task, "optimizer": self.optimizer, **judge}

    @property
    def context_tokens(self) -> dict[Role, int]:
        """The most tokens per call, by role, where a model says so. Known after :meth:`prepare`."""
        known = {role: model.context_tokens for role, model in self.by_role.items()}
        return {role: tokens for role, tokens in known.items() if tokens is not None}

    def _distinct(self) -> list[LLM]:
        return list({id(model): model for model in (self.task, self.optimizer, self.judge) if model}.values())


def open_models(spec: RunSpec, task: Task, given: Given) -> Models:
    """The models that the spec names or the caller gave. Nothing is loaded or called yet."""
    rows = (*task.train, *task.dev, *task.test)
    notes: list[str] = []

    def named(role: Role, *, beside: Sequence[LLM] = ()) -> LLM:
        model = spec.model(role)
        return open_model(
            model.settings.name,
            role=role,
            base_url=model.base_url,
            api_key_env=model.api_key_env,
            timeout=spec.timeout,
            rows=rows,
            labels=task.labels,
            ray=spec.cluster,
            engines=spec.concurrency,
            beside=beside,
        )

    check_models(spec, given)
    task_model = given.task_model or named("task")
    optimizer_model = given.optimizer_model
    if spec.evaluate_on:
        optimizer_model = task_model  # which nothing asks
    elif optimizer_model is None and spec.optimizer_model is None:
        notes.append("The optimizer model is the task model; --optimizer-model names another one.")
    if optimizer_model is None:
        optimizer_model = task_model if _same_model(spec, given) else named("optimizer", beside=(task_model,))
    return Models(
        task=task_model,
        optimizer=optimizer_model,
        judge=(given.judge_model or named("judge", beside=(task_model, optimizer_model)))
        if isinstance(task.metric, Judge)
        else None,
        similarity=EmbeddingSimilarity(given.embedder) if given.embedder else LexicalSimilarity(),
        concurrency=spec.concurrency or (None if _asks_endpoints(spec) else FIRST_LEVEL),
        remote=_is_remote(spec, given),
        notes=tuple(notes),
    )


def check_models(spec: RunSpec, given: Given) -> None:
    """Raise :class:`ConfigError` for a model that cannot be used in its role, as far as its name tells."""
    for role, llm in _handed_in(spec, given).items():
        if llm is not None:
            check_role(spec.model(role).settings.name, role)
    for model in to_open(spec, given):
        check_model(model.settings.name, role=model.role, base_url=model.base_url, api_key_env=model.api_key_env)


def to_open(spec: RunSpec, given: Given) -> list[ModelSpec]:
    """Models that a run opens by their names. An evaluation asks no optimizer model."""
    handed_in = _handed_in(spec, given)
    roles = [role for role in spec.roles if handed_in[role] is None and not (role == "optimizer" and spec.evaluate_on)]
    return [spec.model(role) for role in roles]


def cache_mode(model: LLM, wanted: Cache) -> Cache:
    """How far the model's replies may be reused: those of a function without a version serve their own run only."""
    unversioned = isinstance(model, FunctionLLM) and model.version is None
    return "run" if unversioned and wanted == "store" else wanted


def _same_model(spec: RunSpec, given: Given) -> bool:
    """Whether one object can serve both roles. A simulated model is made for its role."""
    if given.task_model is not None:
        return spec.optimizer_model is None
    first, second = spec.model("task"), spec.model("optimizer")
    same = (first.settings.name, first.base_url, first.api_key_env) == (
        second.settings.name,
        second.base_url,
        second.api_key_env,
    )
    return same and not first.settings.name.startswith(SIMULATED)


def _asks_endpoints(spec: RunSpec) -> bool:
    """Whether a model is reached over a network: in this process there is nothing to find out about."""
    return any(not spec.model(role).settings.name.startswith((LOCAL, SIMULATED, PYTHON)) for role in spec.roles)


def _handed_in(spec: RunSpec, given: Given) -> dict[Role, LLM | None]:
    for_both = given.task_model if spec.optimizer_model is None else None
    return {"task": given.task_model, "optimizer": given.optimizer_model or for_both, "judge": given.judge_model}


def _is_remote(spec: RunSpec, given: Given) -> bool:
    handed_in = _handed_in(spec, given)
    for role in spec.roles:
        if handed_in[role] is None:
            model = spec.model(role)
            if is_remote(model.settings.name, model.base_url):
                return True
    return False


def _lasting(spec: RunSpec, task: Task) -> dict[str, Any]:
    """The spec as data; of a judge all that decides its grades. Rubric and second round are kept as text, since their
    files may change or go.
    """
    data = spec.as_data()
    if task.second_round:
        data["second_round"] = task.second_round
    if isinstance(task.metric, Judge):
        data |= {
            "judge_rubric": task.metric.rubric,
            "judge_scale": spec.judge_scale,
            "judge_repeats": task.metric.repeats,
        }
    return data


def manifest_of(spec: RunSpec, recipe: Recipe, task: Task, models: Models, steps: int) -> RunManifest:
    """What the run is. Called when the models are prepared, so that their identity is known."""
    return RunManifest(
        version=__version__,
        seed=spec.seed,
        recipe_name="evaluation" if spec.evaluate_on else recipe.name,
        recipe=recipe.as_data(),
        task_model=spec.model("task").settings,
        optimizer_model=spec.model("optimizer").settings,
        task_identity=models.task.identity,
        optimizer_identity=models.optimizer.identity,
        judge_model=spec.model("judge").settings if models.judge else None,
        judge_identity=models.judge.identity if models.judge else "",
        prompt=task.start.text,
        placement=task.placement,
        metric=task.metric.name,
        objective=task.objective.name,
        length_cost=task.length_cost,
        labels=task.labels,
        task_fingerprint=task.fingerprint,
        split_sizes={"train": len(task.train), "dev": len(task.dev), "test": len(task.test)},
        leaked=task.splits.leaked,
        similarity=models.similarity.name,
        total_steps=steps,
        max_calls=spec.max_calls,
        max_total_tokens=spec.max_total_tokens,
        cache=spec.cache,
        spec=_lasting(spec, task),
        judge_rubric_file=_file(spec.judge_rubric) if models.judge else "",
        second_round_file=_file(spec.second_round),
        metric_source=metric_source(task),
        context_tokens=models.context_tokens,
    )
