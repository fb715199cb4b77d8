"""A probe of a linear classifier: the look-ahead of the trainer, written out for a model of one matrix."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(log_probs: Tensor, labels: Tensor) -> Tensor:
    """(n,) -log p of the given labels."""
    return -log_probs.gather(1, labels[:, None]).squeeze(1)


class LinearProbe:
    """Generated and real rows as points; `rate`, `step` and `moments` are those of an Adam, for `moves`."""

    def __init__(self, weight: Tensor, bias: Tensor, generated: tuple[Tensor, Tensor], real: tuple[Tensor, Tensor]):
        self.weights = [weight, bias]
        self.generated, self.real = generated, real
        self.rate, self.step = 0.1, 0
        self.moments = [(torch.zeros_like(own), torch.zeros_like(own)) for own in self.weights]

    @property
    def real_rows(self) -> int:
        return len(self.real[1])

    def rows(self, ids: Tensor, real: bool = False) -> tuple[Tensor, Tensor]:
        """(n, d) points and (n,) labels."""
        points, labels = self.real if real else self.generated
        return points[ids], labels[ids]

    def log_probs(self, weights: list[Tensor], points: Tensor) -> Tensor:
        """(n, C)."""
        return (points @ weights[0].T + weights[1]).log_softmax(1)

    def gradient(self, ids, *, real=False, loss=None, weights=None, shift=None):
        points, labels = self.rows(ids, real)
        leaves = [weight.detach().clone() for weight in self.weights]
        if shift is not None:
            leaves = [weight + move for weight, move in zip(leaves, shift, strict=True)]
        leaves = [weight.requires_grad_() for weight in leaves]
        with torch.enable_grad():
            values = (loss or cross_entropy)(self.log_probs(leaves, points), labels)
            mean = (values if weights is None else values * weights.detach().to(values)).mean()
            return torch.autograd.grad(mean, leaves)

    def row_gradients(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """(n, C, d) and (n, C): each row's own gradient."""
        points, labels = self.rows(ids)
        log_probs = self.log_probs([weight.detach() for weight in self.weights], points)
        error = log_probs.exp() - torch.nn.functional.one_hot(labels, log_probs.shape[1])
        return error[:, :, None] * points[:, None, :], error

    def slopes(self, ids, along):
        matrix, error = self.row_gradients(ids)
        return (matrix * along[0]).sum((1, 2)) + (error * along[1]).sum(1)

    def moves(self, ids):
        def adam(slope: Tensor, first: Tensor, second: Tensor) -> Tensor:
            mean = (0.9 * first + 0.1 * slope) / (1 - 0.9 ** (self.step + 1))
            square = (0.999 * second + 0.001 * slope**2) / (1 - 0.999 ** (self.step + 1))
            return -self.rate * mean / (square.sqrt() + 1e-8)

        slopes = self.row_gradients(ids)
        return [[adam(own[i], *kept) for own, kept in zip(slopes, self.moments, strict=True)] for i in range(len(ids))]


def random_probe(n_classes: int = 3, rows: int = 64, real: int = 10, width: int = 4, seed: int = 5) -> LinearProbe:
    """In float64, with ids 0 to rows - 1; real rows fewer than any method's default draw, so that none draws."""
    generator = torch.Generator().manual_seed(seed)

    def points(count: int) -> tuple[Tensor, Tensor]:
        drawn = torch.randn(count, width, generator=generator, dtype=torch.float64)
        return drawn, torch.randint(n_classes, (count,), generator=generator)

    weight = torch.randn(n_classes, width, generator=generator, dtype=torch.float64)
    return LinearProbe(weight, torch.zeros(n_classes, dtype=torch.float64), points(rows), points(real))
