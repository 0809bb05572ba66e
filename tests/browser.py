"""A real browser for tests of pages: a Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

NEEDED = "PROMPTDESCENT_NEEDS_BROWSER"
"""Set to 1 where a missing browser is a fault and no reason to skip."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Watched:
    """A page, with what it said and asked for since it was opened."""

    page: Any
    errors: list[str] = field(default_factory=list)
    """Errors and warnings on its console, and exceptions that nothing caught."""
    requests: list[str] = field(default_factory=list)
    """Addresses that it asked for, its own included."""

    def axe(self) -> list[str]:
        """Serious and critical faults that axe-core finds, as ``rule: what (where)``."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {one['help']} ({'; '.join(str(node['target']) for node in one['nodes'][:3])})"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        wider = self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return bool(wider)


def executable() -> str:
    """Path of a Chromium. Skips the test where there is none, or fails it where one is needed."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found:
        return found
    reason = f"no browser: none of {', '.join(NAMES)} is installed"
    if os.environ.get(NEEDED) == "1":
        pytest.fail(f"{reason}, and {NEEDED}=1")
    pytest.skip(reason)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """A browser that is closed at the end."""
    from playwright.sync_api import sync_playwright

    path = executable()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            opened.close()


@contextlib.contextmanager
def watched(opened: Any, address: str, *, width: int = 1200, dark: bool = False, **options: Any) -> Iterator[Watched]:
    """A page at an address, in a context of its own; ``options`` are those of a context of Playwright."""
    scheme = "dark" if dark else "light"
    context = opened.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
    try:
        page = context.new_page()
        found = Watched(page=page)
        page.on("console", lambda said: found.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(address)
        yield found
    finally:
        context.close()
