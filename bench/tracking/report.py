"""The report of a grid at W&B: its rows as a table, and its files as a W&B artifact of type `report`."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.hashing import digest
from bench.tracking.lineage import allowed
from bench.tracking.trackers import names
from bench.tracking.wandb_runs import PROJECT, in_sweep, online_or_offline, patient
from bench.wandb_artifacts import option_name
from tasks.errors import in_a_line

LONGEST = 100  # characters that the tasks take in an artifact's name, which may have 128
UPLOAD = 60  # seconds that the upload of a report may take


def log_report(track: str, manifest: Mapping[str, Any], files: Sequence[Path]) -> list[str]:
    """Log a report as one W&B run, where `track` names W&B. Returns lines to print, and never raises.

    `files`: those of the report, `leaderboard.md` first. Its folder may hold others, of earlier reports on other
    data. In a W&B sweep nothing is logged, since the agent fixes the process's only run.
    """
    if "wandb" not in names(track) or in_sweep():
        return []
    try:
        return online_or_offline(lambda mode: report_run(manifest, files, mode))
    except Exception as error:  # the report is on disk; no error of a client may end a run whose cells are finished
        return [f"W&B: the report was not logged ({in_a_line(error)})"]


def report_run(manifest: Mapping[str, Any], files: Sequence[Path], mode: str) -> list[str]:
    """Write the run. The same cells of the same grid continue one run, since its id is that of the grid."""
    import wandb

    tasks = list(dict.fromkeys(str(section["task_ref"]) for section in manifest["sections"]))
    name = "leaderboard-" + allowed(*tasks)[:LONGEST]
    identity = digest([sorted(path for section in manifest["sections"] for path in cells(section))])
    more: dict[str, Any] = {"resume": "allow"} if mode == "online" else {}
    reports = files[0].parent
    with (reports / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=identity,
        name=f"report on {', '.join(tasks)}",
        group="reports",
        job_type="report",
        config={"command": manifest["command"], "tasks": tasks},
        mode=mode,  # type: ignore[arg-type]
        settings=patient(),
        **more,
    ) as run:
        data: list[Any] = [[value(text) for text in row] for row in rows]
        columns: list[Any] = list(head)
        run.log({"leaderboard": wandb.Table(columns=columns, data=data)})
        artifact = wandb.Artifact(name, "report", metadata={"command": manifest["command"]})
        for path in sorted(path for path in files if path.parent == reports or path.suffix == ".png"):
            artifact.add_file(str(path), path.relative_to(reports).as_posix(), skip_cache=True)
        logged = run.log_artifact(artifact, aliases=["latest"])
        if run.offline or mode == "disabled":
            return []
        logged.wait(UPLOAD)
        return [f"W&B report: {option_name(logged.qualified_name)}"]


def cells(section: Mapping[str, Any]) -> list[str]:
    """The folders of a section's cells."""
    return [path for method in section["methods"] for path in method["cells"].values()]


def value(text: str) -> float | str | None:
    """A number as one, so that W&B sorts and plots it; an empty cell as none."""
    try:
        return float(text)
    except ValueError:
        return text or None
