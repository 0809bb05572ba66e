"""The command ``diff``: two prompts on record, word by word."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from promptdescent.cli import output
from promptdescent.cli.drawing import boxed, drawn_diff, marked, terminal, text
from promptdescent.cli.flags import DEFAULT_STORE, StoreFlag
from promptdescent.cli.stores import opened_store
from promptdescent.report.comparing_prompts import NamedPrompt, PromptsCompared, compare_prompts
from promptdescent.report.text import printable
from promptdescent.verdict.words import written

_NAMES = {"start": "starting prompt", "best": "best prompt"}


def diff(
    prompt: Annotated[
        str, typer.Argument(metavar="RUN[:WHICH]", help="A run, or its prompt start, best or STEP.INDEX.")
    ] = "latest",
    other: Annotated[
        str | None,
        typer.Argument(metavar="[RUN[:WHICH]]", help="The prompt to compare it with; else its run's starting prompt."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Both prompts and the parts of the difference.")] = False,
    store: StoreFlag = DEFAULT_STORE,
) -> None:
    """Print how two prompts differ, word by word."""
    with opened_store(store, must_exist=True) as opened:
        compared = compare_prompts(opened, prompt, other)
    if as_json:
        output.result(json.dumps(_as_data(compared), indent=2))
        return
    heads = [_head("-", compared.before), _head("+", compared.after), _distance(compared)]
    console = terminal()
    if console is None:
        output.result(printable("\n".join(heads)) + "\n\n" + marked(compared.diff.parts).rstrip())
        return
    for head, style in zip(heads, ("red", "green", ""), strict=True):
        console.print(text(head, style))
    console.print(boxed(drawn_diff(compared.diff.parts), "word by word"))


def _as_data(compared: PromptsCompared) -> dict[str, object]:
    return {
        "before": asdict(compared.before),
        "after": asdict(compared.after),
        "distance": compared.diff.distance,
        "parts": [asdict(part) for part in compared.diff.parts],
    }


def _head(sign: str, prompt: NamedPrompt) -> str:
    """Which prompt it is, and what it scores."""
    scores = [
        f"{what} {written([score])[0](score)} on {rows:,} rows"
        for what, score, rows in (
            ("dev score", prompt.dev_score, prompt.dev_rows),
            ("test score", prompt.test_score, prompt.test_rows),
            ("score on all rows", prompt.all_score, prompt.all_rows),
        )
        if score is not None
    ]
    said = ", ".join([*scores, *filter(None, [prompt.fate])]) or "not scored"
    return f"{sign} {_NAMES.get(prompt.which, f'candidate {prompt.which}')} of {prompt.run}: {said}"


def _distance(compared: PromptsCompared) -> str:
    if compared.diff.same and compared.before.text != compared.after.text:
        return "the same words; only white space differs"
    return compared.diff.summary
