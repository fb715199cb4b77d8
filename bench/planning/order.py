"""The order in which a plan's jobs are best started: seed by seed, and the longest first.

A seed is whole as soon as possible, so that a report on it can be read while the next ones train. Within a seed and a
section, the job with the longest way to the end comes first: then no worker trains a long cell while the others have
nothing left to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from bench.jobs import Job
from bench.planning import estimate
from bench.planning.plan import Plan

Rank = tuple[float, float, float]  # number of the seed, number of the section, minus the seconds to the end
FIRST: Rank = (-1, 0, 0)  # of jobs that log a finished cell
LAST = (math.inf, math.inf)


def seed_numbers(plan: Plan) -> dict[str, int]:
    """The number of each requested cell's seed, from 0, among the seeds of its request in ascending order.

    Manifests have them in this order too, whatever the order in which they were asked for.
    """
    sections = {id(section): section for section, _ in plan.cell_data.values()}
    numbers = {
        key: {seed: number for number, seed in enumerate(sorted(section.request.seeds))}
        for key, section in sections.items()
    }
    return {identity: numbers[id(section)][seed] for identity, (section, seed) in plan.cell_data.items()}


def ranks(plan: Plan, jobs: Iterable[Job]) -> dict[str, Rank]:
    """The rank of each of `jobs`, which are jobs of the plan still to do: lower ones are better started first.

    A job that others need has the seed and the section of the first cell that waits for it.
    """
    todo = {job.id: job for job in jobs}
    seconds = estimate.each(todo.values(), plan.jobs.values())
    sections: dict[int, int] = {}  # the section's object -> its number
    places: dict[str, tuple[float, float]] = {
        identity: (number, sections.setdefault(id(plan.cell_data[identity][0]), len(sections)))
        for identity, number in seed_numbers(plan).items()
    }
    mirrors = set(plan.mirrors)
    to_end = dict.fromkeys(todo, 0.0)  # seconds of a job and of the longest chain of jobs that wait for it
    for identity in reversed([identity for identity in plan.jobs if identity in todo and identity not in mirrors]):
        to_end[identity] += seconds[identity]
        for need in todo[identity].needs:
            if need in todo:
                to_end[need] = max(to_end[need], to_end[identity])
                places[need] = min(places.get(need, LAST), places.get(identity, LAST))
    return {
        identity: FIRST if identity in mirrors else (*places.get(identity, LAST), -to_end[identity])
        for identity in todo
    }
