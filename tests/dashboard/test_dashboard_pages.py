"""What each address of the dashboard answers, by a real server on this machine."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dashboard_samples import HOSTILE, START, Served, WrittenRun, finished_run, in_a_thread, served, write_study

from promptdescent.dashboard.rendering import Views
from promptdescent.dashboard.run_list import RunList, RunQuery
from promptdescent.dashboard.security import POLICY, cookie_name
from promptdescent.dashboard.shelf import Shelf
from promptdescent.report.page.content import RunPage, read_page
from promptdescent.store.listing import ListedRun, listed_runs
from promptdescent.store.store import Store
from promptdescent.store.tags import tags_payload


@pytest.fixture(scope="module")
def runs(store: Store) -> list[WrittenRun]:
    """Two finished runs, and one that failed."""
    found = [finished_run(store), finished_run(store, f"Other words. {HOSTILE}", seed=8, recipe_name="opro")]
    failed = WrittenRun(store, seed=9, recipe_name="ape")
    failed.begin()
    in_a_thread(store.set_status(failed.id, "failed", f"no answer {HOSTILE}"))
    in_a_thread(store.append(failed.id, "tags", tags_payload(["paper", "first-try"])))
    store.release(failed.id)
    return [*found, failed]


def shown(text: str) -> list[str]:
    """The ids of the runs in a list, in order."""
    return re.findall(r'<tr id="run-(\w+)">', text)


# --- pages ------------------------------------------------------------------------------------------------------------


def test_the_list_has_all_runs_newest_first(dashboard: Served, runs: list[WrittenRun]) -> None:
    answer = dashboard.get("/")
    assert answer.status == 200
    assert shown(answer.text) == [run.id for run in reversed(runs)]


@pytest.mark.parametrize(
    ("query", "places"),
    [
        pytest.param("q=opro", [1], id="search"),
        pytest.param("q=failed", [2], id="status"),
        pytest.param("sort=recipe", [2, 0, 1], id="recipe"),
        pytest.param("sort=recipe&order=reverse", [1, 0, 2], id="recipe-reversed"),
        pytest.param("sort=score", [1, 0, 2], id="score"),
        pytest.param("tag=paper", [2], id="tag"),
        pytest.param("sort=nonsense&page=0", [2, 1, 0], id="nonsense"),
        pytest.param("q=nowhere", [], id="nothing"),
        pytest.param("page=2", [], id="beyond"),
    ],
)
def test_the_address_holds_what_the_list_shows(
    dashboard: Served, runs: list[WrittenRun], query: str, places: list[int]
) -> None:
    assert shown(dashboard.get(f"/?{query}").text) == [runs[place].id for place in places]
    listed = json.loads(dashboard.get(f"/api/runs?{query}").text)
    assert [run["id"] for run in listed["runs"]] == [runs[place].id for place in places]
    assert listed["total"] == len(runs)


def test_a_run_has_everything_of_the_report(dashboard: Served, runs: list[WrittenRun]) -> None:
    text = dashboard.get(f"/runs/{runs[0].id}").text
    assert "The found prompt is better" in text
    assert all(f'data-chart="{name}"' in text for name in ("score", "budget", "tokens"))
    assert "hx-sse:connect" not in text, "a finished run needs no stream"


def test_a_run_is_found_by_the_beginning_of_its_id(dashboard: Served, runs: list[WrittenRun]) -> None:
    assert runs[1].id in dashboard.get(f"/runs/{runs[1].id[:8]}").text
    assert dashboard.get("/runs/latest").status == 200


def test_an_ended_run_that_failed_says_why_and_waits_for_more(dashboard: Served, runs: list[WrittenRun]) -> None:
    text = dashboard.get(f"/runs/{runs[2].id}").text
    assert "no answer &lt;img" in text
    assert f'hx-sse:connect="/runs/{runs[2].id}/events?after=2"' in text


def test_every_candidate_has_a_page(dashboard: Served, runs: list[WrittenRun]) -> None:
    text = dashboard.get(f"/runs/{runs[0].id}/candidates").text
    links = re.findall(r'href="(/runs/\w+/candidates/[\d.]+)"', text)
    assert [link.rpartition("/")[2] for link in links] == ["2.1", "2.2", "1.1", "1.2"]
    page = dashboard.get(links[0]).text
    assert "Think first." in page
    assert f"Improve: {START}" in page
    assert "What changed" in page


def test_runs_are_compared(dashboard: Served, runs: list[WrittenRun]) -> None:
    text = dashboard.get(f"/compare?run={runs[0].id}&run={runs[1].id}").text
    assert "2 runs side by side" in text
    assert "No difference was shown" in text
    assert 'data-chart="runs"' in text
    charts = json.loads(dashboard.get(f"/api/compare/charts?run={runs[0].id}&run={runs[1].id}").text)["charts"]
    assert {row[0].split()[0] for row in charts[0]["rows"]} == {runs[0].id, runs[1].id}


def test_one_run_is_no_comparison(dashboard: Served, runs: list[WrittenRun]) -> None:
    assert "Mark two to" in dashboard.get(f"/compare?run={runs[0].id}").text
    assert dashboard.get(f"/compare?run={runs[0].id}&run=nothing").status == 404


def test_the_record_and_the_charts_are_json(dashboard: Served, runs: list[WrittenRun]) -> None:
    assert json.loads(dashboard.get(f"/api/runs/{runs[0].id}").text)["verdict"]["gain_shown"] is True
    charts = json.loads(dashboard.get(f"/api/runs/{runs[0].id}/charts").text)["charts"]
    assert [chart["name"] for chart in charts] == ["score", "budget", "tokens"]
    assert all(chart["spec"]["$schema"].startswith("https://vega.github.io/schema/vega-lite/v6") for chart in charts)


@pytest.mark.parametrize("path", ["/", "/runs/RUN", "/runs/RUN/candidates", "/runs/RUN/candidates/2.1", "/compare"])
def test_what_a_model_wrote_is_escaped(dashboard: Served, runs: list[WrittenRun], path: str) -> None:
    query = f"?run={runs[0].id}&run={runs[1].id}" if path == "/compare" else ""
    text = dashboard.get(path.replace("RUN", runs[1].id) + query).text
    assert "<img src=x" not in text
    assert "<b id=planted" not in text
    assert "alert(2)</script>" not in text


def test_odd_characters_are_shown_as_well_as_can_be(dashboard: Served, store: Store) -> None:
    run = finished_run(store, "a zero \x00, a mark that turns \u202e, a line \u2028, and \U0001f600", seed=11)
    for path in (f"/runs/{run.id}", f"/api/runs/{run.id}", f"/runs/{run.id}/candidates/1.1"):
        assert dashboard.get(path).status == 200


def test_half_a_character_can_be_written() -> None:
    assert "half \\ud83d of one" in Views().lost("half \ud83d of one").encode().decode()


# --- errors are pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/runs/zzz", "/runs/zzz/candidates", "/study", "/static/nothing.js"])
def test_what_is_not_there_is_said_on_a_page(dashboard: Served, runs: list[WrittenRun], path: str) -> None:
    answer = dashboard.get(path)
    assert answer.status == 404
    assert "There is nothing to show here" in answer.text
    assert f"/runs/{runs[0].id}" in answer.text, "the nearest runs"
    assert answer.text.count(runs[0].id) == 2, "in a link, and not in the reason too"


def test_a_run_like_the_one_asked_for_is_named_first(dashboard: Served, runs: list[WrittenRun]) -> None:
    wrong = runs[0].id[:-1] + ("0" if runs[0].id[-1] != "0" else "1")
    assert re.findall(r'href="/runs/(\w+)"', dashboard.get(f"/runs/{wrong}").text)[0] == runs[0].id


def test_an_error_of_the_interface_is_json(dashboard: Served, runs: list[WrittenRun]) -> None:
    answer = dashboard.get("/api/runs/zzz")
    assert answer.status == 404
    assert "no run 'zzz'" in json.loads(answer.text)["error"]


def test_a_fault_of_our_own_is_a_page_with_the_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planted <b>")

    monkeypatch.setattr(RunList, "part", broken)
    with served(tmp_path) as dashboard:
        answer = dashboard.get("/")
    assert answer.status == 500
    assert "A fault of promptdescent itself" in answer.text
    assert "planted" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_a_store_that_is_gone_is_said_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with served(folder) as dashboard:
        assert dashboard.get("/").status == 503
        assert not folder.exists(), "reading made a store"
        with_run = Store.open(folder)
        first = finished_run(with_run)
        with_run.close()
        assert shown(dashboard.get("/").text) == [first.id]
        shutil.rmtree(folder)
        gone = dashboard.get(f"/runs/{first.id}")
        assert gone.status == 503
        assert "it was moved or deleted" in gone.text
        replaced = Store.open(folder)
        second = finished_run(replaced)
        replaced.close()
        assert shown(dashboard.get("/").text) == [second.id]
        assert dashboard.get(f"/runs/{first.id}").status == 404
        shutil.rmtree(folder)
        again = Store.open(folder)
        third = finished_run(again)
        again.close()
        assert shown(dashboard.get("/").text) == [third.id], "replaced between two requests"


def test_reading_holds_no_run_and_keeps_no_writer_waiting(dashboard: Served, store: Store) -> None:
    run = WrittenRun(store, seed=12)
    run.begin()
    for number in range(1, 4):
        assert dashboard.get(f"/runs/{run.id}").status == 200
        run.step(number, f"Words {number}")
    run.end()
    store.claim(run.id)
    store.release(run.id)


# --- security ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/nowhere", "/style/page.css", "/static/vendor/vega.min.js", "/api/runs"])
def test_every_answer_has_the_headers_of_security(dashboard: Served, runs: list[WrittenRun], path: str) -> None:
    answer = dashboard.get(path)
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost:80.evil.example", ""]
)
def test_a_foreign_name_for_this_machine_is_refused(dashboard: Served, runs: list[WrittenRun], host: str) -> None:
    answer = dashboard.get("/", Host=host)
    assert answer.status == 421
    assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(dashboard: Served, runs: list[WrittenRun], host: str) -> None:
    assert dashboard.get("/", Host=host).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_runs_are_only_read(dashboard: Served, method: str) -> None:
    answer = dashboard.get("/", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "only read here" in answer.text


def test_head_is_answered(dashboard: Served, runs: list[WrittenRun]) -> None:
    for path in ("/", f"/runs/{runs[0].id}", "/api/runs", f"/compare?run={runs[0].id}", "/static/icon.svg"):
        answer = dashboard.get(path, method="HEAD")
        assert (answer.status, answer.text) == (200, "")


TOKEN = "a token of the tests"  # noqa: S105


def test_a_token_is_asked_for_and_exchanged_for_a_cookie(folder: Path, runs: list[WrittenRun]) -> None:
    with served(folder, token=TOKEN) as dashboard:
        assert dashboard.get("/").status == 401
        assert dashboard.get("/static/icon.svg").status == 401
        assert dashboard.get("/?token=wrong").status == 401
        assert dashboard.get("/", Authorization="Bearer wrong", Cookie="promptdescent=wrong").status == 401
        assert dashboard.get("/", Authorization=f"Bearer {TOKEN}", Host="any.example").status == 200
        welcome = dashboard.get(f"/runs/{runs[0].id}?token={TOKEN.replace(' ', '+')}&q=%22%3E%3Cb%3E")
        assert welcome.status == 200
        assert f'href="/runs/{runs[0].id}?q=%22%3E%3Cb%3E"' in welcome.text
        kept = welcome.headers["set-cookie"]
        assert "HttpOnly" in kept
        assert "SameSite=Strict" in kept
        assert TOKEN not in kept
        assert dashboard.get("/", Cookie=kept.split(";")[0]).status == 200
        assert 'href="/%5Cevil.example"' in dashboard.get(f"/%5Cevil.example?token={TOKEN.replace(' ', '+')}").text
    assert cookie_name(TOKEN) in kept
    assert cookie_name("another token") != cookie_name(TOKEN)


# --- the folder of a study --------------------------------------------------------------------------------------------


def test_a_study_has_its_tables_and_its_runs(tmp_path: Path) -> None:
    ids = write_study(tmp_path)
    with served(tmp_path) as dashboard:
        page = dashboard.get("/study")
        assert page.status == 200
        assert "Study two recipes" in page.text
        assert all(f'href="/runs/{run}"' in page.text for run in ids)
        assert 'href="/study"' in dashboard.get("/").text
        assert set(shown(dashboard.get("/").text)) == set(ids)
        assert shown(dashboard.get("/?q=opro&sort=score").text) == [ids[place] for place in (5, 3, 1)]
        assert dashboard.get(f"/runs/{ids[3]}").status == 200
        assert dashboard.get(f"/compare?run={ids[0]}&run={ids[1]}").status == 200
        apart = dashboard.get(f"/compare?run={ids[0]}&run={ids[2]}")
        assert (apart.status, "compared by the study" in apart.text) == (400, True)


def test_a_bench_has_its_tables(tmp_path: Path) -> None:
    write_study(tmp_path)
    record = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["record"]
    (tmp_path / "study.json").unlink()
    bench: dict[str, object] = {
        "suite": "small",
        "title": "small tasks",
        "version": "0.1.0",
        "splits": "fixed",
        "sizes": {},
    }
    bench |= {"equal": "steps", "budget": None, "studies": {"simulated:clear": record}}
    with served(tmp_path) as dashboard:
        assert dashboard.get("/study").status == 404
        (tmp_path / "bench.json").write_text(json.dumps({"record": bench}), encoding="utf-8")
        page = dashboard.get("/study")
        assert (page.status, "Bench small tasks" in page.text) == (200, True)
        (tmp_path / "bench.json").write_text("{}", encoding="utf-8")
        assert "is damaged" in dashboard.get("/study").text


def test_runs_that_explain_are_listed_only_for_a_search_that_asks_for_them(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    run = WrittenRun(store, seed=1)
    measured = [WrittenRun(store, seed=1, explains=run.id) for _ in range(2)]
    other = WrittenRun(store, seed=2)
    runs = RunList(Shelf(str(tmp_path)))
    for query, found, total in (
        (RunQuery(), [other, run], 2),
        (RunQuery(sort="recipe"), [other, run], 2),
        (RunQuery(search="gpo"), [other, run], 2),
        (RunQuery(search=f"explains {run.id}"), measured[::-1], 4),
    ):
        part = runs.part(query)
        assert [one.id for one in part.runs] == [one.id for one in found]
        assert (part.found, part.total) == (len(found), total)
    store.close()


# --- many runs --------------------------------------------------------------------------------------------------------


def test_a_search_of_many_runs_reads_only_those_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path)
    made = [WrittenRun(store, seed=seed, recipe_name=("gpo", "opro")[seed % 2]) for seed in range(70)]
    for run in made:
        in_a_thread(store.set_status(run.id, "finished"))
        store.release(run.id)
    read = []

    def counted(store: Store, **options: Any) -> tuple[ListedRun, ...]:
        found = listed_runs(store, **options)
        read.append(len(found))
        return found

    monkeypatch.setattr("promptdescent.dashboard.run_list.listed_runs", counted)
    runs = RunList(Shelf(str(tmp_path)))

    def ids(**query: Any) -> list[str]:
        return [run.id for run in runs.part(RunQuery(**query)).runs]

    assert ids() == [run.id for run in reversed(made)][:50]
    assert ids(page=2) == [run.id for run in reversed(made)][50:]
    assert ids(search="gpo") == [run.id for run in reversed(made) if made.index(run) % 2 == 0]
    assert ids(search="opro", reverse=True)[:2] == [made[1].id, made[3].id]
    assert read == [50, 70, 70, 50]
    oldest = made[0]
    in_a_thread(_tagged(store, oldest.id))
    newest = WrittenRun(store, seed=70)
    assert ids(tag="kept") == [oldest.id]
    assert ids(search="running") == [newest.id]
    store.close()
    assert ids(search="running") == [], "nobody holds it any more"
    assert ids(search="interrupted") == [newest.id]


async def _tagged(store: Store, run: str) -> None:
    store.claim(run)
    await store.append(run, "tags", tags_payload(["kept"]))
    store.release(run)


def test_a_page_and_its_charts_are_read_once_until_something_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(tmp_path)
    run = finished_run(store)
    read = []

    def counted(*given: Any) -> RunPage:
        read.append(given)
        return read_page(*given)

    monkeypatch.setattr("promptdescent.dashboard.run_pages.read_page", counted)
    with served(tmp_path) as dashboard:
        for path in ("", "/candidates"):
            assert dashboard.get(f"/runs/{run.id}{path}").status == 200
        assert dashboard.get(f"/api/runs/{run.id}/charts").status == 200
        assert len(read) == 1
        in_a_thread(_tagged(store, run.id))
        assert ">kept</a>" in dashboard.get(f"/runs/{run.id}").text
        assert len(read) == 2
    store.close()


def test_runs_are_compared_once_each_and_not_too_many(dashboard: Served, runs: list[WrittenRun]) -> None:
    first, second = runs[0].id, runs[1].id
    twice = f"run={first}&run={first[:9]}&run={second}"
    assert dashboard.get(f"/compare?{twice}").status == 200
    assert len(json.loads(dashboard.get(f"/api/compare/charts?{twice}").text)["charts"]) <= 1
    many = "&".join(f"run={number}" for number in range(40))
    for path in ("/compare", "/api/compare/charts"):
        answer = dashboard.get(f"{path}?{many}")
        assert (answer.status, "at most 12 runs" in answer.text) == (400, True)


def test_htmx_begins_when_its_extension_is_there(dashboard: Served, runs: list[WrittenRun]) -> None:
    """A deferred htmx begins by a timer, which may end before the next script is there: then no stream is asked for."""
    scripts = re.findall(r'<script src="/static/vendor/(htmx|hx-sse)\.min\.js"([^>]*)>', dashboard.get("/").text)
    assert scripts == [("htmx", ""), ("hx-sse", "")]
