"""Simulates how workers would run the jobs of a plan: when it ends, how busy they are, and the longest chain.

The simulation takes jobs as an engine does: whenever a worker is free, the ready job of the lowest rank.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from bench.jobs import Job
from bench.planning.estimate import START
from bench.planning.order import Rank


@dataclass(frozen=True)
class Schedule:
    """`seconds`: until the last job ends, the start of the workers included. `busy`: share of their time with a job."""

    workers: int
    seconds: float
    busy: float


def simulate(jobs: Iterable[Job], seconds: Mapping[str, float], ranks: Mapping[str, Rank], workers: int) -> Schedule:
    """The schedule of jobs on a number of workers. Needs that are not among the jobs count as done."""
    todo = {job.id: job for job in jobs}
    missing, needed_by = links(todo)
    ready = [(ranks[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now, work = START, 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], name))
            work += seconds[name]
        now, name = heapq.heappop(running)
        for other in needed_by[name]:
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, (ranks[other], other))
    if not todo:
        return Schedule(workers, 0.0, 0.0)
    return Schedule(workers, now, work / (workers * now))


def critical_path(jobs: Iterable[Job], seconds: Mapping[str, float]) -> tuple[float, list[Job]]:
    """The longest chain of jobs that wait for each other: its seconds, and the jobs from first to last."""
    todo = {job.id: job for job in jobs}
    needs = {name: [need for need in job.needs if need in todo] for name, job in todo.items()}
    chains: dict[str, tuple[float, tuple[str, ...]]] = {}  # seconds to the end of each job, and the chain up to it
    for name in TopologicalSorter(needs).static_order():
        length, chain = longest(chains[need] for need in needs[name])
        chains[name] = length + seconds[name], (*chain, name)
    length, chain = longest(chains.values())
    return length, [todo[name] for name in chain]


def longest(chains: Iterable[tuple[float, tuple[str, ...]]]) -> tuple[float, tuple[str, ...]]:
    """The first of the longest chains."""
    return max(chains, key=lambda one: one[0], default=(0.0, ()))


def links(todo: Mapping[str, Job]) -> tuple[dict[str, int], dict[str, list[str]]]:
    """By id, how many jobs of `todo` a job waits for, and which ones wait for it."""
    needed_by: dict[str, list[str]] = {name: [] for name in todo}
    missing = {}
    for name, job in todo.items():
        needs = [need for need in dict.fromkeys(job.needs) if need in todo]
        missing[name] = len(needs)
        for need in needs:
            needed_by[need].append(name)
    return missing, needed_by
