"""An OpenAI-compatible server on loopback whose replies follow from the request alone and whose faults are drawn.

    python fault_server.py --rows rows.csv        # prints its port, serves until it is ended

It serves two models of promptdescent's own simulation, ``task`` and ``optimizer``. What happens besides is decided by
the *world* that a request belongs to, told by its key: ``Authorization: Bearer NAME``. So one server does for many
runs, each with faults and counters of its own, and its address, which is part of every record, stays the same.

    PUT /worlds/NAME     make a world, or make it anew, with zero counters; the body is a World's settings
    POST /worlds/NAME    change some of its settings
    GET /worlds/NAME     its counters

A fault is drawn by a hash of the world's seed, the request's body and how often this body was asked, so that a history
can be repeated, whatever the order of arrival. Counters live in this process: they survive any end of a client.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from promptdescent.llm.base import LLM, Draw, Request
from promptdescent.llm.simulated import simulated
from promptdescent.records import Example, Message, Reply

MODELS = ("task", "optimizer")
"""Served under the names of their roles."""

REFUSALS = {"429": 429, "429 with a wait": 429, "500": 500, "503": 503}
"""Answers that say that nothing was done, and bill nothing."""

TRANSPORT = (
    *REFUSALS,
    *("cut body", "hang-up", "silence", "malformed", "list", "no choices", "odd choices", "late", "away"),
)
"""Faults of the way to the model and back: asked again, the model says what it would have said."""

CONTENT = ("empty", "cut off")
"""Replies that came, but are worth nothing or little."""

UNKNOWN_KEY = 401

PORTS = range(20_000, 30_000)


@dataclass(frozen=True, kw_only=True)
class World:
    """How requests fare. Rates are shares in [0, 1] and add up to at most 1."""

    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    """By kind of fault, drawn anew each time that a body is asked."""
    lasting: Mapping[str, float] = field(default_factory=dict)
    """The same, drawn by the body alone: what a model says, in any world and however often it is asked."""
    latency: float = 0.0
    """Seconds of every reply, times 0.5 to 1.5 by the body, so that replies overtake each other."""
    late: float = 0.05
    """Seconds by which a late reply is late."""
    silence: float = 1.0
    """Seconds until an answer that nobody waits for any more; longer than the client's timeout."""
    wait: float = 0.02
    """Seconds that a 429 with a wait asks for."""
    away: float = 0.03
    """Seconds without listening."""
    ends_after: int | None = None
    """So many requests are served, and all later ones refused; None = it does not end."""
    ends_with: int = UNKNOWN_KEY
    """The status of those refusals."""


@dataclass(kw_only=True)
class Counts:
    """What a world has seen."""

    requests: Counter[str] = field(default_factory=Counter)
    """By role: that came, whatever became of them."""
    proper: Counter[str] = field(default_factory=Counter)
    """By role: answered with 200 and what the protocol asks for."""
    tokens_in: Counter[str] = field(default_factory=Counter)
    tokens_out: Counter[str] = field(default_factory=Counter)
    """By role: billed, for every reply that was made, also if it then was broken, dropped or late."""
    faults: Counter[str] = field(default_factory=Counter)
    """By kind."""
    asked: Counter[bytes] = field(default_factory=Counter)
    """By digest of the body."""
    most_in_flight: int = 0
    in_flight: int = 0

    def as_data(self) -> dict[str, Any]:
        return {
            "requests": dict(self.requests),
            "proper": dict(self.proper),
            "tokens_in": dict(self.tokens_in),
            "tokens_out": dict(self.tokens_out),
            "faults": dict(self.faults),
            "bodies": len(self.asked),
            "most_in_flight": self.most_in_flight,
        }


@dataclass(kw_only=True)
class Made:
    """A reply that the model made and billed."""

    texts: list[str]
    finish: list[str]
    tokens_in: int
    tokens_out: int

    def body(self) -> bytes:
        choices = [
            {"index": index, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
            for index, (text, finish) in enumerate(zip(self.texts, self.finish, strict=True))
        ]
        usage = {"prompt_tokens": self.tokens_in, "completion_tokens": self.tokens_out}
        return json.dumps({"choices": choices, "usage": usage}).encode()


def uniform(*key: object) -> float:
    """A number in [0, 1) that the key alone decides."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def drawn(rates: Mapping[str, float], *key: object) -> str:
    """The fault that the key draws; empty for none."""
    chance = uniform(*key)
    for kind, rate in rates.items():
        if chance < rate:
            return kind
        chance -= rate
    return ""


class FaultServer:
    """The worlds, the models behind them, and the listening socket."""

    def __init__(self, rows: list[Example]) -> None:
        labels = sorted({row.target for row in rows})
        self._models: dict[str, LLM] = {
            "task": simulated("plain", role="task", rows=rows, labels=labels),
            "optimizer": simulated("plain", role="optimizer", rows=rows, labels=labels),
        }
        self._worlds: dict[str, tuple[World, Counts]] = {}
        self._application = web.Application()
        self._application.router.add_get("/v1/models", self._list_models)
        self._application.router.add_post("/v1/chat/completions", self._complete)
        self._application.router.add_put("/worlds/{name}", self._make_world)
        self._application.router.add_post("/worlds/{name}", self._change_world)
        self._application.router.add_get("/worlds/{name}", self._show_world)
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=0.1)
        self._site: web.TCPSite | None = None
        self._port = 0
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin to listen; return the port.

        It is none of those that the system gives to clients, or one of them could have it while the server is away.
        """
        await self._runner.setup()
        for self._port in random.Random().sample(PORTS, 50):
            with contextlib.suppress(OSError):
                await self._listen()
                return self._port
        raise RuntimeError("no port is free")

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=512, reuse_address=True)
        await site.start()
        self._site = site

    async def _leave(self, seconds: float) -> None:
        """Refuse all connections for a while; those that are open stay."""
        site, self._site = self._site, None
        if site is None:  # away already
            return
        await site.stop()
        await asyncio.sleep(seconds)
        await self._listen()

    # --- worlds ---

    async def _make_world(self, request: web.Request) -> web.Response:
        self._worlds[request.match_info["name"]] = World(**await request.json()), Counts()
        return web.json_response({})

    async def _change_world(self, request: web.Request) -> web.Response:
        world, counts = self._worlds[request.match_info["name"]]
        self._worlds[request.match_info["name"]] = replace(world, **await request.json()), counts
        return web.json_response({})

    async def _show_world(self, request: web.Request) -> web.Response:
        world, counts = self._worlds[request.match_info["name"]]
        return web.json_response({"world": asdict(world), **counts.as_data()})

    def _world_of(self, request: web.Request) -> tuple[World, Counts] | None:
        return self._worlds.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    # --- the protocol ---

    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        if self._world_of(request) is None:
            return _error(UNKNOWN_KEY, "no such world")
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        found = self._world_of(request)
        if found is None:
            return _error(UNKNOWN_KEY, "no such world")
        world, counts = found
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        try:
            return await self._serve(request, content, world, counts)
        finally:
            counts.in_flight -= 1

    async def _serve(self, request: web.Request, content: bytes, world: World, counts: Counts) -> web.StreamResponse:
        body = json.loads(content)
        role = body["model"]
        counts.requests[role] += 1
        digest = hashlib.blake2b(content, digest_size=16).digest()
        asked = counts.asked[digest]
        counts.asked[digest] += 1
        if world.ends_after is not None and counts.requests.total() > world.ends_after:
            return _error(world.ends_with, "this is the end")
        fault = drawn(world.rates, world.seed, digest, asked)
        content_fault = drawn(world.lasting, digest) or fault
        counts.faults.update(filter(None, {fault, content_fault}))
        if fault in REFUSALS:
            headers = {"Retry-After": str(world.wait)} if fault == "429 with a wait" else None
            return _error(REFUSALS[fault], "come back later", headers)
        made = await self._made(body, content_fault)
        counts.tokens_in[role] += made.tokens_in
        counts.tokens_out[role] += made.tokens_out
        await asyncio.sleep(world.latency * (0.5 + uniform("latency", digest)))
        if fault in ("cut body", "hang-up", "away"):
            return await self._break_off(request, fault, made, world)
        if fault in ("silence", "late"):
            await asyncio.sleep(world.silence if fault == "silence" else world.late)
        broken = _BROKEN.get(fault)
        if broken is not None:
            return web.Response(body=broken, content_type="application/json")
        counts.proper[role] += 1
        return web.Response(body=made.body(), content_type="application/json")

    async def _made(self, body: Mapping[str, Any], fault: str) -> Made:
        """What the model says; it is billed by a rule of thumb, as good as any."""
        request = Request(
            role=body["model"],
            messages=tuple(Message(role=one["role"], content=(one["content"],)) for one in body["messages"]),
            temperature=body["temperature"],
            max_tokens=body["max_tokens"],
            stop=tuple(body.get("stop", ())),
            n=body.get("n", 1),
            draw=Draw(seed=body.get("seed", 0), step=0, slot="", index=0),
        )
        completion = await self._models[body["model"]].complete(request)
        replies = [_spoiled(reply, fault) for reply in completion.replies]
        return Made(
            texts=[reply.text for reply in replies],
            finish=[reply.finish for reply in replies],
            tokens_in=completion.usage.tokens_in + 4 * len(request.messages),
            tokens_out=completion.usage.tokens_out,
        )

    async def _break_off(self, request: web.Request, fault: str, made: Made, world: World) -> web.StreamResponse:
        """Close the connection before the answer is whole."""
        content = made.body()
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        if fault == "cut body":
            with contextlib.suppress(ConnectionError):  # the client was killed
                await response.prepare(request)
                await response.write(content[: len(content) // 2])
        if fault == "away":
            task = asyncio.create_task(self._leave(world.away))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        if request.transport is not None:
            request.transport.abort()
        return response


_BROKEN = {
    "malformed": b'{"choices": [{"index": 0, "message": {"content": "Well',
    "list": b'[{"index": 0, "message": {"role": "assistant", "content": "praise"}}]',
    "no choices": b'{"object": "chat.completion", "usage": {"prompt_tokens": 7, "completion_tokens": 1}}',
    "odd choices": b'{"choices": {"text": "praise"}, "usage": null}',
}
"""Bodies that do not follow the protocol, by fault."""


def _spoiled(reply: Reply, fault: str) -> Reply:
    if fault == "empty":
        return Reply(text="")
    if fault == "cut off":
        return Reply(text=reply.text[: len(reply.text) // 2], finish="length")
    return reply


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


def read_rows(path: Path) -> list[Example]:
    """The rows of a file of texts and labels."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Example(id=f"row-{number}", inputs=(("text", row["text"]),), target=row["label"])
            for number, row in enumerate(csv.DictReader(file))
        ]


async def serve(rows: list[Example]) -> None:
    """Print the port and serve for ever."""
    print(await FaultServer(rows).start(), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True, help="CSV of texts and labels that requests will hold")
    asyncio.run(serve(read_rows(parser.parse_args().rows)))


if __name__ == "__main__":
    main()
