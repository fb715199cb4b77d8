"""Runs a sweep file under a real `wandb agent`, with a W&B server on the loopback interface, and shows its effect.

Everything shown is computed from what the server received and from the predictions of the trials' cells. The file
varies one thing beside methods and seeds; its first value is what the others are compared with.
"""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from bench.errors import UserError
from bench.leaderboard.figures.style import figure, render, styled
from bench.leaderboard.read.scores import read_predictions
from bench.stats.crossed import Comparison, compare, correct
from bench.store.files import write_bytes, write_text
from bench.store.find import find
from tests.helpers.wandb_artifacts import ENTITY, PROJECT
from tests.helpers.wandb_stub import Stub
from tests.performance import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIXED = ("methods", "seed")  # parameters that every sweep has
HEAD = (
    "# Sweeps under a W&B agent\n\nEach section is one sweep file: `python -m tests.performance sweep FILE` starts a "
    "W&B server on the loopback interface and a real `wandb agent`, which takes the trials from it. Differences hold "
    "for new seeds and new test rows, each interval for itself."
)


@dataclass(frozen=True)
class Trial:
    """One trial as the server knows it, with the folder of its cell."""

    value: str  # of what the sweep varies
    method: str
    seed: int
    accuracy: float
    run: str
    cell: Path


def measure(file: Path, methods: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Run the trials of a sweep file, and write their table, figure and section of `folder`. Raises UserError.

    `methods`: these alone, unless there are none.
    """
    sweep = yaml.safe_load(file.read_text(encoding="utf-8"))
    if methods:
        sweep["parameters"]["methods"] = {"values": list(methods)}
    name = varied(sweep["parameters"], file)
    with tempfile.TemporaryDirectory() as place, Stub() as server:
        agent(sweep, Path(place), server, say)
        found = trials(server, name, Path(place) / "runs")
        write_text(folder / f"{file.stem}.csv", as_csv(found, name))
        write(file, folder, name, found, say)


def varied(entries: Mapping[str, Any], file: Path) -> str:
    """What a sweep with these parameters varies beside methods and seeds. Raises UserError."""
    keys = [key for key, entry in entries.items() if "values" in entry]
    others = [key for key in keys if key not in FIXED]
    if len(others) != 1 or not set(FIXED) <= set(keys):
        raise UserError(f"{file} must vary methods, seed, and one thing more")
    return others[0]


def agent(sweep: Mapping[str, Any], place: Path, server: Stub, say: Callable[[str], None]) -> None:
    """Register a sweep and run an agent in the folder `place` until no trial is left."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**server.environment(place), "PATH": path, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    write_text(place / "sweep.yaml", yaml.safe_dump(dict(sweep), sort_keys=False))
    with (place / "agent.log").open("wb") as log:
        for arguments in (["sweep", "--project", PROJECT, "sweep.yaml"], ["agent", f"{ENTITY}/{PROJECT}/sweep0"]):
            command = [sys.executable, "-m", "wandb", *arguments]
            ended = subprocess.run(command, cwd=place, env=environment, stdout=log, stderr=log, check=False)
            if ended.returncode:
                text = (place / "agent.log").read_text(encoding="utf-8", errors="replace")
                raise UserError(f"wandb {arguments[0]} failed: {text[-500:]}")
    say(f"{len(server.trials)} trials, {sum(run['exitcode'] == 0 for run in server.runs.values())} of them finished")


def trials(server: Stub, name: str, store: Path) -> list[Trial]:
    """The trials in the order of the file. Raises UserError if one has no result."""
    found = []
    for run, arguments in server.trials.items():
        known = server.runs.get(run, {"history": [], "exitcode": None})
        if known["exitcode"] != 0 or "accuracy" not in known["history"][-1]:
            raise UserError(f"trial {run} with {arguments} has no result")
        cell = find(store, known["config"]["cell"])
        value = "none" if arguments[name] is None else str(arguments[name])
        accuracy = known["history"][-1]["accuracy"]
        found.append(Trial(value, arguments["methods"], int(arguments["seed"]), accuracy, run, cell))
    return found


def as_csv(found: Sequence[Trial], name: str) -> str:
    """The trials as a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name, "method", "seed", "accuracy", "wandb_run", "cell"])
    for trial in found:
        writer.writerow([trial.value, trial.method, trial.seed, round(trial.accuracy, 6), trial.run, trial.cell.name])
    return text.getvalue()


def write(file: Path, folder: Path, name: str, found: Sequence[Trial], say: Callable[[str], None]) -> None:
    """Write the figure and the section of a sweep."""
    methods = list(dict.fromkeys(trial.method for trial in found))
    seeds = sorted({trial.seed for trial in found})
    points = list(dict.fromkeys(trial.value for trial in found))
    gains = {(m, v): gain(found, m, v, points[0]) for m in methods for v in points[1:]}
    with styled():
        _, png = render(curves(name, methods, points, found, gains))
    write_bytes(folder / f"{file.stem}.png", png)
    rows = [[v, *(cell(found, m, v, gains.get((m, v))) for m in methods)] for v in points]
    text = finding(gains, points[0])
    say(text)
    picture = f"![{text}]({file.stem}.png)"
    about = (
        f"{len(found)} trials of [{file}](../../{file}), seeds {', '.join(map(str, seeds))}; "
        f"the numbers that the server received are in [{file.stem}.csv]({file.stem}.csv)."
    )
    head = [name, *(f"{method}: accuracy, difference to {points[0]}" for method in methods)]
    page.put(folder / "README.md", file.stem, [about, text, picture, page.table(head, rows)], HEAD)


def gain(found: Sequence[Trial], method: str, value: str, first: str) -> Comparison:
    """The difference of accuracy between two values of a method, over the seeds and test rows of both."""
    labels, sides = None, []
    for wanted in (value, first):
        cells = [trial.cell for trial in found if (trial.method, trial.value) == (method, wanted)]
        read = [read_predictions(folder, folder.name) for folder in cells]
        labels = read[0][0].labels
        sides.append(np.stack([logits.argmax(axis=1) for _, logits in read]))
    assert labels is not None
    return compare(*(correct(labels, side) for side in sides))


def cell(found: Sequence[Trial], method: str, value: str, against: Comparison | None) -> str:
    """A cell of the table: the mean, and the difference to the first value with its interval."""
    mean = np.mean([trial.accuracy for trial in found if (trial.method, trial.value) == (method, value)])
    return f"{100 * mean:.1f}" + ("" if against is None else f", {points(against)}")


def points(against: Comparison) -> str:
    """A difference with its interval, in points."""
    return f"{100 * against.difference:+.1f} [{100 * against.low:+.1f}, {100 * against.high:+.1f}]"


def finding(gains: dict[tuple[str, str], Comparison], first: str) -> str:
    """What the sweep shows, in a sentence for each method."""
    sentences = []
    for method in dict.fromkeys(method for method, _ in gains):
        own = {value: result for (name, value), result in gains.items() if name == method}
        shown = [f"{value} {points(result)}" for value, result in own.items() if result.low > 0 or result.high < 0]
        seen = ", ".join(shown) if shown else "no value differs from it by more than its interval"
        sentences.append(f"{method} against {first}: {seen}.")
    return " ".join(sentences)


def curves(
    name: str,
    methods: Sequence[str],
    values: Sequence[str],
    found: Sequence[Trial],
    gains: dict[tuple[str, str], Comparison],
) -> Figure:
    """Two panels with a line per method: accuracy with its seeds, and the difference to the first value."""
    import seaborn as sns

    plot, [[left, right]] = figure(3.8, columns=2, width=10.5)
    x = np.arange(len(values))
    for place, (method, colour) in enumerate(zip(methods, sns.color_palette("colorblind", len(methods)), strict=True)):
        at = x + (place - (len(methods) - 1) / 2) * 0.12  # so that intervals do not hide each other
        seeds = [[100 * t.accuracy for t in found if (t.method, t.value) == (method, value)] for value in values]
        for where, row in zip(at, seeds, strict=True):
            left.plot([where] * len(row), row, ".", color=colour, alpha=0.5)
        left.plot(at, [np.mean(row) for row in seeds], "o-", color=colour, label=method)
        own = [gains[method, value] for value in values[1:]]
        middle = np.array([100 * result.difference for result in own])
        ends = np.array([[100 * (r.difference - r.low), 100 * (r.high - r.difference)] for r in own]).T
        right.errorbar(at[1:], middle, ends, fmt="o", color=colour, capsize=4, label=method)
    right.axhline(0, color="#666666", linewidth=1, zorder=1)
    left.set_ylabel("test accuracy (per cent)")
    right.set_ylabel(f"difference to\n{values[0]} (points)")
    for axes in (left, right):
        axes.set_xticks(x, [re.sub("([(,])", r"\1\n", value) for value in values], fontsize=8)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xlabel(name)
    left.legend(frameon=False)
    left.set_title("points: seeds; line: their mean", fontsize=10)
    right.set_title("95 % intervals, for new seeds and new test rows", fontsize=10)
    return plot
