"""The pictures of README: real runs of the embedded model, as the report and the live page show them.

    python benchmarks/pictures.py [--store FOLDER] [--seed N] [--to docs/images]

Makes two searches of six steps on the demo's rows, explains the prompt of the first, and photographs its report, and
the live page while the second search is at work, with the Chromium of this machine. About ten minutes on two cores;
the first search is taken from a ``--store`` that holds it already.
Nothing is retouched: what the pictures show is what the commands write.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import promptdescent
from promptdescent import RunSpec, Store
from promptdescent.tasks.demo import demo_settings

STEPS = 6
WIDE, PHONE = {"width": 1000, "height": 1180}, {"width": 390, "height": 844}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Make the runs and the pictures."""
    options = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    options.add_argument("--store", help="folder of the runs; a temporary one without it")
    options.add_argument("--seed", type=int, default=0, help="of the first search; the second has the next one")
    options.add_argument("--to", default="docs/images", help="folder of the pictures")
    given = options.parse_args()
    to = Path(given.to).resolve()
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(given.store).resolve() if given.store else Path(temporary) / ".promptdescent"
        os.chdir(place.parent)  # so that pictures show a name and no path
        store = place.name
        first = _found(store, given.seed) or _search(store, given.seed)
        _command("explain", first, "--store", store)
        report = Path(temporary) / "report.html"
        _command("report", first, "--store", store, "-o", str(report))
        with _browser() as browser:
            _shoot(browser, report.as_uri(), to / "report.png", WIDE, "light")
            _shoot(browser, report.as_uri(), to / "report-phone.png", PHONE, "dark")
            with _served(store) as address:
                _photograph_search(browser, address, store, given.seed + 1, to)


def _spec(seed: int) -> RunSpec:
    return RunSpec().with_settings({**demo_settings(seed), "steps": STEPS, "patience": STEPS})


def _search(store: str, seed: int) -> str:
    return promptdescent.optimize(_spec(seed), store=store).run


def _found(store: str, seed: int) -> str:
    """A finished search of this kind that the store holds; empty if there is none."""
    if not (Path(store) / "store.db").is_file():
        return ""
    opened = Store.open(store)
    try:
        wanted = _spec(seed).as_data()
        for run in reversed(opened.runs()):
            if run.status.state == "finished" and not run.manifest.explains and dict(run.manifest.spec) == wanted:
                return run.id
        return ""
    finally:
        opened.close()


def _photograph_search(browser: Any, address: str, store: str, seed: int, to: Path) -> None:
    """Make a search, and photograph its page when half of its steps are done."""
    thread = threading.Thread(target=_search, args=(store, seed))
    thread.start()
    try:
        page = browser.new_page(viewport=WIDE, color_scheme="light")
        page.goto(f"{address}runs/{_at_work(store)}")
        page.locator("#standing", has_text=f"{STEPS // 2} of {STEPS}").wait_for(timeout=900_000)
        page.wait_for_timeout(1_000)
        page.screenshot(path=to / "live.png")
        page.close()
    finally:
        thread.join()


def _at_work(store: str) -> str:
    """The run that is at work, once there is one."""
    while True:
        opened = Store.open(store)
        try:
            for run, status in opened.statuses().items():
                if status.state == "running":
                    return run
        finally:
            opened.close()
        time.sleep(0.5)


def _command(*words: str) -> str:
    """What ``promptdescent`` writes when it is called with these words."""
    done = subprocess.run(
        [sys.executable, "-m", "promptdescent.cli.main", *words], check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


@contextmanager
def _served(store: str) -> Iterator[str]:
    """The live page of a store; its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "promptdescent.cli.main", "serve", "--store", store, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        yield said[said.index("http") :].strip()
    finally:
        server.terminate()
        server.wait(timeout=20)


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        raise SystemExit(f"pictures need a browser: none of {', '.join(CHROMIUMS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def _shoot(browser: Any, address: str, file: Path, size: dict[str, int], scheme: str) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(address)
    page.wait_for_timeout(800)  # until charts are drawn
    page.screenshot(path=file)
    page.close()


if __name__ == "__main__":
    main()
