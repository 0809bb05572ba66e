"""Replies of the embedded model to the questions in tests/tasks/labelled_replies, still without labels.

    .venv/bin/python benchmarks/labelled_replies.py --out replies    # about 6 minutes on two cores

Each question is asked in three of the six ways that ``questions.json`` has for its kind, two of them greedily and one
at temperature 0.8 with a fixed seed, in replies of 24 to 96 tokens; for some kinds in a second round once more. Writes
one JSON Lines file per kind, without replies that a question already has, and never over a file that exists: the labels
are written into these files by hand, with an ``id`` that counts from 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.llm.base import Draw, Request
from promptdescent.llm.local import SMOLLM2, LocalLLM
from promptdescent.records import Message, Reply

QUESTIONS = Path(__file__).parents[1] / "tests" / "tasks" / "labelled_replies" / "questions.json"
SHORT, LONG = 24, 96
"""Tokens of the ways that ask for a bare answer, and of the others by turns with 64."""
TEMPERATURE = 0.8
SEED = 5
WAYS = (0, 2, 3)
"""How far the three ways of a question lie apart among the six of its kind."""
SECOND_ROUND = ("choice", "boolean", "labels")
"""Kinds whose questions are asked in one more way, WAYS[0] + 1, in replies that no change of a reader was made for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for one question."""

    kind: str
    index: int
    """Of the question in its kind."""
    way: int
    round: int
    """1, or 2 for :data:`SECOND_ROUND`."""
    instruction: str
    input: str
    target: str
    temperature: float
    max_tokens: int

    @property
    def request(self) -> Request:
        """The instruction stands before the question, as in a row of the paper's benchmarks."""
        text = f"{self.instruction}\n\n{self.input}" if self.instruction else self.input
        return Request(
            role="task",
            messages=(Message(role="user", content=(text,)),),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            draw=Draw(seed=SEED, step=self.way, slot=self.kind, index=self.index),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, made if it is missing")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(write_replies(folder))


async def write_replies(folder: Path) -> None:
    """Ask kind by kind and write ``folder/KIND.jsonl``. Raises :class:`FileExistsError` for a file that is there."""
    model = LocalLLM(SMOLLM2)
    await model.prepare()
    try:
        for kind, asked in requests().items():
            replies = await asyncio.gather(*(reply_to(model, one) for one in asked))
            with (folder / f"{kind}.jsonl").open("x", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in distinct(asked, replies))
    finally:
        await model.close()


def requests() -> dict[str, list[Asked]]:
    """What is asked, by kind."""
    kinds = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    asked = {kind: [one for at in range(len(of["rows"])) for one in _ways(kind, of, at)] for kind, of in kinds.items()}
    return {kind: sorted(those, key=lambda one: one.round) for kind, those in asked.items()}


def _ways(kind: str, of: dict[str, list[Any]], index: int) -> list[Asked]:
    plan = [(1, offset, turn == index % len(WAYS)) for turn, offset in enumerate(WAYS)]
    if kind in SECOND_ROUND:
        plan.append((2, WAYS[0] + 1, index % 2 == 1))
    asked = []
    for number, offset, sampled in plan:
        way = (index + offset) % len(of["instructions"])
        asked.append(
            Asked(
                kind=kind,
                index=index,
                way=way,
                round=number,
                instruction=of["instructions"][way],
                input=of["rows"][index]["input"],
                target=of["rows"][index]["target"],
                temperature=TEMPERATURE if sampled else 0.0,
                max_tokens=SHORT if way == 0 else (64, LONG)[index % 2],
            )
        )
    return asked


async def reply_to(model: LocalLLM, asked: Asked) -> Reply:
    """The reply to one request."""
    return (await model.complete(asked.request)).replies[0]


def distinct(asked: list[Asked], replies: list[Reply]) -> list[dict[str, object]]:
    """One row per reply with text, except where its question had the same reply before."""
    rows: list[dict[str, object]] = []
    seen = set()
    for one, reply in zip(asked, replies, strict=True):
        if not reply.text.strip() or (one.index, reply.text) in seen:
            continue
        seen.add((one.index, reply.text))
        rows.append(
            {
                "round": one.round,
                "instruction": one.instruction,
                "input": one.input,
                "target": one.target,
                "temperature": one.temperature,
                "max_tokens": one.max_tokens,
                "finish": reply.finish,
                "reply": reply.text,
            }
        )
    return rows


if __name__ == "__main__":
    main()
