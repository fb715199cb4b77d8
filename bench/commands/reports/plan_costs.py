"""The cost part of `bench plan`: cells, tables, rows passed, disk, hours, the longest chain, and schedules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from rich.filesize import decimal

from bench.execution.dry_run import TABLES, trainings
from bench.execution.grid import Options
from bench.execution.prepare import current_state, done_again, make_queue, unfinished
from bench.jobs import Job
from bench.leaderboard.formats.prose import markdown_row
from bench.planning.costs import Cost, Measured, basis, costs
from bench.planning.estimate import spell, trained_cells
from bench.planning.order import Rank, ranks
from bench.planning.plan import Plan
from bench.planning.schedule import Schedule, critical_path, simulate
from bench.store.folders import State
from tasks.errors import plural

WORKERS = (1, 8, 64, 1_000)
CHAIN = 4  # jobs of the longest chain that are named


@dataclass(frozen=True)
class Expense:
    """The open jobs of a plan with their costs and ranks."""

    plan: Plan
    jobs: list[Job]
    costs: dict[str, Cost]
    ranks: dict[str, Rank]

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Seconds of each job on one worker."""
        return {name: cost.seconds for name, cost in self.costs.items()}

    @property
    def seeds(self) -> int:
        """The largest number of seeds of a section."""
        return max(len(section["seeds"]) for section in self.plan.sections)

    def schedule(self, workers: int) -> Schedule:
        """The simulated schedule on a number of workers."""
        return simulate(self.jobs, self.seconds, self.ranks, workers)


def expense(plan: Plan, options: Options, measured: Measured) -> Expense:
    """What the open jobs of a plan cost, with those that the options have done again."""
    jobs = unfinished(make_queue(plan, again=done_again(plan, options)))
    return Expense(plan, jobs, costs(jobs, plan.jobs.values(), measured), ranks(plan, jobs))


def cost_lines(spent: Expense, workers: int) -> list[str]:
    """Paragraphs and a table of schedules."""
    plan, jobs = spent.plan, spent.jobs
    ids = {job.id for job in jobs}  # also of cells that are done, and are to be done again
    done = sum(name not in ids and current_state(plan.jobs[name]) is State.DONE for name in plan.cells)
    tables = Counter(TABLES[job.kind] for job in jobs if job.kind in TABLES)
    to_make = ", ".join(plural(count, noun) for noun, count in sorted(tables.items())) or "none"
    rows = sum(cost.rows for cost in spent.costs.values())
    disk = decimal(round(sum(cost.size for cost in spent.costs.values())))
    hours = sum(spent.seconds.values()) / 3600
    length, chain = critical_path(jobs, spent.seconds)
    parts = (
        f"{plural(len(plan.cells), 'cell')}, {done:,} of them done; {trainings(jobs, plan)}; shared tables to compute "
        f"first: {to_make}.",
        f"Rows through the model: {rows:,.0f} (a backward pass counts as two forward ones). Disk: "
        f"{disk}. Time: {hours:,.2f} worker hours; a worker has "
        "one CPU core, or a GPU.",
        f"Times are {basis(spent.costs, trained_cells(jobs))}.",
        f"Longest chain of jobs that wait for each other: {spell(length)}"
        + (f" ({' → '.join(named(chain))})" if chain else "")
        + ". No number of workers is faster.",
    )
    head = ["workers", "time", "busy %"]
    table = [head, ["---:"] * 3]
    for count in sorted({*WORKERS, workers}):
        one = spent.schedule(count)
        table.append([f"{count:,}", spell(one.seconds), f"{100 * one.busy:.0f}"])
    simulated = (
        "Simulated schedules, with jobs taken in the order of `run`. More workers than cores or GPUs of this machine "
        "stand for several machines like it; their traffic with the store is not simulated."
    )
    return [*parts, simulated, "\n".join(markdown_row(line) for line in table)]


def named(chain: list[Job]) -> list[str]:
    """The titles of the jobs of a chain; of a long one, the first and the last ones."""
    titles = [TABLES.get(job.kind, job.title) for job in chain]
    return titles if len(titles) <= CHAIN else [*titles[: CHAIN - 1], f"... {len(titles) - CHAIN} more", titles[-1]]
