"""From nothing to the adapter: ``python -m training``, or ``make train-writer``.

python -m training                                  # adapter and report in training/out/seed-0
python -m training --measure training/out/seed-0/writer.gguf [OTHER.gguf ...]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

from promptdescent.llm.local import embedded_file
from promptdescent.stats import mean_interval
from training.examples import lessons
from training.jobs import Job, read_jobs
from training.measuring import Measured, measure, worth_measuring
from training.scoring import Scored, score_jobs

OUT = Path(__file__).parent / "out"

HELD_BACK = (
    "bird-or-fish",
    "instrument-or-sport",
    "question-or-statement",
    "work-or-leisure",
    "formal-or-casual-tone",
    "music-film-or-book",
    "what-it-is-made-of",
    "thing-can-fly",
    "email-asks-for-money",
    "find-food",
    "next-letter",
    "country-to-capital",
)
"""Jobs that are not trained on, to compare trainings on. They are no test of the writer: some of their inputs stand in
jobs that are trained on, and one of them is trained on as a yes/no question.
"""

LESSONS = 1440
CHECKED = 160
"""Lessons of the jobs held back on which the loss is measured."""


def main() -> None:
    """Score the corpus, make lessons of it, train, and write adapter and report; or measure adapters."""
    options = _options()
    jobs = read_jobs()
    began = time.monotonic()
    scores = asyncio.run(score_jobs(jobs, options.scores))
    if options.measure:
        _measure(options.measure, jobs, scores)
    else:
        _train(options, jobs, scores, minutes_of_scoring=(time.monotonic() - began) / 60)


def _train(
    options: argparse.Namespace,
    jobs: Sequence[Job],
    scores: Mapping[str, Sequence[Scored]],
    *,
    minutes_of_scoring: float,
) -> None:
    # Imported here: scoring and measuring need no torch.
    from training.lora import Plan, Training

    began = time.monotonic()
    out: Path = options.out or OUT / f"seed-{options.seed}"
    out.mkdir(parents=True, exist_ok=True)
    to_learn = lessons(
        [job for job in jobs if job.name not in HELD_BACK], scores, seed=options.seed, count=options.lessons
    )
    to_check = lessons([job for job in jobs if job.name in HELD_BACK], scores, seed=0, count=CHECKED)
    training = Training(embedded_file(), to_learn, Plan(seed=options.seed), out / "state.pt")
    before = training.loss_on(to_check)
    loss = training.run()
    adapter = out / "writer.gguf"
    training.write(
        adapter,
        {
            "name": "promptdescent writer",
            "description": "Writes better instructions from scored ones; an adapter of SmolLM2-135M-Instruct Q4_1.",
            "license": "apache-2.0",
        },
    )
    report = {
        "seed": options.seed,
        "jobs": len(jobs),
        "instructions": sum(len(of_job) for of_job in scores.values()),
        "rows scored": sum(one.rows for of_job in scores.values() for one in of_job),
        "lessons": len(to_learn),
        "answers": sum(len(lesson.answers) for lesson in to_learn),
        "jobs of the lessons": len({lesson.job for lesson in to_learn}),
        "steps": training.steps,
        "loss": round(loss, 4),
        "loss on jobs held back": round(training.loss_on(to_check), 4),
        "the same before training": round(before, 4),
        "minutes of scoring": round(minutes_of_scoring, 1),
        "minutes of training": round((time.monotonic() - began) / 60, 1),
        "bytes": adapter.stat().st_size,
        "sha256": hashlib.sha256(adapter.read_bytes()).hexdigest(),
        "versions": {name: version(name) for name in ("xllamacpp", "torch", "transformers", "peft", "gguf")},
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def _measure(adapters: Sequence[str], jobs: Sequence[Job], scores: Mapping[str, Sequence[Scored]]) -> None:
    kept = [job for job in jobs if job.name in HELD_BACK and worth_measuring(job, scores[job.name])]
    print(f"{len(kept)} jobs held back: {', '.join(job.name for job in kept)}")
    for adapter in adapters:
        as_scored = asyncio.run(measure(adapter, kept, scores))
        _say(adapter, as_scored)
        shuffled = asyncio.run(measure(adapter, kept, scores, shuffled=True))
        _say(f"{adapter}, scores shuffled", shuffled)
        for field in fields(Measured):
            changes = [getattr(shuffled[job], field.name) - getattr(as_scored[job], field.name) for job in shuffled]
            found = mean_interval(changes)
            print(
                f"  {field.name}: shuffling changes it by {found.mean:+.2f} "
                f"({found.interval.low:+.2f} to {found.interval.high:+.2f} over {len(changes)} jobs)",
                flush=True,
            )


def _say(name: str, by_job: Mapping[str, Measured]) -> None:
    for job, measured in {**by_job, "all": Measured.mean(by_job.values())}.items():
        means = ", ".join(f"{what} {value:.2f}" for what, value in asdict(measured).items())
        print(f"{name}, {job}: {means}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder of state, adapter and report (training/out/seed-SEED)")
    parser.add_argument("--scores", type=Path, default=OUT / "scores.jsonl", help="file of the corpus's scores")
    parser.add_argument("--lessons", type=int, default=LESSONS)
    parser.add_argument("--measure", nargs="+", metavar="ADAPTER", help="measure adapters on the jobs held back")
    return parser.parse_args()


if __name__ == "__main__":
    main()
