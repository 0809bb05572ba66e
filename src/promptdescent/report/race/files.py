"""The files of a race, in its folder."""

from __future__ import annotations

import json
from pathlib import Path

from promptdescent.records import to_json
from promptdescent.report.files import write_whole
from promptdescent.report.race.analysis import analyse_race
from promptdescent.report.race.record import RaceRecord
from promptdescent.report.race.tables import race_as_csv, race_as_markdown, race_tables

RECORD, ROWS, TABLES = "race.json", "race.csv", "race.md"


def save(race: RaceRecord, folder: Path) -> None:
    """Write the record with what follows from it, one line per search, and the tables."""
    analysis = analyse_race(race)
    content = {
        "simulated": race.simulated,
        "record": json.loads(to_json(race)),
        "analysis": json.loads(to_json(analysis)),
    }
    write_whole(folder / ROWS, race_as_csv(race))
    write_whole(folder / TABLES, race_as_markdown(race, race_tables(race, analysis)))
    write_whole(folder / RECORD, json.dumps(content, indent=1, sort_keys=True) + "\n")
