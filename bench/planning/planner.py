"""Turns requests into a plan: jobs, their dependencies, and the sections of the report.

Planning trains nothing, writes nothing and needs no torch; `--dry-run` ends after it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.config.generated_size import generated_size
from bench.config.request import Request
from bench.config.task_choice import TaskChoice, task_label
from bench.encoders.checkpoints import find, fits
from bench.errors import UserError
from bench.jobs import Job
from bench.planning.plan import Plan
from bench.planning.row_limits import within_limits
from bench.planning.section import SectionPlanner
from tasks import TaskData


def make_plan(requests: Request | Sequence[Request], root: Path) -> Plan:
    """The plan of a grid, or of several as one. Raises UserError or DataError."""
    root = Path(os.path.realpath(root))  # which a link to itself does not make fail
    if root.exists() and not root.is_dir():
        raise UserError(f"the store {root} is not a folder")
    plan = Plan(root, [requests] if isinstance(requests, Request) else requests)
    sections = [section for request in plan.requests for section in sections_of(request, plan)]
    for section in sections:
        section.announce()
    for section in sections:
        section.build()
    plan.jobs = ordered(plan.jobs)
    return plan


def sections_of(request: Request, plan: Plan) -> list[SectionPlanner]:
    """The sections of a grid: one per task, encoder, protocol and source of variation. Raises UserError."""
    encoders = tuple({checkpoint.hash: checkpoint for checkpoint in map(find, request.encoders)}.values())
    checker = find(request.checker_encoder) if request.checker_encoder else None
    for checkpoint in (*encoders, *((checker,) if checker else ())):
        fits(checkpoint, request.settings)
    by_source = [replace(request, settings=settings) for settings in request.settings.by_source()]
    sections = [
        SectionPlanner(varied(one, data), task, data, checkpoint, checker or checkpoint, protocol, plan)
        for task, data in read(request)
        for checkpoint in encoders
        for protocol in request.protocols
        for one in by_source
    ]
    for section in sections:
        section.request = within_limits(section)
    return sections


def varied(request: Request, data: TaskData) -> Request:
    """The request with the seeds that have a generation of their own, where one of several is taken by seed.

    Raises UserError if none has, or if one source varies and each seed would test another fold.
    """
    count = len(data.generations)
    if data.folds and request.settings.vary is not None:
        raise UserError(
            f"{data.error_prefix}: --vary needs one test for all seeds, and each seed tests another fold of the real "
            "rows; give --test FILE, or --folds 0 to hold out half of them"
        )
    if not count or request.settings.vary != "generated":
        return request
    seeds = tuple(seed for seed in request.seeds if seed < count)
    if not seeds:
        raise UserError(
            f"{data.error_prefix}: --vary generated takes generation n at seed n, and the {count} generations are for "
            f"seeds 0 to {count - 1}, not {min(request.seeds)}"
        )
    return replace(request, seeds=seeds)


def ordered(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Jobs that others need come first, stage by stage, then the rest: so the fewest workers wait.

    Within a stage jobs stay in the order in which they were added, each after its needs.
    """
    stage: dict[str, int] = {}
    for identity, job in jobs.items():
        stage[identity] = 1 + max((stage[need] for need in job.needs), default=0)
    needed = {need for job in jobs.values() for need in job.needs}
    last = len(jobs)
    return dict(sorted(jobs.items(), key=lambda item: stage[item[0]] if item[0] in needed else last))


def read(request: Request) -> list[tuple[TaskChoice, TaskData]]:
    """The tasks with their rows. Sizes that change nothing leave a task's name, so that equal tasks are one."""
    tasks: dict[tuple[str, str], tuple[TaskChoice, TaskData]] = {}
    for task in request.tasks:
        data = request.load(task)
        generated_size(request, task, data)  # raises for more rows than there are, which a limit would hide
        stress = dict(task.stress)
        if request.limit is not None:
            data = data.limited(request.limit)
            stress.update({key: min(stress[key], request.limit) for key in ("real", "generated") if key in stress})
        without = generated_size(request, replace(task, stress={}), data).used
        idle = {"real": stress.get("real") == data.default_real, "generated": stress.get("generated") == without}
        stress = {key: value for key, value in stress.items() if not idle.get(key)}
        name = task_label(task.name, {**task.filters, **stress})
        tasks.setdefault((name, str(task.location)), (replace(task, stress=stress, label=name), data))
    return list(tasks.values())
