"""The grid as a value: which jobs there are, what each needs, and what the report is to cover.

Nothing is trained or written here, and torch is not needed: `--dry-run` is this and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.config.request import Request
from bench.config.task_choice import TaskChoice, task_label
from bench.encoders.checkpoints import find, fits
from bench.errors import UserError
from bench.jobs import Job
from bench.planning.plan import Plan
from bench.planning.section import TaskPlan
from tasks import TaskData


def plan(asked: Request | Sequence[Request], root: Path) -> Plan:
    """The plan of a grid, or of several as one. Raises UserError or DataError before anything is made."""
    root = root.resolve()
    if root.exists() and not root.is_dir():
        raise UserError(f"the store {root} is not a folder")
    made = Plan(root, [asked] if isinstance(asked, Request) else asked)
    sections = [section for one in made.requests for section in sections_of(one, made)]
    for section in sections:
        section.announce()
    for section in sections:
        section.build()
    made.jobs = ordered(made.jobs)
    return made


def sections_of(asked: Request, made: Plan) -> list[TaskPlan]:
    """The parts of a grid that share a task, an encoder and a protocol."""
    encoders = tuple({checkpoint.hash: checkpoint for checkpoint in map(find, asked.encoders)}.values())
    checker = find(asked.checker_encoder) if asked.checker_encoder else None
    for checkpoint in (*encoders, *((checker,) if checker else ())):
        fits(checkpoint, asked.settings)
    return [
        TaskPlan(asked, task, data, checkpoint, checker or checkpoint, protocol, made)
        for task, data in read(asked)
        for checkpoint in encoders
        for protocol in asked.protocols
    ]


def ordered(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """What others wait for first, stage by stage, then the rest: no worker is idle for want of what others could make.

    Within a stage jobs stay in the order in which they were added, each after what it needs.
    """
    stage: dict[str, int] = {}
    for identity, job in jobs.items():
        stage[identity] = 1 + max((stage[need] for need in job.needs), default=0)
    waited = {need for job in jobs.values() for need in job.needs}
    last = len(jobs)
    return dict(sorted(jobs.items(), key=lambda item: stage[item[0]] if item[0] in waited else last))


def read(asked: Request) -> list[tuple[TaskChoice, TaskData]]:
    """The tasks with their rows; sizes that change nothing are left out, so that what is the same has one name."""
    found: dict[tuple[str, str], tuple[TaskChoice, TaskData]] = {}
    for task in asked.tasks:
        data = asked.load(task)
        stress = dict(task.stress)
        if asked.limit is not None:
            data = data.limited(asked.limit)
            stress.update({key: min(stress[key], asked.limit) for key in ("real", "generated") if key in stress})
        rows = min(len(data.generated), asked.settings.generated_rows or len(data.generated))
        idle = {"real": stress.get("real") == data.default_real, "generated": stress.get("generated", 0) >= rows}
        stress = {key: value for key, value in stress.items() if not idle.get(key)}
        name = task_label(task.name, {**task.filters, **stress})
        found.setdefault((name, str(task.location)), (replace(task, stress=stress, label=name), data))
    return list(found.values())
