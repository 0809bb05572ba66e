"""llama.cpp in this process (xllamacpp): engines, each with the weights of one file and of adapters of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError
from promptdescent.llm.base import Request
from promptdescent.llm.gguf_file import sha256_of
from promptdescent.text import shared_beginning


@dataclass(frozen=True, kw_only=True)
class EngineKind:
    """What engines are made of. Those of one kind compute the same replies."""

    path: Path
    threads: int
    context: int
    stepwise: bool


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A LoRA in a GGUF file, as it was when its digest (SHA-256) was taken."""

    path: Path
    digest: str


@dataclass(frozen=True, eq=False, kw_only=True)
class _Engine:
    server: Any
    adapters: tuple[Adapter, ...]
    """Each at the place that requests name it by."""
    read: str = ""
    """What it read last."""

    def holds(self, adapter: Adapter | None) -> bool:
        return adapter is None or adapter in self.adapters


class Engines:
    """Engines of one model file, for all models that share them."""

    def __init__(self, kind: EngineKind, *, most: int) -> None:
        self.kind = kind
        self.most = most
        """Requests that are computed at once."""
        self._users: dict[int, Adapter | None] = {}
        self._turns = asyncio.Semaphore(most)
        self._idle: list[_Engine] = []
        self._changed = threading.Condition()
        self._loading = threading.Lock()
        self._loaded = 0
        """Engines that are idle, computing, or being loaded."""

    async def begin(self, user: object, adapter: Adapter | None = None) -> None:
        """Load the first engine, if ``user`` is the first to begin, and the adapter. Raises :class:`ConfigError` if
        llama.cpp cannot use one of them; other users are none the worse for an adapter that fails.
        """
        if not self._users:
            self._turns = asyncio.Semaphore(self.most)  # belongs to the loop that runs now
        self._users.setdefault(id(user))
        try:
            await asyncio.to_thread(lambda: self._give_back(self._take("", adapter)))
        except BaseException:
            self._users.pop(id(user), None)
            raise
        # Known to others only now: whatever they load holds all that is in use, and this one might have failed.
        self._users[id(user)] = adapter

    async def end(self, user: object) -> None:
        """Wait for what is still being computed, then free the engines, if ``user`` is the last to end."""
        self._users.pop(id(user), None)
        if not self._users:
            await asyncio.to_thread(self._free)

    async def answer(self, request: Request, adapter: Adapter | None) -> dict[str, Any]:
        """What llama.cpp answers, with the adapter or without any."""
        async with self._turns:
            return await asyncio.to_thread(self._answer, request, adapter)

    def _answer(self, request: Request, adapter: Adapter | None) -> dict[str, Any]:
        """What llama.cpp answers, in the form of OpenAI's protocol. Blocks, so it runs in a thread."""
        body = _body(request, reuse=self.kind.stepwise)
        # What was read with another adapter is of no use, so that it begins differently.
        read = f"{adapter and adapter.digest}\n{request.whole}"
        engine = self._take(read, adapter)
        if engine.adapters:
            body["lora"] = [
                {"id": place, "scale": 1.0 if one == adapter else 0.0} for place, one in enumerate(engine.adapters)
            ]
        try:
            complete = engine.server.handle_chat_completions if "messages" in body else engine.server.handle_completions
            return dict(complete(body))
        except RuntimeError as error:
            return {"error": {"code": 400, "message": str(error)}}
        finally:
            self._give_back(replace(engine, read=read))

    def _take(self, text: str, adapter: Adapter | None) -> _Engine:
        """An engine that holds the adapter: an idle one, of several the one that read last what begins most like
        ``text``; a new one if there is none yet, so that a run without concurrency loads only one.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._loaded < self.most)  # a cancelled request may have one
            if self._idle:
                engine = max(self._idle, key=lambda idle: (idle.holds(adapter), shared_beginning(text, idle.read)))
                self._idle.remove(engine)
                if engine.holds(adapter):
                    return engine
                del engine  # llama.cpp frees it with the last reference to it; another takes its place
            else:
                self._loaded += 1
            adapters = tuple(dict.fromkeys(one for one in (*self._users.values(), adapter) if one is not None))
        try:
            with self._loading:
                return _Engine(server=_load(self.kind, adapters), adapters=adapters)
        except BaseException:
            with self._changed:
                self._loaded -= 1
                self._changed.notify_all()
            raise

    def _give_back(self, engine: _Engine) -> None:
        with self._changed:
            self._idle.append(engine)
            self._changed.notify_all()

    def _free(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._idle) == self._loaded)
            self._idle.clear()
            self._loaded = 0


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


def _load(kind: EngineKind, adapters: Sequence[Adapter]) -> Any:
    """A llama.cpp server in this process that computes one request at a time, ``stepwise`` one token at a time.

    Raises :class:`ConfigError` for files that llama.cpp cannot use, or an adapter that is another one by now.
    """
    import xllamacpp

    for adapter in adapters:
        _check_unchanged(adapter)
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
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter.path), 0.0) for adapter in adapters]
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
        files = " with ".join(str(path) for path in (kind.path, *(adapter.path for adapter in adapters)))
        raise ConfigError(
            f"{files} cannot be loaded by llama.cpp; it may be incomplete, of a newer kind, too large for the memory, "
            "or an adapter of another model"
        ) from error


def _check_unchanged(adapter: Adapter) -> None:
    try:
        unchanged = sha256_of(adapter.path) == adapter.digest
    except OSError:
        unchanged = False
    if not unchanged:
        raise ConfigError(
            f"{adapter.path} has changed or gone since the run began; put the file back and resume the run, or begin "
            "a new one"
        )
