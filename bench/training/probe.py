"""Derivatives of losses with respect to the weights: `methods.hooks.Probe` for one network of a trainer.

No second-order graph is built: the derivative of a loss along a direction is one forward pass in forward mode
(`torch.func.jvp`), for all rows at once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.encoders.classifier import Classifier
from bench.processes import HEART
from bench.training.history import Passes
from bench.training.rows import ProbedRows
from methods.hooks import Direction, RowLoss

GROUP = 64  # the most rows that go through the model together


class LookAhead:
    """The probe of one network. It leaves the network's mode, gradients and random numbers unchanged."""

    def __init__(
        self,
        classifier: Classifier,
        optimizer: torch.optim.Optimizer,
        generated: ProbedRows,
        real: ProbedRows | None,
        passes: Passes,
        part: int = GROUP,
    ) -> None:
        """`part` is the most rows that fit into memory."""
        self.group = min(GROUP, part)
        self.classifier, self.optimizer, self.passes = classifier, optimizer, passes
        self.generated, self.real = generated, real
        # The model's names, not those of `trained`: a model that takes states has fewer blocks than were loaded.
        names = names_of(classifier.model)
        self.names = [names[id(weight)] for weight in classifier.trained.values()]

    @property
    def real_rows(self) -> int:
        """Rows in the small real set."""
        return len(self._rows(real=True).ids)

    def gradient(
        self,
        ids: Tensor,
        *,
        real: bool = False,
        loss: RowLoss | None = None,
        weights: Tensor | None = None,
        shift: Direction | None = None,
    ) -> Direction:
        """See `methods.hooks.Probe.gradient`."""
        loss = loss or cross_entropy
        leaves = [weight.detach() for weight in self.classifier.trained.values()]
        if shift is not None:
            leaves = [weight + move for weight, move in zip(leaves, shift, strict=True)]
        leaves = [weight.requires_grad_() for weight in leaves]
        total: list[Tensor] = []
        with self._dropout_off(), torch.enable_grad():
            for at, inputs, labels in self._groups(ids, real=real):
                values = loss(self._log_probs(leaves, inputs), labels)
                if weights is not None:
                    values = values * weights.detach()[at].to(values)
                gradient = torch.autograd.grad(values.sum() / len(ids), leaves, materialize_grads=True)
                total = [sum_.add_(part) for sum_, part in zip(total, gradient, strict=True)] if total else [*gradient]
        self.passes.add(len(ids), len(ids))
        return total

    def slopes(self, ids: Tensor, along: Direction) -> Tensor:
        """See `methods.hooks.Probe.slopes`."""
        point = tuple(weight.detach() for weight in self.classifier.trained.values())
        slopes = []
        with self._dropout_off(), torch.no_grad():
            for _, inputs, labels in self._groups(ids):

                def losses(*weights: Tensor, inputs: dict[str, Tensor] = inputs, labels: Tensor = labels) -> Tensor:
                    return cross_entropy(self._log_probs(weights, inputs), labels)

                with sdpa_kernel(SDPBackend.MATH):  # only the plain attention kernel has a derivative in forward mode
                    slopes.append(jvp(losses, point, tuple(along))[1])
        self.passes.add(2 * len(ids))
        return torch.cat(slopes)

    def moves(self, ids: Tensor) -> list[Direction]:
        """See `methods.hooks.Probe.moves`; without weight decay, which does not depend on a row's loss."""
        groups = {id(weight): group for group in self.optimizer.param_groups for weight in group["params"]}
        trained = [(weight, groups[id(weight)]) for weight in self.classifier.trained.values()]
        return [
            [self._move(weight, group, slope) for (weight, group), slope in zip(trained, own, strict=True)]
            for own in (self.gradient(row[None]) for row in ids)
        ]

    def _move(self, weight: Tensor, group: dict[str, Any], slope: Tensor) -> Tensor:
        """Adam's displacement of one weight for the gradient `slope`, from its present moments."""
        state = self.optimizer.state.get(weight) or {"step": 0, "exp_avg": zeros(weight), "exp_avg_sq": zeros(weight)}
        first, second = group["betas"]
        step = float(state["step"]) + 1
        scale = (second * state["exp_avg_sq"]).addcmul_(slope, slope, value=1 - second)
        scale = scale.div_(1 - second**step).sqrt_().add_(group["eps"])
        return torch.lerp(state["exp_avg"], slope, 1 - first).div_(scale).mul_(-group["lr"] / (1 - first**step))

    def _rows(self, *, real: bool) -> ProbedRows:
        if not real:
            return self.generated
        if self.real is None:
            raise LookupError("the method reads gradients of real rows but does not declare real_use = GRADIENT")
        return self.real

    def _groups(self, ids: Tensor, *, real: bool = False) -> Iterator[tuple[Tensor, dict[str, Tensor], Tensor]]:
        """The n rows in groups: their places among the n, their model inputs and their labels."""
        rows = self._rows(real=real)
        device = next(iter(self.classifier.trained.values())).device
        places = rows.rows(ids)
        for at in np.array_split(np.arange(len(places)), max(1, math.ceil(len(places) / self.group))):
            HEART.beat()
            inputs = self.classifier.inputs_on(device, rows.table.inputs(places[at]))
            yield (
                torch.from_numpy(at).to(device),
                inputs,
                torch.from_numpy(rows.labels[places[at]]).to(device),
            )

    def _log_probs(self, weights: Direction, inputs: dict[str, Tensor]) -> Tensor:
        """(n, C) with these weights in place of the network's own."""
        by_name = {name: weight for names, weight in zip(self.names, weights, strict=True) for name in names}
        # With `tie_weights` a module that has two names, as T5's embedding may, would keep the given weight for good.
        logits: Tensor = functional_call(self.classifier.model, by_name, (), inputs, tie_weights=False).logits
        return logits.float().log_softmax(-1)

    @contextlib.contextmanager
    def _dropout_off(self) -> Iterator[None]:
        """A context without dropout; afterwards the model trains again if it did before."""
        training = self.classifier.model.training
        self.classifier.eval()
        try:
            yield
        finally:
            if training:
                self.classifier.train()


def names_of(model: nn.Module) -> dict[int, list[str]]:
    """The names of each weight of a model, by the weight's `id`: one for each module that has it."""
    names: dict[int, list[str]] = {}
    for place, module in model.named_modules():  # a module that has two names comes once
        for name, weight in module.named_parameters(recurse=False):
            names.setdefault(id(weight), []).append(f"{place}.{name}" if place else name)
    return names


def zeros(weight: Tensor) -> Tensor:
    """Adam's first moments, which are zero."""
    return torch.zeros_like(weight.detach())


def cross_entropy(log_probs: Tensor, labels: Tensor) -> Tensor:
    """(n,) -log p of the given labels."""
    return -log_probs.gather(1, labels[:, None]).squeeze(1)
