"""From nothing to the adapter: ``python -m training``, or ``make train-writer``."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from importlib.metadata import version
from pathlib import Path

from promptdescent.llm.local import embedded_file
from training.examples import lessons
from training.jobs import read_jobs
from training.scoring import score_jobs

HELD_BACK = 16
"""Every so many-th job is not trained on: its lessons say how well the writer does on jobs that it has not seen."""


def main() -> None:
    """Score the corpus, make lessons of it, train, and write adapter and report."""
    options = _options()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    jobs = read_jobs()
    scores = asyncio.run(score_jobs(jobs, out / "scores.jsonl", engines=options.engines))
    scored = time.monotonic()
    trained_on = [job for place, job in enumerate(jobs) if place % HELD_BACK]
    held_back = [job for place, job in enumerate(jobs) if place % HELD_BACK == 0]
    to_learn = lessons(trained_on, scores, seed=options.seed, count=options.lessons)
    to_check = lessons(held_back, scores, seed=options.seed, count=160)

    # Imported here: scoring needs no torch, and says what is wrong with the corpus before torch has to be there.
    from training.lora import Plan, Training

    plan = Plan(seed=options.seed, rate=options.rate)
    training = Training(embedded_file(), to_learn, plan, out / "state.pt")
    before = training.loss_on(to_check)
    loss = training.run()
    about = {
        "name": "promptdescent writer",
        "description": "Writes better instructions from scored ones; an adapter of SmolLM2-135M-Instruct Q4_1.",
        "license": "mit",
    }
    training.write(out / "writer.gguf", about)
    report = {
        "seed": options.seed,
        "jobs": len(jobs),
        "instructions": sum(len(of_job) for of_job in scores.values()),
        "replies": sum(one.rows for of_job in scores.values() for one in of_job),
        "lessons": len(to_learn),
        "jobs of the lessons": len({lesson.job for lesson in to_learn}),
        "steps": training.steps,
        "loss": round(loss, 4),
        "loss on jobs held back": round(training.loss_on(to_check), 4),
        "the same before training": round(before, 4),
        "minutes of scoring": round((scored - began) / 60, 1),
        "minutes of training": round((time.monotonic() - scored) / 60, 1),
        "sha256": hashlib.sha256((out / "writer.gguf").read_bytes()).hexdigest(),
        "versions": {name: version(name) for name in ("xllamacpp", "torch", "transformers", "peft", "gguf")},
    }
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/writer"), help="folder of scores, state and adapter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lessons", type=int, default=4480)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--engines", type=int, help="requests computed at once; as many as processors by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
