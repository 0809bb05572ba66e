"""The study or bench whose folder is served, as its files have it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from promptdescent.errors import StoreError
from promptdescent.records import from_json
from promptdescent.report.bench.analysis import analyse_bench
from promptdescent.report.bench.files import RECORD as BENCH
from promptdescent.report.bench.record import BenchRecord
from promptdescent.report.bench.tables import bench_headline, bench_tables
from promptdescent.report.study.analysis import analyse
from promptdescent.report.study.files import RECORD as STUDY
from promptdescent.report.study.files import load
from promptdescent.report.study.record import StudyRun
from promptdescent.report.study.tables import headline, tables
from promptdescent.report.tables import Table


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """All that a page says of a study or bench."""

    title: str
    headline: str
    tables: tuple[Table, ...]
    runs: tuple[StudyRun, ...]


def has_study(folder: Path | None) -> bool:
    """Whether the folder is that of a study or bench that has come to its end."""
    return folder is not None and any((folder / name).is_file() for name in (STUDY, BENCH))


def read_study(folder: Path | None) -> StudyPage:
    """What the folder holds. Raises :class:`~promptdescent.errors.StoreError` if that is no study, and
    :class:`~promptdescent.errors.ConfigError` for a file that another version wrote.
    """
    if folder is not None and (study := load(folder)) is not None:
        made = tables(study, analyse(study))
        return StudyPage(title=f"Study {study.grid}", headline=headline(study), tables=made, runs=study.runs)
    if folder is None or not (folder / BENCH).is_file():
        where = folder or "a database"
        raise StoreError(f"there is no study in {where}: serve the folder of one that has come to its end")
    return _bench(folder / BENCH)


def _bench(path: Path) -> StudyPage:
    from pydantic import ValidationError

    try:
        bench = from_json(BenchRecord, json.dumps(json.loads(path.read_text(encoding="utf-8"))["record"]))
    except (ValueError, KeyError, ValidationError) as error:
        raise StoreError(
            f"{path} was written by another version or is damaged: give the command of the bench again"
        ) from error
    analysis = analyse_bench(bench)
    return StudyPage(
        title=f"Bench {bench.title}",
        headline=bench_headline(bench, analysis),
        tables=bench_tables(bench, analysis),
        runs=tuple(run for study in bench.studies.values() for run in study.runs),
    )
