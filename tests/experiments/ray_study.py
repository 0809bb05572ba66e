"""A study on a Ray cluster of this machine, in a process of its own: python ray_study.py FOLDER STUDY STORE

The task and the grid lie in FOLDER. Prints one line per run on stdout.
"""

from __future__ import annotations

import sys
from pathlib import Path

from study_samples import plan_of

from promptdescent.experiments.ray_executor import RayExecutor
from promptdescent.experiments.study import run_study
from promptdescent.report.study.record import StudyRun


class Lines:
    """Prints the runs."""

    def on_message(self, text: str) -> None: ...

    def on_run(self, run: StudyRun, *, done: int, total: int) -> None:
        print(f"{done}/{total} {run.cell} {run.seed} {run.status} {run.reason}", flush=True)


def main(folder: str, study: str, store: str) -> None:
    """Carry the study out."""
    plan = plan_of(Path(folder) / "messages.yaml", grid=Path(folder) / "small.yaml")
    with RayExecutor("local", workers=2) as executor:
        run_study(plan, Path(study), workers=1, observer=Lines(), runs_in=store, executor=executor)


if __name__ == "__main__":
    main(*sys.argv[1:])
