"""An explanation as plain text, safe to print."""

from __future__ import annotations

from collections.abc import Sequence

from promptdescent.records.explanation import Effect, Explanation, PieceEffect, PrunedPrompt
from promptdescent.report.columns import columns
from promptdescent.report.record import Record
from promptdescent.report.tables import signed
from promptdescent.report.text import one_line, printable
from promptdescent.text import word_count

SHOWN = 56
"""Characters of a piece in the table."""

HEAD = ("no.", "piece", "effect (95 % interval)", "matters", "left out alone", "rows gained/lost", "brought by")

MEANING = (
    "Effects are in points, hundredths of the score: score with the piece less score without it, averaged over prompts "
    "that hold random selections of the others. Left out alone: the whole prompt less the prompt without the piece, "
    "which holds whatever luck the whole prompt has on these rows."
)


def explanation_text(explanation: Explanation, *, explained: str, terminal: bool) -> str:
    """What was measured of the run ``explained``: pieces by their effect, pairs, the shorter prompt, doubts and notes;
    ``terminal``: the table is as wide as that.
    """
    sections = [_headline(explanation), _pieces(explanation, terminal=terminal), MEANING, _pairs(explanation)]
    sections += [_pruned(explanation), "\n".join(_end(explanation, explained))]
    return printable("\n\n".join(section for section in sections if section))


def stopped_text(record: Record, explained: str) -> str:
    """What is said of an explanation that did not come to its end."""
    calls = record["usage"]["task"]["used"]["calls"]
    reason = f", {one_line(record['reason'])}" if record["reason"] else ""
    return printable(
        f"Explanation {record['id']}: {record['status']}{reason}; {calls:,} calls of the task model were used.\n"
        f"Begin again: promptdescent explain {explained}, which pays for no reply twice."
    )


def _headline(explanation: Explanation) -> str:
    behind = max(piece.average.rows for piece in explanation.pieces)
    fewer = f", effects on {behind} of them" if behind < explanation.rows else ""
    return (
        f"Score {explanation.score:.3f} on {explanation.rows} dev rows{fewer}; {explanation.prompts} prompts, "
        f"{explanation.calls:,} calls of at most {explanation.most_calls:,}."
    )


def _pieces(explanation: Explanation, *, terminal: bool) -> str:
    partner = {place: True for pair in explanation.pairs for place in (pair.first, pair.second)}
    ranked = sorted(enumerate(explanation.pieces), key=lambda one: (one[1].locked, -one[1].average.difference))
    rows = [
        (
            str(place + 1),
            _short(explanation.prompt[piece.start : piece.end]),
            "cannot be left out" if piece.locked else _effect(piece.average),
            _matters(piece, paired=place in partner),
            _effect(piece.removed) if piece.removed else "-",
            f"{len(piece.gained)}/{len(piece.lost)}" if piece.removed else "-",
            _origin(piece.brought_by),
        )
        for place, piece in ranked
    ]
    return columns(HEAD, rows, terminal=terminal)


def _matters(piece: PieceEffect, *, paired: bool) -> str:
    if paired:
        return "one of a pair"
    if piece.locked:
        return "-"
    if piece.matters:
        return "yes"
    return "harms" if piece.average.interval[1] < 0 and piece.p_value < 0.05 else "not shown"


def _origin(brought_by: str | None) -> str:
    if brought_by is None:
        return "not known"
    return "the starting prompt" if brought_by == "0.0" else f"step {brought_by.partition('.')[0]} ({brought_by})"


def _pairs(explanation: Explanation) -> str:
    lines = [
        f"Pieces {pair.first + 1} and {pair.second + 1} say the same: without {pair.first + 1} "
        f"{_lost(pair.without_first)}, without {pair.second + 1} {_lost(pair.without_second)}, without both "
        f"{_lost(pair.without_both)}."
        for pair in explanation.pairs
    ]
    return "\n".join(lines) or "No two pieces were shown to say the same."


def _lost(effect: Effect) -> str:
    return f"{_effect(effect)} lost"


def _pruned(explanation: Explanation) -> str:
    if explanation.pruned is None:
        return ""
    shorter: PrunedPrompt = explanation.pruned
    words = word_count(explanation.prompt), word_count(shorter.prompt)
    low = shorter.effect.interval[0]
    ruled_out = f"a loss of up to {-100 * low:.1f} points is not ruled out" if low < 0 else "no loss is left open"
    body = "\n".join(f"  {line}" for line in shorter.prompt.splitlines())
    return (
        f"Shorter prompt, {words[1]} words instead of {words[0]}, without the pieces {_numbers(shorter.left_out)}: "
        f"{_effect(shorter.effect)} points on {shorter.effect.rows} rows; {ruled_out}.\n{body}"
    )


def _numbers(places: Sequence[int]) -> str:
    return ", ".join(str(place + 1) for place in places)


def _end(explanation: Explanation, explained: str) -> list[str]:
    doubts = len(explanation.doubts)
    lines = [*explanation.notes, *explanation.row_notes]
    if doubts:
        lines.append(f"Rows to look at: {doubts}; `promptdescent rows {explained}` lists them.")
    lines.append(f"The calls are on record as run {explanation.run}.")
    return lines


def _effect(effect: Effect) -> str:
    low, high = effect.interval
    return f"{signed(100 * effect.difference)} ({signed(100 * low)} to {signed(100 * high)})"


def _short(text: str) -> str:
    shown = one_line(text)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 1].rstrip() + "\u2026"
