"""A classifier of a cell with its optimiser: forward passes that ranks share, updates, and averages of weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import get_linear_schedule_with_warmup

from bench import data_parallel
from bench.arrays import IntArray
from bench.config.settings import Settings
from bench.encoders.classifier import Classifier
from bench.precomputed.tokens import TokenTable
from bench.training.history import Passes
from bench.training.probe import LookAhead
from bench.training.rows import ProbedRows

TAIL = 0.25  # part of the updates, the last ones, whose weights `tail` averages
DECAY = 0.999  # the largest decay of `ema`


class Network:
    """One of the classifiers that train side by side, with its optimiser and its probe of the phase."""

    def __init__(self, classifier: Classifier, accelerator: Accelerator, head_seed: int, part: int) -> None:
        """`part` is the most rows of a batch that are passed at a time."""
        self.classifier, self.accelerator, self.head_seed, self.part = classifier, accelerator, head_seed, part
        self.start()
        # Not wrapped by Accelerate: `bench.data_parallel` shares the batches, and probes compute in float32.
        classifier.model.to(accelerator.device)

    def start(self) -> None:
        """Reset to the pretrained weights and the head of the seed."""
        self.classifier.start(self.head_seed)

    def begin(
        self, settings: Settings, updates: int, generated: ProbedRows, real: ProbedRows | None, passes: Passes
    ) -> None:
        """Begin a phase: a new optimiser, its schedule over so many updates, and a probe of this network's weights."""
        # Accelerate would keep the optimiser of each phase, and in fp16 divide a gradient once for each of them.
        self.optimizer = adamw(self.classifier, settings)
        warmup = round(settings.warmup * updates)
        self.decay = get_linear_schedule_with_warmup(self.optimizer, warmup, updates)
        self.probe = LookAhead(self.classifier, self.optimizer, generated, real, passes, self.part)
        self.classifier.train()

    def logits(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, C) in float32, by a forward pass in the precision of the training."""
        moved = self.classifier.inputs_on(self.accelerator.device, inputs)
        with self.accelerator.autocast():
            logits: Tensor = self.classifier.model(**moved).logits
        return logits.float()

    def log_probs(self, table: TokenTable, index: IntArray) -> Tensor:
        """(B, C) log-probabilities of a batch; each rank computes its own rows."""
        return self._gathered(self._own(table, index)[0], len(index))

    def encoded(self, table: TokenTable, index: IntArray) -> tuple[Tensor, Tensor]:
        """`log_probs`, and the (B, H) features that enter the head's last layer."""
        log_probs, features = self._own(table, index)
        return self._gathered(log_probs, len(index)), self._gathered(features, len(index))

    def _gathered(self, own: Tensor, n: int) -> Tensor:
        """(n, ...) the rows of all ranks, from those of this one."""
        rows = data_parallel.own_rows(n)
        return data_parallel.gather(own[: rows.stop - rows.start], rows, n)

    def _own(self, table: TokenTable, index: IntArray) -> tuple[Tensor, Tensor]:
        """`_pass` of this rank's rows of a batch, `self.part` at a time.

        With several parts, the backward pass computes each again, so that only one is in memory.
        """
        own = data_parallel.own_rows(len(index))
        own = own if own.start < own.stop else slice(0, 1)  # a rank without rows passes one, for gradients of zero
        parts = [slice(at, min(at + self.part, own.stop)) for at in range(own.start, own.stop, self.part)]
        if len(parts) == 1:
            return self._pass(table, index, own)
        state, outputs = torch.get_rng_state(), []
        for part in parts:
            torch.set_rng_state(state)  # each part draws the masks of the whole batch and keeps its own rows
            outputs.append(checkpoint(self._pass, table, index, part, use_reentrant=False))
        log_probs, features = (torch.cat(tensors) for tensors in zip(*outputs, strict=True))
        return log_probs, features

    def _pass(self, table: TokenTable, index: IntArray, part: slice) -> tuple[Tensor, Tensor]:
        """(b, C) log-probabilities and (b, H) features of the rows `part` of a batch."""
        features: list[Tensor] = []
        hook = self.classifier.output.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
        inputs = table.inputs(index[part], width=int(table.length[index].max()))
        try:
            with data_parallel.dropout(part, len(index), self.accelerator.device):
                log_probs = torch.log_softmax(self.logits(inputs), dim=-1)
        finally:
            hook.remove()
        return log_probs, features[0]

    def clip(self, clip_norm: float | None) -> Tensor:
        """Clip the gradient, that of all ranks. Returns its norm () before."""
        data_parallel.sum_gradients(self.classifier.trained.values())
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.unscale_(self.optimizer)
        return torch.nn.utils.clip_grad_norm_(self.classifier.trained.values(), clip_norm or math.inf)

    def step(self) -> None:
        """One step of the optimiser, which a scaler skips if the gradient has overflowed."""
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.step(self.optimizer)
        else:
            self.optimizer.step()
        self.decay.step()
        self.optimizer.zero_grad()


def adamw(classifier: Classifier, settings: Settings) -> torch.optim.Optimizer:
    """AdamW without weight decay of biases and norms, as is usual."""
    weights = list(classifier.trained.values())
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


class Averaging:
    """A running mean of the trained weights of the model that is evaluated; `kind` as in `MethodConfig.average`.

    tail: the plain mean over the weights after each of the last quarter of the updates (Polyak and Juditsky, 1992).
    ema: mean <- d mean + (1 - d) weights after update t = 1, 2, ..., with d = min(0.999, (1 + t) / (10 + t)), from the
    weights before the first one. This d, TensorFlow's, makes it a mean over about the last tenth of the updates so far.
    Memory: one more copy of the trained weights.
    """

    def __init__(self, kind: str, weights: Mapping[str, Tensor], updates: int) -> None:
        """`weights` by name are those before the first of `updates` updates."""
        self.kind, self.weights = kind, weights
        self.skipped = updates - max(1, round(TAIL * updates)) if kind == "tail" else 0
        self.seen = 0
        self.mean = {name: weight.detach().clone() for name, weight in weights.items()}

    def update(self) -> None:
        """Take in the weights after an update."""
        self.seen += 1
        t = self.seen - self.skipped
        if t <= 0:
            return
        rate = 1 / t if self.kind == "tail" else 1 - min(DECAY, (1 + t) / (10 + t))
        with torch.no_grad():
            for name, weight in self.weights.items():
                self.mean[name].lerp_(weight, rate)

    @property
    def begun(self) -> bool:
        """Whether the mean holds any update's weights."""
        return self.seen > self.skipped

    def apply(self) -> None:
        """Make the mean the weights of the model."""
        if self.begun:
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(self.mean[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """For a while; before the tail begins, the weights are the last ones."""
        last = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.apply()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(last[name])
