"""Where an endpoint is, which key may go there, and through which proxy."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from promptdescent.errors import ConfigError, KeyRefused
from promptdescent.llm.redaction import redact

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_HOST = "api.openai.com"
OPENAI_KEY = "OPENAI_API_KEY"

_HTTP = ("http", "https")

_SECRET_NAME = re.compile(r"(?i)key|token|secret|sig|pass|auth|code")
"""Of a parameter of an address whose value is a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """The address of an endpoint. Only :meth:`url` gives the parts of it that may be secret."""

    shown: str
    """The base URL without user, password and query: for messages and for the identity."""
    scheme: str
    host: str
    """With the port, if one is named."""
    is_openai: bool
    """Whether this is OpenAI's own host, over a connection that nobody can read."""
    is_loopback: bool
    """Whether calls stay on this machine."""
    secrets: tuple[str, ...] = field(repr=False)
    _base_url: str = field(repr=False)

    def url(self, path: str) -> str:
        """The address of ``path``, such as ``/models``, with user and query as they were given."""
        parts = urlsplit(self._base_url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))

    @property
    def names_user(self) -> bool:
        """Whether the address itself names a user, who is then sent as basic authentication."""
        return urlsplit(self._base_url).username is not None

    @classmethod
    def of(cls, base_url: str | None) -> Endpoint:
        """The endpoint at ``base_url``, used as given but for a trailing slash; None = OpenAI's.

        Raises :class:`ConfigError` if that is no http or https address.
        """
        given = (base_url or OPENAI_URL).strip()
        try:
            parts = urlsplit(given)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError as error:
            raise ConfigError(f"{redact(given)} is no address; --base-url takes one like {OPENAI_URL}") from error
        if parts.scheme not in _HTTP or not host:
            raise ConfigError(f"{redact(given)} is no http or https address; --base-url takes one like {OPENAI_URL}")
        place = f"[{host}]" if ":" in host else host
        place += f":{port}" if port is not None else ""
        return cls(
            shown=f"{parts.scheme}://{place}{parts.path.rstrip('/')}",
            scheme=parts.scheme,
            host=place,
            is_openai=parts.scheme == "https" and host == OPENAI_HOST and port in (None, 443),
            is_loopback=is_loopback(host),
            secrets=_secrets_of(parts),
            _base_url=given,
        )


def _secrets_of(parts: SplitResult) -> tuple[str, ...]:
    """What an address holds that nobody should read: the password, also as it is sent, and the query."""
    secrets = []
    if parts.password:
        password = unquote(parts.password)
        sent = f"{unquote(parts.username or '')}:{password}"
        secrets += [password, base64.b64encode(sent.encode()).decode()]
    if parts.query:
        secrets += [
            unquote(parts.query),
            *(value for name, value in parse_qsl(parts.query) if _SECRET_NAME.search(name)),
        ]
    return tuple(dict.fromkeys(secrets))


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: ``localhost`` or a loopback address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_key(endpoint: Endpoint, *, key_env: str | None, key_flag: str, environ: Mapping[str, str]) -> str | None:
    """The key for ``endpoint``, from the variable ``key_env``; None if it is sent none.

    ``OPENAI_API_KEY`` is the default for OpenAI's own host and never goes anywhere else. Raises :class:`KeyRefused` if
    that is asked for, or if the variable is not set.
    """
    if endpoint.is_openai:
        key_env = key_env or OPENAI_KEY
    elif key_env is None:
        return None
    elif key_env == OPENAI_KEY:
        raise KeyRefused(
            f"{OPENAI_KEY} is sent to {OPENAI_HOST} alone, and the endpoint is {endpoint.shown}: "
            f"put its key into a variable of another name and pass that name with {key_flag}"
        )
    key = environ.get(key_env, "").strip()
    if not key:
        hint = f"set it, or name another variable with {key_flag}"
        raise KeyRefused(f"the key for {endpoint.shown} is missing: the variable {key_env} is not set; {hint}")
    if endpoint.names_user:
        raise KeyRefused(f"{endpoint.shown} has a user in its address and a key in {key_env}; leave one of them out")
    if not key.isascii() or not key.isprintable():
        raise KeyRefused(f"{key_env} holds characters that no key has; set it to the key for {endpoint.shown}")
    return key


def proxy_for(endpoint: Endpoint) -> str | None:
    """The proxy that the process's proxy variables name for ``endpoint``, if any; none for this machine itself.

    Raises :class:`ConfigError` for a proxy that does not speak HTTP.
    """
    from urllib.request import getproxies, proxy_bypass

    if endpoint.is_loopback or proxy_bypass(endpoint.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(endpoint.scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if urlsplit(proxy).scheme not in _HTTP:
        raise ConfigError(
            f"the proxy {redact(proxy)} of the proxy variables is no HTTP proxy; "
            f"set one that is, or put {endpoint.host} into NO_PROXY"
        )
    return proxy
