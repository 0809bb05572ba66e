"""A run as rich draws it at a terminal: the verdict first, then how it came about and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptdescent.cli.drawing import boxed, drawn_diff, sparkline, text
from promptdescent.report.evaluation import WRONG_SHOWN, evaluation_sections
from promptdescent.report.page.content import RunPage, page_of
from promptdescent.report.page.cost import CostSection
from promptdescent.report.page.explanation import ExplanationSection
from promptdescent.report.page.facts import Facts
from promptdescent.report.page.steps import SearchSection, Step
from promptdescent.report.page.verdict import VerdictKind
from promptdescent.report.text import one_line
from promptdescent.verdict.words import written

if TYPE_CHECKING:
    from rich.console import Console

_VERDICT_STYLES: dict[VerdictKind, str] = {"gain": "bold green", "worse": "bold red", "score": "bold"}

_LONGEST_PIECE = 70
"""Characters of a piece of a prompt that are shown."""


def draw_run(console: Console, facts: Facts) -> None:
    """Draw all that a person wants to know at once, with the commands for the rest."""
    page = page_of(facts)
    console.print(text(_head(page), "dim"))
    console.print(text(page.verdict.headline, _VERDICT_STYLES.get(page.verdict.kind, "bold yellow")))
    console.print(text(page.verdict.sentence))
    for notice in page.notices:
        if notice.text in page.verdict.sentence:
            continue
        console.print(text(notice.text, "red" if notice.kind == "failure" else "yellow"))
    console.print()
    if page.search is None:
        _draw_score(console, facts, page)
    else:
        _draw_search(console, page.search)
        _draw_prompts(console, page)
    _draw_cost(console, page.cost)
    if page.explanation is not None:
        _draw_explanation(console, page.explanation, page.run)
    console.print(text(_more(page), "dim"))


def _head(page: RunPage) -> str:
    created = page.created[:16].replace("T", " ")
    tags = [f"tags: {' '.join(page.tags)}"] if page.tags else []
    return " · ".join([f"Run {page.run}", page.title, page.status_words, f"{created} UTC", *tags])


def _draw_score(console: Console, facts: Facts, page: RunPage) -> None:
    """Of an evaluation: the prompt, and the rows with the lowest scores."""
    console.print(boxed(text(page.start), "prompt"))
    evaluation = facts.record["evaluation"]
    if evaluation["score"] is not None:
        _, *rest = evaluation_sections(evaluation, wrong=WRONG_SHOWN)  # the first says the score again
        console.print(text("\n\n".join(rest)))
        console.print()


def _draw_search(console: Console, search: SearchSection) -> None:
    if not search.steps:
        return
    scores = [_best_proposed(step) for step in search.steps]
    first, last = search.steps[0].best_score, search.steps[-1].best_score
    line = text(f"{search.score_name[0].upper()}{search.score_name[1:]} by step  ")
    line.append(sparkline(scores), style="cyan")
    if first is not None and last is not None:
        score, _, _ = written([first, last])
        line.append(f"  {score(first)} to {score(last)}")
    done = f", {search.done} of {search.planned} steps"
    ended = f"; the search ended: {one_line(search.ended_because)}" if search.ended_because else ""
    line.append_text(text(f"{done}{ended}", "dim"))
    console.print(line)


def _best_proposed(step: Step) -> float | None:
    """The highest score among a step's own proposals, so that the line may fall; before any step, the start's."""
    if step.number < 0:
        return step.best_score
    return max((one.score for one in step.scored if one.score is not None), default=None)


def _draw_prompts(console: Console, page: RunPage) -> None:
    if page.best == page.start:
        console.print(boxed(text(page.best), "best prompt: the starting prompt"))
        return
    console.print(boxed(text(page.best), "best prompt"))
    if page.best_words:
        console.print(text(page.best_words, "dim"))
    if page.diff is not None:
        console.print(boxed(drawn_diff(page.diff.parts), "from the starting prompt"))
        console.print(text(page.diff.summary, "dim"))


def _draw_cost(console: Console, cost: CostSection) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, name in enumerate(("cost", "used", "sent and paid", "forecast", "cap")):
        table.add_column(name, justify="right" if place else "left", style="" if place else "dim")
    for row in cost.totals:
        table.add_row(*map(text, (row.name, row.used, row.paid, row.forecast, row.cap)))
    console.print()
    console.print(table)
    for remark in cost.remarks:
        console.print(text(remark, "dim"))
    console.print()


def _draw_explanation(console: Console, found: ExplanationSection, run: str) -> None:
    """One line per piece that matters."""
    console.print(text(f"What matters in the prompt ({one_line(found.measured)})", "bold"))
    if not found.current:
        console.print(text("This was measured of another prompt than the one that is called best now.", "yellow"))
    pieces = [piece for piece in found.pieces if piece.matters]
    for piece in pieces:
        line = text(f"  {piece.effect}  ", "green")
        line.append_text(text(_short(piece.text)))
        console.print(line)
    if not pieces:
        console.print(text("  No piece is shown to matter by itself."))
    if found.shorter is not None:
        console.print(text(f"  A shorter prompt that loses nothing measurable is on record: {found.shorter_effect}"))
    console.print(text(f"  All pieces and rows: promptdescent report {run}", "dim"))
    console.print()


def _short(piece: str) -> str:
    line = one_line(piece)
    return line if len(line) <= _LONGEST_PIECE else line[: _LONGEST_PIECE - 1] + "…"


def _more(page: RunPage) -> str:
    explain = f"explain {page.run}, " if page.search is not None and page.explanation is None else ""
    return f"More: promptdescent report {page.run}, {explain}serve, show {page.run} --json"
