"""The files of a study, in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from promptdescent.errors import ConfigError
from promptdescent.records import from_json, to_json
from promptdescent.report.files import write_whole
from promptdescent.report.study.analysis import analyse
from promptdescent.report.study.figure import figure
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.study.tables import as_csv, as_markdown, tables

RECORD, ROWS, TABLES, FIGURE = "study.json", "study.csv", "study.md", "study.svg"


def save(study: StudyRecord, folder: Path) -> None:
    """Write the record with what follows from it, one line per run, the tables, and the figure."""
    analysis = analyse(study)
    content = {"record": json.loads(to_json(study)), "analysis": json.loads(to_json(analysis))}
    write_whole(folder / ROWS, as_csv(study))
    write_whole(folder / TABLES, as_markdown(study, tables(study, analysis), figure=FIGURE))
    write_whole(folder / FIGURE, figure(study))
    write_whole(folder / RECORD, json.dumps(content, indent=1, sort_keys=True) + "\n")


def load(folder: Path) -> StudyRecord | None:
    """The study whose files are in a folder; None if it has not come to its end. Raises :class:`ConfigError` for a
    file that another version wrote.
    """
    from pydantic import ValidationError

    path = folder / RECORD
    if not path.exists():
        return None
    try:
        return from_json(StudyRecord, json.dumps(json.loads(path.read_text(encoding="utf-8"))["record"]))
    except (ValueError, KeyError, ValidationError) as error:
        raise ConfigError(
            f"{path} was written by another version or is damaged: remove it, and it is made anew"
        ) from error
