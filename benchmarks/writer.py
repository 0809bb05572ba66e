"""The prompt writer against few-shot completion with the bare model, on jobs that no row of its training comes from.

    .venv/bin/python benchmarks/writer.py search --data $DATA --out study    # hours on two cores; goes on where it was
    .venv/bin/python benchmarks/writer.py tables --out study

``--arms base=local:smollm2 mine=local:smollm2+training/out/second/writer.gguf`` compares other models.

Every search starts from a prompt that says nothing of the job, with the same rows, settings and cap on used calls for
both arms, once per job and seed, until that leaves no room for another step. Proposals are scored on all dev rows.
``tables`` prints, per job: how many of eight proposals get at least 0.6 of the dev rows right, how many get at least
0.8 of what the best prompt written by hand gets there, how many are different, the used calls, the found prompts' test
scores, and their difference with an interval over seeds; below, once all jobs have the same seeds, the mean
difference with an interval over jobs and one over seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promptdescent import LocalLLM, evaluate, optimize
from promptdescent.records import Progress, StepRecord
from promptdescent.stats import Interval, mean_interval
from promptdescent.tasks.demo import ROWS

SEEDS = range(10, 15)
"""Others than those of the trials by which these settings were found."""
START = "What is the answer?"
"""For every job: it says nothing of the job, and the task model talks on instead of answering."""
USABLE = 0.6
OF_BEST_BY_HAND = 0.8
LEAST = 0.01
"""A proposal that gets no row right is of no use, whatever the prompts by hand get."""

SEARCHES = "searches.jsonl"

ARMS = {"base": "local:smollm2", "writer": "local:smollm2+writer"}

SETTINGS: dict[str, Any] = {
    "placement": "after",
    "task_model": "local:smollm2",
    "task_max_tokens": 6,
    "optimizer_temperature": 0.9,
    "optimizer_max_tokens": 48,
    "train_rows": 30,
    "dev_rows": 24,
    "test_rows": 40,
    "candidates": 8,
    "patience": 0,
    # The start and bad proposals let the task model run on; that is what is measured, and no reason to stop.
    "failure_limit": ("cut off=1",),
    # The start, two steps of eight different proposals and the verdict make 504, one such step 200. A search goes on
    # as long as a step fits as a whole, so that each has 504 calls or more, whoever repeats himself included: what is
    # proposed again is not scored again. (Where nothing better is found, the verdict takes 40 calls less.)
    "max_calls": 504 + 200 - 1,
    "whole_steps": True,
    "steps": 10,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Rows, and what somebody would write who knows the task model."""

    file: str
    input: str = "input"
    target: str = "target"
    metric: str = "choice"
    by_hand: tuple[str, ...]
    developed_on: bool = False
    """Whether proposals for this job were looked at while the training was made; none of its rows is in it."""


JOBS = {
    "demo": Job(
        file=str(ROWS),
        input="text",
        target="label",
        developed_on=True,
        by_hand=(
            "Is this review positive or negative? Answer with one word.",
            "Classify the text as positive or negative. Reply with the label only.",
            "Determine whether the message is positive or negative.",
        ),
    ),
    "sentiment": Job(
        file="instruction_induction/sentiment.jsonl",
        target="output",
        developed_on=True,
        by_hand=(
            "Is this review positive or negative? Answer with one word.",
            "Classify the text as positive or negative. Reply with the label only.",
            "Determine whether the sentence is positive or negative.",
        ),
    ),
    "boolean expressions": Job(
        file="bbh/boolean_expressions.json",
        by_hand=(
            "Is this expression True or False? Answer with one word.",
            "Classify the text as True or False. Reply with the label only.",
            "Determine whether the expression is True or False.",
        ),
    ),
    "sports": Job(
        file="bbh/sports_understanding.json",
        by_hand=(
            "Is it plausible? Answer yes or no.",
            "Answer the question with yes or no.",
            "Is the sentence plausible, yes or no? Answer with one word.",
        ),
    ),
    "adjective order": Job(
        file="bbh/hyperbaton.json",
        by_hand=(
            "Which sentence is right, (A) or (B)? Answer with the letter only.",
            "Answer with (A) or (B).",
            "Choose the option with the correct order: (A) or (B).",
        ),
    ),
    "date": Job(
        file="bbh/date_understanding.json",
        by_hand=(
            "Which option is right? Answer with the letter only.",
            "Choose the best option: (A), (B), (C), (D), (E) or (F).",
            "Answer with (A), (B), (C), (D), (E) or (F).",
        ),
    ),
    "pronoun": Job(
        file="wsc/test.jsonl",
        target="output",
        by_hand=(
            "Which option is right? Answer with the letter only.",
            "Answer with (A) or (B).",
            "Choose the right option: (A) or (B).",
        ),
    ),
    "larger animal": Job(
        file="instruction_induction/larger_animal.jsonl",
        target="output",
        metric="exact",
        by_hand=(
            "Which animal is larger? Answer with its name only.",
            "Name the larger animal.",
            "Which of the two is larger? Answer with one word.",
        ),
    ),
}


class Steps:
    """Keeps the steps of a search."""

    def __init__(self) -> None:
        self.records: list[StepRecord] = []

    def on_message(self, text: str) -> None:
        """Nothing is said."""

    def on_progress(self, progress: Progress) -> None:
        """Nothing is drawn."""

    def on_step(self, record: StepRecord) -> None:
        """One more step."""
        self.records.append(record)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "tables"])
    parser.add_argument("--data", type=Path, help="folder of shared rows")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", default=[f"{arm}={model}" for arm, model in ARMS.items()])
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    options = parser.parse_args()
    arms = dict(arm.split("=", 1) for arm in options.arms)
    if len(arms) != 2:
        parser.error("--arms takes two: NAME=MODEL NAME=MODEL")
    if options.what == "tables":
        print_tables(read(options.out), list(arms))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    identities = {(name, arm): identity(name, model) for name in JOBS for arm, model in arms.items()}
    done = {(line["job"], line["arm"], line["seed"]): line for line in read(options.out)}
    if any(arm in arms and line["identity"] != identities.get((name, arm)) for (name, arm, _), line in done.items()):
        parser.error(f"{options.out} holds searches of another model under one of these names, or with other settings")
    for seed in options.seeds:
        for name in options.jobs:
            for arm, model in arms.items():
                if (name, arm, seed) not in done:
                    line = search(name, arm, model, seed, data=options.data, out=options.out)
                    line["identity"] = identities[name, arm]
                    with (options.out / SEARCHES).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    print(f"{name}, seed {seed}, {arm}: {line['found_score']:.3f} {line['found']!r}", flush=True)


def identity(name: str, model: str) -> str:
    """What decides an arm's searches for a job, besides the seed: the model's digest, the settings and the job."""
    job = {**asdict(JOBS[name]), "file": Path(JOBS[name].file).name}
    settings = hashlib.sha256(json.dumps([START, SETTINGS, job]).encode()).hexdigest()[:16]
    return f"{asyncio.run(LocalLLM(model.removeprefix('local:')).identify())} settings:{settings}"


def search(name: str, arm: str, model: str, seed: int, *, data: Path | None, out: Path) -> dict[str, Any]:
    """One search, as a line of the record."""
    job = JOBS[name]
    if data is None and not Path(job.file).is_absolute():
        raise SystemExit(f"{name} needs --data: the folder of shared rows")
    file = job.file if data is None else str(data / job.file)
    settings = {**SETTINGS, "input": job.input, "target": job.target, "metric": job.metric, "seed": seed}
    steps = Steps()
    began = time.monotonic()
    result = optimize(
        file,
        prompt=START,
        optimizer_model=model,
        optimizer_style="few-shot" if model == ARMS["base"] else "writer",
        store=out / "store",
        observers=[steps],
        **settings,
    )
    seconds = time.monotonic() - began
    texts = job.by_hand if seed == SEEDS[0] else ()
    by_hand = [evaluate(text, file, on="dev", store=out / "store", **settings).score.score for text in texts]
    return {
        "job": name,
        "arm": arm,
        "seed": seed,
        "model": model,
        "by_hand": by_hand,
        "start_score": result.verdict.start_score,
        "found": result.best_prompt,
        "found_score": result.verdict.best_score,
        "used_calls": result.used.calls,
        "used_tokens": result.used.tokens_in + result.used.tokens_out,
        "seconds": round(seconds, 1),
        "proposals": [proposal for record in steps.records for proposal in proposals(record)],
    }


def proposals(record: StepRecord) -> Iterator[dict[str, Any]]:
    """What a step's proposals were, those that repeat others included."""
    for one in record.candidates:
        if one.request is not None:
            yield {
                "step": record.step,
                "text": one.prompt.text,
                "score": one.score,
                "reason": one.reason,
                "distance": one.distance,
                "budget": record.word_budget,
            }


def read(out: Path) -> list[dict[str, Any]]:
    """The searches so far; the last one that was put down as a whole ends the file."""
    file = out / SEARCHES
    if not file.exists():
        return []
    lines = file.read_text("utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        file.write_text("".join(lines[:-1]), encoding="utf-8")
    return [json.loads(line) for line in lines if line.endswith("\n")]


def print_tables(lines: Sequence[dict[str, Any]], arms: Sequence[str]) -> None:
    """Per job and over all, for two arms; only seeds that both have."""
    base, other = arms
    print(
        "| job | seeds | by hand, dev | " + " | ".join(f"{name}: {base} | {other}" for name, _, _ in MEASURES), end=""
    )
    print(" | difference, points |")
    print("| --- " * (4 + 2 * len(MEASURES)) + "|")
    jobs = {job: _pairs(_beside_by_hand(lines, job), arms) for job in JOBS}
    jobs = {job: pairs for job, pairs in jobs.items() if pairs}
    if not jobs:
        raise SystemExit("no search has its pair yet")
    for job, pairs in jobs.items():
        estimate = mean_interval(_gains(pairs)) if len(pairs) > 1 else None
        print(_row(f"{job}*" if JOBS[job].developed_on else job, pairs, _points(estimate) if estimate else ""))
    print(_row("all", [pair for pairs in jobs.values() for pair in pairs], ""))
    print("\n\\* looked at while the training was made\n")
    print_differences({job: dict(zip(_seeds(pairs), _gains(pairs), strict=True)) for job, pairs in jobs.items()})
    told = [one for line in lines for one in line["proposals"] if one["budget"] is not None and line["arm"] in arms]
    print(
        f"Word budgets: {min(one['budget'] for one in told)} to {max(one['budget'] for one in told)}; within them: ",
        end="",
    )
    print(", ".join(f"{arm} {_mean([obedient(line) for line in lines if line['arm'] == arm]):.0%}" for arm in arms))


def print_differences(gains: Mapping[str, Mapping[int, float]]) -> None:
    """The mean difference, in points, by job and seed, with intervals over jobs and over seeds; none before every job
    has the same seeds, for until then jobs do not count alike, and a look in between is no result.
    """
    if len({frozenset(of_job) for of_job in gains.values()}) > 1:
        print("No interval over jobs: not all of them have the same seeds yet.")
        return
    for name, jobs in (
        ("", list(gains)),
        (" that were not looked at", [job for job in gains if not JOBS[job].developed_on]),
    ):
        if len(jobs) > 1:
            by_job = [_mean(list(gains[job].values())) for job in jobs]
            print(f"Difference over {len(jobs)} jobs{name}, each one value: {_points(mean_interval(by_job))}.")
            by_seed = [_mean([gains[job][seed] for job in jobs]) for seed in gains[jobs[0]]]
            if len(by_seed) > 1:
                print(f"Over their {len(by_seed)} seeds, each one value: {_points(mean_interval(by_seed))}.")


def _seeds(pairs: Sequence[tuple[dict[str, Any], ...]]) -> list[int]:
    return [first["seed"] for first, _ in pairs]


def _beside_by_hand(lines: Sequence[dict[str, Any]], job: str) -> list[dict[str, Any]]:
    """The searches of a job, each with the score of the best prompt by hand, which one seed measured."""
    of_job = [line for line in lines if line["job"] == job]
    best = max((score for line in of_job for score in line["by_hand"]), default=math.nan)
    return [{**line, "best_by_hand": best} for line in of_job]


def _pairs(lines: Sequence[dict[str, Any]], arms: Sequence[str]) -> list[tuple[dict[str, Any], ...]]:
    """The searches of both arms with the same seed."""
    first, second = ({line["seed"]: line for line in lines if line["arm"] == arm} for arm in arms)
    return [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]


def _row(name: str, pairs: Sequence[tuple[dict[str, Any], ...]], difference: str) -> str:
    cells = [name, str(len(pairs)), f"{_mean([first['best_by_hand'] for first, _ in pairs]):.2f}"]
    for _, value, form in MEASURES:
        cells += [format(_mean([value(one) for one in side]), form) for side in zip(*pairs, strict=True)]
    return "| " + " | ".join([*cells, difference or f"{_mean(_gains(pairs)):+.1f}"]) + " |"


def _gains(pairs: Sequence[tuple[dict[str, Any], ...]]) -> list[float]:
    """Differences of the test scores, in points."""
    return [100 * (second["found_score"] - first["found_score"]) for first, second in pairs]


def usable(search: dict[str, Any], bar: float, *, different: bool = False) -> float:
    """Proposals of eight that score at least ``bar`` on the dev rows, in the mean over steps. One that repeats a text
    counts as what the text scored, or with ``different`` not at all within its step. NaN for a bar that is not known.
    """
    if math.isnan(bar):
        return math.nan
    scores: dict[str, float] = {one["text"]: one["score"] for one in search["proposals"] if one["score"] is not None}
    shares = []
    for texts in _steps(search):
        counted = set(texts) if different else texts
        shares.append(8 * sum(scores.get(text, 0.0) >= max(bar, LEAST) for text in counted) / len(texts))
    return _mean(shares)


def distinct(search: dict[str, Any]) -> float:
    """Different texts of eight, in the mean over steps; an empty one is none."""
    return _mean([8 * len(set(texts) - {""}) / len(texts) for texts in _steps(search)])


def _steps(search: dict[str, Any]) -> list[list[str]]:
    """The proposals of each step."""
    steps: dict[int, list[str]] = {one["step"]: [] for one in search["proposals"]}
    for one in search["proposals"]:
        steps[one["step"]].append(one["text"])
    return list(steps.values())


def obedient(search: dict[str, Any]) -> float:
    """Share of the proposals within the word budget; 1 where there is none."""
    told = [one for one in search["proposals"] if one["budget"] is not None and one["distance"] is not None]
    return _mean([one["distance"] <= one["budget"] for one in told]) if told else 1.0


MEASURES: tuple[tuple[str, Callable[[dict[str, Any]], float], str], ...] = (
    ("at least 0.6, of 8", lambda search: usable(search, USABLE), ".1f"),
    ("of them different", lambda search: usable(search, USABLE, different=True), ".1f"),
    ("near the best by hand, of 8", lambda search: usable(search, OF_BEST_BY_HAND * search["best_by_hand"]), ".1f"),
    ("different, of 8", distinct, ".1f"),
    ("start, test", lambda search: 100 * search["start_score"], ".1f"),
    ("calls", lambda search: search["used_calls"], ".0f"),
    ("test score", lambda search: 100 * search["found_score"], ".1f"),
)
"""What a table shows of both arms: its name, its value for a search, and how a mean is written."""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _points(estimate: Any) -> str:
    interval: Interval = estimate.interval
    return f"{estimate.mean:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"


if __name__ == "__main__":
    main()
