"""Frozen states: the outputs of the frozen lower blocks for each token, once per text and encoder.

Every cell and checker of a task starts from these states instead of running the lower blocks. A text's states depend on
the text alone, to the bit, and not on what else is in the grid (`inference.fixed_batches`). States of too many tokens
are not stored: cells compute the same ones for each batch (`FrozenBlocks`). If an encoder's logits from states differ
from its plain logits, there are none, `metrics.json` says so, and cells run the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench import devices
from bench.encoders.classifier import Classifier, block_list
from bench.jobs import StatesJob, states_fit
from bench.precomputed.inference import each_alone
from bench.precomputed.token_spans import unique_texts
from bench.precomputed.tokens import TokenTable, load
from bench.store.folders import finish
from bench.system import claim_space
from tasks.errors import plural

PROBE = 8  # rows of the self-test
TOLERANCE = 1e-5  # largest difference of logits in the self-test
FAILED = 1e9  # difference of an encoder whose forward pass does not take states


class Reached(Exception):  # noqa: N818 - a signal that stops the forward pass, not an error
    """Raised at the first block that trains, with the states (B, L, H) that enter it."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def compute_states(classifier: Classifier, job: StatesJob, inputs: dict[str, Tensor]) -> Tensor:
    """(B, L, H) states that enter the first block that trains; the blocks above are not computed."""
    first = block_list(classifier.base, job.checkpoint.name)[-job.train_layers]

    def stop(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        raise Reached(args[0] if args else kwargs["hidden_states"])

    handle = first.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        classifier.model(**inputs)
    except Reached as reached:
        return reached.states
    finally:
        handle.remove()
    raise RuntimeError("the forward pass did not reach the first block that trains")


def build(job: StatesJob) -> dict[str, Any]:
    """Write `states.npy` (T, H) float32, unless it is too large or the encoder has no states. Returns the counts."""
    table = load(job.tokens)
    table = table.take(unique_texts(table.start, table.length)[0])
    classifier = fresh(job, plain=True)
    width = int(classifier.model.config.hidden_size)
    shape = (int(table.length.sum()), width)
    difference = self_test(job, classifier, table)
    supported = difference <= TOLERANCE and states_fit(*shape)
    if supported:
        write_states(job, classifier, table, shape)
    counts = {"rows": len(table) if supported else 0, "supported": supported, "difference": difference}
    finish(job.folder, counts)
    return {**counts, "notes": [] if supported else [not_stored(job, len(table), 4 * shape[0] * width, difference)]}


def not_stored(job: StatesJob, texts: int, size: int, difference: float) -> str:
    """The note on states that are not stored."""
    why = "its logits from them are not its plain ones"
    if difference <= TOLERANCE:
        why = f"they would have {size / 2**30:.1f} GiB: too many"
    return (
        f"{job.checkpoint.title}: no states of its frozen blocks are stored for {plural(texts, 'text')} ({why}), so "
        "each cell runs these blocks too, which may take several times as long"
    )


def fresh(job: StatesJob, *, plain: bool) -> Classifier:
    """The encoder with an arbitrary but fixed head, in evaluation mode, on the available device."""
    classifier = Classifier(job.checkpoint, 2, job.train_layers, plain=plain)
    classifier.start(0)
    classifier.eval()
    classifier.model.to(devices.available())
    return classifier


@torch.inference_mode()
def self_test(job: StatesJob, plain: Classifier, table: TokenTable) -> float:
    """Largest difference between the logits of the whole model and those from states, on the first rows.

    Every other row is cut to half: without padding, a head that reads the last token finds it from states too.
    """
    device = devices.available()
    table = table.take(np.resize(np.arange(len(table)), PROBE))
    length = np.where(np.arange(PROBE) % 2, np.maximum(1, table.length // 2), table.length)
    probed = replace(table, length=length).inputs(np.arange(PROBE), width=max(2, int(length.max())))
    inputs = {name: value.to(device) for name, value in probed.items()}
    expected = plain.model(**inputs).logits
    short = fresh(job, plain=False)  # as in cells
    try:
        states = compute_states(plain, job, inputs)
        short.use_states(job.train_layers)
        logits = short.model(inputs_embeds=states, attention_mask=inputs["attention_mask"]).logits
    except (TypeError, ValueError, AttributeError, RuntimeError, KeyError, IndexError):
        return FAILED
    return float((logits - expected).abs().max())


def write_states(job: StatesJob, classifier: Classifier, table: TokenTable, shape: tuple[int, int]) -> None:
    """Write the states of every token, in the order of the token arrays."""
    path = job.folder / "states.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    with path.open("r+b") as file:  # claim the space now: a full disk is then an error and not a signal
        claim_space(file)
    forward = partial(compute_states, classifier, job)
    for index, result in each_alone(forward, table, job.checkpoint.positions, devices.available()):
        states = result.cpu().numpy()
        for row, i in enumerate(index):
            out[table.start[i] : table.start[i] + table.length[i]] = states[row, : table.length[i]]
    out.flush()


class FrozenBlocks:
    """Puts states in place of the tokens of a batch, for a classifier without its frozen blocks, where none are stored.

    They are those that `write_states` would store, to the bit and in float32 whatever the precision of the training: so
    a cell has the same result whether the states of its rows are stored, which depends on the rows of other seeds too.
    """

    def __init__(self, job: StatesJob, padding: Mapping[str, int]) -> None:
        self.job, self.padding, self.classifier = job, padding, fresh(job, plain=True)

    def __deepcopy__(self, _: object) -> FrozenBlocks:
        return self  # the networks of a cell share what is frozen

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        if "input_ids" not in inputs:
            return inputs
        mask = inputs["attention_mask"].numpy().astype(bool)
        part = {name: value.numpy()[mask] for name, value in inputs.items() if name in self.padding}
        length = mask.sum(axis=1)
        table = TokenTable((part,), np.zeros(len(length), np.int64), np.cumsum(length) - length, length, self.padding)
        device, width = devices.available(), int(self.classifier.model.config.hidden_size)
        out = torch.zeros(*mask.shape, width, device=device)
        forward = partial(compute_states, self.classifier, self.job)
        for index, states in each_alone(forward, table, self.job.checkpoint.positions, device):
            for row, i in enumerate(index):
                out[i, : length[i]] = states[row, : length[i]]
        return {"inputs_embeds": out, "attention_mask": inputs["attention_mask"]}
