"""An OpenAI-compatible server on loopback whose faults are scripted.

::

    async with fake_server(rate_limited(retry_after="2"), failing(500)) as server:
        llm = OpenAICompatible("fake", base_url=server.base_url)   # the first two calls fail, all later ones succeed
        ...
        assert server.requests[0].body["model"] == "fake"

A fault is taken for each call to a completion path, in the order of arrival; when none is left the server answers by
its traits.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

MODEL = "fake"


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How the server answers when nothing is scripted."""

    models: Sequence[Mapping[str, Any]] | None = ({"id": MODEL, "object": "model", "created": 1, "owned_by": "tests"},)
    """The model list; None = the server has none."""
    key: str | None = None
    """The key that it asks for."""
    refuses: Collection[str] = ()
    """Parameters that it answers with 400, in OpenAI's words."""
    most_samples: int | None = None
    """Samples that it gives at most, whatever is asked for."""
    seconds: float = 0.0
    """How long a call takes."""
    usage: bool | Mapping[str, Any] = True
    """Whether it counts tokens; or what it says instead."""
    answer: Callable[[Mapping[str, Any], int], str] | None = None
    """Text of the sample with this index, from the body; by default the prompt, with seed and index if it samples."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(kw_only=True)
class FakeServer:
    """A running server. ``requests`` holds all that came; ``calls`` those to a completion path."""

    base_url: str
    requests: list[Received] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def calls(self) -> list[Received]:
        return [request for request in self.requests if request.method == "POST"]


# --- faults ----------------------------------------------------------------------------------------------------------


def failing(status: int, *, message: str = "it broke", headers: Mapping[str, str] | None = None, **more: str) -> Fault:
    """An error answer; ``more`` may name ``code``, ``type`` and ``param``."""

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": message, **more}}, status=status, headers=headers)

    return fault


def rate_limited(**headers: str) -> Fault:
    """429, with headers such as ``retry_after="2"``."""
    return failing(429, message="slow down", headers={name.replace("_", "-"): value for name, value in headers.items()})


def says(text: str | None, *, finish: str = "stop", **message: Any) -> Fault:
    """A proper answer with this text; ``message`` may add fields such as ``reasoning_content``."""

    async def fault(_: web.Request) -> web.StreamResponse:
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

    return fault


def sends(text: str, *, status: int = 200) -> Fault:
    """Any body at all."""

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return fault


async def drops(request: web.Request) -> web.StreamResponse:
    """Closes the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cuts(request: web.Request) -> web.StreamResponse:
    """Promises a long body and closes the connection in its middle."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


def slow(seconds: float) -> Fault:
    """Sends nothing for so long."""

    async def fault(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(text="too late", status=500)

    return fault


# --- server ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def fake_server(
    *faults: Fault, traits: Traits | None = None, other: Fault | None = None
) -> AsyncIterator[FakeServer]:
    """A server on a free port of 127.0.0.1, until the block ends; ``other`` answers ``/models`` without ``/v1``."""
    given = traits or Traits()
    script = list(faults)
    server = FakeServer(base_url="")

    async def receive(request: web.Request) -> dict[str, Any]:
        text = await request.text()
        body = json.loads(text) if text else {}
        server.requests.append(
            Received(method=request.method, path=request.path, headers=dict(request.headers), body=body)
        )
        return dict(body)

    async def models(request: web.Request) -> web.StreamResponse:
        await receive(request)
        if _lacks_key(request, given):
            return _wrong_key(request)
        if given.models is None:
            return web.Response(status=404, text="404: Not Found")
        return web.json_response({"object": "list", "data": list(given.models)})

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await receive(request)
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            if script:
                return await script.pop(0)(request)
            if _lacks_key(request, given):
                return _wrong_key(request)
            await asyncio.sleep(given.seconds)
            return _completion(body, given)
        finally:
            server.in_flight -= 1

    application = web.Application()
    application.router.add_get("/v1/models", models)
    if other is not None:
        application.router.add_get("/models", other)
    application.router.add_post("/v1/chat/completions", complete)
    application.router.add_post("/v1/completions", complete)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()


def _lacks_key(request: web.Request, traits: Traits) -> bool:
    return traits.key is not None and request.headers.get("Authorization") != f"Bearer {traits.key}"


def _wrong_key(request: web.Request) -> web.StreamResponse:
    """A 401 that repeats what was sent, as careless servers do."""
    message = f"Incorrect API key provided: {request.headers.get('Authorization', 'none')}"
    return web.json_response({"error": {"message": message, "code": "invalid_api_key"}}, status=401)


def _completion(body: Mapping[str, Any], traits: Traits) -> web.StreamResponse:
    known = [str(model["id"]) for model in traits.models or ()]
    if traits.models is not None and body["model"] not in known:
        error = {"message": f"The model `{body['model']}` does not exist", "code": "model_not_found"}
        return web.json_response({"error": error}, status=404)
    for name in traits.refuses:
        if name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            error = {"message": message, "param": name, "code": "unsupported_parameter"}
            return web.json_response({"error": error}, status=400)
    samples = min(body.get("n", 1), traits.most_samples or body.get("n", 1))
    texts = [(traits.answer or _echo)(body, index) for index in range(samples)]
    answer: dict[str, Any] = {"choices": [_choice(body, index, text) for index, text in enumerate(texts)]}
    if isinstance(traits.usage, Mapping):
        answer["usage"] = traits.usage
    elif traits.usage:
        words = sum(len(text.split()) for text in texts)
        answer["usage"] = {"prompt_tokens": len(_prompt(body).split()), "completion_tokens": words}
    return web.json_response(answer)


def _choice(body: Mapping[str, Any], index: int, text: str) -> dict[str, Any]:
    if "prompt" in body:
        return {"index": index, "finish_reason": "stop", "text": text}
    return {"index": index, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}


def _prompt(body: Mapping[str, Any]) -> str:
    if "prompt" in body:
        return str(body["prompt"])
    return " ".join(message["content"] for message in body["messages"])


def _echo(body: Mapping[str, Any], index: int) -> str:
    sampled = f" {body.get('seed')} {index}" if body.get("temperature", 1) else ""
    return f"You said: {_prompt(body)}{sampled}"
