"""A run's record as text for a terminal."""

from __future__ import annotations

import re
from datetime import timedelta

from promptdescent.report.evaluation import WRONG_SHOWN, evaluation_sections
from promptdescent.report.failures import failure_text
from promptdescent.report.forecast import used_against_forecast
from promptdescent.report.numbers import dollars, table
from promptdescent.report.record import Record
from promptdescent.verdict.words import percent

STATUS_WORDS = {
    "running": "still running",
    "finished": "finished",
    "failed": "failed",
    "interrupted": "interrupted",
}

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators, and marks that turn the direction of reading
    "\ud800-\udfff]"  # halves of characters, which no terminal can be sent
)


def printable(text: str) -> str:
    """``text`` with everything that could act on a terminal written out, such as ``\\x1b``."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """``text`` without line breaks, and printable."""
    return printable(" ".join(text.split()))


def summary(record: Record, *, wrong: int = WRONG_SHOWN) -> str:
    """Best prompt in full, starting prompt, verdict, calls, tokens, money and time; of an evaluation the prompt, its
    score and up to ``wrong`` rows with low scores instead. Safe to print as it is.
    """
    if record["evaluation"]:
        scored = evaluation_sections(record["evaluation"], wrong=wrong)
        sections = [_first_line(record), _prompt("Prompt", record["start"], ""), *scored]
        sections += [_judge(record), _usage(record), failure_text(record["failures"]), _lost(record), _footer(record)]
        return printable("\n\n".join(section for section in sections if section))
    best, start = record["best"], record["start"]
    sections = [_headline(record)]
    what = _scored(record)
    if best["prompt"] == start["prompt"]:
        sections.append(_prompt("Best prompt: the starting prompt", best, what))
    else:
        sections.append(_prompt("Best prompt", best, what))
        sections.append(_prompt("Starting prompt", start, what))
    sections += [_verdict(record), _length(record), _judge(record), _usage(record)]
    sections += ["\n".join(filter(None, [failure_text(record["failures"]), _lost(record)])), _footer(record)]
    return printable("\n\n".join(section for section in sections if section))


def _first_line(record: Record) -> str:
    line = f"Run {record['id']} ({record['recipe']}, seed {record['seed']}): {STATUS_WORDS[record['status']]}"
    if record["reason"]:
        line += f", {one_line(record['reason'])}"
    return line + _origin(record)


def _origin(record: Record) -> str:
    """Which run it is once more, on a line of its own."""
    origin, seeds = record["origin"], record["later_seeds"]
    if origin is None:
        return ""
    if origin["forked_at"] is None:
        return f"\nRun {origin['run']} once more"
    return f"\nForked from {origin['run']} at step {origin['forked_at']} with seed {seeds[-1][1]}"


def _headline(record: Record) -> str:
    search = record["search"]
    steps = f"{search['steps_done']} of {search['total_steps']} steps"
    wanted = (record["forecast"] or {}).get("wanted_steps", 0)
    if wanted > search["total_steps"]:
        steps += f" (planned under the caps; {wanted} without them, and --whole-steps searches until a cap is near)"
    ended = f"; the search ended: {one_line(search['ended_because'])}" if search["ended_because"] else ""
    return f"{_first_line(record)}\n{steps}{ended}"


def _scored(record: Record) -> str:
    """What a dev score is."""
    objective, cost = record["task"]["objective"], record["task"]["length_cost"]
    what = "score" if objective == "mean" else objective
    return f"dev {what} less the cost of length" if cost else f"dev {what}"


def _prompt(title: str, prompt: Record, what: str) -> str:
    score = prompt["dev_score"]
    scored = "" if score is None else f" ({what} {score:.3f} on {prompt['rows']} rows)"
    body = "\n".join(f"  {line}" for line in prompt["prompt"].splitlines() or [""])
    return f"{title}{scored}:\n{body}"


def _verdict(record: Record) -> str:
    if record["verdict"] is None:
        return "No verdict: the test rows were not asked, so nothing is known about a gain."
    return str(record["verdict"]["sentence"])


def _length(record: Record) -> str:
    """Both lengths, where the search paid for length."""
    cost = record["task"]["length_cost"]
    if not cost:
        return ""
    return (
        f"Length: {record['best']['words']} words, the starting prompt {record['start']['words']}. The search took "
        f"{cost:g} off the dev score per word; the scores on the test rows are without that."
    )


def _judge(record: Record) -> str:
    """Who graded, and how far the grades can be relied on."""
    judge = record["judge"]
    if judge is None:
        return ""
    said = f"Scores are grades by {record['models']['judge']['name']} on a scale of {judge['scale']}."
    agreed = judge["agreement"]
    if agreed is None:
        return said
    return (
        f"{said} Of {agreed['answers']:,} answers graded {judge['repeats']} times, {percent(agreed['same'])} got the "
        f"same grade each time; the standard deviation of an answer's grades is {percent(agreed['deviation'])} of the "
        "scale on average."
    )


def _usage(record: Record) -> str:
    """A small table: one line per role and counter."""
    header = ("", "", "calls", "tokens in", "tokens out", *(("US dollars",) if _priced(record) else ()))
    rows = [header]
    for role in record["usage"]:
        for counter, words in (("used", "used"), ("paid", "sent and paid")):
            usage = record["usage"][role][counter]
            cells = [f"{usage[key]:,}" for key in ("calls", "tokens_in", "tokens_out")]
            if _priced(record):
                cells.append(dollars(record["money"][role][counter]))
            rows.append((f"{role} model" if counter == "used" else "", words, *cells))
    return table(rows)


def _lost(record: Record) -> str:
    """What may have been charged beside what is known to be paid."""
    lost = [counters["lost"] for counters in record["usage"].values()]
    calls = sum(one["calls"] for one in lost)
    if not calls:
        return ""
    tokens = sum(one["tokens_in"] + one["tokens_out"] for one in lost)
    return (
        f"Answers that never came: {calls:,} of the calls sent; they may have cost up to {tokens:,} tokens more, with "
        "which the caps reckon."
    )


def _footer(record: Record) -> str:
    lines = [*_forecast(record), _money(record), f"Time: {duration(record['seconds'])}."]
    foreign = record["replies_from_earlier_runs"]
    if foreign["count"]:
        lines.append(f"Replies taken from earlier runs: {foreign['count']:,}, the oldest of {foreign['oldest']}.")
    if record["status"] in ("failed", "interrupted"):
        lines.append(f"Go on: promptdescent {to_go_on(record)}")
    lines += _more(record)
    lines.append(f"Everything about this run: promptdescent show {record['id']} --json")
    return "\n".join(lines)


def _more(record: Record) -> list[str]:
    """The commands that show or measure more; a run that explains another is seen in the report of that one."""
    if record["explains"]:
        return []
    explain = f"explain {record['id']}, " if record["verdict"] is not None else ""
    return [f"More: promptdescent report {record['id']}, {explain}serve"]


def to_go_on(record: Record) -> str:
    """The command that goes on with a run; one that explains another is begun again and pays nothing twice."""
    return f"explain {record['explains']}" if record["explains"] else f"resume {record['id']}"


def _forecast(record: Record) -> list[str]:
    """What was forecast beside what was used; a run of an older version has no forecast on record."""
    return [used_against_forecast(record["forecast"])] if record["forecast"] else []


def _priced(record: Record) -> bool:
    """Whether some model has a price."""
    return record["money"] is not None and bool(record["money"]["source"])


def _money(record: Record) -> str:
    money, roles = record["money"], list(record["usage"])
    if money is None:
        return f"Money: none, {'both' if len(roles) == 2 else 'all'} models run on this machine."
    if not _priced(record):
        return f"Money: the price of the {_listed(money['unknown'])} is not known.{_say_prices(money['unknown'])}"
    known = [role for role in roles if role not in money["unknown"]]
    paid, lost = (sum(money[role][counter] for role in known) for counter in ("paid", "lost"))
    said = f"Money: {dollars(paid)} US dollars paid"
    said += f" for the {_listed(known)}" if money["unknown"] else ""
    said += f", by the {money['source']}"
    if money["unknown"]:
        said += f"; the price of the {_listed(money['unknown'])} is not known"
    said += f"; at most {dollars(lost)} more for attempts whose answers never came" if lost else ""
    return f"{said}.{_say_prices(money['unknown']) if money['unknown'] else ''}"


def _listed(roles: list[str]) -> str:
    return " and the ".join(f"{role} model" for role in roles)


def _say_prices(roles: list[str]) -> str:
    return f" A run can be told it with {' and '.join(f'--{role}-price' for role in roles)}."


def duration(seconds: float) -> str:
    """A time as people say it: 43 s, 5:07, 1:02:33."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    text = str(timedelta(seconds=round(seconds)))
    return text.removeprefix("0:").removeprefix("0") if seconds < 3600 else text


def score_text(value: float | None) -> str:
    """A score for a line of progress."""
    return "-" if value is None else f"{value:.3f}"
