"""Replies of the embedded model to the questions in tests/tasks/labelled_replies, still without labels.

    .venv/bin/python benchmarks/labelled_replies.py --out replies    # about 6 minutes on two cores
    .venv/bin/python benchmarks/labelled_replies.py --set second_held_out --out replies

The development set asks each question in three of the six ways that ``questions.json`` has for its kind, two of them
greedily and one at temperature 0.8 with a fixed seed, in replies of 24 to 96 tokens; for some kinds in a second round
once more. The second held-out set asks each of its questions once, in one of six ways by turns, two of three greedily
and one at temperature 0.7, in replies of at most 32 or 128 tokens. Writes one JSON Lines file per kind and never over
a file that exists: the labels are written into these files by hand, with an ``id`` that counts from 0. Of the
development set a reply without text, or one that its question already has, is left out.
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

FOLDER = Path(__file__).parents[1] / "tests" / "tasks" / "labelled_replies"
DEVELOPMENT, SECOND = "development", "second_held_out"
SHORT, LONG = 24, 96
"""Tokens of the ways that ask for a bare answer, and of the others by turns with 64."""
TEMPERATURE = 0.8
SEED = 5
WAYS = (0, 2, 3)
"""How far the three ways of a question lie apart among the six of its kind."""
SECOND_ROUND = ("choice", "boolean", "labels")
"""Kinds whose questions are asked in one more way, WAYS[0] + 1, in replies that no change of a reader was made for."""
SECOND_TEMPERATURE = 0.7
SECOND_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for one question."""

    kind: str
    index: int
    """Of the question in its kind."""
    way: int
    round: int
    """1, or 2 for :data:`SECOND_ROUND`; 4 for the second held-out set (the first held-out set has 3)."""
    instruction: str
    """With ``{q}`` for the place of the question; without it the question comes after the instruction."""
    input: str
    target: str
    temperature: float
    max_tokens: int
    seed: int
    labels: tuple[str, ...] = ()
    """Of the question, where it chooses among labels of its own."""

    @property
    def request(self) -> Request:
        """The whole prompt as one message of the user."""
        if "{q}" in self.instruction:
            text = self.instruction.replace("{q}", self.input)
        else:
            text = f"{self.instruction}\n\n{self.input}" if self.instruction else self.input
        return Request(
            role="task",
            messages=(Message(role="user", content=(text,)),),
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            draw=Draw(seed=self.seed, step=self.way, slot=self.kind, index=self.index),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files, made if it is missing")
    parser.add_argument("--set", choices=(DEVELOPMENT, SECOND), default=DEVELOPMENT, help="whose questions to ask")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(write_replies(args.out, second_requests() if args.set == SECOND else requests()))


async def write_replies(folder: Path, kinds: dict[str, list[Asked]]) -> None:
    """Ask kind by kind and write ``folder/KIND.jsonl``. Raises :class:`FileExistsError` for a file that is there."""
    model = LocalLLM(SMOLLM2)
    await model.prepare()
    try:
        for kind, asked in kinds.items():
            replies = await asyncio.gather(*(reply_to(model, one) for one in asked))
            with (folder / f"{kind}.jsonl").open("x", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in distinct(asked, replies))
    finally:
        await model.close()


def requests() -> dict[str, list[Asked]]:
    """What is asked for the development set, by kind."""
    kinds = json.loads((FOLDER / "questions.json").read_text(encoding="utf-8"))
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
                seed=SEED,
            )
        )
    return asked


def second_requests() -> dict[str, list[Asked]]:
    """What is asked for the second held-out set, by kind: every question once.

    A kind has groups of questions, each with the ways to ask them. The way goes on by one from question to question and
    by one more every sixth, so that neither it nor the decoding falls in step with the order of the questions.
    """
    kinds = json.loads((FOLDER / SECOND / "questions.json").read_text(encoding="utf-8"))
    asked: dict[str, list[Asked]] = {}
    for kind, of in kinds.items():
        rows = [(group, row) for group in of["groups"] for row in group["rows"]]
        asked[kind] = []
        for index, (group, row) in enumerate(rows):
            way = (index + index // 6) % 6
            asked[kind].append(
                Asked(
                    kind=kind,
                    index=index,
                    way=way,
                    round=4,
                    instruction=group["instructions"][way],
                    input=row["input"],
                    target=row["target"],
                    temperature=SECOND_TEMPERATURE if (index + way) % 3 == 2 else 0.0,
                    max_tokens=of["max_tokens"][way],
                    seed=SECOND_SEED,
                    labels=tuple(group.get("labels", ())),
                )
            )
    return asked


async def reply_to(model: LocalLLM, asked: Asked) -> Reply:
    """The reply to one request."""
    return (await model.complete(asked.request)).replies[0]


def distinct(asked: list[Asked], replies: list[Reply]) -> list[dict[str, object]]:
    """One row per reply, except where its question had the same reply before or, in the rounds 1 and 2, it is empty."""
    rows: list[dict[str, object]] = []
    seen = set()
    for one, reply in zip(asked, replies, strict=True):
        if (one.round < 3 and not reply.text.strip()) or (one.index, reply.text) in seen:
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
                **({"labels": list(one.labels)} if one.labels else {}),
            }
        )
    return rows


if __name__ == "__main__":
    main()
