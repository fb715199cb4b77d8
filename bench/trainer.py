"""The training loop: U updates of AdamW on the plain mean of a method's per-example losses.

Every method goes through this loop; what differs between two cells of a task and seed is the loss alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

from bench import ranks
from bench.batches import by_length, schedule
from bench.classifier import Classifier
from bench.jobs import IntArray
from bench.presets import Settings
from bench.seeds import derive
from bench.tokens import Array, TokenTable
from methods.base import Batch, Method

Watch = Callable[[int], dict[str, float]]  # update, from 0 -> what was found after it
CHECK_EVERY = 16  # updates between looks at the losses: each look waits for the device
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class TrainingRows:
    """n rows to train on. Real rows carry plain CE; `share` (n,) multiplies each row's loss."""

    table: TokenTable
    ids: IntArray  # (n,) row numbers within the row's role
    labels: IntArray  # (n,)
    real: np.ndarray[Any, np.dtype[np.bool_]]  # (n,)
    share: Array  # (n,) float32
    checkers: dict[str, Array] = field(default_factory=dict)  # name -> (n, C) log-probabilities


@dataclass
class Record:
    """What a training run leaves: a row per update, and a row per visit of a training row."""

    history: list[dict[str, Any]] = field(default_factory=list)
    ids: list[IntArray] = field(default_factory=list)
    real: list[Array] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    rows: int = 0


class NonFiniteLossError(ArithmeticError):
    """The loss left the finite numbers; says at which update and how the weights stood."""


class Trainer:
    """Trains and evaluates one classifier for one cell."""

    def __init__(self, classifier: Classifier, settings: Settings, task: str, seed: int) -> None:
        self.accelerator = Accelerator(mixed_precision=settings.precision)
        self.classifier, self.settings, self.task, self.seed = classifier, settings, task, seed
        classifier.start(derive("head", task, seed))
        # Without Accelerate's wrapper for several processes: `bench.ranks` shares the batches.
        self.model = self.accelerator.prepare_model(classifier.model, evaluation_mode=True)

    def fit(self, method: Method, rows: TrainingRows, watch: Watch | None = None) -> Record:
        """Run all updates; what `watch` finds after an update goes into its history. Raises NonFiniteLossError."""
        settings, record = self.settings, Record()
        assert settings.updates is not None, "settings are resolved before a cell is made"
        optimizer = self.accelerator.prepare_optimizer(self._optimizer())
        warmup = round(settings.warmup * settings.updates)
        decay = get_linear_schedule_with_warmup(optimizer.optimizer, warmup, settings.updates)
        rng = np.random.default_rng(derive("method", self.task, self.seed, method.name))
        tensors = {name: torch.from_numpy(table).to(self.accelerator.device) for name, table in rows.checkers.items()}
        self.classifier.train()
        batches = schedule(rows.table.length, settings.batch_size, settings.updates, self.task, self.seed)
        for step, (epoch, index) in enumerate(batches):
            torch.manual_seed(derive("dropout", self.task, self.seed, step))
            loss, weight = self._losses(method, rows, index, tensors, step, epoch, rng)
            mean = loss.mean()
            self.accelerator.backward(mean)
            ranks.sum_gradients(self.classifier.trained.values())
            norm = self.accelerator.clip_grad_norm_(self.classifier.trained.values(), settings.clip_norm or math.inf)
            record.history.append({"step": step, "epoch": epoch, "lr": decay.get_last_lr()[0]})
            optimizer.step()
            decay.step()
            optimizer.zero_grad()
            self._remember(record, rows, index, epoch, mean.detach(), weight, norm)
            if watch is not None:
                record.history[-1].update(watch(step))
            if step % CHECK_EVERY == CHECK_EVERY - 1 or step == settings.updates - 1:
                settle(record)
        return record

    def _losses(
        self,
        method: Method,
        rows: TrainingRows,
        index: IntArray,
        checkers: dict[str, Tensor],
        step: int,
        epoch: int,
        rng: np.random.Generator,
    ) -> tuple[Tensor, Tensor]:
        """(B,) losses with their graph and (B,) effective weights, NaN where the method has none."""
        device = self.accelerator.device
        log_probs = self._log_probs(rows.table, index)
        labels = torch.from_numpy(rows.labels[index]).to(device)
        logp = log_probs.gather(1, labels[:, None]).squeeze(1)
        share = torch.from_numpy(rows.share[index]).to(device)
        generated = torch.from_numpy(np.flatnonzero(~rows.real[index])).to(device)
        loss, weight = -logp, torch.ones_like(logp)  # plain CE, which is what real rows carry
        if len(generated):
            at = torch.from_numpy(index).to(device)[generated]
            batch = Batch(
                ids=torch.from_numpy(rows.ids[index]).to(device)[generated],
                labels=labels[generated],
                log_probs=log_probs[generated],
                logp=logp[generated],
                quality_log_probs=checkers["quality"][at] if "quality" in checkers else None,
                diversity_log_probs=checkers["diversity"][at] if "diversity" in checkers else None,
                step=step,
                epoch=epoch,
                rng=rng,
            )
            own = method.losses(batch)
            effective = own.weight if own.weight is not None else torch.full_like(batch.logp, torch.nan)
            loss = loss.index_copy(0, generated, own.loss)
            weight = weight.index_copy(0, generated, effective.detach())
        return loss * share, weight * share

    def _log_probs(self, table: TokenTable, index: IntArray) -> Tensor:
        """(B, C) log-probabilities of a batch, of which each rank computes its part."""
        own = ranks.part(len(index))
        inputs = table.inputs(index[own], width=int(table.length[index].max()))
        with ranks.dropout(own, len(index), self.accelerator.device):
            log_probs = torch.log_softmax(self._logits(inputs), dim=-1)
        return ranks.whole(log_probs, own, len(index))

    def _logits(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, C) in float32."""
        moved = {name: value.to(self.accelerator.device) for name, value in inputs.items()}
        logits: Tensor = self.model(**moved).logits
        return logits.float()

    def _optimizer(self) -> torch.optim.Optimizer:
        """AdamW without decay of biases and norms, as the field has it."""
        weights = list(self.classifier.trained.values())
        decay = self.settings.weight_decay
        groups = [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": decay},
            {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.settings.lr, betas=(0.9, 0.999), eps=1e-8, fused=True)

    @staticmethod
    def _remember(
        record: Record, rows: TrainingRows, index: IntArray, epoch: int, loss: Tensor, weight: Tensor, norm: Tensor
    ) -> None:
        """Keep tensors as they are: reading one would wait for the device."""
        record.history[-1].update(loss=loss, grad_norm=norm)
        record.ids.append(rows.ids[index])
        record.real.append(rows.real[index])
        record.epochs.append(epoch)
        record.weights.append(weight)
        record.rows += len(index)

    def logits(self, table: TokenTable) -> Array:
        """(n, C) float32 logits in evaluation mode, in the order of the table; ranks take the batches in turn."""
        self.classifier.eval()
        out = torch.zeros(len(table), self.classifier.n_classes, device=self.accelerator.device)
        with torch.inference_mode():
            for index in by_length(table.length, EVALUATION_BATCH)[ranks.rank() :: ranks.world()]:
                out[torch.from_numpy(index).to(out.device)] = self._logits(table.inputs(index))
        return np.asarray(ranks.total(out).cpu().numpy())

    def close(self) -> None:
        """Leave no state in the process: the next cell may want another precision."""
        from accelerate.state import AcceleratorState

        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.accelerator.free_memory()
        AcceleratorState._reset_state(True)


def settle(record: Record) -> None:
    """Turn the tensors kept so far into numbers, and stop at the first loss or gradient that is not finite."""
    first = next((i for i, row in enumerate(record.history) if isinstance(row["loss"], Tensor)), len(record.history))
    for row, weight in zip(record.history[first:], record.weights[first:], strict=True):
        row["loss"], row["grad_norm"] = float(row["loss"]), float(row["grad_norm"])
        row.update(weight_statistics(weight))
        if not np.isfinite([row["loss"], row["grad_norm"]]).all():
            told = ", ".join(f"{key} {row[key]:.4g}" for key in row if key not in ("step", "epoch"))
            raise NonFiniteLossError(f"loss or gradient not finite at update {row['step'] + 1}: {told}")


def weight_statistics(weight: Tensor) -> dict[str, float]:
    """Mean, largest and effective sample size (share of the rows) of a batch's weights, of those that there are."""
    known = weight[~weight.isnan()]
    if not len(known):
        return dict.fromkeys(("weight_mean", "weight_max", "ess"), math.nan)
    squares = float((known**2).sum())
    size = float(known.sum()) ** 2 / squares / len(known) if squares > 0 else 0.0
    return {"weight_mean": float(known.mean()), "weight_max": float(known.max()), "ess": size}
