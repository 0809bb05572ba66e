"""The benchmarks of the GPO paper, and the instruction induction of APE: what their tasks are and where rows come from.

The rows themselves are not part of this package; ``docs/benchmarks.md`` says how to get them.
"""

from promptdescent.tasks.benchmarks.draw import draw_splits, size_notes
from promptdescent.tasks.benchmarks.load import load_rows
from promptdescent.tasks.benchmarks.suite import BenchmarkRow, BenchmarkRows, BenchmarkTask, HubSource, Kind, Suite
from promptdescent.tasks.benchmarks.suites import SUITES, suite_named, task_names

__all__ = [
    "SUITES",
    "BenchmarkRow",
    "BenchmarkRows",
    "BenchmarkTask",
    "HubSource",
    "Kind",
    "Suite",
    "draw_splits",
    "load_rows",
    "size_notes",
    "suite_named",
    "task_names",
]
