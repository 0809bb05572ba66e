"""A bench in print: tables in four forms, figures and files."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench_records import LEVELS, SEEDS, bench_of, runs_of, study, with_failures

from promptdescent.report.bench.analysis import analyse_bench
from promptdescent.report.bench.figures import figures
from promptdescent.report.bench.files import RECORD, names_of_files, save
from promptdescent.report.bench.record import BenchHole, BenchLeak, BenchRecord
from promptdescent.report.bench.tables import (
    MOST_LEAKS,
    bench_as_csv,
    bench_as_latex,
    bench_as_markdown,
    bench_headline,
    bench_tables,
)
from promptdescent.report.latex import PAGE, as_latex, latex
from promptdescent.report.svg import HEIGHT, WIDTH
from promptdescent.report.tables import Table, as_plain, markdown

SVG = "{http://www.w3.org/2000/svg}"
WILD = "50% of_a & {b} #1 $x^2$ ~ \\end <img src=x> [c](d) `e` |f| *g* \x1b[31m\ufffe\nnext"
"""What a grid, a row or a model may be called, or say."""


def printed(bench: BenchRecord) -> tuple[Table, ...]:
    return bench_tables(bench, analyse_bench(bench))


def named(bench: BenchRecord, title: str) -> Table:
    return next(table for table in printed(bench) if table.title == title)


def row(table: Table, label: str) -> dict[str, str]:
    cells = next(cells for cells in table.rows if cells[0] == label)
    return dict(zip(table.header, cells, strict=True))


def in_markdown(bench: BenchRecord) -> str:
    return bench_as_markdown(bench, analyse_bench(bench), printed(bench), figures={"a.svg": "A figure"})


def in_latex(bench: BenchRecord) -> str:
    return bench_as_latex(bench, analyse_bench(bench))


def drawn(bench: BenchRecord) -> dict[str, ElementTree.Element]:
    return {
        one.name.rsplit("-", 2)[0] if "another" in one.name else one.name: ElementTree.fromstring(one.svg)  # noqa: S314
        for one in figures(bench, analyse_bench(bench))
    }


def wild_bench() -> BenchRecord:
    """Every name and reason is wild."""
    levels = {f"{task} {WILD}": {"gpo": cells["gpo"], WILD: cells["ape"]} for task, cells in LEVELS.items()}
    (first, _) = levels
    made = study(with_failures(runs_of(levels), (WILD, first, 1), reason=f"said {WILD}"), model=WILD)
    return bench_of(
        made,
        title=WILD,
        holes=(BenchHole(task=f"hole {WILD}", reason=WILD), BenchHole(task="one", reason=WILD, model=WILD)),
        leaks=(BenchLeak(kind="quoted row", task=WILD, where=WILD, split="dev", excerpt=WILD),),
        notes=(WILD,),
    )


# --- tables ----------------------------------------------------------------------------------------------------------


def test_the_league_has_all_that_counts_in_one_row() -> None:
    table = named(bench_of(), "League with some-model")
    assert [cells[0] for cells in table.rows] == ["gpo", "ape", "Empty"]
    assert row(table, "ape") == {
        "cell": "ape",
        "seeds": "4",
        "test score, %": "68.0",
        "95 % interval": "63.9 to 72.1",
        "wins of 8": "4",
        "gain, points": "+18.0",
        "against gpo": "-3.5",
        "p (Holm)": "0.0123",
        "steps": "2.0",
        "task tokens": "230",
        "optimizer tokens": "20",
        "US dollars": "0.2500",
        "time": "2 s",
    }
    assert (row(table, "gpo")["against gpo"], row(table, "gpo")["p (Holm)"]) == ("", "")
    assert row(table, "Empty")["steps"] == "0.0"


def test_steps_are_those_that_were_done() -> None:
    short = [
        replace(run, steps=1, curve=run.curve[:2]) if (run.cell, run.seed) == ("ape", 0) else run for run in runs_of()
    ]
    table = named(bench_of(study(short)), "League with some-model")
    assert row(table, "ape")["steps"] == "1.8"  # 2, but for two of eight runs 1
    runs = with_failures(runs_of(), *[("ape", task, seed) for task in LEVELS for seed in SEEDS])
    assert row(named(bench_of(study(runs)), "League with some-model"), "ape")["steps"] == ""


def test_an_interval_ends_where_scores_end_and_that_of_a_difference_does_not() -> None:
    levels = {"counting": {"gpo": 46, "ape": -46}}
    runs = [
        replace(run, test_score=(run.test_score or 0.0) + 0.1 * (run.seed % 2) * (1 if run.cell == "gpo" else -1))
        for run in runs_of(levels, seeds=(0, 1, 2))
    ]
    runs = [replace(run, test_score=min(1.0, max(0.0, run.test_score or 0.0))) for run in runs]
    bench = bench_of(study(runs))
    league = named(bench, "League with some-model")
    assert row(league, "gpo")["95 % interval"].endswith(" to 100.0")
    assert row(league, "ape")["95 % interval"].startswith("0.0 to ")
    low = float(row(named(bench, "Differences from gpo with some-model"), "ape")["95 % interval"].split(" to ")[0])
    assert low < -100
    by_task = row(named(bench, "Scores by task with some-model"), "counting")
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to 100\.0\)", by_task["gpo"])
    assert re.fullmatch(r"[\d.]+ \(0\.0 to [\d.]+\)", by_task["ape"])


def test_wins_have_one_decimal_at_most() -> None:
    tied = {"counting": {"gpo": 30, "ape": 30, "Empty": 30}}
    runs = [replace(run, test_score=0.8) for run in runs_of(tied)]
    league = named(bench_of(study(runs)), "League with some-model")
    assert {row(league, label)["wins of 4"] for label in ("gpo", "ape", "Empty")} == {"1.3"}


def test_many_tasks_left_out_are_the_first_few_and_a_count() -> None:
    holes = tuple(BenchHole(task=f"task {number}", reason="no file") for number in range(9))
    (note,) = [note for note in named(bench_of(holes=holes), "League with some-model").notes if "left out" in note]
    assert note == "Over 2 tasks; left out: task 0, task 1, task 2, task 3, task 4 and 4 more."


def test_differences_stand_with_their_interval_and_both_p_values() -> None:
    table = named(bench_of(), "Differences from gpo with some-model")
    found = row(table, "ape")
    assert (found["against gpo, points"], found["95 % interval"], found["real"]) == ("-3.5", "-5.6 to -1.4", "yes")
    assert (found["p"], found["p (Holm)"]) == ("0.0123", "0.0123")  # the largest of the three is left as it is
    assert "4 seeds" in table.notes[0]
    assert "3 pairs" in table.notes[0]
    few = named(bench_of(study(runs_of(seeds=(0, 1)))), "Differences from gpo with some-model")
    assert any("fewer than 3 seeds" in note for note in few.notes)


def test_tasks_have_a_row_each_with_half_intervals() -> None:
    table = named(bench_of(), "Scores by task with some-model")
    assert table.header == ("task", "gpo", "ape", "Empty")
    assert row(table, "counting")["ape"] == "63.0 ±4.1"
    assert row(table, "sorting")["gpo"] == "61.5 ±2.1"


def test_a_hole_is_a_mark_with_its_reason_below() -> None:
    runs = with_failures(runs_of(), ("ape", "counting", 1), *[("ape", "sorting", seed) for seed in SEEDS])
    bench = bench_of(study(runs), holes=(BenchHole(task="web_of_lies", reason="there is\nno file"),))
    table = named(bench, "Scores by task with some-model")
    assert re.fullmatch(r"[\d.]+ ±[\d.]+ \[1\]", row(table, "counting")["ape"])
    assert row(table, "sorting")["ape"] == "- [1]"
    assert set(row(table, "web_of_lies").values()) == {"web_of_lies", "- [2]"}
    assert table.notes[1:] == ("[1] no reply", "[2] there is no file")
    league = named(bench, "League with some-model")
    assert row(league, "ape")["test score, %"].endswith(" *")
    assert row(league, "ape")["missing"] == "5 runs on 2 tasks"
    assert row(league, "gpo")["missing"] == ""
    assert any("left out: web_of_lies" in note for note in league.notes)
    assert any(
        "Not compared" in note and "ape" in note for note in named(bench, "Differences from gpo with some-model").notes
    )
    assert row(named(bench, "Tasks left out"), "web_of_lies") == {
        "task": "web_of_lies",
        "model": "all",
        "reason": "there is no file",
    }
    missing = named(bench, "Runs without a result")
    assert ("ape", "sorting", "some-model", "0, 1, 2, 3", "no reply") in missing.rows


def test_a_whole_bench_has_no_table_of_what_is_missing() -> None:
    assert [table.title.split(" with ")[0] for table in printed(bench_of())] == [
        "League",
        "Differences from gpo",
        "Scores by task",
    ]
    assert "missing" not in named(bench_of(), "League with some-model").header


def test_two_models_have_a_league_each_and_one_over_both() -> None:
    bench = bench_of(study(), study(model="another"))
    titles = [table.title for table in printed(bench)]
    assert titles[0] == "League with some-model"
    assert titles[3] == "League with another"
    assert titles[-2:] == ["League over all models", "Differences from gpo over all models"]
    assert row(named(bench, "League over all models"), "gpo")["wins of 16"] == "8"


def test_a_model_whose_study_failed_is_shown_as_left_out() -> None:
    holes = tuple(BenchHole(task=task, reason="refused", model="broken") for task in LEVELS)
    bench = bench_of(holes=holes)
    assert [cells[1] for cells in named(bench, "Tasks left out").rows] == ["broken", "broken"]
    nothing = replace(bench, studies={})
    assert "No model has a result" in bench_headline(nothing, analyse_bench(nothing))
    assert [table.title for table in printed(nothing)] == ["Tasks left out"]


def test_simulated_models_are_marked_everywhere() -> None:
    runs = [replace(run, quality=0.9) for run in runs_of()]
    bench = bench_of(study(runs, model="simulated:clear"))
    league = named(bench, "League with simulated:clear (simulated)")
    assert row(league, "gpo")["true quality, % (simulated)"] == "90.0"
    assert "SIMULATED" in bench_headline(bench, analyse_bench(bench))
    assert "SIMULATED" not in bench_headline(bench_of(), analyse_bench(bench_of()))
    words = [text.text for root in drawn(bench).values() for text in root.iter(f"{SVG}text")]
    assert sum("(simulated models)" in (text or "") for text in words) == 3
    assert "(simulated)" in in_latex(bench)


def test_the_headline_says_what_intervals_speak_of() -> None:
    fixed, per_seed = bench_of(), bench_of(splits="per-seed")
    assert "the search alone and not of other rows" in bench_headline(fixed, analyse_bench(fixed))
    assert "of the search and of the rows" in bench_headline(per_seed, analyse_bench(per_seed))
    assert "the same for all seeds" in named(fixed, "League with some-model").notes[0]
    capped = bench_of(budget=1_000_000)
    assert "at most 1,000,000 tokens" in bench_headline(capped, analyse_bench(capped))


def test_unknown_money_is_said_and_nought_is_a_number() -> None:
    unknown = bench_of(study([replace(run, money=None) for run in runs_of()]))
    assert row(named(unknown, "League with some-model"), "gpo")["US dollars"] == "not known"
    free = bench_of(study([replace(run, money=0.0) for run in runs_of()]))
    assert row(named(free, "League with some-model"), "gpo")["US dollars"] == "0.00"


def test_leaks_are_counted_and_the_first_few_shown() -> None:
    assert "no row in two splits; no found prompt that quotes a row" in bench_headline(
        bench_of(), analyse_bench(bench_of())
    )
    shared = [
        BenchLeak(kind="shared row", task="counting", where="dev and test", split="test", excerpt=f"row {number}")
        for number in range(MOST_LEAKS + 2)
    ]
    quotes = [
        BenchLeak(kind="quoted row", task="counting", where="gpo, seed 1", split="test", excerpt=excerpt)
        for excerpt in ("long " * 40, "short")
    ]
    bench = bench_of(leaks=(*shared, *quotes))
    table = named(bench, "Leaks")
    assert len(table.rows) == MOST_LEAKS + 2
    assert table.notes[0] == "Leaks: 7 rows in more than one split; 1 found prompt with 2 quotes of rows."
    assert table.notes[0] in bench_headline(bench, analyse_bench(bench))
    assert all(len(cells[-1]) <= 81 for cells in table.rows)


# --- forms -----------------------------------------------------------------------------------------------------------


def test_nothing_that_is_no_number_is_printed() -> None:
    runs = [
        replace(run, test_score=math.nan, quality=None) if (run.cell, run.seed) == ("ape", 2) else run
        for run in runs_of()
    ]
    bench = bench_of(study(runs))
    every = [in_markdown(bench), in_latex(bench), *(as_plain(table) for table in printed(bench))]
    every += [one.svg for one in figures(bench, analyse_bench(bench))]
    assert not [text for text in every if re.search(r"\b(nan|NaN|inf|None)\b", text)]


def test_markdown_keeps_every_column_and_shows_words_as_they_are() -> None:
    text = in_markdown(wild_bench())
    assert "![A figure](a.svg)" in text
    assert not re.search(r"(?<!\\)<img", text)
    assert not re.search(r"(?<!\\)\[c\]", text)
    assert "\x1b" not in text
    for block in text.split("\n\n"):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")}
        assert len(columns) < 2, block


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("object_counting", "object_counting"),
        ("_x_ __y__", r"\_x\_ \_\_y\_\_"),
        ("a|b", r"a\|b"),
        ("![x](y)", r"!\[x](y)"),
        ("<b>&amp;", r"\<b>\&amp;"),
        ("two\nlines", "two lines"),
    ],
)
def test_what_is_active_in_markdown_is_escaped(words: str, shown: str) -> None:
    assert markdown(words) == shown


@pytest.mark.parametrize(
    ("words", "set_as"),
    [
        ("50% & a_b #1", r"50\% \& a\_b \#1"),
        ("{x}$y$", r"\{x\}\$y\$"),
        ("\\end{document}", r"\textbackslash{}end\{document\}"),
        ("a^b ~ <c> |d|", r"a\textasciicircum{}b \textasciitilde{} \textless{}c\textgreater{} \textbar{}d\textbar{}"),
        ("[1] *", "{[}1{]} {*}"),
        ("-3.5 to -1, gpt-4", "$-$3.5 to $-$1, gpt-4"),
        ("61.3 ±2.0", r"61.3 $\pm$2.0"),
        ("\x1b[0m\n%", r"\textbackslash{}x1b{[}0m \%"),
    ],
)
def test_what_is_active_in_latex_is_escaped(words: str, set_as: str) -> None:
    assert latex(words) == set_as


@pytest.mark.parametrize("bench", [bench_of(), bench_of(study(), study(model="another"))], ids=["one", "two"])
def test_latex_has_the_leagues_and_the_scores_by_task(bench: BenchRecord) -> None:
    text = in_latex(bench)
    leagues = len(bench.studies) + (len(bench.studies) > 1)
    assert text.count("\\begin{table}") == leagues + len(bench.studies)
    labels = re.findall(r"\\label\{(.*)\}", text)
    assert len(labels) == len(set(labels)) == leagues + len(bench.studies)


def test_latex_is_balanced_and_every_row_has_its_columns_whatever_names_hold() -> None:
    text = in_latex(wild_bench())
    bare = re.sub(r"(?<!\\)%.*", "", text.replace("\\\\", "\n")).replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}") > 0
    for environment in ("table", "tabular", "minipage"):
        assert text.count(f"\\begin{{{environment}}}") == text.count(f"\\end{{{environment}}}") > 0
    assert bare.replace(r"\$", "").count("$") % 2 == 0
    assert not re.search(r"(?<!\\)[#~^]", bare)
    for body in re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body[1].splitlines() if line.endswith("\\\\")]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {len(body[0])}
        assert not [line for line in rows if line.lstrip().startswith(("[", "*"))]


def test_a_long_table_goes_on_over_the_page() -> None:
    table = Table(
        title="T", header=("task", "n"), rows=tuple((f"t{n}", "1") for n in range(PAGE + 1)), notes=("Note.",)
    )
    text = as_latex(table, label="tab:t")
    assert text.count("\\begin{table}") == 2
    assert text.count("Note.") == 1
    assert "\\caption{T (continued)}" in text
    assert "\\label{tab:t-page-2}" in text


def test_the_csv_reads_back_run_by_run() -> None:
    bench = wild_bench()
    lines = list(csv.DictReader(io.StringIO(bench_as_csv(bench))))
    (made,) = bench.studies.values()
    assert len(lines) == len(made.runs)
    for line, run in zip(lines, made.runs, strict=True):
        assert (line["model"], line["task"], line["cell"], int(line["seed"])) == (WILD, run.task, run.cell, run.seed)
        assert (line["status"], line["reason"]) == (run.status, run.reason)
        assert line["test_score"] == ("" if run.test_score is None else str(run.test_score))
        if run.test_score is not None:
            assert float(line["gain"]) == pytest.approx(run.test_score - 0.5)
            assert int(line["task_calls"]) == run.used["task"].calls
    unknown = bench_of(study([replace(run, money=None) for run in runs_of()]))
    assert {line["money"] for line in csv.DictReader(io.StringIO(bench_as_csv(unknown)))} == {""}


# --- figures ---------------------------------------------------------------------------------------------------------


def test_score_against_tokens_has_a_line_per_cell_and_marks_the_incomplete() -> None:
    bench = bench_of(study(with_failures(runs_of(), ("ape", "counting", 1))))
    root = drawn(bench)["score-against-tokens-some-model.svg"]
    assert len(root.findall(f"{SVG}polyline")) == 3
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"gpo", "ape *", "Empty"} <= words


def test_distance_stands_beside_the_budget_for_recipes_that_have_one() -> None:
    root = drawn(bench_of())["distance-against-budget-some-model.svg"]
    lines = root.findall(f"{SVG}polyline")
    assert [("stroke-dasharray" in line.attrib) for line in lines] == [False, True]
    heights = [[float(point.split(",")[1]) for point in line.attrib["points"].split()] for line in lines]
    assert heights[0][0] > heights[1][0]  # 12 words of 40: y grows downwards
    assert heights[0][1] < heights[1][1]  # 22 of 20
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"gpo: changed", "gpo: allowed"} <= words
    assert not [text for text in words if text and text.startswith("ape")]


def test_without_a_budget_the_figure_says_so() -> None:
    root = drawn(bench_of(study([replace(run, moves=()) for run in runs_of()])))
    words = [text.text for text in root["distance-against-budget-some-model.svg"].iter(f"{SVG}text")]
    assert words == ["no recipe has a word budget, or no run of one has a result"]


def test_gain_by_task_has_a_dot_per_cell_and_task_within_its_interval() -> None:
    runs = with_failures(runs_of(), *[("ape", "sorting", seed) for seed in SEEDS])
    root = drawn(bench_of(study(runs)))["gain-by-task-some-model.svg"]
    dots = root.findall(f"{SVG}circle")
    assert len(dots) == 5
    whiskers = {
        line.attrib["y1"]: line for line in root.findall(f"{SVG}line") if line.attrib["y1"] == line.attrib["y2"]
    }
    for dot in dots:
        line = whiskers[dot.attrib["cy"]]
        assert float(line.attrib["x1"]) < float(dot.attrib["cx"]) < float(line.attrib["x2"])
        assert 0 <= float(dot.attrib["cx"]) <= WIDTH
    words = {text.text for text in root.iter(f"{SVG}text")}
    assert {"counting", "sorting", "ape *"} <= words


def test_many_tasks_make_the_figure_higher() -> None:
    levels = {f"task {number}": LEVELS["counting"] for number in range(30)}
    root = drawn(bench_of(study(runs_of(levels))))["gain-by-task-some-model.svg"]
    height = float(root.attrib["height"])
    assert height > 2 * HEIGHT
    assert all(float(dot.attrib["cy"]) < height for dot in root.findall(f"{SVG}circle"))


def test_an_interval_never_leaves_what_a_gain_can_be() -> None:
    levels = {"counting": {"gpo": 40, "ape": -40}}
    runs = [replace(run, test_score=float(run.seed)) if run.cell == "gpo" else run for run in runs_of(levels, (0, 1))]
    root = drawn(bench_of(study(runs)))["gain-by-task-some-model.svg"]
    numbers = [float(text.text) for text in root.iter(f"{SVG}text") if re.fullmatch(r"-?\d+", text.text or "")]
    assert (min(numbers), max(numbers)) == (-100, 100)


def test_figures_are_valid_whatever_names_hold_and_without_any_result() -> None:
    every = [(cell, task, seed) for task, cells in LEVELS.items() for cell in cells for seed in SEEDS]
    for bench in (wild_bench(), bench_of(study(with_failures(runs_of(), *every)))):
        made = list(figures(bench, analyse_bench(bench)))
        assert len(made) == 3
        for one in made:
            ElementTree.fromstring(one.svg)  # noqa: S314
            assert re.fullmatch(r"[A-Za-z0-9.-]+\.svg", one.name)


# --- files -----------------------------------------------------------------------------------------------------------


def test_every_file_is_written_and_named(tmp_path: Path) -> None:
    bench = bench_of(study(), study(model="some/model"), study(model="some model"), study(model="../up"))
    save(bench, tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(names_of_files(bench))
    assert len(names_of_files(bench)) == 4 + 3 * 4
    assert sorted(tmp_path.iterdir()) == [tmp_path / "new"]
    links = re.findall(r"!\[.*\]\((.*)\)", (tmp_path / "new" / "bench.md").read_text())
    assert len(links) == 12
    assert all((tmp_path / "new" / link).exists() for link in links)


def test_the_json_holds_the_record_and_what_follows_from_it(tmp_path: Path) -> None:
    runs = [replace(run, test_score=math.nan) if (run.cell, run.seed) == ("ape", 2) else run for run in runs_of()]
    save(bench_of(study(runs, model="simulated:")), tmp_path)

    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    content = json.loads((tmp_path / RECORD).read_text(), parse_constant=refuse)
    assert content["simulated"] is True
    assert len(content["record"]["studies"]["simulated:"]["runs"]) == len(runs)
    assert [one["label"] for one in content["analysis"]["leagues"][0]["rows"]] == ["gpo", "ape", "Empty"]


def test_a_bench_without_a_study_is_written_too(tmp_path: Path) -> None:
    bench = replace(bench_of(holes=(BenchHole(task="counting", reason="no file"),)), studies={})
    save(bench, tmp_path)
    assert "no file" in (tmp_path / "bench.md").read_text()
    assert names_of_files(bench) == ("bench.json", "bench.csv", "bench.md", "bench.tex")
