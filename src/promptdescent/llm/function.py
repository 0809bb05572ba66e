"""A model that is any Python callable."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from promptdescent.errors import EndpointFailed, ModelError, PermanentError
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.budget import estimate_tokens
from promptdescent.llm.redaction import redact
from promptdescent.llm.thoughts import read_reply
from promptdescent.records import Reply, Usage


class FunctionLLM:
    """The callable ``function`` as a model.

    It is called with the chat as a list of ``{"role": ..., "content": ...}``, or with the text to complete, and, if it
    has a keyword parameter ``request``, with the whole :class:`Request` there. It returns the reply as text or as a
    :class:`Reply`. A plain function runs in a thread of asyncio's default pool (at most the number of processors + 4 at
    once), and so must bear being called from several threads; an ``async`` one runs in the event loop.

    ``version`` says that the function gives the same greedy replies wherever it has the same ``name`` and version: its
    replies then serve later runs too. Without one they serve only the run that paid for them, which may be resumed.
    """

    context_tokens = None
    refuses_temperature = False
    serves_n = False

    def __init__(self, function: Callable[..., Any], *, version: str | None = None, name: str | None = None) -> None:
        self.name = name or _name_of(function)
        self._function = function
        self._takes_request = _takes_request(function)
        self.version = version

    @property
    def identity(self) -> str:
        return f"function:{self.name}" + (f"@{self.version}" if self.version is not None else " without a version")

    async def prepare(self) -> None:
        """Nothing is to be prepared."""

    async def complete(self, request: Request) -> Completion:
        """Call the function once, for one reply.

        Raises the function's own :class:`ModelError`; :class:`EndpointFailed` for any other exception of its;
        :class:`PermanentError` if it returns neither text nor a reply.
        """
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(type(self._function).__call__):
            result = self._call(request)
        else:
            result = await asyncio.to_thread(self._call, request)
        if inspect.isawaitable(result):
            with self._failures():
                result = await result
        reply = read_reply(result, stop=request.stop) if isinstance(result, str) else result
        if not isinstance(reply, Reply):
            raise PermanentError(f"the model {self.name} returned {type(result).__name__}; it must return str or Reply")
        return Completion(
            replies=(reply,),
            usage=Usage(
                calls=1,
                tokens_in=estimate_tokens(request.characters),
                tokens_out=estimate_tokens(len(reply.text) + reply.thought_chars),
            ),
        )

    async def close(self) -> None:
        """Nothing is to be given back."""

    def _call(self, request: Request) -> Any:
        given: Any = request.text
        if given is None:
            given = [{"role": message.role, "content": message.text} for message in request.messages]
        with self._failures():
            return self._function(given, request=request) if self._takes_request else self._function(given)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns what the function raises into our own errors."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            message = f"the model {self.name} raised {type(error).__name__}: {redact(str(error))}"
            raise EndpointFailed(message) from error


def _name_of(function: Callable[..., Any]) -> str:
    own = function if hasattr(function, "__qualname__") else type(function)
    return f"{own.__module__}:{own.__qualname__}"


def _takes_request(function: Callable[..., Any]) -> bool:
    """Whether the function has a parameter ``request`` beside the first one, which is given the messages."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in callables have no signature
        return False
    by_keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(parameter.name == "request" and parameter.kind in by_keyword for parameter in parameters[1:])
