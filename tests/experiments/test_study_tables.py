"""A study in print: tables in three forms, and the figure."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from study_samples import failed_run, made_up_run, study_of

from promptdescent.report.study.analysis import analyse
from promptdescent.report.study.figure import figure
from promptdescent.report.study.record import StudyRecord
from promptdescent.report.study.tables import as_csv, as_markdown, headline, tables
from promptdescent.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ticks
from promptdescent.report.tables import Table, as_plain, p_text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def study() -> StudyRecord:
    runs = [made_up_run("gpo", seed, 0.80 + 0.01 * seed) for seed in range(4)]
    runs += [made_up_run("low <&> |", seed, 0.60 + 0.011 * seed) for seed in range(4)]
    runs += [made_up_run("Empty", seed, 0.40, steps=0, start_test_score=0.4) for seed in range(4)]
    runs += [failed_run("broken", seed, reason="no\nreply") for seed in range(4)]
    return study_of(runs, without_search=["Empty"], claims={"low <&> |": "near"})


def named(study: StudyRecord, title: str) -> Table:
    return next(table for table in tables(study, analyse(study)) if table.title == title)


@pytest.mark.parametrize(("highest", "ends"), [(1.0, " to 100.0"), (1.4, " to 175.7")])
def test_an_interval_ends_where_the_scores_of_a_metric_end(highest: float, ends: str) -> None:
    runs = [made_up_run("gpo", seed, score) for seed, score in enumerate((0.9, 1.0, highest))]
    (cells,) = named(study_of(runs), "Scores").rows
    assert cells[3].endswith(ends)


def row(table: Table, label: str) -> dict[str, str]:
    cells = next(cells for cells in table.rows if cells[0] == label)
    return dict(zip(table.header, cells, strict=True))


def test_scores_stand_beside_their_difference_from_the_reference(study: StudyRecord) -> None:
    scores = named(study, "Scores")
    assert row(scores, "gpo")["test score, %"] == "81.5"
    assert row(scores, "gpo")["gain, points"] == "+31.5"
    low = row(scores, "low <&> |")
    assert (low["against gpo, points"], low["real"]) == ("-19.9", "yes")
    assert row(scores, "gpo")["real"] == row(scores, "broken")["real"] == row(scores, "broken")["test score, %"] == ""
    assert any("low <&> | by 19.8" in note or "gpo over low <&> | by 19.9" in note for note in scores.notes)


def test_a_difference_has_the_sign_of_its_row(study: StudyRecord) -> None:
    better = [made_up_run("better", seed, 0.9 + 0.001 * seed) for seed in range(4)]
    last = study_of([*better, *(run for run in study.runs if run.cell == "gpo")])
    found = row(named(last, "Scores"), "better")
    assert found["against gpo, points"] == "+8.6"
    low, high = found["95 % interval"].split(" to ")
    assert float(low) < 8.6 < float(high)


def test_true_quality_has_a_column_only_where_it_is_known(study: StudyRecord) -> None:
    assert not any("quality" in name for name in named(study, "Scores").header)
    known = study_of([made_up_run("gpo", 0, 0.8, quality=0.83)], model="simulated:clear")
    assert row(named(known, "Scores"), "gpo")["true quality, % (simulated)"] == "83.0"
    assert "SIMULATED" in headline(known)
    assert "SIMULATED" not in headline(study)


def test_failed_runs_are_listed_with_their_reason(study: StudyRecord) -> None:
    assert row(named(study, "Runs without a result"), "broken")["reason"] == "no reply"
    whole = study_of([run for run in study.runs if run.status == "finished"])
    assert [table.title for table in tables(whole, analyse(whole))] == ["Scores", "Costs", "Tokens for the same steps"]


def test_costs_are_means_by_role(study: StudyRecord) -> None:
    costs = row(named(study, "Costs"), "gpo")
    assert (costs["task calls"], costs["optimizer calls"], costs["optimizer tokens"]) == ("20", "2", "20")
    assert (costs["all tokens"], costs["share of the cap"]) == ("250", "50 %")


def test_the_papers_claims_stand_only_where_the_grid_has_them(study: StudyRecord) -> None:
    low = row(named(study, "Tokens for the same steps"), "low <&> |")
    assert (low["paper says"], low["all tokens"], low["optimizer's"]) == ("near", "confirmed", "confirmed")
    without = study_of([run for run in study.runs if run.cell == "gpo"])
    assert "paper says" not in named(without, "Tokens for the same steps").header


def test_no_difference_is_no_minus_nought() -> None:
    runs = [made_up_run(label, seed, 0.8 - gap) for label, gap in (("gpo", 0.0), ("alike", 0.0001)) for seed in (0, 1)]
    assert row(named(study_of(runs), "Scores"), "alike")["against gpo, points"] == "+0.0"


def test_markdown_keeps_every_column_in_its_place(study: StudyRecord) -> None:
    text = as_markdown(study, tables(study, analyse(study)), figure="study.svg")
    assert "![Score of the best prompt so far against tokens](study.svg)" in text
    assert r"low \<\&> \|" in text
    for block in text.split("\n\n"):
        columns = {line.replace("\\|", "").count("|") for line in block.splitlines() if line.startswith("|")}
        assert len(columns) < 2, block


def test_plain_columns_are_aligned() -> None:
    table = Table(title="T", header=("cell", "n"), rows=(("a", "1"), ("longer", "10")), notes=("Note.",))
    assert as_plain(table) == "T\n\ncell     n\na        1\nlonger  10\n\nNote."


def test_the_csv_has_one_line_per_run(study: StudyRecord) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(study))))
    assert len(lines) == len(study.runs)
    assert (lines[0]["cell"], lines[0]["test_score"], lines[0]["optimizer_calls"]) == ("gpo", "0.8", "2")
    assert (lines[-1]["status"], lines[-1]["test_score"], lines[-1]["reason"]) == ("failed", "", "no\nreply")


def test_the_figure_has_one_line_per_cell_with_a_result(study: StudyRecord) -> None:
    root = ElementTree.fromstring(figure(study))  # noqa: S314 - made a line above
    lines = root.findall(f"{SVG}polyline")
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert len(lines) == 3
    assert {"gpo", "low <&> |", "Empty"} <= set(words)
    assert "dev score of the best prompt so far" in words
    for line in lines:
        for place in line.attrib["points"].split():
            x, y = map(float, place.split(","))
            assert (LEFT <= x <= WIDTH - RIGHT, TOP <= y <= HEIGHT - BOTTOM) == (True, True)
    level = [point.split(",")[1] for point in lines[2].attrib["points"].split()]
    assert len(set(level)) == 1  # a prompt without a search does not rise
    rising = [float(point.split(",")[1]) for point in lines[0].attrib["points"].split()]
    assert rising == sorted(rising, reverse=True)  # y grows downwards
    assert rising[0] > rising[-1]


def test_the_figure_of_a_simulated_study_shows_true_quality_and_says_so() -> None:
    run = made_up_run("gpo", 0, 0.8)
    curve = tuple(replace(point, dev_score=0.1, quality=0.5) for point in run.curve)
    shown = figure(study_of([replace(run, curve=curve)], model="simulated:clear"))
    assert "true quality (simulated) of the best prompt so far" in shown
    assert "(simulated models)" in shown


def test_a_figure_without_any_result_is_valid_too() -> None:
    root = ElementTree.fromstring(figure(study_of([failed_run("gpo", 0)])))  # noqa: S314 - made a line above
    assert root.findall(f"{SVG}polyline") == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1000, [0, 200, 400, 600, 800, 1000]), (0.5, 0.9, [0.5, 0.6, 0.7, 0.8, 0.9]), (0.5, 0.5, [0.5, 0.6])],
)
def test_ticks_are_round_and_hold_the_range(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(("p", "text"), [(0.00001, "<0.0001"), (0.01234, "0.0123"), (0.5, "0.50"), (1.0, "1.00")])
def test_p_values_have_the_digits_that_matter(p: float, text: str) -> None:
    assert p_text(p) == text
