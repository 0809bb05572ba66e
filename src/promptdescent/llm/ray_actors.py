"""A local model computed by actors of a Ray cluster: one engine each, on as many processors as it has threads.

Each engine computes one request at a time, alone (:mod:`promptdescent.llm.local`), so a reply is the same whichever of
them computes it, and the identity is that of the model in this process. That holds for machines of one kind: llama.cpp
takes other instructions on other processors, and so may come to other last digits.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
from typing import Any

from promptdescent.cluster import Cluster, check_address, check_installed, connect
from promptdescent.errors import ConfigError, EndpointFailed, MalformedReply, ModelError, PermanentError, RequestRefused
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.local import LocalLLM
from promptdescent.records import from_json, to_json

READY_WITHIN = 180.0
"""Seconds until an engine is loaded; most of it may be waiting for a free processor."""

LAST_WORDS = 10.0
"""Seconds that requests have to end whose actors were told to."""

ERRORS: dict[str, type[ModelError]] = {
    error.__name__: error for error in (RequestRefused, MalformedReply, EndpointFailed)
}
"""What an engine may answer instead of a reply, by name."""


class EngineActor:
    """One engine, in a process of the cluster. What goes in and out is JSON."""

    def __init__(self, model: str, *, threads: int) -> None:
        self._model = model
        self._threads = threads
        self._llm: LocalLLM | None = None

    async def prepare(self) -> str:
        """Load the engine; its identity, machine and process, or why there is none."""
        about: dict[str, Any] = {"machine": platform.node(), "process": os.getpid()}
        try:
            self._llm = LocalLLM(self._model, engines=1, threads=self._threads)
            await self._llm.prepare()
            return json.dumps({**about, "identity": self._llm.identity})
        except ConfigError as error:
            return json.dumps({**about, "refusal": str(error)})

    async def complete(self, request: str) -> str:
        """A completion, or the name of an error and what it says."""
        if self._llm is None:
            raise ValueError("an engine computes nothing before it is prepared")
        try:
            return json.dumps({"completion": to_json(await self._llm.complete(from_json(Request, request)))})
        except tuple(ERRORS.values()) as error:
            return json.dumps({"error": type(error).__name__, "message": str(error)})


class RayLocalLLM:
    """The GGUF file at the path ``model``, or the embedded model, on the processors of the cluster at ``address``.

    ``most``: engines at most; by default as many as free processors allow. The file lies at the same path on every
    machine of the cluster, and here. Raises :class:`ConfigError` as :class:`LocalLLM` does, and if Ray is missing.
    """

    refuses_temperature = False
    serves_n = False

    def __init__(self, model: str, *, address: str, most: int | None = None) -> None:
        check_address(address)
        check_installed()
        self.name = f"local:{model}"
        self._model = model
        self._local = LocalLLM(model)  # never loaded: it says what the engines have to be
        self._address = address
        self._most = most
        self._cluster: Cluster | None = None
        self._engines: dict[Any, str] = {}
        """Actors that are ready, with where they are."""
        self._started: set[Any] = set()
        """All actors that may be alive."""
        self._under_way: set[asyncio.Future[str]] = set()
        self._places: asyncio.Queue[Any | None] = asyncio.Queue()
        """Idle actors, and None for one that died: whoever takes that starts another one."""

    def __repr__(self) -> str:
        return f"RayLocalLLM({self._model!r}, address={self._address!r})"

    @property
    def context_tokens(self) -> int | None:
        return self._local.context_tokens

    @property
    def identity(self) -> str:
        """That of the model in this process. Known after :meth:`prepare`."""
        return self._local.identity

    @property
    def engines(self) -> int:
        """How many requests are computed at once. Known after :meth:`prepare`."""
        return len(self._engines)

    async def prepare(self) -> None:
        """Read the file and load the engines, as many as have a processor in time.

        Raises :class:`ConfigError` if none has, and if a machine has another file or another version of llama.cpp.
        """
        self._places = asyncio.Queue()  # belongs to the loop that runs now
        await self._local.identify()
        self._cluster = connect(self._address)
        free = self._cluster.free_processors // self._local.threads
        started = [self._start() for _ in range(max(1, free if self._most is None else min(self._most, free)))]
        try:
            async with asyncio.timeout(READY_WITHIN):
                for actor, ready in started:
                    self._engines[actor] = await self._checked(ready)
                    self._places.put_nowait(actor)
        except TimeoutError:
            if not self._engines:
                raise ConfigError(
                    f"--ray {self._address}: no engine for {self.name} was ready within {READY_WITHIN:.0f} s; it needs "
                    f"{self._local.threads} free processors of one machine"
                ) from None
        for actor, _ in started:
            if actor not in self._engines:
                self._kill(actor)

    async def complete(self, request: Request) -> Completion:
        """Compute one reply. Raises :class:`RequestRefused`, in particular for a prompt that exceeds the context, and
        :class:`EndpointFailed` if the actor died.
        """
        from ray.exceptions import RayError

        actor = await self._places.get()
        if actor is None:
            actor = await self._replacement()
        call = asyncio.wrap_future(actor.complete.remote(to_json(request)).future())
        self._under_way.add(call)
        # It computes on if whoever waits for it is cancelled, and is not idle before it is done.
        call.add_done_callback(lambda done: self._give_back(actor, done))
        try:
            answer = json.loads(await asyncio.shield(call))
        except RayError as error:
            raise EndpointFailed(f"the actor that computed {self.name} died ({type(error).__name__})") from error
        if "error" in answer:
            raise ERRORS[answer["error"]](answer["message"])
        return from_json(Completion, answer["completion"])

    async def close(self) -> None:
        """End the actors, and the cluster if it was made for them."""
        for actor in tuple(self._started):
            self._kill(actor)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=LAST_WORDS)
        if self._cluster is not None:
            self._cluster.close()

    def _start(self) -> tuple[Any, asyncio.Future[str]]:
        """A new actor, and what it says when it is ready."""
        import ray

        threads = self._local.threads
        kind: Any = ray.remote(num_cpus=threads, max_restarts=0)(EngineActor)
        actor = kind.remote(self._model, threads=threads)
        self._started.add(actor)
        return actor, asyncio.wrap_future(actor.prepare.remote().future())

    async def _checked(self, ready: asyncio.Future[str]) -> str:
        """Wait for an actor; where it is, if it computes what this process would. Raises :class:`ConfigError`."""
        from ray.exceptions import RayError

        try:
            about = json.loads(await ready)
        except RayError as error:
            raise ConfigError(f"no engine for {self.name} could be started on the cluster: {error}") from error
        if "refusal" in about:
            raise ConfigError(f"on the machine {about['machine']} of the cluster: {about['refusal']}")
        if about["identity"] != self.identity:
            raise ConfigError(
                f"the machine {about['machine']} of the cluster has another {self.name} than this one (there "
                f"{about['identity']}; here {self.identity}): put the same file and the same xllamacpp on both"
            )
        return f"{about['machine']}/{about['process']}"

    async def _replacement(self) -> Any:
        """An actor in place of one that died. Raises :class:`EndpointFailed` if none can be had now, and
        :class:`PermanentError` if it would compute something else.
        """
        actor, ready = self._start()
        try:
            async with asyncio.timeout(READY_WITHIN):
                self._engines[actor] = await self._checked(ready)
                return actor
        except BaseException as error:
            self._kill(actor)
            self._places.put_nowait(None)
            if isinstance(error, TimeoutError):
                raise EndpointFailed(f"no processor was free for {self.name} in place of one that was lost") from error
            if isinstance(error, ConfigError):
                raise PermanentError(str(error)) from error
            raise

    def _give_back(self, actor: Any, done: asyncio.Future[str]) -> None:
        """A request was answered, or its actor died."""
        self._under_way.discard(done)
        if done.cancelled() or done.exception() is None:
            self._places.put_nowait(actor)
        elif actor in self._engines:
            self._kill(actor)
            self._places.put_nowait(None)

    def _kill(self, actor: Any) -> None:
        import ray

        self._started.discard(actor)
        self._engines.pop(actor, None)
        ray.kill(actor)
