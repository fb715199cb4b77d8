"""Turns a plan into a queue: which models are saved, which results are computed again, and which jobs remain."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path

from bench.config.run_arguments import ExecutionArguments
from bench.errors import UserError
from bench.execution.queue import WAITING, Others, Queue
from bench.jobs import CellJob, Job, outputs
from bench.planning.order import ranks
from bench.planning.plan import Plan
from bench.planning.requirements import REQUIREMENTS, Checker
from bench.remote.opened import bytes_there, copy_of, forgot, tell
from bench.store import hidden_columns, role_texts
from bench.store.files import read_json
from bench.store.folders import State, adopt, failure, forget, has_one_of, result_of, state
from bench.store.integrity import damage
from bench.store.layout import DONE, ERROR, MODEL, MODEL_FILES, SPEC, SavedModels, precomputed_path
from tasks.errors import join_names


def keep_models(plan: Plan, keep: SavedModels) -> None:
    """Make the requested cells of a plan save their models. Raises UserError for cells that train a head alone."""
    for identity in plan.cells:
        job = plan.jobs[identity]
        assert isinstance(job, CellJob), "cells are made by cell jobs"
        if job.spec.settings["train_layers"] == 0:
            raise UserError(
                "--save-models: with train_layers=0 (preset probe) there is no model that transformers loads, only a "
                "head on embeddings; use another preset"
            )
        plan.jobs[identity] = replace(job, keep="full" if keep == "best" else keep)


def score_checkers_only(plan: Plan) -> None:
    """Make the requested cells that are no checkers skip the scores of generated rows.

    The reference methods that checkers consist of keep them, also where no method of this plan reads them: a later run
    may.
    """
    checkers = {entry.method for entry in REQUIREMENTS.values() if isinstance(entry, Checker)}
    cells = [plan.jobs[identity] for identity in plan.cells]
    others = [job for job in cells if type(job) is CellJob and job.spec.method not in checkers]
    plan.jobs.update({job.id: replace(job, score=False) for job in others})


def fetch_results(plan: Plan, *, models: bool) -> None:
    """Fetch what a remote store has of a plan: results, and with `models` those that cells saved. Prints how much."""
    copy = copy_of(plan.root)
    if copy is None:
        return
    tell(copy.fetch({copy.name(folder) for folder in folders(plan)}).lines(copy.objects.url, plan.root))
    for identity in plan.cells if models else ():
        copy.fetch_model(plan.jobs[identity].folder)


def folders(plan: Plan) -> Iterator[Path]:
    """The folders of the store that a plan reads or writes."""
    for job in plan.jobs.values():
        yield from outputs(job)
        if job.other_folder is not None:
            yield job.other_folder
    yield from (precomputed_path(plan.root, hidden_columns.KIND, identity) for identity in plan.hidden)
    yield from (precomputed_path(plan.root, role_texts.KIND, identity) for identity in plan.texts)


def models_amiss(plan: Plan) -> dict[str, list[str]]:
    """What is wrong with the models of cells that an earlier run finished, and the titles of these cells."""
    found: dict[str, list[str]] = {}
    for job in (plan.jobs[identity] for identity in plan.cells):
        if problem := model_problem(job):
            found.setdefault(problem, []).append(job.title)
    return found


def model_problem(job: Job) -> str:
    """What a finished cell has in place of the model that it should save; empty if there is nothing to say."""
    if not isinstance(job, CellJob) or job.keep is None or state(job.folder) is not State.DONE:
        return ""
    if not any((job.folder / MODEL / name).exists() for name in MODEL_FILES[job.keep]):
        return "without a model"
    # Names of labels are in no id, since no result depends on them.
    named = read_json(job.folder / SPEC).get("labels")
    return "" if named == job.spec_json.get("labels") else f"with a model of the labels {join_names(named or ())}"


def prepare_store(plan: Plan, options: ExecutionArguments) -> None:
    """Remove failures that are to be tried again, and take over results in a job's other folder.

    So the result of a training that failed as a cell and has been done as a checker since is taken over. The results of
    cells that `force` trains again stay until a worker takes their jobs, which name them. Raises UserError for one that
    cannot be removed.
    """
    again = done_again(plan, options)
    for identity, job in plan.jobs.items():
        if identity in again:
            places = [job.folder, *([job.other_folder] if job.other_folder is not None and options.force else [])]
            old = {place: result_of(place) for place in places} if isinstance(job, CellJob) else {}
            for place in places:
                if old.get(place):
                    require_removable(place)
                else:
                    forget_everywhere(plan.root, place)
            plan.jobs[identity] = replace(job, replaces=tuple(filter(None, old.values())))
        if job.other_folder is not None and state(job.folder) is not State.FAILED:
            adopt(job.other_folder, job.folder, plan.root)


def done_again(plan: Plan, options: ExecutionArguments) -> set[str]:
    """The jobs that a run does whatever the store has: failed ones (`retry_failed`), requested ones (`force`)."""
    requested = {*plan.cells, *plan.mirrors} if options.force else set()
    retried = plan.jobs.items() if options.retry_failed else ()
    return requested.union(identity for identity, job in retried if state(job.folder) is State.FAILED)


def will_train(plan: Plan, options: ExecutionArguments) -> bool:
    """Whether a run of the plan has cells to train, as far as their folders tell without being read."""
    folders = (plan.jobs[identity].folder for identity in plan.cells)
    return bool(done_again(plan, options)) or not all(
        (folder / DONE).exists() or (folder / ERROR).exists() for folder in folders
    )


def require_removable(folder: Path) -> None:
    """Raise UserError for a result that may not be removed."""
    if not all(os.access(place, os.W_OK) for place in (folder.parent, folder)):
        raise UserError(f"--force cannot train the cell in {folder} again: its folder cannot be removed; see `chmod`")


def forget_everywhere(root: Path, folder: Path) -> None:
    """Remove a folder's result or failure from a store, and from the bucket of which it is the copy."""
    if forget(folder):
        forgot(root, folder)


def damaged(queue: Queue) -> list[str]:
    """A line for each result that a queue computes again, because its files changed after it was written."""
    finished = [job for job in unfinished(queue) if (job.folder / DONE).exists()]
    problems = [(job.title, damage(job.folder)) for job in finished]
    return [f"damaged, computed again: {title}: {problem}" for title, problem in problems if problem]


def make_queue(plan: Plan, others: Others | None = None, again: Container[str] = ()) -> Queue:
    """The plan's jobs with their states in the store, without jobs that only finished cells need.

    `others`: the runs on the same store, if they do not work in the same folder. `again`: jobs to do whatever the store
    has of them.
    """
    states = {name: State.MISSING if name in again else current_state(job) for name, job in plan.jobs.items()}
    wanted: set[str] = set()

    def want(identity: str) -> None:
        if identity not in wanted:
            wanted.add(identity)
            if states[identity] is not State.DONE:
                for need in plan.jobs[identity].needs:
                    want(need)

    for identity in (*plan.cells, *plan.mirrors):
        want(identity)
    jobs = {identity: job for identity, job in plan.jobs.items() if identity in wanted}
    causes = {
        identity: f"{failure(job.folder)} (in an earlier run)"
        for identity, job in jobs.items()
        if states[identity] is State.FAILED
    }
    # A job that another run holds is tried like a stale one: its worker finds the lease, and the queue waits for it.
    running = {State.RUNNING: State.STALE}
    states = {identity: running.get(states[identity], states[identity]) for identity in jobs}
    waiting = (job for identity, job in jobs.items() if states[identity] in WAITING)
    return Queue(jobs, states, causes, ranks(plan, waiting), others)


def current_state(job: Job) -> State:
    """The state of a job's folder; done if the result is in the job's other folder, from which a run takes it over.

    A result that the job replaces counts as none.
    """
    own, other = (
        State.MISSING if folder is None or has_one_of(folder, job.replaces) else state(folder)
        for folder in (job.folder, job.other_folder)
    )
    return other if own in (State.MISSING, State.STALE) and other is State.DONE else own


def unfinished(queue: Queue) -> list[Job]:
    """The jobs of a queue that are still to do."""
    return [job for identity, job in queue.jobs.items() if queue.states[identity] in WAITING]


def to_compute(queue: Queue) -> list[Job]:
    """The jobs of a queue that are still to do, without tables that a bucket has and that are only fetched."""
    return [job for job in unfinished(queue) if not bytes_there(job.folder)]
