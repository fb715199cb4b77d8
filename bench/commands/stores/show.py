"""`bench show`: shows one cell, or how two cells differ. Reads only the store; no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.errors import UserError
from bench.store.files import flatten, read_json, read_json_lines
from bench.store.find import title
from bench.store.folders import failure, state_word
from bench.store.integrity import INTERNAL, damage
from bench.store.layout import DONE, HISTORY, LOG, MODEL, PREDICTIONS, SPEC, TIMING, VERSIONS
from bench.store.manifest import with_one_name
from bench.store.schemas import Environment, Metrics, Spec, Timing, Update
from bench.store.tables import Kind, read_table
from tasks.errors import plural, short_repr

BARS = "▁▂▃▄▅▆▇█"
CURVE = 60  # characters of a curve
TAIL = 10  # lines of the log
LINE = 200  # characters of a value
# The keys of spec.json that are shown, in this order; the others are hashes, which only `--diff` compares.
KEYS = ("task_ref", "label", "seed", "source", "encoder", "preset", "protocol", "real_use", "rows")
NAMES = {"task_ref": "task", "label": "method", "real_use": "use of real rows", "artefacts": "precomputed"}  # as shown
CURVES = ("loss", "grad_norm", "weight_mean", "ess")
GROUPS = {
    "settings": ("task_ref", "label", "seed", "source", "encoder", "preset", "protocol", "hyperparameters", "settings"),
    "data": ("data", "rows", "labels", "artefacts"),
    "code": ("code", "marks", "encoder_hash"),
}


def show(folder: Path) -> Iterator[str]:
    """The lines on one cell."""
    spec = read_json(folder / SPEC, Spec)
    reason = failure(folder) or (damage(folder) if (folder / DONE).exists() else "")
    yield f"{title(spec)}: {state_word(folder)}{f' ({reason})' if reason else ''}"
    yield f"folder: {folder}"
    yield from block("cell", readable(spec, KEYS))
    yield from block("hyper-parameters", spec["hyperparameters"])
    yield from block("settings", spec["settings"])
    yield from block_of("metrics", folder / DONE, Metrics)
    yield from block_of("timing", folder / TIMING, Timing)
    yield from curves(folder / HISTORY)
    yield from block_of("environment", folder / VERSIONS, Environment)
    if (folder / MODEL).is_dir():
        yield f"model: {folder / MODEL} ({', '.join(sorted(path.name for path in (folder / MODEL).iterdir()))})"
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines() if (folder / LOG).exists() else []
    if lines:
        yield f"log (last {min(TAIL, len(lines))} of {len(lines)} lines):"
        yield from (f"    {line}" for line in lines[-TAIL:])


def readable(spec: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The entries of a `spec.json` under the names that users read."""
    return {NAMES.get(key, key): spec[key] for key in keys if key in spec}


def optional(path: Path, schema: type[BaseModel]) -> dict[str, Any]:
    """The object in a JSON file, empty if a cell does not have the file yet."""
    return read_json(path, schema) if path.exists() else {}


def block_of(name: str, path: Path, schema: type[BaseModel]) -> Iterator[str]:
    """The `block` of a JSON file of a cell; one line if it is damaged."""
    try:
        values = optional(path, schema)
    except UserError as error:
        yield f"{name}: {error}"
        return
    yield from block(name, {key: value for key, value in values.items() if key not in INTERNAL})


def block(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A list of names and values with a heading; no lines if the list is empty."""
    flat = flatten(values)
    if flat:
        width = max(map(len, flat))
        yield f"{name}:"
        yield from (f"    {key:{width}}  {number(value)}" for key, value in flat.items())


def number(value: Any) -> str:
    """A value as text; numbers with 6 digits."""
    return f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else short_repr(value, LINE)


def curves(path: Path) -> Iterator[str]:
    """A line per training curve: its bars, first and last value."""
    if not path.exists():
        return
    try:
        history = read_json_lines(path, Update)
    except (OSError, UserError) as error:
        yield f"curves: {path.name} cannot be read ({error})"
        return
    yield f"curves over {plural(len(history), 'update')}:"
    for name in CURVES:
        values = [float(row[name]) for row in history if row.get(name) is not None and math.isfinite(row[name])]
        if values:
            yield f"    {name:11}  {spark(values)}  {values[0]:.4g} to {values[-1]:.4g}"


def spark(values: list[float], width: int = CURVE) -> str:
    """A curve in one line of bars; with more values than `width`, each bar is the mean of neighbouring values."""
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


def diff(a: Path, b: Path) -> Iterator[str]:
    """The lines on how two cells differ, and their metrics."""
    one, other = with_one_name([read_json(folder / SPEC, Spec) for folder in (a, b)])
    yield f"a: {title(one)} ({a})"
    yield f"b: {title(other)} ({b})"
    for name, keys in GROUPS.items():
        yield from differences(name, *(readable(spec, keys) for spec in (one, other)))
    yield from differences("versions", *(optional(folder / VERSIONS, Environment) for folder in (a, b)))
    yield from metrics_of_both(*(optional(folder / DONE, Metrics) for folder in (a, b)))
    yield from agreement(a, b)


def differences(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """The entries of a group in which two cells differ."""
    flat_a, flat_b = flatten(a), flatten(b)
    keys = [key for key in {**flat_a, **flat_b} if flat_a.get(key, "-") != flat_b.get(key, "-")]
    yield f"{name}: {'the same' if not keys else ''}".rstrip()
    width = max(map(len, keys), default=0)
    yield from (f"    {k:{width}}  {number(flat_a.get(k, '-'))} | {number(flat_b.get(k, '-'))}" for k in keys)


def metrics_of_both(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """The metrics of two cells side by side."""
    names = [name for name in a if name in b and all(isinstance(x[name], float) for x in (a, b))]
    yield f"metrics: {'one of the cells is not finished' if not names else ''}".rstrip()
    width = max(map(len, names), default=0)
    yield from (f"    {n:{width}}  {a[n]:.4f} | {b[n]:.4f}  ({b[n] - a[n]:+.4f})" for n in names)


def agreement(a: Path, b: Path) -> Iterator[str]:
    """On how many test rows two cells predict different classes, if they were tested on the same rows."""
    import numpy as np

    paths = [folder / PREDICTIONS for folder in (a, b)]
    if not all(path.exists() for path in paths):
        return
    try:
        columns: dict[str, Kind] = {"id": "key", "label": "whole", "logit_*": "number"}
        one, other = (read_table(path, columns).set_index("id") for path in paths)
    except UserError as error:
        yield f"predictions: {error}"
        return
    if not one["label"].equals(other["label"]) or list(one) != list(other):
        yield "test rows: not the same"
        return
    logits = [frame.drop(columns="label").to_numpy() for frame in (one, other)]
    apart = int((logits[0].argmax(axis=1) != logits[1].argmax(axis=1)).sum())
    with np.errstate(invalid="ignore"):  # between two infinite logits it is NaN, and shown as such
        largest = float(abs(logits[0] - logits[1]).max()) if len(one) else math.nan
    yield f"predictions: {apart} of {len(one)} test rows differ in class; largest difference of a logit {largest:.3g}"
