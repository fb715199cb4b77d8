"""`bench labels`: how many more labelled rows would help? A learning curve over nested small real sets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.config.request import Request
from bench.errors import UserError
from bench.execution.grid import Options, Result, run
from bench.execution.progress import Say, Show
from bench.leaderboard import Rules
from bench.leaderboard.build import build
from bench.leaderboard.columns import percent
from bench.leaderboard.compare.baseline import stacked
from bench.leaderboard.extra_tables.stress import Curve, curves
from bench.leaderboard.figures import FOLDER
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.power_law import FARTHEST, FEWEST_SIZES, Forecast, LearningCurve, learning_curve
from bench.leaderboard.results import Row
from bench.store.files import plain_json, write_together
from tasks import DataError, TaskData
from tasks.cross_validation import of_seed

SIZES = 5  # of a curve, each half of the next one
STEP = 0.01  # one point
AXIS = "real"
METRICS = ("accuracy", "macro-F1")  # in the second, rare classes count as much as frequent ones; not of folds
OF_SECTION = ("task", "source", "encoder", "preset", "protocol")  # of a curve, in the JSON file
OWN, FILE, FIGURE, KINDS = "labels", "labels.json", "labels", ("svg", "png")


def default_sizes(data: TaskData, seeds: Sequence[int]) -> tuple[list[int], list[str]]:
    """Nested sizes, ascending, from the whole pool downwards, and a line on those that a class has too few rows for.

    In a cross-validation, the pool of a seed is that of its fold. Raises UserError if fewer than `FEWEST_SIZES` sizes
    have two rows of each class.
    """
    seen = {seed: of_seed(data, seed) for seed in seeds}
    whole = min(len(one.pool) for one in seen.values())
    wanted = [max(whole >> step, 1) for step in range(SIZES)]
    possible, why = [], ""
    for size in wanted:
        try:
            for seed, one in seen.items():
                one.real(seed, size)
            possible.append(size)
        except DataError as error:
            why = str(error)
    if why and possible:
        least = least_size(seen, min(possible), max(set(wanted) - set(possible)))
        possible += [least] if least < min(possible) else []
    if len(possible) < FEWEST_SIZES:
        raise UserError(
            f"a learning curve needs {FEWEST_SIZES} sizes of the small real set; name them by --sizes. {why}"
        )
    return sorted(possible), [f"smaller sizes are left out: {why}"] if why else []


def least_size(seen: Mapping[int, TaskData], enough: int, too_few: int) -> int:
    """The smallest size that is possible for all seeds, by bisection; `seen` is the task as each seed sees it."""
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        try:
            for seed, one in seen.items():
                one.real(seed, middle)
            enough = middle
        except DataError:
            too_few = middle
    return enough


@dataclass(frozen=True)
class Fitted:
    """The curve of a method and a metric on the seeds that every size has; no `law` with too few sizes or no seed."""

    curve: Curve
    label: str
    metric: str
    seeds: list[int]
    law: LearningCurve | None

    @property
    def task(self) -> str:
        """The title of the task."""
        return str(self.curve.sections[0].spec["title"])

    @property
    def name(self) -> str:
        """The method, and what tells its curve from others of the method."""
        return ", ".join([self.label, *self.curve.apart])


def labels(request: Request, options: Options, say: Say, show: Show) -> Result:
    """Run the grid of all sizes, print the curves, and write `labels.json` and a figure beside its leaderboard.

    All of them are in a folder of their own in the folder of reports, which has the leaderboard of another grid.
    """
    options = replace(options, reports=options.reports / OWN)
    result = run(request, options, say, show)
    if options.dry_run or result.interrupted:
        return result
    found = list(fitted_curves(result, options.rules))
    written = [as_json(one) for one in found]
    for line in (line for one in written for line in one["lines"]):
        say(line)
    files = {options.reports / FILE: (json.dumps(written, indent=1, allow_nan=False) + "\n").encode()}
    if options.figures and (drawn := drawing(found)) is not None:
        files |= {options.reports / FOLDER / f"{FIGURE}.{kind}": one for kind, one in zip(KINDS, drawn, strict=True)}
    write_together(files)
    say(f"written: {', '.join(map(str, files))}")
    return result


def fitted_curves(result: Result, rules: Rules) -> Iterator[Fitted]:
    """The curve of each method and metric. Raises UserError."""
    report = build(result.manifest, result.store, rules)
    along = [curve for curve in curves(report.sections) if curve.axis == AXIS]
    for curve in along:
        for label in curve.labels:
            for metric in METRICS[: 1 if curve.sections[0].spec.get("cross_validation") else None]:
                yield fitted_curve(curve, label, metric)
    if not along:
        raise UserError(
            "no method has a result at two sizes, so there is no learning curve; the same command with --retry-failed "
            "trains the cells again that failed"
        )


def fitted_curve(curve: Curve, label: str, metric: str) -> Fitted:
    """One curve, on the seeds that every size has."""
    rows = [(size, row) for place, size in enumerate(curve.values) if (row := curve.row(label, place)) is not None]
    shared = sorted(set.intersection(*(set(row.cells) for _, row in rows)))
    if len(rows) < FEWEST_SIZES or not shared:
        return Fitted(curve, label, metric, shared, None)
    sizes = np.array([size for size, _ in rows])
    law = learning_curve(sizes, np.stack([scores(curve, row, shared, metric) for _, row in rows]))
    return Fitted(curve, label, metric, shared, law)


def drawing(found: Sequence[Fitted]) -> tuple[bytes, bytes] | None:
    """The figure of all curves as SVG and PNG; None without a fitted one."""
    from bench.leaderboard.figures.learning import learning

    by_metric: dict[str, dict[str, LearningCurve]] = {}
    for one in found:
        if one.law is not None:
            by_metric.setdefault(one.metric, {})[one.name] = one.law
    if not by_metric:
        return None
    with styled():
        return render(learning(found[0].task, by_metric))


def as_json(one: Fitted) -> dict[str, Any]:
    """The points, fit and forecasts of a curve, and lines for people."""
    title, law = f"{one.curve.title}, {one.label}, {one.metric}", one.law
    spec = one.curve.sections[0].spec
    head = {"method": one.label, "metric": one.metric, **{key: spec.get(key) for key in OF_SECTION}}
    if law is None:
        lines = [f"{title}: no curve, as it needs {FEWEST_SIZES} sizes with a seed in common"]
        return {**head, "lines": lines}
    return {
        **head,
        "seeds": one.seeds,
        "sizes": [int(size) for size in law.sizes],
        "values": [1 - float(error) for error in law.errors],
        "floor": float(law.law.floor[0]),
        "scale": float(law.law.scale[0]),
        "exponent": float(law.law.exponent[0]),
        "forecasts": {str(n): forecast_json(law.gain(n)) for n in farther(law)},
        "rows_for_a_point": forecast_json(law.rows_for(STEP)),
        "lines": list(lines_of(title, law)),
    }


def scores(curve: Curve, row: Row, seeds: Sequence[int], metric: str) -> Any:
    """(S, M) scores of a method's cells by cluster of test rows, whose means are the metric."""
    test = curve.sections[0].test
    assert test is not None, "a section with a result has test rows"
    predictions = stacked(row, seeds)
    return test.influence(predictions) if metric == "macro-F1" else test.right(predictions)


def farther(fitted: LearningCurve) -> list[int]:
    """The sizes of forecasts: twice and four times the largest."""
    return [int(fitted.sizes[-1]) * factor for factor in (2, int(FARTHEST))]


def lines_of(title: str, fitted: LearningCurve) -> Iterator[str]:
    """The curve in sentences."""
    last = int(fitted.sizes[-1])
    measured = ", ".join(
        f"{size:,.0f}: {percent(1 - error)}" for size, error in zip(fitted.sizes, fitted.errors, strict=True)
    )
    yield f"{title} by labelled rows: {measured}"
    law = fitted.law
    yield (
        f"  fitted: error = {law.floor[0]:.3f} + {law.scale[0]:.3g} n^-{law.exponent[0]:.2f}"
        + (" (one seed: intervals are for these trained models)" if fitted.seeds == 1 else "")
    )
    for size in farther(fitted):
        yield f"  from {last:,} to {size:,} rows: {points(fitted.gain(size))} points"
    yield f"  one point more takes {rows_text(fitted.rows_for(STEP), last)}"


def points(gain: Forecast) -> str:
    """`+1.2 [+0.3, +2.1]`."""
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in (gain.value, gain.low, gain.high)))


def rows_text(rows: Forecast, last: int) -> str:
    """`about 550 rows in all [380, more than 1,200]`: nothing beyond the farthest forecast."""
    most = FARTHEST * last
    value, low, high = (
        f"{math.ceil(size):,}" if size <= most else f"more than {most:,.0f}"
        for size in (rows.value, rows.low, rows.high)
    )
    return f"about {value} rows in all [95 %: {low} to {high}]".replace("about more", "more")


def forecast_json(one: Forecast) -> dict[str, float | None]:
    """A forecast; null for infinite."""
    return dict(plain_json(vars(one)))


def sizes_of(text: str) -> list[int]:
    """The sizes of `--sizes`, ascending. Raises UserError."""
    try:
        sizes = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UserError(f"--sizes {text!r} is no list of numbers, such as 25,50,100,200") from None
    if len(sizes) < FEWEST_SIZES:
        raise UserError(f"--sizes {text}: a learning curve needs {FEWEST_SIZES} different sizes")
    return sizes


def default_of(request: Request) -> tuple[list[int], list[str]]:
    """`default_sizes` of the only task of a request. Raises UserError and DataError."""
    (task,) = request.tasks
    return default_sizes(request.load(task), request.seeds)
