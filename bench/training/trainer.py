"""The training loop: U updates of AdamW on the plain mean of a method's per-example losses.

Every method goes through this loop. Two cells of a task and seed differ only in what their methods return from the
hooks of `methods.base.Method`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from bench import data_parallel
from bench.arrays import Array
from bench.config.method_choice import auxiliary
from bench.config.settings import Settings
from bench.encoders.classifier import Classifier
from bench.precomputed.inference import BATCH, EMBEDDED_BATCH, batched, in_order
from bench.precomputed.tokens import TokenTable, by_length
from bench.processes import HEART
from bench.seeds import derive, source_seed
from bench.training.batches import schedule
from bench.training.history import SKIPPED, History, Live
from bench.training.losses import Step, make_visit, method_losses, row_losses, rows_to_choose, rows_to_pass
from bench.training.network import Averaging, Network
from bench.training.rows import ProbedRows, TrainingRows
from methods.base import Method
from methods.hooks import Phase

# Called after an update: its number, from 0, and whether it is the last one -> further entries of its history.
Watch = Callable[[int, bool], dict[str, float]]
CHECK_EVERY = 16  # updates between checks of the losses: each check waits for the device


class Trainer:
    """Trains and evaluates the classifiers of one cell."""

    def __init__(
        self,
        classifier: Classifier,
        settings: Settings,
        task: str,
        seed: int,
        networks: int = 1,
        part: int | None = None,
    ) -> None:
        """`part` is the most rows that are passed at a time; without it, whole batches."""
        self.part = part or max(settings.batch_size, BATCH)
        self.accelerator = Accelerator(mixed_precision=settings.precision)
        self.settings, self.task, self.seed = settings, task, seed
        self.auxiliary = None if settings.auxiliary is None else auxiliary(settings.auxiliary)
        head = self._seed("head")
        peers = [(classifier.peer(), derive("head", task, head, number)) for number in range(1, networks)]
        members = [(classifier, derive("head", task, head)), *peers]
        self.networks = [Network(member, self.accelerator, head_seed, self.part) for member, head_seed in members]

    def _seed(self, source: str) -> int:
        """The seed of one source of variation."""
        return source_seed(self.settings.vary, source, self.seed)

    @property
    def classifier(self) -> Classifier:
        """The classifier that is evaluated."""
        return self.networks[0].classifier

    def fit(
        self,
        method: Method,
        rows: TrainingRows,
        real: ProbedRows | None = None,
        watch: Watch | None = None,
        live: Live | None = None,
    ) -> History:
        """Run all phases. `real` is the small real set, for a method that follows gradients on it.

        `watch` is called after each update of the model that is evaluated, and `live` with some of these updates at a
        time. Raises NonFiniteLossError.
        """
        assert self.settings.updates is not None, "settings are resolved before a cell is made"
        generated = rows.generated()
        rng = np.random.default_rng(derive("method", self.task, self._seed("method"), method.name))
        phases = method.phases(self.settings.updates)
        # The model that is evaluated begins at the last phase that starts from the pretrained weights.
        begin = max((number for number, phase in enumerate(phases) if phase.anew), default=0)
        end = sum(phase.updates for phase in phases[begin:]) - 1
        average, history = None, History(live=live if begin == 0 else None)
        for number, phase in enumerate(phases):
            if phase.anew:
                history = History(passes=history.passes, live=live if number == begin else None)
                for network in self.networks:
                    network.start()
            for network in self.networks:
                network.begin(self.settings, phase.updates, generated, real, history.passes)
            phase_watch = watch if number >= begin else None
            if number == begin and method.config.average != "none":
                average = Averaging(method.config.average, self.classifier.trained, end + 1)
            self._train(method, rows.of(phase), phase, history, rng, phase_watch, end, average)
            method.phase_end(number, self.networks[0].probe)
        if average is not None:
            average.apply()
        return history

    def _train(
        self,
        method: Method,
        rows: TrainingRows,
        phase: Phase,
        history: History,
        rng: np.random.Generator,
        watch: Watch | None,
        end: int,
        average: Averaging | None,
    ) -> None:
        """The updates of one phase. Steps and epochs count on from the phase before.

        `end` is the last update of the model that is evaluated. What is watched is the average, where there is one.
        """
        first, updates = len(history.updates), phase.updates
        first_epoch = history.visits[-1].epoch + 1 if history.visits else 0
        device, refreshes = self.accelerator.device, method.refreshes(updates)
        tables = {name: torch.from_numpy(scores).to(device) for name, scores in rows.tables.items()}
        batches = schedule(
            rows.table.length, self.settings.batch_size * phase.candidates, updates, self.task, self._seed("order")
        )
        for number, (pass_number, batch) in enumerate(batches, start=first):
            epoch = first_epoch + pass_number
            if number - first in refreshes:
                self._refresh(method, rows, history)
            HEART.beat()
            step = Step(rows, tables, batch, batch, number, epoch, rng, device)
            if phase.candidates > 1:
                passed = rows_to_choose(method, step, self.networks[0])
            else:
                passed = rows_to_pass(method, rows, batch, number, epoch, rng)
            self._update(method, replace(step, passed=passed), history)
            if average is not None:
                average.update()
            if watch is not None:
                with average.applied() if average is not None else nullcontext():
                    history.updates[-1].update(watch(number, number == end))
            if (number - first) % CHECK_EVERY == CHECK_EVERY - 1 or number - first == updates - 1:
                history.to_numbers()

    def _update(self, method: Method, step: Step, history: History) -> None:
        """One update of every network: forward, the method's losses, backward, AdamW, and the history of it."""
        self._reseed(derive("dropout", self.task, self._seed("dropout"), step.number))
        outputs = [self._forward(number, step) for number in range(len(self.networks))]
        own = method_losses(method, step, self.networks, [log_probs for log_probs, _ in outputs])
        results = [row_losses(step, log_probs, losses) for (log_probs, _), losses in zip(outputs, own, strict=True)]
        # Rows left out count in the size of the batch; the factor is exactly 1 where there are none.
        means = torch.stack([losses.mean() for losses, _ in results])
        loss = means.sum() * (len(step.passed) / len(step.batch))
        for term in (term for _, term in outputs if term is not None):
            loss = loss + term
        self.accelerator.backward(loss)
        lr = self.networks[0].decay.get_last_lr()[0]
        norms = [network.clip(self.settings.clip_norm) for network in self.networks]
        for network in self.networks:
            network.step()

        visits = [make_visit(step, number, weights) for number, (_, weights) in enumerate(results)]
        history.visits.extend(visits)
        history.passes.add(len(results) * len(step.passed), len(results) * len(step.passed))
        history.passes.updates += 1
        # Tensors are stored as they are: reading a number would wait for the device.
        history.updates.append(
            {
                "step": step.number,
                "epoch": step.epoch,
                "lr": lr,
                "loss": loss.detach() / len(results),
                "grad_norm": torch.stack(norms).max(),
                "weight": torch.cat([visit.weight for visit in visits]),
                **self._rescale(),
            }
        )

    def _rescale(self) -> dict[str, bool]:
        """Adapt the scale of the losses in fp16. An entry of the history if the gradient had overflowed.

        A gradient that overflows without a scale is none.
        """
        scaler = self.accelerator.scaler
        if scaler is None:
            return {}
        before = scaler.get_scale()
        scaler.update()
        return {SKIPPED: True} if 1 <= scaler.get_scale() < before else {}

    def _forward(self, number: int, step: Step) -> tuple[Tensor, Tensor | None]:
        """(P, C) log-probabilities of a network, and the auxiliary term () where the settings have one."""
        network, table, index = self.networks[number], step.rows.table, step.passed
        if self.auxiliary is None:
            return network.log_probs(table, index), None
        peer = [number] if number else []
        seed = derive("auxiliary", self.task, self._seed("dropout"), step.number, *peer)
        log_probs, features = network.encoded(table, index)

        def second_features() -> Tensor:
            self._reseed(seed)
            network.probe.passes.add(len(index), len(index))
            return network.encoded(table, index)[1]

        return log_probs, self.auxiliary.term(features, second_features, seed)

    def _refresh(self, method: Method, rows: TrainingRows, history: History) -> None:
        """Give the method the first network's log-probabilities of all generated rows, dropout off."""
        index = np.flatnonzero(~rows.real)
        log_probs = torch.log_softmax(torch.from_numpy(self.logits(rows.table.take(index))), dim=-1)
        history.passes.add(len(index))
        method.refresh(torch.from_numpy(rows.ids[index]), log_probs)
        self.classifier.train()

    def _reseed(self, seed: int) -> None:
        """`torch.manual_seed`, without the millisecond that it spends on generators of devices that are not used."""
        if self.accelerator.device.type == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def logits(self, table: TokenTable) -> Array:
        """(n, C) float32 logits of the first network in evaluation mode, in the order of the table.

        Ranks take the batches in turn.
        """
        network, device = self.networks[0], self.accelerator.device
        network.classifier.eval()
        size = EMBEDDED_BATCH if table.embedded and self.part >= BATCH else min(BATCH, self.part)
        batches = by_length(table.length, size)[data_parallel.rank() :: data_parallel.world()]
        results = batched(network.logits, table.inputs, batches, device)
        logits = in_order(results, len(table), network.classifier.n_classes, device)
        return np.asarray(data_parallel.sum_over_ranks(logits).cpu().numpy())

    @staticmethod
    def close() -> None:
        """Leave no state in the process, also if no trainer could be made: the next cell may want another precision."""
        from accelerate.state import AcceleratorState
        from accelerate.utils import release_memory

        release_memory()
        AcceleratorState._reset_state(True)
