"""Checks of a plan's encoders and classifiers before anything trains, in a worker, once per store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.encoders.checkpoints import Checkpoint
from bench.errors import UserError
from bench.execution.engines.local import Local
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.hashing import digest
from bench.jobs import SCHEMA, CellJob, EmbeddingsJob, EncoderJob, Job, Outcome, ScoresJob
from bench.planning.plan import Plan
from bench.store.files import read_json
from bench.store.folders import State, forget, state
from bench.store.layout import DONE, precomputed_path
from bench.store.manifest import PRECOMPUTED

VERSION = 5  # raise it when the check finds more


class FirstFailure:
    """A watcher that raises UserError at the first encoder that cannot be used."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def tell(self, job: Job, found: State, outcome: Outcome | None) -> None:
        """See `engines.engine.Watcher`."""
        if found is not State.DONE:
            cause = self.queue.causes.get(job.id, "it failed in another run")
            raise UserError(
                cause.removeprefix("UserError: ") if outcome else f"the check of an encoder or a given checker: {cause}"
            )

    def retry(self, job: Job, cause: str) -> None:
        """See `engines.engine.Watcher`."""

    def pulse(self) -> None:
        """See `engines.engine.Watcher`."""

    def note(self, notes: Iterable[str]) -> None:
        """See `engines.engine.Watcher`."""

    def running_on(self, nodes: Mapping[str, int]) -> None:
        """See `engines.engine.Watcher`."""


def check_encoders(plan: Plan) -> dict[str, list[str]]:
    """Load every encoder of a plan once. Returns notes by the encoder's hash; raises UserError for an unusable one.

    A check that was passed in this store is not repeated.
    """
    jobs = {job.id: job for job in encoder_jobs(plan.jobs.values(), plan.root)}
    for job in jobs.values():
        if state(job.folder) is State.FAILED:  # whatever was wrong may be fixed
            forget(job.folder)
    states = {identity: state(job.folder) for identity, job in jobs.items()}
    open_jobs = {identity: found for identity, found in states.items() if found is not State.DONE}
    if open_jobs:
        waiting = dict.fromkeys(open_jobs, State.STALE)  # a check that another run holds is waited for
        queue = Queue({identity: jobs[identity] for identity in open_jobs}, waiting, {})
        Local().execute(queue, 1, FirstFailure(queue), Limits())
        if queue.closed:  # by Ctrl-C: there is no cell yet that could be finished
            raise KeyboardInterrupt
    notes: dict[str, list[str]] = {}
    for job in jobs.values():
        if lines := read_json(job.folder / DONE)["notes"]:
            notes.setdefault(job.checkpoint.hash, []).extend(lines)
    return {key: list(dict.fromkeys(lines)) for key, lines in notes.items()}


def encoder_jobs(jobs: Iterable[Job], root: Path) -> list[EncoderJob]:
    """A check for each encoder that jobs train from, and each classifier that scores rows for them."""
    needed: dict[tuple[str, int, bool], Checkpoint] = {}
    layers: dict[str, int] = {}  # the most top blocks that train, by the encoder's hash
    for job in jobs:
        if isinstance(job, CellJob):
            needed[job.checkpoint.hash, job.n_classes, False] = job.checkpoint
            trained = job.spec.settings["train_layers"]
            layers[job.checkpoint.hash] = max(layers.get(job.checkpoint.hash, 0), 0 if trained == "all" else trained)
        elif isinstance(job, ScoresJob):
            needed[job.checkpoint.hash, len(job.order), True] = job.checkpoint
        elif isinstance(job, EmbeddingsJob):
            needed.setdefault((job.checkpoint.hash, 2, False), job.checkpoint)
    return [
        encoder_job(point, classes, whole, 0 if whole else layers.get(identity, 0), root)
        for (identity, classes, whole), point in needed.items()
    ]


def encoder_job(checkpoint: Checkpoint, n_classes: int, classifier: bool, layers: int, root: Path) -> EncoderJob:
    """The check of one encoder."""
    content = digest([SCHEMA, "encoder", VERSION, checkpoint.hash, n_classes, classifier, layers])
    folder = precomputed_path(root, "encoder", content)
    return EncoderJob(f"encoder/{folder.name}", folder, root, (), checkpoint, n_classes, classifier, layers)


def add_notes(manifest: dict[str, Any], plan: Plan, notes: Mapping[str, list[str]]) -> list[str]:
    """Put notes on encoders into the report's sections and the cells' `spec.json`. Returns each note once.

    The checks themselves are named among the folders that the grid needs, so that `bench clean` keeps them.
    """
    checks = {job.folder.relative_to(plan.root).as_posix() for job in encoder_jobs(plan.jobs.values(), plan.root)}
    manifest[PRECOMPUTED] = sorted({*manifest[PRECOMPUTED], *checks})
    for section in manifest["sections"]:
        hashes = (section["encoder_hash"], section["checker_encoder_hash"], *section["given_checkers"].values())
        section["notes"] = [*section["notes"], *(line for key in dict.fromkeys(hashes) for line in notes.get(key, ()))]
    for identity, job in plan.jobs.items():
        if isinstance(job, CellJob) and job.checkpoint.hash in notes:
            spec_json = {**job.spec_json, "encoder_notes": notes[job.checkpoint.hash]}
            plan.jobs[identity] = replace(job, spec_json=spec_json)
    return list(dict.fromkeys(line for lines in notes.values() for line in lines))
