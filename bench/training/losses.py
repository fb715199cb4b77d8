"""The losses of one update: the rows that are passed, the method's view of them, and a loss and a weight per row.

Real rows carry plain cross-entropy. Generated rows carry the method's own loss. In shapes, B is the rows of the batch,
P those of them that are passed through the networks, and G the generated ones among these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from bench.arrays import IntArray
from bench.training.history import Visit
from bench.training.network import Network
from bench.training.rows import TrainingRows
from methods.base import Batch, Losses, Method


@dataclass(frozen=True)
class Step:
    """One update: its batch, and where in the training it is."""

    rows: TrainingRows  # n of them
    tables: dict[str, Tensor]  # precomputed table -> (n, C) log-probabilities, on the device
    batch: IntArray  # (B,) rows of the batch
    passed: IntArray  # (P,) rows of the batch that are passed through the networks
    number: int  # update, from 0
    epoch: int
    rng: np.random.Generator
    device: torch.device

    @cached_property
    def labels(self) -> Tensor:
        """(P,) labels of the rows that are passed."""
        return torch.from_numpy(self.rows.labels[self.passed]).to(self.device)

    @cached_property
    def share(self) -> Tensor:
        """(P,) factors of the losses of the rows that are passed."""
        return torch.from_numpy(self.rows.share[self.passed]).to(self.device)

    @cached_property
    def generated(self) -> Tensor:
        """(G,) places of the generated rows among those that are passed."""
        return torch.from_numpy(np.flatnonzero(~self.rows.real[self.passed])).to(self.device)


def rows_to_pass(
    method: Method, rows: TrainingRows, batch: IntArray, step: int, epoch: int, rng: np.random.Generator
) -> IntArray:
    """(P,) the real rows of a batch (B,), and the generated ones that the method keeps."""
    generated = ~rows.real[batch]
    keep = method.keep(rows.ids[batch][generated], step, epoch, rng)
    if keep is None:
        return batch
    passed = ~generated
    passed[generated] = keep
    return batch[passed]


def rows_to_choose(method: Method, step: Step, network: Network) -> IntArray:
    """(P,) the real rows of a batch of candidates (B,), and the generated ones that the method chooses.

    All candidates are scored by a forward pass without dropout or graph, which is counted.
    """
    assert len(step.passed) == len(step.batch), "candidates are scored before any is chosen"
    passed = step.rows.real[step.batch].copy()
    if len(step.generated):
        scored = method_batch(step, network, all_log_probs(step, network))
        passed[~passed] = method.choose(scored).cpu().numpy()
    return step.batch[passed]


def method_losses(
    method: Method, step: Step, networks: Sequence[Network], log_probs: Sequence[Tensor]
) -> Sequence[Losses | None]:
    """The method's losses (G,) for each network, from its log-probabilities (P, C); None without generated rows."""
    if not len(step.generated):
        return [None] * len(networks)
    return method.joint([method_batch(step, *pair) for pair in zip(networks, log_probs, strict=True)])


def method_batch(step: Step, network: Network, log_probs: Tensor) -> Batch:
    """The generated rows of an update as the method sees them through one network."""
    generated, labels = step.generated, step.labels[step.generated]
    at = torch.from_numpy(step.passed).to(step.device)[generated]
    return Batch(
        ids=torch.from_numpy(step.rows.ids[step.passed]).to(step.device)[generated],
        labels=labels,
        log_probs=log_probs[generated],
        logp=log_probs[generated].gather(1, labels[:, None]).squeeze(1),
        tables={name: scores[at] for name, scores in step.tables.items()},
        step=step.number,
        epoch=step.epoch,
        rng=step.rng,
        lookahead=network.probe,
        evaluate=partial(evaluated_log_probs, step, network),
    )


def evaluated_log_probs(step: Step, network: Network) -> Tensor:
    """(G, C) log-probabilities without dropout or graph, by a second forward pass, which is counted."""
    return all_log_probs(step, network)[step.generated]


def all_log_probs(step: Step, network: Network) -> Tensor:
    """(P, C) the same for all rows that are passed."""
    network.classifier.eval()
    with torch.no_grad():
        log_probs = network.log_probs(step.rows.table, step.passed)
    network.classifier.train()
    network.probe.passes.add(len(log_probs))
    return log_probs


def row_losses(step: Step, log_probs: Tensor, own: Losses | None) -> tuple[Tensor, Tensor]:
    """(P,) losses with their graph and (P,) effective weights, NaN where the method has none, for one network."""
    loss = -log_probs.gather(1, step.labels[:, None]).squeeze(1)
    weight = torch.ones_like(loss)
    if own is not None:
        effective = own.weight if own.weight is not None else torch.full_like(own.loss, torch.nan)
        loss = loss.index_copy(0, step.generated, own.loss)
        weight = weight.index_copy(0, step.generated, effective.detach())
    return loss * step.share, weight.detach() * step.share


def make_visit(step: Step, network: int, weight: Tensor) -> Visit:
    """The visit of the whole batch by a network, from the weights (P,); rows that were not passed have weight 0."""
    rows, batch = step.rows, step.batch
    if len(step.passed) < len(batch):
        passed = torch.from_numpy(np.flatnonzero(np.isin(batch, step.passed))).to(weight.device)
        weight = weight.new_zeros(len(batch)).index_copy(0, passed, weight)
    return Visit(rows.ids[batch], rows.real[batch], step.epoch, network, weight)
