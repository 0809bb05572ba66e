"""The prompt writer against few-shot completion with the bare model, on jobs that it was not trained on.

    .venv/bin/python benchmarks/writer.py search --data $DATA --out study    # hours on two cores; goes on where it was
    .venv/bin/python benchmarks/writer.py tables --out study

``--arms base=local:smollm2 mine=local:smollm2+training/out/second/writer.gguf`` compares other models.

Every search starts from what somebody might write first, with the same rows, settings and cap on used calls for both
arms, once per job and seed. A proposal is *usable* if it gets at least 0.6 of the dev rows right that it was scored on,
or, on a job where no prompt written by hand does so, at least 0.8 of what the best of them gets. ``tables`` prints, per
job: usable and distinct proposals of eight, the share within the word budget, the found prompts' test scores and their
difference, with intervals over searches and over jobs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent import evaluate, optimize
from promptdescent.records import Progress, StepRecord
from promptdescent.stats import Interval, mean_interval
from promptdescent.tasks.demo import ROWS

SEEDS = range(5)
USABLE = 0.6
OF_BEST_BY_HAND = 0.8

ARMS = {"base": "local:smollm2", "writer": "local:smollm2+writer"}

SETTINGS: dict[str, Any] = {
    "placement": "after",
    "metric": "choice",
    "task_model": "local:smollm2",
    "task_max_tokens": 8,
    "optimizer_temperature": 0.9,
    "optimizer_max_tokens": 48,
    "train_rows": 30,
    "dev_rows": 20,
    "test_rows": 40,
    "candidates": 8,
    # More proposals for the same calls. What is proposed again is not scored again, in either arm.
    "estimation": "Racing",
    "patience": 0,
    # One bad proposal after the other lets the task model run on; that is what is measured, and no reason to stop.
    "failure_limit": ("cut off=1",),
    # The start, two steps of eight different proposals and the verdict; who repeats himself has more steps, up to the
    # last one that may fit as a whole.
    "max_calls": 320,
    "whole_steps": True,
    "steps": 10,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Rows, a start that says little, and what somebody would write who knows the task model."""

    file: str
    input: str = "input"
    target: str = "target"
    start: str
    by_hand: tuple[str, ...]


JOBS = {
    "demo": Job(
        file=str(ROWS),
        input="text",
        target="label",
        start="Is this customer review positive or negative?",
        by_hand=(
            "Is this review positive or negative? Answer with one word.",
            "Classify the text as positive or negative. Reply with the label only.",
            "Determine whether the message is positive or negative.",
        ),
    ),
    "sentiment": Job(
        file="instruction_induction/sentiment.jsonl",
        target="output",
        start="Is this film review positive or negative?",
        by_hand=(
            "Is this review positive or negative? Answer with one word.",
            "Classify the text as positive or negative. Reply with the label only.",
            "Determine whether the sentence is positive or negative.",
        ),
    ),
    "boolean expressions": Job(
        file="bbh/boolean_expressions.json",
        start="Is this true or false?",
        by_hand=(
            "Is this expression True or False? Answer with one word.",
            "Classify the text as True or False. Reply with the label only.",
            "Determine whether the expression is True or False.",
        ),
    ),
    "sports": Job(
        file="bbh/sports_understanding.json",
        start="Is this plausible?",
        by_hand=(
            "Is it plausible? Answer yes or no.",
            "Answer the question with yes or no.",
            "Is the sentence plausible, yes or no? Answer with one word.",
        ),
    ),
    "adjective order": Job(
        file="bbh/hyperbaton.json",
        start="Which sentence is correct?",
        by_hand=(
            "Which sentence is right, (A) or (B)? Answer with the letter only.",
            "Answer with (A) or (B).",
            "Choose the option with the correct order: (A) or (B).",
        ),
    ),
    "swaps": Job(
        file="bbh/tracking_shuffled_objects_three_objects.json",
        start="What is the right option?",
        by_hand=(
            "Which option is right? Answer with the letter only.",
            "Answer with (A), (B) or (C).",
            "Choose the right option: (A), (B) or (C).",
        ),
    ),
    "valid argument": Job(
        file="bbh/formal_fallacies.json",
        start="What do you think of this argument?",
        by_hand=(
            "Is this argument valid or invalid? Answer with one word.",
            "Classify the argument as valid or invalid. Reply with the label only.",
            "Say whether the argument is valid or invalid.",
        ),
    ),
    "date": Job(
        file="bbh/date_understanding.json",
        start="What is the date?",
        by_hand=(
            "Which option is right? Answer with the letter only.",
            "Choose the best option: (A), (B), (C), (D), (E) or (F).",
            "Answer with (A), (B), (C), (D), (E) or (F).",
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
    done = {(line["job"], line["arm"], line["seed"]): line["model"] for line in read(options.out)}
    if any(arms.get(arm) not in (None, model) for (_, arm, _), model in done.items()):
        parser.error(f"{options.out} holds searches of another model under one of these names")
    for seed in options.seeds:
        for name in options.jobs:
            for arm, model in arms.items():
                if (name, arm, seed) not in done:
                    line = search(name, arm, model, seed, data=options.data, out=options.out)
                    with (options.out / "searches.jsonl").open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    print(f"{name}, seed {seed}, {arm}: {line['found_score']:.3f} {line['found']!r}", flush=True)


def search(name: str, arm: str, model: str, seed: int, *, data: Path | None, out: Path) -> dict[str, Any]:
    """One search, as a line of the record."""
    job = JOBS[name]
    if data is None and not Path(job.file).is_absolute():
        raise SystemExit(f"{name} needs --data: the folder of shared rows")
    file = job.file if data is None else str(data / job.file)
    settings = {**SETTINGS, "input": job.input, "target": job.target, "seed": seed}
    steps = Steps()
    began = time.monotonic()
    result = optimize(
        file,
        prompt=job.start,
        optimizer_model=model,
        optimizer_style="few-shot" if model == ARMS["base"] else "writer",
        store=out / "store",
        observers=[steps],
        **settings,
    )
    seconds = time.monotonic() - began
    by_hand = [evaluate(text, file, on="dev", store=out / "store", **settings).score.score for text in job.by_hand]
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
    """The searches so far."""
    file = out / "searches.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def print_tables(lines: Sequence[dict[str, Any]], arms: Sequence[str]) -> None:
    """Per job and over all, for two arms; only seeds that both have."""
    base, other = arms
    measures = ("usable of 8", "distinct of 8", "in the budget", "calls", "test score")
    columns = " | ".join(f"{measure}: {base} | {other}" for measure in measures)
    print(f"| job | by hand, dev | {columns} | difference, points |")
    print("| --- " * 13 + "|")
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for job in dict.fromkeys(line["job"] for line in lines):
        by_arm = {arm: {one["seed"]: one for one in lines if (one["job"], one["arm"]) == (job, arm)} for arm in arms}
        seeds = sorted(set(by_arm[base]) & set(by_arm[other]))
        of_job = [(by_arm[base][seed], by_arm[other][seed]) for seed in seeds]
        if of_job:
            pairs += of_job
            print(_row(job, of_job))
    if not pairs:
        raise SystemExit("no search has its pair yet")
    print(_row("all", pairs))
    gains = _gains(pairs)
    print(f"\nDifference over {len(gains)} pairs of searches: {_points(mean_interval(gains))}.")
    of_jobs = {job: [gain for gain, pair in zip(gains, pairs, strict=True) if pair[0]["job"] == job] for job in JOBS}
    means = [sum(of_job) / len(of_job) for of_job in of_jobs.values() if of_job]
    if len(means) > 1:
        print(f"Over {len(means)} jobs, each one value: {_points(mean_interval(means))}.")


def _row(job: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    cells = [job, f"{_mean([max(first['by_hand']) for first, _ in pairs]):.2f}"]
    sides = list(zip(*pairs, strict=True))
    cells += [f"{_mean([usable(one) for one in side]):.1f}" for side in sides]
    cells += [f"{_mean([distinct(one) for one in side]):.1f}" for side in sides]
    cells += [f"{_mean([obedient(one) for one in side]):.0%}" for side in sides]
    cells += [f"{_mean([one['used_calls'] for one in side]):.0f}" for side in sides]
    cells += [f"{100 * _mean([one['found_score'] for one in side]):.1f}" for side in sides]
    gains = _gains(pairs)
    cells.append(_points(mean_interval(gains)) if len(gains) > 1 else f"{gains[0]:+.1f}")
    return "| " + " | ".join(cells) + " |"


def _gains(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[float]:
    """Differences of the test scores, in points."""
    return [100 * (second["found_score"] - first["found_score"]) for first, second in pairs]


def usable(search: dict[str, Any]) -> float:
    """Usable proposals of eight. A repeated text counts as what it scored."""
    bar = min(USABLE, OF_BEST_BY_HAND * max(search["by_hand"]))
    scores: dict[str, float] = {}
    for one in search["proposals"]:
        if one["score"] is not None:
            scores[one["text"]] = one["score"]
    found = [scores.get(one["text"], 0.0) for one in search["proposals"]]
    return 8 * _mean([score >= bar and score > 0 for score in found])


def distinct(search: dict[str, Any]) -> float:
    """Distinct texts of eight, by step."""
    steps = {one["step"] for one in search["proposals"]}
    texts = [[one["text"] for one in search["proposals"] if one["step"] == step] for step in steps]
    return _mean([8 * len(set(of_step)) / len(of_step) for of_step in texts])


def obedient(search: dict[str, Any]) -> float:
    """Share of the proposals within the word budget."""
    told = [one for one in search["proposals"] if one["budget"] is not None and one["distance"] is not None]
    return _mean([one["distance"] <= one["budget"] for one in told])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _points(estimate: Any) -> str:
    interval: Interval = estimate.interval
    return f"{estimate.mean:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"


if __name__ == "__main__":
    main()
