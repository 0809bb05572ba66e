"""Racing against full evaluation on the simulated models: true quality and task calls of every recipe.

    python benchmarks/racing.py --seeds 100

Every recipe runs 18 steps on 100 dev rows in each published setting of the simulated models, once with full evaluation
and once with racing, from the same seeds. Candidates are scored in memory by the simulated task model's own rule, which
gives just the answers that its requests would get (tests/llm/test_simulated.py), so no store and no retries take part.
A task call is a distinct pair of prompt and row, as in a run's *used* calls. True quality is the task model's known
accuracy under the prompt that the search returns, in points of 0 to 100.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from promptdescent.llm.simulated import PRESETS, SETTINGS, SimulatedOptimizer, SimulatedTask, optimum
from promptdescent.optimizer import Surroundings, descend, first_state
from promptdescent.optimizer_model import OptimizerModel
from promptdescent.parts.recipe import Recipe
from promptdescent.parts.search.estimation import Estimation, FullDev, Racing
from promptdescent.parts.similarity import LexicalSimilarity
from promptdescent.recipes import RECIPES, recipe_named
from promptdescent.records import Evaluation, Example, ModelSettings, Outcome, Prompt, TaskBrief
from promptdescent.stats import one_sided_lower_bound

STEPS, DEV_ROWS, TRAIN_ROWS = 18, 100, 50
LABELS = ("complaint", "praise", "question")
START = "What kind of message is this?"
ESTIMATIONS: dict[str, Estimation] = {
    "full": FullDev(),
    "racing": Racing(),
    "racing by test alone": Racing(halving=False),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One search."""

    recipe: str
    setting: str
    estimation: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What it found, and what it cost."""

    job: Job
    quality: float
    """True accuracy of the prompt that it returns, 0 to 1."""
    attainable: float
    """Share of the way from the start's accuracy to the optimum's."""
    task_calls: int
    optimizer_calls: int


class InMemory:
    """Scores prompts without requests. Implements ``Evaluate``, and counts distinct pairs of prompt and row."""

    def __init__(self, task: SimulatedTask) -> None:
        self._task = task
        self.pairs: set[tuple[str, str]] = set()

    async def __call__(
        self, prompts: AsyncGenerator[Prompt, None], examples: Sequence[Example]
    ) -> AsyncGenerator[Evaluation, None]:
        async for prompt in prompts:
            self.pairs.update((prompt.text, example.id) for example in examples)
            yield self.evaluation(prompt, examples)

    def evaluation(self, prompt: Prompt, examples: Sequence[Example]) -> Evaluation:
        """One prompt on some rows."""
        outcomes = tuple(self._outcome(prompt.text, example) for example in examples)
        return Evaluation(outcomes=outcomes, score=statistics.fmean(one.score or 0.0 for one in outcomes))

    def _outcome(self, text: str, example: Example) -> Outcome:
        answer = self._task.outcome(text, example).text
        return Outcome(
            example=example.id, kind="answered", score=float(self._task.is_right(text, example)), answer=answer
        )


def rows(seed: int, split: str, count: int) -> tuple[Example, ...]:
    """Rows of our own; which of them are hard follows from their id."""
    return tuple(
        Example(
            id=f"{seed}/{split}/{number}",
            inputs=(("text", f"Message {number} of {split} {seed}: what about parcel {number * 7 % 101}"),),
            target=LABELS[number % len(LABELS)],
        )
        for number in range(count)
    )


def search(job: Job) -> Result:
    """Run a job."""
    return asyncio.run(_search(job))


async def _search(job: Job) -> Result:
    preset = PRESETS[job.setting]
    train, dev = rows(job.seed, "train", TRAIN_ROWS), rows(job.seed, "dev", DEV_ROWS)
    task = SimulatedTask(replace(preset.task, seed=job.seed), (*train, *dev), LABELS)
    evaluate = InMemory(task)
    recipe = _recipe(job)
    around = Surroundings(
        brief=TaskBrief(labels=LABELS, placement="after", placeholders=(), train=train, mean_over_rows=True),
        dev=dev,
        evaluate=evaluate,
        model=OptimizerModel(
            llm=SimulatedOptimizer(replace(preset.optimizer, seed=job.seed), LABELS),
            settings=ModelSettings(name=job.setting, temperature=1.0, max_tokens=512),
        ),
        similarity=LexicalSimilarity(),
        seed=job.seed,
    )
    start = Prompt.of(START)
    state = first_state(recipe, start, evaluate.evaluation(start, dev), total_steps=STEPS)
    optimizer_calls = 0
    async for record, after in descend(recipe, state, around):
        state = after
        optimizer_calls += sum(request.n for request in record.requests)
    quality, begin = task.accuracy(state.best.prompt.text), task.accuracy(START)
    best = optimum(LABELS, preset.task).accuracy
    return Result(
        job=job,
        quality=quality,
        attainable=(quality - begin) / (best - begin),
        task_calls=len(evaluate.pairs) + len(dev),
        optimizer_calls=optimizer_calls,
    )


def _recipe(job: Job) -> Recipe:
    recipe = recipe_named(job.recipe)
    search = replace(recipe.search, rounds=STEPS)
    return replace(recipe, search=search, estimation=ESTIMATIONS[job.estimation], stopping=())


def jobs(arguments: argparse.Namespace) -> Iterator[Job]:
    for setting in arguments.settings:
        for recipe in arguments.recipes:
            for seed in range(arguments.seeds):
                for estimation in arguments.estimations:
                    yield Job(recipe=recipe, setting=setting, estimation=estimation, seed=seed)


def load(path: Path) -> dict[Job, Result]:
    """The results in a file of an earlier, perhaps unfinished, run."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = [json.loads(line) for line in lines]
    results = [Result(**{**value, "job": Job(**value["job"])}) for value in values]
    return {result.job: result for result in results}


def table(results: Iterable[Result], estimations: Sequence[str]) -> str:
    """Markdown: one line per setting and recipe, comparing each estimation with full evaluation, paired by seed."""
    by_job = {result.job: result for result in results}
    lines = [
        "| setting | recipe | seeds | full: quality, of attainable | estimation | quality | difference | one-sided "
        "95 % bound | task calls |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    cells = dict.fromkeys((job.setting, job.recipe) for job in by_job)
    for setting, recipe in cells:
        full = {job.seed: one for job, one in by_job.items() if _cell(job) == (setting, recipe, "full")}
        for estimation in estimations:
            other = {job.seed: one for job, one in by_job.items() if _cell(job) == (setting, recipe, estimation)}
            seeds = sorted(full.keys() & other.keys())
            if estimation == "full" or not seeds:
                continue
            lines.append(_line(setting, recipe, estimation, [(full[seed], other[seed]) for seed in seeds]))
    return "\n".join(lines)


def _cell(job: Job) -> tuple[str, str, str]:
    return job.setting, job.recipe, job.estimation


def _line(setting: str, recipe: str, estimation: str, pairs: Sequence[tuple[Result, Result]]) -> str:
    differences = [100 * (other.quality - full.quality) for full, other in pairs]
    calls = sum(other.task_calls for _, other in pairs) / sum(full.task_calls for full, _ in pairs)
    bound = one_sided_lower_bound(differences) if len(pairs) > 1 else float("nan")
    quality = 100 * statistics.fmean(full.quality for full, _ in pairs)
    attained = 100 * statistics.fmean(full.attainable for full, _ in pairs)
    raced = 100 * statistics.fmean(other.quality for _, other in pairs)
    return (
        f"| {setting} | {recipe} | {len(pairs)} | {quality:.1f}, {attained:.0f} % | {estimation} | {raced:.1f} "
        f"| {statistics.fmean(differences):+.2f} | {bound:+.2f} | {100 * calls:.0f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Racing against full evaluation on the simulated models.")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--recipes", nargs="+", default=sorted(RECIPES), choices=sorted(RECIPES))
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(PRESETS))
    parser.add_argument("--estimations", nargs="+", default=["full", "racing"], choices=list(ESTIMATIONS))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="JSONL file of results; what is in it is not run again")
    arguments = parser.parse_args()
    known = load(arguments.out) if arguments.out else {}
    wanted = list(jobs(arguments))
    todo = [job for job in wanted if job not in known]
    with ProcessPoolExecutor(arguments.workers) as pool:
        for done, result in enumerate(pool.map(search, todo, chunksize=4), start=1):
            known[result.job] = result
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(result)) + "\n")
            if done % 100 == 0:
                print(f"{done} of {len(todo)} searches", file=sys.stderr)
    print(table((known[job] for job in wanted), arguments.estimations))


if __name__ == "__main__":
    main()
