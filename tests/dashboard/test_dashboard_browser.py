"""The dashboard in a real browser: what people see and do, live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard_samples import HOSTILE, Served, WrittenRun, finished_run, served, write_study
from test_dashboard_streams import RUN_THAT_SLEEPS

from browser import Watched, browser, watched
from promptdescent.store.store import Store

SECOND = 1_000
"""Milliseconds."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def runs(store: Store) -> list[WrittenRun]:
    return [
        finished_run(store, "Say yes or no: is it good?"),
        finished_run(store, f"Other words. {HOSTILE}", seed=8, recipe_name="opro"),
    ]


@pytest.fixture
def run(store: Store) -> Iterator[WrittenRun]:
    """A run that goes."""
    made = WrittenRun(store)
    made.begin()
    yield made
    store.release(made.id)


def in_order(page: Any) -> None:
    """No error on the console, so no breach of the policy either, and no request to another place."""
    assert page.errors == []
    own = page.page.url.split("/", 3)[:3]
    assert [url for url in page.requests if url.split("/", 3)[:3] != own and not url.startswith("data:")] == []


def drawn(page: Watched, charts: int) -> None:
    """Wait until so many charts are drawn."""
    from playwright.sync_api import expect

    places = page.page.locator("[data-chart]")
    expect(places).to_have_count(charts, timeout=8 * SECOND)
    for place in range(charts):  # a chart is drawn when it comes into view
        places.nth(place).scroll_into_view_if_needed()
        expect(places.nth(place).locator("svg")).to_have_count(1, timeout=8 * SECOND)
    # Not by wait_for_function, which makes code from text, as the policy forbids.
    expect(page.page.locator("[data-chart] svg")).to_have_count(charts, timeout=8 * SECOND)


# --- a run that goes --------------------------------------------------------------------------------------------------


def test_a_new_step_appears_within_a_second(chromium: Any, dashboard: Served, run: WrittenRun) -> None:
    run.step(1, "First words")
    with watched(chromium, f"{dashboard.address}/runs/{run.id}") as page:
        page.page.wait_for_selector("#connection:text-is('connected')")
        drawn(page, 3)
        took = []
        for step, words, score in ((2, "Second words", 0.5), (3, "Third words", 0.6)):
            began = time.monotonic()
            run.step(step, words, score=score)
            page.page.wait_for_selector(f"#steps #step-{step}", timeout=5 * SECOND)
            took.append(time.monotonic() - began)
        assert min(took) < 1.0, took  # the better of two: the machine has other work
        shown = page.page.locator("#steps > li").evaluate_all("all => all.map(one => one.id)")
        assert shown == ["step-3", "step-2", "step-1"]
        assert page.page.inner_text("#best-now") == "Third words"
        run.step(4, "Fourth words", score=1.0)
        run.end()
        page.page.wait_for_selector("#report .verdict.gain", timeout=8 * SECOND)
        page.page.wait_for_selector("#standing .state-finished")
        drawn(page, 3)
        in_order(page)


def test_what_a_model_wrote_stays_text(chromium: Any, dashboard: Served, run: WrittenRun) -> None:
    with watched(chromium, f"{dashboard.address}/runs/{run.id}") as page:
        page.page.on("dialog", lambda dialog: page.errors.append(f"a dialog: {dialog.message}") or dialog.dismiss())
        page.page.wait_for_selector("#connection:text-is('connected')")
        run.step(1, HOSTILE, reason=HOSTILE)
        page.page.wait_for_selector("#step-1")
        assert page.page.inner_text("#best-now") == HOSTILE
        for path in ("/candidates/1.1", "/candidates", ""):
            page.page.goto(f"{dashboard.address}/runs/{run.id}{path}")
            assert HOSTILE in page.page.inner_text("main")
            assert page.page.locator("#planted, img[src=x]").count() == 0
        in_order(page)


def test_a_run_without_a_scored_step_warns_of_nothing(chromium: Any, dashboard: Served, run: WrittenRun) -> None:
    run.rejected_step(1)
    with watched(chromium, f"{dashboard.address}/runs/{run.id}") as page:
        page.page.wait_for_selector("#connection:text-is('connected')")
        drawn(page, 2)
        assert page.page.locator("[data-chart=budget]").count() == 0
        in_order(page)


def test_charts_wait_until_they_are_seen(chromium: Any, dashboard: Served, runs: list[WrittenRun]) -> None:
    with watched(chromium, f"{dashboard.address}/runs/{runs[0].id}") as page:
        page.page.wait_for_timeout(700)
        assert page.page.locator("[data-chart=tokens] svg").count() == 0
        drawn(page, 3)


def test_a_page_outlives_a_restart_of_the_server(chromium: Any, store: Store, folder: Path, run: WrittenRun) -> None:
    with served(folder) as dashboard, watched(chromium, f"{dashboard.address}/runs/{run.id}") as page:
        page.page.wait_for_selector("#connection:text-is('connected')")
        run.step(1, "Before")
        page.page.wait_for_selector("#step-1")
        dashboard.stop()
        run.step(2, "While nobody listened")
        page.page.wait_for_selector("#connection:text-is('connection lost, trying again')")
        dashboard.start()
        page.page.wait_for_selector("#step-2", timeout=8 * SECOND)
        run.step(3, "After")
        page.page.wait_for_selector("#step-3")
        assert page.page.locator("#steps > li").count() == 3, "no step twice"


def test_the_death_of_a_run_shows(chromium: Any, dashboard: Served, store: Store, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", RUN_THAT_SLEEPS, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = f"{dashboard.address}/runs/{process.stdout.readline().strip()}"
            with watched(chromium, address) as page:
                page.page.wait_for_selector("#standing .state-running")
                page.page.wait_for_selector("#connection:text-is('connected')")
                os.kill(process.pid, signal.SIGKILL)
                page.page.wait_for_selector("#standing .state-interrupted", timeout=2 * SECOND)
                page.page.wait_for_selector("#report .notices :text('its process ended unexpectedly')")
                assert page.page.inner_text("#go-on").startswith("promptdescent resume ")
                assert page.page.get_by_role("button", name="Copy the command that goes on").is_visible()
                assert page.page.inner_text("#connection") == ""
                in_order(page)
        finally:
            process.kill()


# --- the list and what is done with it --------------------------------------------------------------------------------


def listed(page: Watched) -> list[str]:
    found: list[str] = page.page.locator("table.runs tbody a.id").all_inner_texts()
    return found


def test_runs_are_sorted_searched_and_compared_by_keyboard(
    chromium: Any, dashboard: Served, runs: list[WrittenRun]
) -> None:
    first, second = (run.id for run in runs)
    with watched(chromium, f"{dashboard.address}/?q=simulated") as page:
        page.page.focus("text=Recipe")
        page.page.keyboard.press("Enter")
        page.page.wait_for_url("**sort=recipe**")
        assert [one for one in listed(page) if one in (first, second)] == [first, second]
        page.page.get_by_role("link", name="Recipe").click()
        page.page.wait_for_url("**order=reverse**")
        assert [one for one in listed(page) if one in (first, second)] == [second, first]
        page.page.keyboard.press("/")
        page.page.keyboard.type("opro")
        page.page.wait_for_url("**q=opro**")
        assert listed(page) == [second]
        page.page.go_back()
        page.page.goto(f"{dashboard.address}/")
        button = page.page.get_by_role("button", name="Compare the marked")
        assert button.is_disabled()
        for one in (first, second):
            page.page.get_by_role("checkbox", name=f"Mark run {one}").press("Space")
        button.press("Enter")
        page.page.wait_for_url("**/compare?**")
        assert page.page.inner_text("h1") == "2 runs side by side"
        drawn(page, 1)
        in_order(page)


def test_a_prompt_is_copied(chromium: Any, dashboard: Served, runs: list[WrittenRun]) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with watched(chromium, f"{dashboard.address}/runs/{runs[0].id}", permissions=allowed) as page:
        page.page.get_by_role("button", name="Copy the found prompt").click()
        page.page.wait_for_selector("button:has-text('Copied')")
        assert page.page.evaluate("navigator.clipboard.readText()") == "Say yes or no: is it good? Think first."
        in_order(page)


def test_tables_are_cards_on_a_phone(chromium: Any, dashboard: Served, runs: list[WrittenRun]) -> None:
    first, second = (run.id for run in runs)
    with watched(chromium, f"{dashboard.address}/", width=390) as page:
        for address in ("/", f"/runs/{first}", f"/runs/{first}/candidates", f"/compare?run={first}&run={second}"):
            page.page.goto(dashboard.address + address)
            cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.ariaLabel)"
            assert page.page.locator(".scroll").evaluate_all(cut) == []
        named = "one => getComputedStyle(one, '::before').content"
        assert page.page.locator(f"td[data-label='{second}']").first.evaluate(named) == f'"{second}"'


def test_the_list_shows_a_run_that_began_since(chromium: Any, dashboard: Served, store: Store) -> None:
    with watched(chromium, f"{dashboard.address}/") as page:
        made = WrittenRun(store, seed=99)
        page.page.wait_for_selector(f"#run-{made.id}", timeout=6 * SECOND)
        store.release(made.id)
        in_order(page)


# --- for everybody ----------------------------------------------------------------------------------------------------


def test_every_page_is_fit_for_keyboard_ear_and_phone(
    chromium: Any, dashboard: Served, runs: list[WrittenRun], run: WrittenRun, tmp_path: Path
) -> None:
    run.step(1, "Words", score=0.5)
    first, second = (one.id for one in runs)
    write_study(tmp_path)
    faults = {}
    with served(tmp_path) as study, watched(chromium, f"{dashboard.address}/nowhere") as page:
        page.errors.clear()  # a page that is not there is an error on the console of a browser
        for address in (
            "",
            f"{dashboard.address}/",
            f"{dashboard.address}/runs/{run.id}",
            f"{dashboard.address}/runs/{first}",
            f"{dashboard.address}/runs/{first}/candidates",
            f"{dashboard.address}/runs/{first}/candidates/2.1",
            f"{dashboard.address}/compare?run={first}&run={second}",
            f"{study.address}/study",
        ):
            if address:
                page.page.goto(address)
            faults[address] = page.axe()
            page.page.emulate_media(color_scheme="dark")
            faults[f"{address} in the dark"] = contrast(page)
            page.page.emulate_media(color_scheme="light")
            page.page.set_viewport_size({"width": 360, "height": 740})
            faults[f"{address} on a phone"] = ["it scrolls sideways"] if page.scrolls_sideways() else []
            page.page.set_viewport_size({"width": 1200, "height": 900})
        assert page.errors == []
    assert {where: found for where, found in faults.items() if found} == {}


def contrast(page: Watched) -> list[str]:
    """What cannot be read well: of the faults, those that colours decide."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page.page, options={"runOnly": ["color-contrast"]}).response["violations"]
    return [str(node["target"]) for fault in found for node in fault["nodes"]]


def test_these_checks_see_a_fault(chromium: Any, dashboard: Served, runs: list[WrittenRun]) -> None:
    """The policy is in force, and a breach of it, a foreign request and a picture without words are seen."""
    with watched(chromium, f"{dashboard.address}/runs/{runs[0].id}") as page:
        page.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
        page.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p><button></button>')"
        )
        script = "Object.assign(document.createElement('script'), {textContent: 'window.planted = 1'})"
        page.page.evaluate(f"document.body.append({script})")
        page.page.wait_for_timeout(200)
        assert page.page.evaluate("window.planted") is None
        assert len([error for error in page.errors if "Content Security Policy" in error]) >= 3
        assert any("button" in fault for fault in page.axe())
