"""llama.cpp in this process (xllamacpp): engines, each with the weights of one file and of adapters of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.llm.base import Request
from promptdescent.text import shared_beginning


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """What engines are made of. Those of one kind compute the same replies."""

    path: Path
    threads: int
    context: int
    stepwise: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class _Idle:
    """An engine that computes nothing, and what it read last."""

    server: Any
    text: str


class Engines:
    """Engines of one model file, for all models that share them."""

    def __init__(self, kind: EngineKind, *, most: int) -> None:
        self.kind = kind
        self.most = most
        """Requests that are computed at once."""
        self._adapters: list[Path] = []
        """Each at the place that requests name it by."""
        self._users: set[int] = set()
        self._turns = asyncio.Semaphore(most)
        self._idle: list[_Idle] = []
        self._given_back = threading.Condition()
        self._loading = threading.Lock()
        self._loaded = 0

    def add(self, adapter: Path | None) -> None:
        """Have engines hold this adapter too; only where they can (:meth:`can_hold`)."""
        if adapter is not None and adapter not in self._adapters:
            self._adapters.append(adapter)

    def can_hold(self, adapter: Path | None) -> bool:
        """Whether engines hold this adapter, or may still load it: none is loaded yet."""
        return adapter is None or adapter in self._adapters or not self._loaded

    async def begin(self, user: object) -> None:
        """Load the first engine, if ``user`` is the first to begin."""
        if not self._users:
            self._turns = asyncio.Semaphore(self.most)  # belongs to the loop that runs now
            await asyncio.to_thread(lambda: self._give_back(self._take("")))
        self._users.add(id(user))

    async def end(self, user: object) -> None:
        """Wait for what is still being computed, then free the engines, if ``user`` is the last to end."""
        self._users.discard(id(user))
        if self._users:
            return
        loaded, self._loaded = self._loaded, 0
        for _ in range(loaded):
            await asyncio.to_thread(self._take_idle, "")  # llama.cpp frees an engine with the last reference to it

    async def answer(self, request: Request, adapter: Path | None) -> dict[str, Any]:
        """What llama.cpp answers, with the adapter or without any."""
        body = _body(request, reuse=self.kind.stepwise)
        if self._adapters:
            body["lora"] = [
                {"id": place, "scale": 1.0 if path == adapter else 0.0} for place, path in enumerate(self._adapters)
            ]
        async with self._turns:
            return await asyncio.to_thread(self._answer, body, f"{adapter}\n{request.whole}")

    def _answer(self, body: dict[str, Any], text: str) -> dict[str, Any]:
        """What llama.cpp answers, in the form of OpenAI's protocol. Blocks, so it runs in a thread."""
        engine = self._take(text)
        try:
            answer = engine.handle_chat_completions if "messages" in body else engine.handle_completions
            return dict(answer(body))
        except RuntimeError as error:
            return {"error": {"code": 400, "message": str(error)}}
        finally:
            self._give_back(engine, text)

    def _take(self, text: str) -> Any:
        """An idle engine, of several the one that read last what begins most like ``text``; a new one if there is none
        yet, so that a run without concurrency loads only one.
        """
        with self._given_back:
            if self._idle:
                return self._take_idle(text)
        with self._loading:
            if self._loaded < self.most:
                engine = _load(self.kind, self._adapters)
                self._loaded += 1
                return engine
        return self._take_idle(text)  # a cancelled request still has it

    def _take_idle(self, text: str) -> Any:
        with self._given_back:
            self._given_back.wait_for(lambda: self._idle)
            idle = max(self._idle, key=lambda idle: shared_beginning(text, idle.text))
            self._idle.remove(idle)
            return idle.server

    def _give_back(self, engine: Any, text: str = "") -> None:
        with self._given_back:
            self._idle.append(_Idle(server=engine, text=text))
            self._given_back.notify()


def _body(request: Request, *, reuse: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "stop": list(request.stop),
        "cache_prompt": reuse,
    }
    if request.temperature > 0:
        body["seed"] = request.draw.model_seed()
    if request.text is None:
        body["messages"] = [{"role": message.role, "content": message.text} for message in request.messages]
    else:
        body["prompt"] = request.text
    return body


def _load(kind: EngineKind, adapters: Sequence[Path]) -> Any:
    """A llama.cpp server in this process that computes one request at a time, ``stepwise`` one token at a time."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(kind.path)
    params.n_parallel = 1
    params.n_ctx = kind.context
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = kind.threads
    params.cpuparams_batch.n_threads = kind.threads
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    if kind.stepwise:
        params.n_ubatch = 1
    # Loaded without effect: a request says which of them it wants.
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 0.0) for adapter in adapters]
    # Each engine keeps its last prompt and no other; whether requests make use of it is theirs to say.
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    # Nothing is printed, measured, guessed from free memory, or served to a browser.
    params.verbosity = -1
    params.no_perf = True
    params.fit_params = False
    params.warmup = False
    params.endpoint_slots = False
    params.ui = False
    params.n_threads_http = 2
    try:
        server = xllamacpp.Server(params)
        # A server that is freed before it has begun to serve may never return.
        server.handle_completions({"prompt": "a", "max_tokens": 1})
        return server
    except RuntimeError as error:
        files = " with ".join(str(path) for path in (kind.path, *adapters))
        raise ConfigError(
            f"{files} cannot be loaded by llama.cpp; it may be incomplete, of a newer kind, too large for the memory, "
            "or an adapter of another model"
        ) from error
