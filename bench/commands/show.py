"""`bench show`: shows one cell, or how two cells differ. Reads only the store; no torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.store.files import flatten, read_json
from bench.store.find import title
from bench.store.folders import failure, state_word
from bench.store.integrity import INTERNAL, damage
from bench.store.layout import DONE, LOG, MODEL

BARS = "▁▂▃▄▅▆▇█"
CURVE = 60  # characters of a curve
TAIL = 10  # lines of the log
# The keys of spec.json that are shown, in this order; the others are hashes, which only `--diff` compares.
SPEC = ("task_ref", "label", "seed", "source", "encoder", "preset", "protocol", "real_use", "rows")
NAMES = {"task_ref": "task", "label": "method", "real_use": "use of real rows", "artefacts": "precomputed"}  # as shown
CURVES = ("loss", "grad_norm", "weight_mean", "ess")
GROUPS = {
    "settings": ("task_ref", "label", "seed", "source", "encoder", "preset", "protocol", "hyperparameters", "settings"),
    "data": ("data", "rows", "labels", "artefacts"),
    "code": ("code", "encoder_hash"),
}


def show(folder: Path) -> Iterator[str]:
    """The lines on one cell."""
    spec = read_json(folder / "spec.json")
    reason = failure(folder) or (damage(folder) if (folder / DONE).exists() else "")
    yield f"{title(spec)}: {state_word(folder)}{f' ({reason})' if reason else ''}"
    yield f"folder: {folder}"
    yield from block("cell", readable(spec, SPEC))
    yield from block("hyper-parameters", spec["hyperparameters"])
    yield from block("settings", spec["settings"])
    yield from block("metrics", {k: v for k, v in optional(folder / DONE).items() if k not in INTERNAL})
    yield from block("timing", optional(folder / "timing.json"))
    yield from curves(folder / "history.jsonl")
    yield from block("environment", optional(folder / "env.json"))
    if (folder / MODEL).is_dir():
        yield f"model: {folder / MODEL} ({', '.join(sorted(path.name for path in (folder / MODEL).iterdir()))})"
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines() if (folder / LOG).exists() else []
    if lines:
        yield f"log (last {min(TAIL, len(lines))} of {len(lines)} lines):"
        yield from (f"    {line}" for line in lines[-TAIL:])


def readable(spec: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The entries of a `spec.json` under the names that users read."""
    return {NAMES.get(key, key): spec[key] for key in keys if key in spec}


def optional(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty if a cell does not have the file yet."""
    return dict(read_json(path)) if path.exists() else {}


def block(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A list of names and values with a heading; no lines if the list is empty."""
    flat = flatten(values)
    if flat:
        width = max(map(len, flat))
        yield f"{name}:"
        yield from (f"    {key:{width}}  {number(value)}" for key, value in flat.items())


def number(value: Any) -> str:
    """A value as text; numbers with 6 digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def curves(path: Path) -> Iterator[str]:
    """A line per training curve: its bars, first and last value."""
    import pandas as pd

    if not path.exists():
        return
    try:
        history = pd.read_json(path, lines=True)
    except ValueError:
        yield f"curves: {path.name} cannot be read"
        return
    yield f"curves over {len(history)} updates:"
    for name in (name for name in CURVES if name in history):
        values = [float(value) for value in history[name].dropna()]
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
    one, other = (read_json(folder / "spec.json") for folder in (a, b))
    yield f"a: {title(one)} ({a})"
    yield f"b: {title(other)} ({b})"
    for name, keys in GROUPS.items():
        yield from differences(name, *(readable(spec, keys) for spec in (one, other)))
    yield from differences("versions", *(optional(folder / "env.json") for folder in (a, b)))
    yield from metrics_of_both(*(optional(folder / DONE) for folder in (a, b)))
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
    import pandas as pd

    paths = [folder / "predictions.parquet" for folder in (a, b)]
    if not all(path.exists() for path in paths):
        return
    try:
        one, other = (pd.read_parquet(path).set_index("id") for path in paths)
    except (OSError, ValueError):
        yield "predictions: one of the files cannot be read"
        return
    if not one["label"].equals(other["label"]) or list(one) != list(other):
        yield "test rows: not the same"
        return
    logits = [frame.drop(columns="label").to_numpy() for frame in (one, other)]
    apart = int((logits[0].argmax(axis=1) != logits[1].argmax(axis=1)).sum())
    largest = float(abs(logits[0] - logits[1]).max()) if len(one) else math.nan
    yield f"predictions: {apart} of {len(one)} test rows differ in class; largest difference of a logit {largest:.3g}"
