"""What of a job travels to other machines, and what is refused before it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptdescent.config import RunSpec
from promptdescent.errors import ConfigError, DataError
from promptdescent.experiments.parcels import Parcel
from promptdescent.experiments.ray_executor import RayExecutor
from promptdescent.experiments.ray_worker import Needs, missing
from promptdescent.experiments.worker import Job
from promptdescent.records import ModelSettings, to_json
from promptdescent.version import __version__

ROWS = '{"text": "hello", "label": "a"}\n'


def job_of(store: str = "postgresql://nobody@nowhere/none", **settings: Any) -> Job:
    spec = RunSpec().with_settings({"task_model": "simulated:", **settings})
    return Job.of("gpo", "greetings", 0, store=store, spec=spec)


def sent(job: Job, folder: Path) -> RunSpec:
    """The settings that a job has on the other machine."""
    parcel = Parcel.of(job)
    contents = [parcel.read(digest) for digest in parcel.digests]
    return RunSpec().with_settings(Parcel.from_line(parcel.to_line()).unpacked(contents, folder).spec)


def test_files_of_rows_travel_once_and_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(ROWS, encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "rows.jsonl").write_text(ROWS + ROWS, encoding="utf-8")
    rows, other = str(tmp_path / "rows.jsonl"), str(tmp_path / "other" / "rows.jsonl")
    job = job_of(train=rows, dev=rows, test=other)
    assert len(Parcel.of(job).digests) == 2
    assert str(tmp_path) not in Parcel.of(job).to_line()  # nothing of this machine
    there = tmp_path / "there"
    spec = sent(job, there)
    assert spec.train == spec.dev != spec.test
    for path, text in ((spec.train, ROWS), (spec.test, ROWS + ROWS)):
        assert path is not None
        assert Path(path).is_relative_to(there)
        assert (Path(path).name, Path(path).read_text(encoding="utf-8")) == ("rows.jsonl", text)


def test_texts_and_recipes_in_files_travel_as_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Sort it.\n", encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text("base: gpo\n", encoding="utf-8")
    spec = sent(job_of(prompt=f"@{tmp_path}/prompt.txt", recipe=f"@{tmp_path}/recipe.yaml"), tmp_path)
    assert (spec.prompt, spec.recipe) == ("Sort it.", {"base": "gpo"})


def test_a_run_on_a_cluster_asks_no_other_cluster_for_its_model(tmp_path: Path) -> None:
    assert sent(job_of(ray="auto"), tmp_path).ray is None


def test_what_cannot_travel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: the file cannot be read"):
        Parcel.of(job_of(data=str(tmp_path / "gone.jsonl")))
    (tmp_path / "prompt.txt").write_text("@ is a sign", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"--prompt.*may not begin with @"):
        Parcel.of(job_of(prompt=f"@{tmp_path}/prompt.txt"))


@pytest.mark.parametrize("address", ["", "ray://head:10001", "head", "head:port"])
def test_an_address_that_cannot_be_one_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"--ray cannot be.*HOST:PORT"):
        RayExecutor(address)
    with pytest.raises(ConfigError, match=r"--ray cannot be"):
        RunSpec(ray=address)


def test_on_several_machines_a_folder_is_no_store(tmp_path: Path) -> None:
    with (
        RayExecutor("head.example:6379") as executor,
        pytest.raises(ConfigError, match=r"other machines cannot reach the store.*--runs-in postgresql://"),
    ):
        list(executor.results([job_of(str(tmp_path))]))


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "promptdescent\[ray\]"'):
        RayExecutor("local")


def write_metric(folder: Path, body: str) -> None:
    (folder / "own_metric.py").write_text(f"def score(reply, target):\n    {body}\n", encoding="utf-8")


def test_a_machine_says_all_that_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write_metric(tmp_path, "return 1.0")
    jobs = [
        job_of(str(tmp_path / "store"), metric="own_metric:score"),
        job_of(str(tmp_path / "store"), task_model="local:/nowhere/model.gguf"),
        job_of(str(tmp_path / "store"), task_model="some-model", task_api_key_env="NO_SUCH_KEY_HERE"),
    ]
    needs = Needs.of(jobs)
    found = " | ".join(json.loads(missing(to_json(needs))))
    assert "/nowhere/model.gguf cannot be read" in found
    assert "NO_SUCH_KEY_HERE" in found
    assert "own_metric" not in found  # it is here, with the same source
    other = Needs(stores=(), models=(), metrics={"own_metric:score": "0" * 64, "no_such_module:score": "1" * 64})
    found = " | ".join(json.loads(missing(to_json(other))))
    assert "own_metric:score has another source" in found
    assert "no_such_module" in found
    older = Needs(version="0.0.1", stores=(), models=(), metrics={})
    assert json.loads(missing(to_json(older))) == [f"it has promptdescent {__version__}, not 0.0.1"]


def test_a_machine_that_has_everything_lacks_nothing(tmp_path: Path) -> None:
    needs = Needs.of([job_of(str(tmp_path / "store"))])
    assert next(model.settings for model in needs.models) == ModelSettings(
        name="simulated:", temperature=0.0, max_tokens=256
    )
    assert json.loads(missing(to_json(needs))) == []
