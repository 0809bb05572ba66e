"""A model behind any endpoint that speaks OpenAI's chat or raw completions, over aiohttp."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from promptdescent.errors import (
    ConnectionLost,
    ModelNotFound,
    NoConnection,
    ParameterRefused,
    RequestRefused,
    TimedOut,
    nearest,
)
from promptdescent.llm.base import Completion, Request
from promptdescent.llm.endpoint import OPENAI_KEY, OPENAI_URL, Endpoint, proxy_for, read_key
from promptdescent.llm.openai_errors import LIMITS, Caller, error_for, read_json, read_refusal, refused_parameter
from promptdescent.llm.openai_protocol import (
    CHAT,
    MODELS,
    RAW,
    body_of,
    context_of,
    encoded,
    find_model,
    identifying,
    path_of,
    read_completion,
    read_model_list,
)

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 30.0
"""Seconds."""

KEEP_ALIVE = 4.0
"""Seconds that a connection without a call is kept: less than the 5 after which many servers close it, so that no call
is sent into a connection that is just being closed."""

VERSION = "/v1"
"""What the base URL of most endpoints ends in."""

_NO_MODEL_LIST = (404, 405, 501)


class OpenAICompatible:
    """The model ``model`` at ``base_url``: OpenAI's own endpoint by default, or any that speaks its protocol.

    The key comes from the variable ``api_key_env``; for OpenAI's own host that is ``OPENAI_API_KEY`` by default, which
    is never sent anywhere else, and other hosts are sent no key unless one is named. ``key_flag`` is the flag that
    names the variable, for error texts. ``timeout`` is in seconds for one whole call. The process's proxy variables are
    obeyed, except for this machine itself. A reply that repeats the key is taken with the key hidden.

    What an endpoint refuses is learned once: a token limit by its other name, a seed, stop strings (which are applied
    here as well), several samples in one call, and a temperature. Where it refuses both names of the token limit,
    requests are sent without one.
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
        self._urls = {path: endpoint.url(path) for path in (CHAT, RAW, MODELS, VERSION + MODELS)}
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
        self._context: int | None = None
        self._unsupported: set[str] = set()
        self._limit = self._limit_name()

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

    @property
    def context_tokens(self) -> int | None:
        """As the endpoint's model list says; for OpenAI's own host, whose list does not, as the price list says."""
        return self._context

    def check_key(self) -> None:
        """Raise :class:`KeyRefused` if a key is needed and missing. Sends nothing."""
        self._read_key()

    def _read_key(self) -> str | None:
        caller = self._caller
        return read_key(self._endpoint, key_env=caller.key_env, key_flag=caller.key_flag, environ=self._environ)

    async def prepare(self) -> None:
        """Ask the endpoint for its models, which no endpoint charges for, and find this one among them.

        An endpoint without a list, or with an empty one, is taken at its word later. Raises :class:`KeyRefused`, before
        anything is sent if the key is missing; :class:`RequestRefused` for an address that lacks ``/v1``;
        :class:`ModelNotFound`; :class:`EndpointFailed`; and any other error of the protocol.
        """
        status, headers, content = await self._send("GET", MODELS, None)
        if status in _NO_MODEL_LIST:
            await self._check_version()
            return
        if status != 200:
            raise error_for(status, headers, read_refusal(content), path=MODELS, caller=self._caller)
        answer = read_json(content)
        entries = None if answer is None else read_model_list(answer)
        if entries is None:
            await self._check_version()
        if answer is None:
            raise RequestRefused(
                f"{self._endpoint.shown}{MODELS} answered, but not as an OpenAI-compatible endpoint does; "
                "check --base-url, which often ends in /v1"
            )
        if not entries:
            return
        entry = find_model(entries, self.name)
        if entry is None:
            hint = self._caller.hide(nearest(self.name, [known["id"] for known in entries]))
            raise ModelNotFound(f"{self._endpoint.shown} has no model {self.name!r}; {hint}")
        self._listed = json.loads(self._caller.hide(json.dumps(identifying(entry))))
        self._context = context_of(entry)
        if self._context is None and self._endpoint.is_openai:
            self._context = context_in_price_list(self.name)

    async def _check_version(self) -> None:
        """Raise :class:`RequestRefused` if the endpoint has a model list at ``/v1`` alone."""
        address = self._endpoint.shown
        if address.endswith(VERSION):
            return
        status, _, content = await self._send("GET", VERSION + MODELS, None)
        if status == 200 and read_model_list(read_json(content)) is not None:
            raise RequestRefused(
                f"{address} has no {MODELS}, but {address}{VERSION} has: give --base-url {address}{VERSION}"
            )

    async def complete(self, request: Request) -> Completion:
        """Make one call.

        A request that the endpoint refuses for a parameter that it can do without is changed and sent again. Such a
        refusal (HTTP 400 or 422) costs nothing at any endpoint and is not counted as a call. Only a refused temperature
        changes what the request *is*: it raises :class:`ParameterRefused`, and from then on the endpoint samples at its
        own temperature. Raises any :class:`ModelError`; see
        :func:`~promptdescent.llm.openai_errors.error_for`.
        """
        path = path_of(request)
        while True:  # each round has one parameter less
            limit = self._limit
            body = body_of(request, model=self.name, limit=limit, without=self._unsupported)
            status, headers, content = await self._send("POST", path, encoded(body))
            if status == 200:
                asked = body.get("n", 1)
                completion = read_completion(content, request, self._caller, asked=asked, limited=limit is not None)
                if len(completion.replies) < asked:
                    self._unsupported.add("n")  # it takes the parameter but does not serve it
                return completion
            refusal = read_refusal(content)
            refused = refused_parameter(refusal, body) if status in (400, 422) else None
            if refused is None:
                raise error_for(status, headers, refusal, path=path, caller=self._caller)
            self._unsupported.add(refused)
            self._limit = self._limit_name()
            if refused == "temperature":
                raise ParameterRefused(
                    f"{self._endpoint.shown} lets nobody choose the temperature of {self.name!r}"
                    + self._caller.quote(refusal.message),
                    parameter=refused,
                )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _limit_name(self) -> str | None:
        """The name of the token limit that is not refused; the newer one first on OpenAI's own host, else the older.

        None if both are refused.
        """
        names = reversed(LIMITS) if self._endpoint.is_openai else LIMITS
        return next((name for name in names if name not in self._unsupported), None)

    async def _send(self, method: str, path: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content of one answer. Raises :class:`TimedOut` or :class:`ConnectionLost` if none came
        whole."""
        import aiohttp

        session = self._session or self._open()
        try:
            # Redirects are not followed, so that no key goes where it was not meant for.
            async with session.request(method, self._urls[path], data=body, allow_redirects=False) as response:
                return response.status, response.headers, await response.read()
        # The causes are left out of the chain: their texts may hold what must not be shown.
        except aiohttp.ConnectionTimeoutError:
            raise NoConnection(
                f"no connection to {self._endpoint.shown} came about in time; check that it runs, the address given "
                "with --base-url, and the way there"
            ) from None
        except TimeoutError:
            raise TimedOut(
                f"{self._endpoint.shown} gave no whole answer within {self._timeout:g} s; give it longer with "
                "--timeout, or less to do at once with --concurrency"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            why = self._caller.quote(str(error).replace(" ssl:default", "") or type(error).__name__)
            refused = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError)
            raise (NoConnection if refused else ConnectionLost)(
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
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),  # llm.limits limits calls at once
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            proxy=proxy_for(self._endpoint),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_TIMEOUT),
        )
        return self._session


def context_in_price_list(model: str) -> int | None:
    """The context of a model of OpenAI's own by the list that comes with genai-prices; None if it does not know."""
    from genai_prices import Usage, calc_price

    try:
        return calc_price(Usage(), model, provider_api_url=OPENAI_URL).model.context_window
    except LookupError:
        return None
