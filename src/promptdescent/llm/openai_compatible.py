"""A model behind any endpoint that speaks OpenAI's chat or raw completions, over aiohttp."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from promptdescent.errors import (
    EndpointFailed,
    ModelNotFound,
    ParameterRefused,
    RequestRefused,
    nearest,
)
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.endpoint import OPENAI_KEY, Endpoint, proxy_for, read_key
from promptdescent.llm.openai_protocol import (
    LIMITS,
    MODELS,
    Caller,
    body_of,
    error_for,
    find_model,
    identifying,
    path_of,
    read_completion,
    read_model_list,
    read_refusal,
    refused_parameter,
)

if TYPE_CHECKING:
    import aiohttp

MOST_ADAPTATIONS = 5
"""So many times a request is changed and sent again because the endpoint refuses one of its parameters."""

CONNECT_TIMEOUT = 30.0
"""Seconds."""

_NO_MODEL_LIST = (404, 405, 501)


class OpenAICompatible:
    """The model ``model`` at ``base_url``: OpenAI's own endpoint by default, or any that speaks its protocol.

    The key comes from the variable ``api_key_env``; for OpenAI's own host that is ``OPENAI_API_KEY`` by default, which
    is never sent anywhere else, and other hosts are sent no key unless one is named. ``key_flag`` is the flag that
    names the variable, for error texts. ``timeout`` is in seconds for one whole call. The process's proxy variables are
    obeyed, except for this machine itself.

    What an endpoint refuses is learned once: a token limit by its other name, a seed, stop strings (which are applied
    here as well), several samples in one call, and a temperature.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key_env: str | None = None,
        key_flag: str = "--api-key-env",
        timeout: float = 300.0,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.name = model
        self._endpoint = endpoint = Endpoint.of(base_url)
        self._timeout = timeout
        self._environ = environ
        self._caller = Caller(
            address=endpoint.shown,
            model=model,
            key_env=api_key_env or (OPENAI_KEY if endpoint.is_openai else None),
            key_flag=key_flag,
            secrets=endpoint.secrets,
        )
        self._session: aiohttp.ClientSession | None = None
        self._listed: dict[str, object] = {}
        self._unsupported: set[str] = set()

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.name!r}, base_url={self._endpoint.shown!r})"

    @property
    def identity(self) -> str:
        """Base URL without secrets, model, and what the endpoint's model list says of it, as JSON. Whole after
        :meth:`prepare`."""
        known = {"base_url": self._endpoint.shown, "model": self.name, "listed": self._listed}
        return json.dumps(known, sort_keys=True, ensure_ascii=False)

    @property
    def serves_n(self) -> bool:
        return "n" not in self._unsupported

    @property
    def refuses_temperature(self) -> bool:
        return "temperature" in self._unsupported

    def check_key(self) -> None:
        """Raise :class:`KeyRefused` if a key is needed and missing. Sends nothing."""
        self._read_key()

    def _read_key(self) -> str | None:
        caller = self._caller
        return read_key(self._endpoint, key_env=caller.key_env, key_flag=caller.key_flag, environ=self._environ)

    async def prepare(self) -> None:
        """Ask the endpoint for its models, which no endpoint charges for, and find this one among them.

        An endpoint without a list, or with an empty one, is taken at its word later. Raises :class:`KeyRefused`, before
        anything is sent if the key is missing; :class:`ModelNotFound`; :class:`EndpointFailed`; and any other error of
        the protocol.
        """
        status, headers, content = await self._send("GET", MODELS, None)
        if status in _NO_MODEL_LIST:
            return
        if status != 200:
            raise error_for(status, headers, read_refusal(content), path=MODELS, caller=self._caller)
        entries = read_model_list(content, self._caller)
        if entries is None:
            return
        entry = find_model(entries, self.name)
        if entry is None:
            hint = nearest(self.name, [known["id"] for known in entries])
            raise ModelNotFound(f"{self._endpoint.shown} has no model {self.name!r}; {hint}")
        self._listed = identifying(entry)

    async def complete(self, request: Request) -> Completion:
        """Make one call.

        A request that the endpoint refuses for a parameter that it can do without is changed and sent again, at most
        ``MOST_ADAPTATIONS`` times. Such a refusal (HTTP 400 or 422) costs nothing at any endpoint and is not counted as
        a call. Only a refused temperature changes what the request *is*: it raises :class:`ParameterRefused`, and from
        then on the endpoint samples at its own temperature. Raises any :class:`ModelError`; see
        :func:`~promptdescent.llm.openai_protocol.error_for`.
        """
        path = path_of(request)
        for _ in range(MOST_ADAPTATIONS + 1):
            body = body_of(request, model=self.name, limit=self._limit(), without=self._unsupported)
            status, headers, content = await self._send("POST", path, json.dumps(body).encode())
            if status == 200:
                return self._read(content, request, asked=body.get("n", 1))
            refusal = read_refusal(content)
            refused = refused_parameter(refusal, body) if status in (400, 422) else None
            if refused is None:
                raise error_for(status, headers, refusal, path=path, caller=self._caller)
            self._unsupported.add(refused)
            if refused == "temperature":
                raise ParameterRefused(
                    f"{self._endpoint.shown} lets nobody choose the temperature of {self.name!r}"
                    + self._caller.quote(refusal.message),
                    parameter=refused,
                )
        raise RequestRefused(
            f"{self._endpoint.shown} refused this request {MOST_ADAPTATIONS + 1} times, each time for another "
            f"parameter: {', '.join(sorted(self._unsupported))}; use another model or endpoint"
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _read(self, content: bytes, request: Request, *, asked: int) -> Completion:
        completion = read_completion(content, request, self._caller)
        if len(completion.replies) < asked:
            self._unsupported.add("n")  # it takes the parameter but does not serve it
        return completion

    def _limit(self) -> str:
        """The name of the token limit that is not refused; the newer one first on OpenAI's own host, else the older."""
        names = reversed(LIMITS) if self._endpoint.is_openai else LIMITS
        for name in names:
            if name not in self._unsupported:
                return name
        raise RequestRefused(
            f"{self._endpoint.shown} refuses {' and '.join(LIMITS)} for {self.name!r}, and nothing is sent without "
            "a limit; use another model or endpoint"
        )

    async def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content of one answer. Raises :class:`EndpointFailed` if none came whole."""
        import aiohttp

        session = self._open()
        try:
            # Redirects are not followed, so that no key goes where it was not meant for.
            async with session.request(method, self._endpoint.url(path), data=body, allow_redirects=False) as response:
                return response.status, response.headers, await response.read()
        except TimeoutError as error:
            raise EndpointFailed(
                f"{self._endpoint.shown} gave no whole answer within {self._timeout:g} s; lower --concurrency "
                "if it is overloaded"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            why = self._caller.quote(str(error) or type(error).__name__)
            # The cause is left out of the chain: its text may hold what must not be shown.
            raise EndpointFailed(
                f"no whole answer from {self._endpoint.shown}{why}; check that it runs, and the address "
                "given with --base-url"
            ) from None

    def _open(self) -> aiohttp.ClientSession:
        """The session of all calls, made at the first one. Raises :class:`KeyRefused` if the key is missing."""
        if self._session is not None:
            return self._session
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "promptdescent"}
        key = self._read_key()
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
            self._caller = replace(self._caller, secrets=(*self._caller.secrets, key))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # how many calls run at once is decided in llm.limits
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            proxy=proxy_for(self._endpoint),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_TIMEOUT),
        )
        return self._session
