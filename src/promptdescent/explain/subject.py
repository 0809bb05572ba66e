"""What is explained of a run: its found prompt, how that came about, and what can be said of the run beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptdescent.errors import ConfigError, StoreError
from promptdescent.explain.lineage import brought_by, way_to
from promptdescent.explain.pieces import Pieces, cut
from promptdescent.records import Example, RunManifest, Split
from promptdescent.run_record import RunRecord
from promptdescent.store.store import RunRow, Store


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A prompt of a run that can be explained."""

    run: str
    """Id of the run."""
    manifest: RunManifest
    examples: Mapping[Split, tuple[Example, ...]]
    pieces: Pieces
    brought_by: tuple[str | None, ...]
    """By piece: id of the prompt that first had it."""
    chosen: bool
    """Whether a search chose it among others by the dev rows, so that its score there likely holds some luck."""
    notes: tuple[str, ...]


def subject_of(store: Store, name: str) -> Subject:
    """The found prompt of the run ``name``, a prefix of its id or ``latest``.

    Raises :class:`StoreError` if there is no such run or it is running; :class:`ConfigError` if it has no prompt that
    could be explained.
    """
    row = store.find_run(name)
    manifest = row.manifest
    if manifest.explains:
        raise ConfigError(
            f"run {row.id} holds the calls of an explanation of run {manifest.explains}: explain that one, with "
            f"promptdescent explain {manifest.explains}"
        )
    if row.status.state == "running":
        raise StoreError(f"run {row.id} is still running: wait for it to end, or stop it first")
    prompt, way, notes = _scored_prompt(row) if manifest.evaluated_on else _found_prompt(store, row)
    if not prompt.strip():
        raise ConfigError(f"the prompt of run {row.id} is empty, so there is nothing to leave out")
    template = manifest.placement == "template"
    pieces = cut(prompt, template=template)
    if not pieces.free:
        raise ConfigError(
            f"the prompt of run {row.id} has no piece that can be left out: it is one piece, with a placeholder in it"
        )
    return Subject(
        run=row.id,
        manifest=manifest,
        examples=store.examples(row.id),
        pieces=pieces,
        brought_by=brought_by(pieces, way, template=template),
        chosen=not manifest.evaluated_on and prompt != manifest.prompt,
        notes=(*notes, *_about_pieces(pieces)),
    )


_Found = tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]
"""A prompt, the way to it, and notes."""


def _scored_prompt(row: RunRow) -> _Found:
    """The prompt of an evaluation, if it was scored on dev rows."""
    on = row.manifest.evaluated_on
    if on != "dev":
        raise ConfigError(
            f"run {row.id} scored its prompt on {'the test rows' if on == 'test' else 'all rows'}, and test rows may "
            "decide nothing about a prompt: score it on dev rows first, with promptdescent evaluate "
            f"{row.id}:start DATA --on dev, and explain that run"
        )
    return row.manifest.prompt, (("0.0", row.manifest.prompt),), ()


def _found_prompt(store: Store, row: RunRow) -> _Found:
    """The best prompt of a search so far."""
    record = RunRecord(store, row.id)
    state = record.state_or_none()
    if state is None:
        raise ConfigError(
            f"run {row.id} ended before its starting prompt was scored, so it has found no prompt yet; go on with it "
            f"first: promptdescent resume {row.id}"
        )
    notes = []
    if row.status.state != "finished" and not record.search_ended():
        notes.append(
            f"The search of run {row.id} was not over ({row.status.state}): what is explained is the best prompt that"
            " it had found."
        )
    best = state.best
    if best.prompt.text == row.manifest.prompt:
        notes.append("The found prompt is the starting prompt.")
    return best.prompt.text, way_to(best, row.manifest.prompt, record.steps()), tuple(notes)


def _about_pieces(pieces: Pieces) -> list[str]:
    notes = []
    locked = len(pieces.pieces) - len(pieces.free)
    if locked:
        notes.append(
            f"{locked} of the {len(pieces.pieces)} pieces {'holds' if locked == 1 else 'hold'} a placeholder and"
            " cannot be left out: without it the model would not see the row."
        )
    if pieces.phrases:
        notes.append("The prompt has few sentences, so they are cut into phrases, which may not read well alone.")
    if pieces.joined:
        notes.append(
            f"The prompt has many sentences: neighbours are taken together, so that there are {len(pieces.pieces)} "
            "pieces."
        )
    return notes
