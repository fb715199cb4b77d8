"""The dry run: which cells are done, which jobs a run would compute, and about how long that would take."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from bench.config.task_choice import task_label
from bench.devices import name as device_name
from bench.devices import on_gpu, on_mps
from bench.errors import UserError
from bench.execution.prepare import current_state, make_queue, to_compute
from bench.execution.progress import Say
from bench.execution.queue import WAITING, Queue
from bench.hashing import training_hash
from bench.jobs import CellJob, Job, MirrorJob, TunedJob
from bench.leaderboard import Rules
from bench.planning import estimate
from bench.planning.costs import basis, costs, measure, model_bytes
from bench.planning.order import ranks
from bench.planning.plan import Plan
from bench.planning.rows import SectionRows
from bench.planning.schedule import simulate
from bench.store.files import read_json
from bench.store.folders import State
from bench.store.layout import ENVIRONMENT, VERSIONS
from bench.store.schemas import Environment
from tasks import TaskData
from tasks.errors import plural
from tasks.loading.examples import examples

TABLES = {
    "tokens": "token table",
    "states": "frozen-state table",
    "embeddings": "embedding table",
    "scores": "score table",
    "folds": "out-of-fold table",
    "column": "column",
    "dynamics": "snapshot table",
}


def summary(plan: Plan, workers: int, say: Say, again: Container[str] = ()) -> None:
    """Print the dry run of a plan: what is known of the rows, then cells, trainings, tables, logged runs, duration.

    `again`: jobs to do whatever the store has of them.
    """
    for line in data_lines(plan):
        say(line)
    jobs = to_compute(make_queue(plan, again=again))
    states = Counter("to train again" if name in again else state_before(plan.jobs[name]) for name in plan.cells)
    counts = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
    say(f"{plural(len(plan.cells), 'cell')}: {counts}")
    say(trainings(jobs, plan))
    tables = Counter(TABLES[job.kind] for job in jobs if job.kind in TABLES)
    shared = ", ".join(plural(count, noun) for noun, count in sorted(tables.items()))
    say(f"shared tables to compute first: {shared or 'none'}")
    if trackers := [job.tracker for job in jobs if isinstance(job, MirrorJob)]:
        say(f"to log: {plural(len(trackers), 'run')} to {', '.join(dict.fromkeys(trackers))}")
    for line in models_line(jobs):
        say(line)
    say(duration(*forecast(jobs, plan, workers), workers))


def state_before(job: Job) -> str:
    """The state of a cell before a run."""
    words = {State.DONE: "done before", State.MISSING: "not trained yet", State.STALE: "unfinished"}
    return words.get(found := current_state(job), str(found))


def models_line(jobs: Iterable[Job]) -> Iterator[str]:
    """How many whole models the jobs write, and how large these are; nothing without any."""
    sizes = [model_bytes(job) for job in jobs if isinstance(job, CellJob) and job.keep == "full"]
    if sizes:
        each = decimal(round(sum(sizes) / len(sizes)))
        yield f"models to write (--save-models): {len(sizes):,} of about {each}, {decimal(round(sum(sizes)))} in all"


def other_versions(manifest: Mapping[str, Any], plan: Plan, queue: Queue, rules: Rules, *, here: bool) -> list[str]:
    """A line if the rules do not compare cells that are done with cells to do: other code, packages or device.

    Compared are the cells of a section. `here`: cells are trained on this machine; devices of others are not known.
    """
    states = {job.folder.relative_to(plan.root).as_posix(): queue.states[name] for name, job in queue.jobs.items()}
    now: dict[str, str] = {}
    found: Counter[str] = Counter()
    old = new = 0
    for section in [] if plan.smoke or rules.allow_mixed else manifest["sections"]:
        cells = [path for entry in section["methods"] for path in entry["cells"].values() if path in states]
        if not (to_do := sum(states[path] in WAITING for path in cells)):
            continue
        done = [plan.root / path for path in cells if states[path] is State.DONE]
        now = now or (environment_now(here=here) if done else {})
        changed = [changes for folder in done if (changes := differences(folder, now))]
        found.update(change for changes in changed for change in changes)
        old, new = old + len(changed), new + to_do * bool(changed)
    if not old:
        return []
    return [
        f"warning: {plural(old, 'cell')} done before will not be compared with the {new:,} to do "
        f"({'; '.join(sorted(found))}): a method gets no verdict if it and the baseline together have "
        "cells of both (--force trains all again, --allow-mixed compares them)"
    ]


def differences(folder: Path, now: Mapping[str, str]) -> list[str]:
    """What a cell was trained with, where cells are trained with something else now; `environment_now` gives `now`."""
    try:
        then = read_json(folder / VERSIONS, Environment)
    except (UserError, OSError):
        return []  # a damaged cell is reported where it is used
    values = {key: str(then.get(key, "unknown")) for key in now}
    return [
        f"{key} {value}, now {now[key]}"
        for key, value in values.items()
        if now[key] not in ((value, kind(value)) if key == "device" else (value,))
    ]


def environment_now(*, here: bool) -> dict[str, str]:
    """What reports compare of cells (`ENVIRONMENT`), for those that are trained now, as far as it is known yet."""
    known = {"code": training_hash()}
    for name in ENVIRONMENT:
        with contextlib.suppress(PackageNotFoundError):
            known |= {} if name in ("code", "device") else {name: version(name).partition("+")[0]}
    return known | ({"device": device_now()} if here else {})


def device_now() -> str:
    """The device of cells that are trained here, as they name it; its kind alone where torch is not imported yet.

    On a CPU the route of products is known once a worker has measured it.
    """
    if "torch" not in sys.modules:
        return "mps" if on_mps() else "a GPU" if on_gpu() else "a CPU"
    if (device := device_name()) != "cpu":
        return device
    from bench.encoders import matmul

    def unknown() -> matmul.Choice:
        raise LookupError

    try:
        route = matmul.kept_choice(unknown).route
    except LookupError:
        return "a CPU"
    return device if route == matmul.DEFAULT else f"{device}, products by {route}"


def kind(device: str) -> str:
    """The kind of a device that a cell names."""
    return "mps" if device == "mps" else "a CPU" if device.startswith("cpu") else "a GPU"


def data_lines(plan: Plan) -> list[str]:
    """What is known of the rows and checkers before anything is trained, each line once.

    The columns and first rows of the user's files, what was done to these rows, warnings, also on checkers given in
    vain, the lengths that given checkers read, the methods that groups leave out, and how many of the rows of each
    role are used.
    """
    sections = [cells for cells, _ in plan.cell_data.values()]
    data = list({id(cells.data): cells.data for cells in sections}.values())
    lines = [line for each in data for line in (*examples(each), *what_was_done(each))]
    unread = set.intersection(*(set(cells.request.unread_checkers()) for cells in sections))
    lines += [f"warning: no method of this grid reads the given {name} checker" for name in sorted(unread)]
    lines += [line for cells in sections for line in cells.length_notes()]
    left_out = {name: why for cells in sections for name, why in cells.request.left_out.items()}
    lines += [f"left out: {'; '.join(f'{name} ({why})' for name, why in left_out.items())}"] if left_out else []
    return list(dict.fromkeys([*lines, *map(row_counts, sections)]))


def row_counts(cells: SectionRows) -> str:
    """How many of the generated, real and test rows are used, with the option that takes all where some are not.

    `mine: 1,000 of 5,000 generated rows (preset quick; --generated-rows all), 300 of 900 real rows a seed (--tasks
    "files[real=900]"), 2,000 of 4,000 test rows (--test-size all)`.
    """
    data, task, request = cells.data, cells.task, cells.request
    limit = f" (--limit {request.limit})" if request.limit is not None else ""
    real, pool = max(map(sum, cells.real_counts)), len(data.pool)
    counts = [str(cells.generated_size), out_of(real, pool, "real row") + " a seed"]
    if data.folds:
        counts[-1] += f", cross-validated in {data.folds} folds"
    elif real < pool:
        every = task_label(str(task.location), {**task.filters, **task.stress, "real": pool})
        chosen = f" ([real={real}])" if "real" in task.stress else f' (--tasks "{every}")'
        counts[-1] += limit or chosen
    if data.test_of:
        tested = len(cells.roles(request.seeds[0])["test"].ids)
        size = request.test_size if isinstance(request.test_size, int) else "all"
        option = (limit or f" (--test-size {size})") if len(data.test) < data.test_of else ""
        counts.append(out_of(tested, data.test_of, "test row") + option)
    return f"{task.label}: {', '.join(counts)}"


def out_of(used: int, total: int, noun: str) -> str:
    """`300 of 900 real rows`, or `900 real rows` where all are used."""
    return ("" if used == total else f"{used:,} of ") + plural(total, noun)


def what_was_done(data: TaskData) -> Iterator[str]:
    """What was done to the user's own rows, such as which were left out, and warnings on the rows of any task."""
    yield from data.notes if data.columns else ()
    yield from (f"warning: {finding}" for finding in data.findings)


def trainings(jobs: Sequence[Job], plan: Plan) -> str:
    """How many trainings there are, and which of them are no cells of the grid: `6 trainings, 2 of them checkers`."""
    ids = {*estimate.trained_cells(jobs)}
    trials = {trial.id for job in plan.jobs.values() if isinstance(job, TunedJob) for trial in job.trials} & ids
    checkers = ids - trials - set(plan.cells)
    kinds = (("checker", checkers), ("trial", trials))
    parts = [f"{len(members):,} of them {noun}s" for noun, members in kinds if len(members) > 1]
    parts += [f"1 of them a {noun}" for noun, members in kinds if len(members) == 1]
    return ", ".join([plural(len(ids), "training"), *parts])


def forecast(jobs: Sequence[Job], plan: Plan, workers: int) -> tuple[float, str]:
    """The seconds that jobs of a plan take on some workers, by a simulated schedule, and where they come from."""
    spent = costs(jobs, plan.jobs.values(), measure(plan.root, on_gpu()))
    seconds = {name: cost.seconds for name, cost in spent.items()}
    source = basis(spent, estimate.trained_cells(jobs))
    return simulate(jobs, seconds, ranks(plan, jobs), workers).seconds, source


def duration(seconds: float, source: str, workers: int) -> str:
    """A forecast as a line."""
    return f"estimate: about {estimate.spell(seconds)} on {plural(workers, 'worker')} ({source})"


def outcome(expected: float, took: float) -> str:
    """A forecast beside what happened."""
    return (
        f"estimated {estimate.spell(expected)}, took {estimate.spell(took)}: {took / expected:.1f} times the estimate"
    )
