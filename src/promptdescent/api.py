"""The command line's main jobs from Python: :func:`optimize`, :func:`evaluate`, :func:`resume`, :func:`rerun` and
:func:`explain_run`.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from promptdescent import rerunning, runner
from promptdescent.assembly import Given
from promptdescent.config import TASK_FILE_SUFFIXES, RunSpec, load_task_file
from promptdescent.errors import ConfigError
from promptdescent.explain import explaining
from promptdescent.llm.base import LLM, Embedder
from promptdescent.llm.function import FunctionLLM
from promptdescent.parts.recipe import Recipe, part_as_data
from promptdescent.phases import EvaluationResult, RunResult
from promptdescent.records import RunObserver, ScoredRows
from promptdescent.records.explanation import Explanation
from promptdescent.store.late import LateStore
from promptdescent.tasks.metrics import FunctionMetric, Metric

_LOOK_UP = 0.1
"""Seconds between two looks whether the caller was interrupted."""

DEFAULT_STORE = "./.promptdescent"

Rows = Sequence[Mapping[str, object]]
Model = str | LLM | Callable[..., Any]
T = TypeVar("T")


def optimize(
    data: str | Path | Rows | RunSpec | None = None,
    *,
    task_model: Model | None = None,
    optimizer_model: Model | None = None,
    judge_model: Model | None = None,
    metric: str | Metric | Callable[..., Any] | None = None,
    recipe: str | Mapping[str, Any] | Recipe | None = None,
    embedder: Embedder | None = None,
    store: str | Path = DEFAULT_STORE,
    observers: Sequence[RunObserver] = (),
    yes: bool = False,
    tags: Sequence[str] = (),
    **settings: Any,
) -> RunResult:
    """Improve a prompt and say whether the gain is real. Works inside a running event loop too, as in a notebook.

    ``data`` is a data file, a task file, rows (mappings of column to value) or a :class:`RunSpec`; ``settings`` are
    other fields of :class:`RunSpec`, such as ``prompt``, ``input``, ``target``, ``max_calls`` and ``seed``. A model
    is a name as on the command line, an :class:`LLM`, or a function, plain or async, of a list of ``{"role",
    "content"}`` messages that returns the reply. A recipe is a name, a mixture such as ``{"base": "gpo", "momentum":
    {"k": 5}}``, or a :class:`Recipe`, whose parts may be your own.

    Without a cap, ``yes=True`` agrees to calls outside this machine. ``tags`` are words by which the run is found again
    in ``promptdescent runs --tag``. Raises :class:`PromptDescentError`; what each kind means stands in
    ``promptdescent.errors``.
    """
    spec, rows = _spec_and_rows(data)
    models = {"task_model": task_model, "optimizer_model": optimizer_model, "judge_model": judge_model}
    names = {**{key: _name(model) for key, model in models.items()}, "metric": metric}
    said = {key: name for key, name in names.items() if isinstance(name, str)}
    spec = spec.with_settings({**settings, **said, **_recipe_setting(recipe)})
    given = Given(
        task_model=_llm(task_model),
        optimizer_model=_llm(optimizer_model),
        judge_model=_llm(judge_model),
        metric=_metric(metric),
        rows=rows,
        recipe=recipe if isinstance(recipe, Recipe) else None,
        embedder=embedder,
    )

    async def run() -> RunResult:
        with LateStore(store) as opened:
            return await runner.start(
                spec, store=opened, given=given, observers=observers, confirm=lambda _: yes, tags=tags
            )

    return _in_loop(run())


def evaluate(
    prompt: str,
    data: str | Path | Rows | RunSpec,
    *,
    on: ScoredRows = "test",
    task_model: Model | None = None,
    judge_model: Model | None = None,
    metric: str | Metric | Callable[..., Any] | None = None,
    store: str | Path = DEFAULT_STORE,
    observers: Sequence[RunObserver] = (),
    yes: bool = False,
    **settings: Any,
) -> EvaluationResult:
    """Score one prompt, with a 95 % confidence interval, and search for nothing.

    ``on`` says which rows: ``test`` (those of the verdict of :func:`optimize` with the same data and seed), ``dev``, or
    ``all``. The rest is as for :func:`optimize`; settings of the search alone are not looked at. Replies that the store
    has are not paid again.
    """
    spec, rows = _spec_and_rows(data)
    models = {"task_model": task_model, "judge_model": judge_model}
    names = {**{key: _name(model) for key, model in models.items()}, "metric": metric}
    said = {key: name for key, name in names.items() if isinstance(name, str)}
    spec = spec.with_settings({**settings, **said, "prompt": prompt})
    given = Given(task_model=_llm(task_model), judge_model=_llm(judge_model), metric=_metric(metric), rows=rows)

    async def run() -> EvaluationResult:
        with LateStore(store) as opened:
            return await runner.evaluate(
                spec, on=on, store=opened, given=given, observers=observers, confirm=lambda _: yes
            )

    return _in_loop(run())


def resume(
    run: str = "latest",
    *,
    task_model: Model | None = None,
    optimizer_model: Model | None = None,
    judge_model: Model | None = None,
    metric: Metric | Callable[..., Any] | None = None,
    recipe: Recipe | None = None,
    embedder: Embedder | None = None,
    store: str | Path = DEFAULT_STORE,
    observers: Sequence[RunObserver] = (),
    recorded: bool = False,
    **settings: Any,
) -> RunResult:
    """Go on with a run that was interrupted; ``run`` is a prefix of its id. What was handed to :func:`optimize` as an
    object is handed in again; a recipe only if it has parts that no package registers.

    ``settings`` may raise the caps, and change prices and pace. ``recorded=True`` goes on with the rows, prompt, rubric
    and recipe on record even if their files say something else by now, which is refused otherwise.
    """
    given = Given(
        task_model=_llm(task_model),
        optimizer_model=_llm(optimizer_model),
        judge_model=_llm(judge_model),
        metric=_metric(metric),
        recipe=recipe,
        embedder=embedder,
    )

    async def go_on() -> RunResult:
        with LateStore(store) as late:
            opened = late()
            manifest = opened.find_run(run).manifest
            if manifest.evaluated_on and not manifest.explains:
                raise ConfigError(f"run {run} scores one prompt: call evaluate() again, which pays for no reply twice")
            result = await runner.resume(
                run, store=opened, given=given, observers=observers, settings=settings, recorded=recorded
            )
            return cast("RunResult", result)

    return _in_loop(go_on())


def rerun(
    run: str = "latest",
    *,
    replay_only: bool = False,
    from_step: int | None = None,
    seed: int | None = None,
    task_model: Model | None = None,
    optimizer_model: Model | None = None,
    judge_model: Model | None = None,
    metric: Metric | Callable[..., Any] | None = None,
    recipe: Recipe | None = None,
    embedder: Embedder | None = None,
    store: str | Path = DEFAULT_STORE,
    observers: Sequence[RunObserver] = (),
    yes: bool = False,
    **settings: Any,
) -> RunResult:
    """Run a recorded run once more, as a new one; what the first was answered comes from the store.

    ``replay_only=True`` asks no model at all and raises :class:`RunFailed` unless the record comes out the same.
    ``from_step`` and ``seed`` make a fork: another seed from that step on. ``settings`` may change caps, prices and
    pace. Objects are handed in again as for :func:`resume`; a replay needs no models.
    """
    given = Given(
        task_model=_llm(task_model),
        optimizer_model=_llm(optimizer_model),
        judge_model=_llm(judge_model),
        metric=_metric(metric),
        recipe=recipe,
        embedder=embedder,
    )
    fork = rerunning.fork_of(from_step, seed)

    async def again() -> RunResult:
        with LateStore(store) as late:
            opened = late()
            manifest = opened.find_run(run).manifest
            if manifest.evaluated_on and not manifest.explains:
                raise ConfigError(f"run {run} scores one prompt: call evaluate() again, which pays for no reply twice")
            result = await rerunning.rerun(
                run,
                store=opened,
                replay_only=replay_only,
                fork=fork,
                settings=settings,
                given=given,
                observers=observers,
                confirm=lambda _: yes,
            )
            return cast("RunResult", result)

    return _in_loop(again())


def explain_run(
    run: str = "latest",
    *,
    prune: bool = False,
    task_model: Model | None = None,
    judge_model: Model | None = None,
    metric: Metric | Callable[..., Any] | None = None,
    store: str | Path = DEFAULT_STORE,
    observers: Sequence[RunObserver] = (),
    yes: bool = False,
    **settings: Any,
) -> Explanation:
    """Measure what each sentence or phrase of a run's found prompt does to the score, which two say the same, and which
    rows are doubtful; ``prune=True`` tries shorter prompts as well.

    ``run`` is a prefix of its id. ``settings`` may set caps, prices and pace; the caps of the run do not count. Objects
    are handed in again as for :func:`resume`. The calls belong to a run of their own.
    """
    given = Given(task_model=_llm(task_model), judge_model=_llm(judge_model), metric=_metric(metric))

    async def measured() -> Explanation:
        with LateStore(store) as late:
            return await explaining.explain(
                run,
                store=late(),
                prune=prune,
                settings=settings,
                given=given,
                observers=observers,
                confirm=lambda _: yes,
            )

    return _in_loop(measured())


def _spec_and_rows(data: str | Path | Rows | RunSpec | None) -> tuple[RunSpec, Rows | None]:
    if data is None:
        return RunSpec(), None
    if isinstance(data, RunSpec):
        return data, None
    if isinstance(data, (str, Path)):
        path = Path(data)
        return (load_task_file(path) if path.suffix.lower() in TASK_FILE_SUFFIXES else RunSpec(data=str(path))), None
    return RunSpec(), data


def _name(model: Model | None) -> str | None:
    """What a model is called in the record."""
    if model is None or isinstance(model, str):
        return model
    name = getattr(model, "name", None) or getattr(model, "__name__", type(model).__name__)
    return f"python:{name}"


def _recipe_setting(recipe: str | Mapping[str, Any] | Recipe | None) -> dict[str, Any]:
    """What the record says of the recipe."""
    if recipe is None:
        return {}
    return {"recipe": {"name": recipe.name, **recipe.as_data()} if isinstance(recipe, Recipe) else part_as_data(recipe)}


def _metric(metric: str | Metric | Callable[..., Any] | None) -> Metric | None:
    """The object for a metric that is not given by name; a function is called with (reply, target)."""
    if metric is None or isinstance(metric, str):
        return None
    return FunctionMetric.of(metric) if inspect.isroutine(metric) else cast("Metric", metric)


def _llm(model: Model | None) -> LLM | None:
    """The object for a model that is not given by name."""
    if model is None or isinstance(model, str):
        return None
    if callable(model):
        return FunctionLLM(model)
    if not hasattr(model, "complete"):
        raise ConfigError(
            f"a model is a name, a function or an object with the LLM protocol, not {type(model).__name__}"
        )
    return model


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, from a thread of its own where a loop is running already.

    Interrupting the calling thread cancels the work, so that it ends as an interrupted run.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    thread = threading.Thread(target=_run_to_end, args=(loop, task), name="promptdescent", daemon=True)
    thread.start()
    caller = asyncio.current_task()
    cancelled_before = caller.cancelling() if caller else 0
    try:
        while thread.is_alive():
            thread.join(_LOOK_UP)
            # Under asyncio.run Ctrl-C cancels the task that stands here, which cannot notice while it waits.
            if caller and caller.cancelling() > cancelled_before and not task.cancelling():
                loop.call_soon_threadsafe(task.cancel)
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    return task.result()


def _run_to_end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    try:
        loop.run_until_complete(asyncio.wait([task]))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
