"""The command in a process that has imported everything already: what it does, without the seconds that imports take.

A fork server holds the imports, each command is a fork of it, and the command's workers are forks of the command. Tests
of what happens at the start (imports, fork server, signals) run `python -m bench` itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import bench.leaderboard
import bench.stats
import methods
import tasks.loading
from bench import processes
from bench.execution.engines import local

TIMEOUT = 240  # seconds
COMMAND = (
    "bench.execution.worker",
    "bench.cli",
    "bench.execution.grid",
    "bench.execution.until_decided",
    "bench.commands.arguments",
)
LATER = (  # what it imports on its way
    "scipy.stats",
    "pyarrow.pandas_compat",
    "rich.live",
    "rich.table",
    "torch.profiler",
    "transformers.models.bert.modeling_bert",
    *(
        module.name
        for package in (methods, tasks.loading, bench.leaderboard, bench.stats)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
)


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m bench ARGUMENTS` in a folder, with this process's environment and further variables."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *COMMAND, *LATER])
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [Path(scratch) / name for name in ("stdout", "stderr")]
        variables = {**os.environ, "COLUMNS": "200", **(environment or {})}
        process = context.Process(target=command, args=(list(arguments), folder, variables, outputs))
        with processes.without_main():
            process.start()
        process.join(TIMEOUT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), TIMEOUT)
        out, err = (path.read_text(encoding="utf-8") for path in outputs)
    return subprocess.CompletedProcess(list(arguments), process.exitcode, out, err)


def command(arguments: list[str], folder: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    """What the forked process does."""
    from bench.cli import main

    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["bench", *arguments]
    local.CONTEXT = multiprocessing.get_context("fork")
    main()
