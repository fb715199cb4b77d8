"""The model card of an exported model: what it was trained on, how, how good it is on the test, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.arrays import IntArray
from bench.leaderboard.formats.prose import escape
from bench.leaderboard.read.scores import read_predictions
from bench.stats.metrics import METRICS
from bench.version import VERSION
from tasks.errors import printable
from tasks.loading.load import NO_TEST

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "log_loss": "log-loss"}
RESAMPLES = 1000  # of the test rows
OF_GENERATED = (
    "- A language model wrote the generated rows, and nobody checked their labels. This model repeats their errors."
)
LIMITS = (
    "- It is one training with one seed. The intervals cover the choice of the test rows, not that of the seed.",
    "- If this training was chosen because it had the best result on the test, the result is too good.",
    "- It knows no other labels, and nothing is known about texts of another kind or language than the test rows.",
)
NOT_TESTED = ("- It was not tested: nothing is known about how good it is.",)
UNKNOWN = "unknown: check before you share the model"


def intervals(labels: IntArray, logits: np.ndarray[Any, Any]) -> dict[str, tuple[float, float, float]]:
    """By metric its value on the test rows with a 95 % interval: Wilson's for accuracy, a bootstrap for the others.

    `labels` (N,), `logits` (N, C). The bootstrap draws the test rows again, 1,000 times, with a fixed seed.
    """
    from scipy.stats import binomtest

    values = {name: METRICS[name](labels, logits) for name in NAMES}
    right = int((logits.argmax(axis=1) == labels).sum())
    wilson = binomtest(right, len(labels)).proportion_ci(method="wilson")
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(labels), size=(RESAMPLES, len(labels)))
    result = {"accuracy": (values["accuracy"], float(wilson.low), float(wilson.high))}
    for name in ("macro_f1", "log_loss"):
        low, high = np.quantile([METRICS[name](labels[rows], logits[rows]) for rows in drawn], [0.025, 0.975])
        result[name] = (values[name], float(low), float(high))
    return result


def card(spec: Mapping[str, Any], folder: Path, section: Mapping[str, Any] | None, licence: str | None) -> str:
    """The text of README.md for the cell in `folder`, which has the specification `spec`.

    `section` is the part of a grid that the cell belongs to, if its store still has it. A cell that was tested on rows
    that it may have been trained on has no results.
    """
    rows, logits = read_predictions(folder, folder.name)
    measured = {} if NO_TEST in (section or {}).get("notes", ()) else intervals(rows.labels, logits)
    head = yaml.safe_dump(metadata(spec, measured, len(logits), licence), sort_keys=False, allow_unicode=True)
    text = printable("\n".join(body(spec, measured, len(logits), section, licence)))
    return f"---\n{head}---\n\n{text}\n"


def metadata(
    spec: Mapping[str, Any], measured: Mapping[str, tuple[float, float, float]], tested: int, licence: str | None
) -> dict[str, Any]:
    """The fields that the Hugging Face hub reads."""
    encoder = str(spec["encoder"])
    metrics = [{"type": name, "value": round(value[0], 6)} for name, value in measured.items()]
    result = {
        "task": {"type": "text-classification"},
        "dataset": {"name": f"{spec['task_ref']} ({tested} test rows)", "type": spec["task"]},
        "metrics": metrics,
    }
    return {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "license": licence or "unknown",
        **({} if is_path(encoder) else {"base_model": encoder}),
        "tags": ["text-classification", "data-weighting", spec["method"]],
        **(
            {"model-index": [{"name": f"{spec['task_ref']}-{spec['method']}", "results": [result]}]} if measured else {}
        ),
    }


def body(
    spec: Mapping[str, Any],
    measured: Mapping[str, tuple[float, float, float]],
    tested: int,
    section: Mapping[str, Any] | None,
    licence: str | None,
) -> Iterator[str]:
    """The lines below the fields."""
    encoder = str(spec["encoder"])
    yield f"# {escape(spec['task_ref'])}: {escape(spec['label'])}"
    yield f"\nA classifier of {'pairs of texts' if spec['pairs'] else 'texts'} with the labels"
    yield f"{', '.join(map(escape, spec['labels']))}, trained with the data-weighting method `{spec['label']}`."
    yield "\n## Use\n\n```python\nfrom transformers import pipeline\n"
    yield 'classify = pipeline("text-classification", "PATH_OR_HUB_ID", truncation=True)'
    yield f"classify({example(spec)})\n```\n"
    yield f"`truncation=True` cuts texts after {spec['settings']['max_length']} tokens, as the training did."
    yield "\n## Data\n\n| rows | number |\n| --- | --- |"
    size = spec["generated_size"]
    for name, count in spec["rows"].items():
        if name != "scored" and (measured or name != "test"):
            of = f" of {size['of']:,}" if name == "generated" and size and size["of"] != count else ""
            yield f"| {ROLES.get(name, name)} | {count:,}{of} |"
    yield f"| test | {tested:,} |" if measured and "test" not in spec["rows"] else ""
    if "real" not in spec["rows"] and section and section["sizes"].get("real"):
        yield f"\nThe method's checkers were trained on {section['sizes']['real']:,} real rows, if it has any."
    origins = "; ".join(f"{role}: {escape(Path(place).name)}" for role, place in spec["origins"].items())
    about = escape((section or {}).get("about") or "")
    yield f"\nSource: {spec['source']}{f' ({origins})' if origins else ''}. {about}".rstrip()
    yield from (f"- {escape(note)}" for note in (section or {}).get("notes", ()))
    yield "\n## Training\n\n| what | value |\n| --- | --- |"
    yield f"| encoder | {escape(Path(encoder).name if is_path(encoder) else encoder)} |"
    yield f"| preset, protocol, seed | {spec['preset']}, {spec['protocol']}, {spec['seed']} |"
    for name, value in {**spec["settings"], **spec["hyperparameters"]}.items():
        if value is not None:
            yield f"| {name} | {escape(value)} |"
    yield f"\nTrained with data-weighting-bench {VERSION}, cell {spec['id']}."
    yield from results(measured, tested, section)
    yield "\n## Limits\n"
    if "generated" in spec["rows"]:
        yield OF_GENERATED
    yield from LIMITS if measured else NOT_TESTED
    yield "\n## Licences\n\n| of | licence |\n| --- | --- |"
    yield f"| this model | {licence or UNKNOWN} |"
    yield f"| the encoder | {'unknown' if is_path(encoder) else f'see the card of {encoder}'} |"
    yield f"| the data | {data_licence(spec)} |"


def results(
    measured: Mapping[str, tuple[float, float, float]], tested: int, section: Mapping[str, Any] | None
) -> Iterator[str]:
    """The lines on the results, if there are any."""
    if not measured:
        return
    yield f"\n## Results on {tested:,} test rows\n\n| metric | value | 95 % interval |\n| --- | --- | --- |"
    for name, (value, low, high) in measured.items():
        yield f"| {NAMES[name]} | {value:.4f} | {low:.4f} to {high:.4f} |"
    if section:
        yield f"\nA constant guess of the most frequent class has accuracy {section['majority']:.4f}."


ROLES = {"generated": "generated, trained on", "real": "real, trained on or read by the method", "select": "selecting"}


def example(spec: Mapping[str, Any]) -> str:
    """An argument of the pipeline."""
    return '{"text": "one text", "text_pair": "another text"}' if spec["pairs"] else '"a text of any length"'


def is_path(encoder: str) -> bool:
    """Whether an encoder is a folder, a W&B artifact or made here, and no id of the hub."""
    from huggingface_hub import constants

    if encoder.startswith(("/", ".", "~")) or ":" in encoder or Path(encoder).exists():
        return True
    # A name alone, such as `bert-base-uncased`, may be a folder of another place; an id is in the hub's cache.
    return encoder.count("/") != 1 and not (Path(constants.HF_HUB_CACHE) / f"models--{encoder}").is_dir()


def data_licence(spec: Mapping[str, Any]) -> str:
    """The licence of the task's rows, if a registered task states it and no role was replaced."""
    from tasks import DataError, load_spec

    try:
        task = load_spec(spec["task"])
    except DataError:
        return UNKNOWN
    block = task.sources.get(spec["source"])
    return (block and block.licence) or (task.licence if block else None) or UNKNOWN
