"""The files of a bench, in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from promptdescent.records import to_json
from promptdescent.report.bench.analysis import BenchAnalysis, analyse_bench
from promptdescent.report.bench.figures import figures, names_of_figures
from promptdescent.report.bench.record import BenchRecord
from promptdescent.report.bench.tables import bench_as_csv, bench_as_latex, bench_as_markdown, bench_tables
from promptdescent.report.files import write_whole

RECORD, ROWS, TABLES, LATEX = "bench.json", "bench.csv", "bench.md", "bench.tex"


def save(bench: BenchRecord, folder: Path) -> None:
    """Write the record with what follows from it, one line per run, the tables twice, and the figures."""
    analysis = analyse_bench(bench)
    drawn = list(figures(bench, analysis))
    titles = {one.name: one.title for one in drawn}
    content = {
        TABLES: bench_as_markdown(bench, analysis, bench_tables(bench, analysis), figures=titles),
        LATEX: bench_as_latex(bench, analysis),
        ROWS: bench_as_csv(bench),
        **{one.name: one.svg for one in drawn},
        RECORD: _as_json(bench, analysis),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        write_whole(folder / name, text)


def names_of_files(bench: BenchRecord) -> tuple[str, ...]:
    """The files that :func:`save` writes."""
    return RECORD, ROWS, TABLES, LATEX, *names_of_figures(bench)


def _as_json(bench: BenchRecord, analysis: BenchAnalysis) -> str:
    content = {
        "simulated": any(league.simulated for league in analysis.leagues),
        "record": json.loads(to_json(bench)),
        "analysis": json.loads(to_json(analysis)),
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
