"""The counting proxy: an OpenAI-compatible server on this machine in front of the models of a race.

Every contestant gets at the models through it alone, so that all are counted alike. Once a role's cap leaves no room
for a call, that call and every later one of the role is answered with HTTP 402.

At temperature 0 equal requests get the same reply, which is computed once and counted every time. Above it, a reply is
drawn by the race's seed and the number of equal requests before: so a client that asks the same gets the same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptdescent.errors import (
    BudgetExhausted,
    ModelError,
    PromptDescentError,
    RateLimited,
    RequestRefused,
    TransientError,
)
from promptdescent.experiments.race.meter import Meters, most_of
from promptdescent.experiments.race.requests import Served, Unreadable, answer, read_request, read_score_request
from promptdescent.llm.base import LLM, NOTHING, Completion, Draw, Request
from promptdescent.llm.limits import RetryPolicy
from promptdescent.llm.streams import ordered_map
from promptdescent.records import Example, ModelSettings, Reply, Role, Usage
from promptdescent.tasks.metrics import Metric
from promptdescent.tasks.scoring import by_metric

if TYPE_CHECKING:
    from aiohttp import web

USED_UP = "budget_used_up"
USED_UP_SAID = "the race's budget is used up"
"""Code and text of the error that ends a search."""

LARGEST_BODY = 64 * 2**20
"""Bytes of a request."""

LAST_CALLS = 5.0
"""Seconds that requests which are open have to end when a search is over."""

SAMPLES_AT_ONCE = 4
"""Calls at the same time for one request, where a model gives one sample a call."""

DRAWN_FOR = "race"


class Proxy:
    """Serves the models of one search. ``seed``: the search's, for draws above temperature 0."""

    def __init__(
        self,
        models: Mapping[Role, tuple[LLM, ModelSettings]],
        *,
        meters: Meters,
        metric: Metric,
        seed: int,
        retry: RetryPolicy | None = None,
    ) -> None:
        """``models``: prepared ones, by role, with the settings that clients are held to."""
        self.key = secrets.token_hex(16)
        """What clients have to send as key, so that no other program of this machine is served."""
        self.failure = ""
        """Why a model or the metric cannot be used at all; empty if they can."""
        self.cut = asyncio.Event()
        """Set once a call was refused for want of tokens."""
        self._models = {role: model for role, (model, _) in models.items()}
        self._served = {role: Served(role=role, settings=settings) for role, (_, settings) in models.items()}
        self._meters = meters
        self._scorer = by_metric(metric)
        self._seed = seed
        self._retry = retry or RetryPolicy()
        self._asked: Counter[str] = Counter()
        self._known: dict[str, Completion] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._answers = 0
        self._open: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str, None]:
        """Serve on a free port of the loopback interface until the block ends; gives the base URL."""
        from aiohttp import web

        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._raw)
        app.router.add_get("/v1/models", self._list)
        for path in ("/score", "/v1/score"):
            app.router.add_post(path, self._score)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_CALLS)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await self._cut_off()
            await runner.cleanup()

    async def _cut_off(self) -> None:
        """End the requests that are open: a client that was killed wants no answer any more, and the server forgets
        such requests without ending them.
        """
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=LAST_CALLS)

    # --- routes ---

    async def _chat(self, asked: web.Request) -> web.Response:
        return await self._served_reply(asked, chat=True)

    async def _raw(self, asked: web.Request) -> web.Response:
        return await self._served_reply(asked, chat=False)

    async def _list(self, asked: web.Request) -> web.Response:
        if not self._allowed(asked):
            return _error(401, "the key is wrong", kind="authentication_error")
        entries = []
        for alias, served in self._served.items():
            context = self._models[served.role].context_tokens
            known = {} if context is None else {"context_length": context}
            entries.append({"id": alias, "object": "model", "created": 0, "owned_by": "race", **known})
        return _json({"object": "list", "data": entries})

    async def _score(self, asked: web.Request) -> web.Response:
        if not self._allowed(asked):
            return _error(401, "the key is wrong", kind="authentication_error")
        try:
            reply, question, target = read_score_request(await asked.read())
        except Unreadable as error:
            return _error(400, str(error), parameter=error.parameter)
        try:
            score = await self._scorer(reply, Example(id="", inputs=(("input", question),), target=target))
        except PromptDescentError as error:
            self.failure = self.failure or str(error)
            return _error(500, str(error), kind="server_error")
        # As the evaluator counts: without an answer there is no score, nor with a reply that is empty.
        value = score.value if score.answer is not None and reply.strip() else 0.0
        return _json({"score": value, "answer": score.answer})

    async def _served_reply(self, asked: web.Request, *, chat: bool) -> web.Response:
        if not self._allowed(asked):
            return _error(401, "the key is wrong", kind="authentication_error")
        try:
            request = read_request(await asked.read(), self._aliases, chat=chat)
        except Unreadable as error:
            status = 404 if error.code == "model_not_found" else 400
            return _error(status, str(error), parameter=error.parameter, code=error.code)
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            completion = await self._counted(self._drawn(request))
        except BudgetExhausted:
            self.cut.set()
            return _error(402, USED_UP_SAID, kind="insufficient_quota", code=USED_UP)
        except ModelError as error:
            return self._failed(error)
        self._answers += 1
        return _json(answer(completion.replies, completion.usage, alias=request.role, number=self._answers, chat=chat))

    @property
    def _aliases(self) -> Mapping[str, Served]:
        """The models by the names that clients give them, which are those of the roles."""
        return {str(role): served for role, served in self._served.items()}

    def _allowed(self, asked: web.Request) -> bool:
        return secrets.compare_digest(asked.headers.get("Authorization", "").encode(), f"Bearer {self.key}".encode())

    def _failed(self, error: ModelError) -> web.Response:
        if isinstance(error, RateLimited):
            return _error(429, str(error), kind="rate_limit_error")
        if isinstance(error, TransientError):
            return _error(503, str(error), kind="server_error")
        if isinstance(error, RequestRefused):
            return _error(400, str(error))
        self.failure = self.failure or str(error)
        return _error(400, str(error))

    # --- calls ---

    def _drawn(self, request: Request) -> Request:
        """The request with its draw: of equal ones, each gets the next samples."""
        if not self._varies(request):
            return replace(request, draw=Draw(seed=0, step=0, slot=DRAWN_FOR, index=0))
        key = f"{request.role} {request.key('', sampled=False)}"
        first = self._asked[key]
        self._asked[key] += request.n
        return replace(request, draw=Draw(seed=self._seed, step=0, slot=DRAWN_FOR, index=first))

    def _varies(self, request: Request) -> bool:
        return request.temperature > 0 or self._models[request.role].refuses_temperature

    async def _counted(self, request: Request) -> Completion:
        """The replies, within the role's cap; fewer than asked for where it leaves room for the first of them only.
        Raises :class:`BudgetExhausted` or :class:`ModelError`.
        """
        llm = self._models[request.role]
        if request.n == 1 or llm.serves_n:
            return await self._metered(request)

        async def singles() -> AsyncGenerator[Request, None]:
            for offset in range(request.n):
                yield request.at(offset)

        replies: list[Reply] = []
        usage = NOTHING
        try:
            async with aclosing(ordered_map(self._metered, singles(), window=SAMPLES_AT_ONCE)) as each:
                async for one in each:
                    replies.extend(one.replies)
                    usage += one.usage
        except BudgetExhausted:
            if not replies:
                raise
            self.cut.set()
        return Completion(replies=tuple(replies), usage=usage)

    async def _metered(self, request: Request) -> Completion:
        """The replies of one call. Raises as :meth:`_counted`."""
        llm, meter = self._models[request.role], self._meters[request.role]
        bound = most_of(request, llm.context_tokens)
        await meter.set_aside(bound)
        usage, reused = Usage(tokens_in=bound), False  # of a call that is cancelled, nobody knows what it cost
        try:
            completion, reused = await self._known_or_new(request, llm)
            usage = completion.usage
            return completion
        except ModelError as error:
            usage = Usage(calls=1, tokens_in=bound) if error.may_be_charged else NOTHING
            raise
        finally:
            self._meters.settle(request.role, bound, usage, reused=reused)

    async def _known_or_new(self, request: Request, llm: LLM) -> tuple[Completion, bool]:
        if self._varies(request):
            return await self._tried(request, llm), False
        key = f"{request.role} {request.n} {request.key('', sampled=False)}"
        async with self._turns[key]:  # equal requests at the same time are computed once
            known = self._known.get(key)
            if known is not None:
                return known, True
            completion = self._known[key] = await self._tried(request, llm)
            return completion, False

    async def _tried(self, request: Request, llm: LLM) -> Completion:
        """One call, tried again where it failed for a reason that may pass."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await llm.complete(request)
            except TransientError as error:
                # What may have been charged is not asked for again: the cap has room for one call only.
                if error.may_be_charged or attempt >= self._retry.attempts:
                    raise
                await asyncio.sleep(self._retry.wait(attempt, error))


def _json(content: Mapping[str, Any]) -> web.Response:
    from aiohttp import web

    return web.json_response(content)


def _error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    parameter: str | None = None,
    code: str | None = None,
) -> web.Response:
    """An error in the form of OpenAI's."""
    from aiohttp import web

    said = {"message": message, "type": kind, "param": parameter, "code": code}
    return web.json_response({"error": said}, status=status)
