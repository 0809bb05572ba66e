"""What stands before every page: who may ask, what is answered, and what a browser may do with it."""

from __future__ import annotations

import hashlib
import hmac
import html
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""The interface between servers and applications, ASGI."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: scripts and styles of our own files alone, and no address but ours."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""What a browser on this machine calls this machine."""

_REFUSED_HOST = "The address by which this page was asked for is not one of this machine: open it at 127.0.0.1."
_UNKNOWN = "This page needs its token: open the address that promptdescent serve printed when it was started."
_ONLY_READ = "Runs are only read here: GET and HEAD."
_WELCOME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>promptdescent</title>'
    '<meta http-equiv="refresh" content="0;url={url}"></head><body><a href="{url}">Go on</a></body></html>'
)


class Guard:
    """ASGI middleware: refuses other methods than reading, foreign host names on loopback, and requests without the
    token where there is one; adds the headers of security to every answer.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        """Without a ``token`` only the names of loopback are answered, so that no page of another site can make its
        own name point here (DNS rebinding). With one the name does not matter: another site has not got the cookie.
        """
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message.get("headers", ())}
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                if b"cache-control" not in known:
                    added.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            status, text, more = refusal
            await _answer(with_headers, status, text, more)

    def _refusal(self, scope: Scope) -> tuple[int, str, Mapping[str, str]] | None:
        """What to answer instead of the page; None if the page may be shown."""
        if scope["method"] not in ("GET", "HEAD"):
            return 405, _ONLY_READ, {"allow": "GET, HEAD"}
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if self._token is None:
            return None if _name_of(headers.get("host", "")) in LOOPBACK_NAMES else (421, _REFUSED_HOST, {})
        if self._known(headers, self._token):
            return None
        return self._introduction(scope, self._token) or (401, _UNKNOWN, {"www-authenticate": "Bearer"})

    def _known(self, headers: Mapping[str, str], token: str) -> bool:
        """Whether the request shows the token, or the cookie that it was exchanged for."""
        kind, _, said = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(said.strip(), token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(cookie_name(token))
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, cookie_value(token))

    def _introduction(self, scope: Scope, token: str) -> tuple[int, str, Mapping[str, str]] | None:
        """Where the address holds the token: a cookie, and a page that goes on to the same address without it.

        A page and not a redirection, because a browser keeps a cookie that is strict from the first request after a
        link of another site.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        said = [value for name, value in query if name == "token"]
        if not said or not _same(said[0], token):
            return None
        left = urlencode([(name, value) for name, value in query if name != "token"])
        # Quoted, since browsers read a backslash as a slash, and two of them lead to another host.
        url = html.escape("/" + quote(scope["path"].lstrip("/")) + (f"?{left}" if left else ""))
        kept = f"{cookie_name(token)}={cookie_value(token)}; Path=/; HttpOnly; SameSite=Strict"
        return 200, _WELCOME.format(url=url), {"set-cookie": kept}


def cookie_name(token: str) -> str:
    """Another one for each token: cookies are shared by all ports of a host, and so by all servers on it."""
    return f"promptdescent-{_derived(token, 'name')[:12]}"


def cookie_value(token: str) -> str:
    """What a browser keeps in place of the token, which cannot be told from it."""
    return _derived(token, "value")


def _derived(token: str, what: str) -> str:
    return hmac.new(token.encode(), f"{what} of the dashboard's cookie".encode(), hashlib.sha256).hexdigest()


def _same(said: str, known: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return hmac.compare_digest(said.encode("utf-8", "surrogateescape"), known.encode())


def _name_of(host: str) -> str:
    """A Host header without its port; all of it if what follows the name is no port."""
    return re.sub(r":\d*\Z", "", host.lower())


async def _answer(send: Send, status: int, text: str, more: Mapping[str, str]) -> None:
    kind = "text/html" if text.startswith("<") else "text/plain"
    headers = {"content-type": f"{kind}; charset=utf-8", "content-length": str(len(text.encode())), **more}
    listed = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": text.encode()})
