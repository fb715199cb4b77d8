"""A plan: jobs by id, and the sections of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bench.config.request import Request
from bench.jobs import Job
from tasks import Rows

if TYPE_CHECKING:
    from bench.planning.rows import SectionRows

AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass
class Plan:
    """Jobs by id in the order in which they are best started, and the report's sections."""

    root: Path
    requests: Sequence[Request] = ()
    jobs: dict[str, Job] = field(default_factory=dict)
    sections: list[dict[str, Any]] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)  # job id -> label, of the requested cells
    requested_ids: set[str] = field(default_factory=set)  # spec ids of requested cells that may be checkers too
    mirrors: list[str] = field(default_factory=list)  # ids of the jobs that log these cells to a tracker
    cell_data: dict[str, tuple[SectionRows, int]] = field(default_factory=dict)  # job id -> its section, its seed
    hidden: dict[str, Rows] = field(default_factory=dict)  # id of hidden columns -> rows; workers never get them
    texts: dict[str, Rows] = field(default_factory=dict)  # id of a table of texts -> rows; workers never get them

    @property
    def smoke(self) -> bool:
        """Whether some request limits its rows (--limit): a smoke run, which is not reported."""
        return any(request.limit is not None for request in self.requests)

    def add(self, job: AnyJob) -> AnyJob:
        """Add a job unless the plan has its id already; return the one that it has, which is of the same kind."""
        return cast(AnyJob, self.jobs.setdefault(job.id, job))
