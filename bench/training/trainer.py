"""The training loop: U updates of AdamW on the plain mean of a method's per-example losses.

Every method goes through this loop; two cells of a task and seed differ in what their methods answer to its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from bench import data_parallel as ranks
from bench.arrays import Array, BoolArray, IntArray
from bench.config.auxiliary_term import auxiliary
from bench.config.settings import Settings
from bench.encoders.classifier import Classifier
from bench.precomputed.tokens import TokenTable, by_length
from bench.seeds import derive
from bench.training.batches import schedule
from bench.training.history import History, Passes, Visit, settle
from bench.training.network import Network
from bench.training.probe import LookAhead, ProbedRows
from methods.base import Batch, Losses, Method
from methods.hooks import Phase

# Update, from 0, and whether it is the last of its phase -> what was found after it.
Watch = Callable[[int, bool], dict[str, float]]
CHECK_EVERY = 16  # updates between looks at the losses: each look waits for the device
EVALUATION_BATCH = 64


@dataclass(frozen=True)
class TrainingRows:
    """n rows to train on. Real rows carry plain CE; `share` (n,) multiplies each row's loss."""

    table: TokenTable
    ids: IntArray  # (n,) row numbers within the row's role
    labels: IntArray  # (n,)
    real: BoolArray  # (n,)
    share: Array  # (n,) float32
    tables: dict[str, Array] = field(default_factory=dict)  # artefact -> (n, C) log-probabilities

    def of(self, phase: Phase) -> TrainingRows:
        """The rows of a phase. Raises ValueError if there are none."""
        wanted = {"all": np.ones_like(self.real), "generated": ~self.real, "real": self.real}[phase.rows]
        if not wanted.any():
            raise ValueError(f"a phase trains on {phase.rows} rows, of which the cell has none")
        return self.take(np.flatnonzero(wanted))

    def take(self, index: IntArray) -> TrainingRows:
        """The rows at `index`, in that order."""
        columns = {name: getattr(self, name)[index] for name in ("ids", "labels", "real", "share")}
        tables = {name: scores[index] for name, scores in self.tables.items()}
        return replace(self, table=self.table.take(index), tables=tables, **columns)

    def generated(self) -> ProbedRows:
        """What a probe may be asked about."""
        index = np.flatnonzero(~self.real)
        return ProbedRows(self.table.take(index), self.labels[index], self.ids[index])


@dataclass(frozen=True)
class Step:
    """Where a training run stands at one update."""

    rows: TrainingRows
    tables: dict[str, Tensor]  # artefact -> (n, C) log-probabilities
    index: IntArray  # (B,) rows of the batch that are passed
    step: int
    epoch: int
    rng: np.random.Generator


class Trainer:
    """Trains and evaluates the classifiers of one cell."""

    def __init__(self, classifier: Classifier, settings: Settings, task: str, seed: int, networks: int = 1) -> None:
        self.accelerator = Accelerator(mixed_precision=settings.precision)
        self.settings, self.task, self.seed = settings, task, seed
        self.auxiliary = None if settings.auxiliary is None else auxiliary(settings.auxiliary)
        peers = [(classifier.peer(), derive("head", task, seed, number)) for number in range(1, networks)]
        every = [(classifier, derive("head", task, seed)), *peers]
        self.networks = [Network(member, self.accelerator, head_seed) for member, head_seed in every]

    @property
    def classifier(self) -> Classifier:
        """The one that is evaluated."""
        return self.networks[0].classifier

    def fit(
        self, method: Method, rows: TrainingRows, real: ProbedRows | None = None, watch: Watch | None = None
    ) -> History:
        """Run all phases. `real` is the small real set for a method that may look at it.

        What `watch` finds after an update of the model that counts goes into its history. Raises NonFiniteLossError.
        """
        assert self.settings.updates is not None, "settings are resolved before a cell is made"
        history = History()
        rng = np.random.default_rng(derive("method", self.task, self.seed, method.name))
        phases = method.phases(self.settings.updates)
        last = max((number for number, phase in enumerate(phases) if phase.anew), default=0)
        end = sum(phase.updates for phase in phases[last:]) - 1
        for number, phase in enumerate(phases):
            if phase.anew:
                history = History(passes=history.passes)
                for network in self.networks:
                    network.start()
            for network in self.networks:
                network.begin(self.settings, phase.updates)
            probes = [network.probe(rows.generated(), real, history.passes) for network in self.networks]
            look = partial(looked, watch, end) if watch is not None and number >= last else None
            self._train(method, rows.of(phase), phase.updates, history, probes, rng, look)
            method.phase_end(number, probes[0])
        return history

    def _train(
        self,
        method: Method,
        rows: TrainingRows,
        updates: int,
        history: History,
        probes: Sequence[LookAhead],
        rng: np.random.Generator,
        look: Callable[[int], dict[str, float]] | None,
    ) -> None:
        """The updates of one phase; steps and epochs count on from the phase before."""
        first = len(history.history)
        passed = history.visits[-1].epoch + 1 if history.visits else 0
        device, refreshes = self.accelerator.device, method.refreshes(updates)
        tensors = {name: torch.from_numpy(scores).to(device) for name, scores in rows.tables.items()}
        batches = schedule(rows.table.length, self.settings.batch_size, updates, self.task, self.seed)
        for step, (epoch, whole) in enumerate(batches, start=first):
            if step - first in refreshes:
                self._refresh(method, rows, history)
            index = kept(method, rows, whole, (step, passed + epoch), rng)
            self._reseed(derive("dropout", self.task, self.seed, step))
            moment = Step(rows, tensors, index, step, passed + epoch, rng)
            found = self._losses(method, moment, probes)
            history.passes.add(len(found) * len(index), len(found) * len(index))
            history.passes.updates += 1
            # Rows left out count in the size of the batch; the factor is exactly 1 where there are none.
            mean = torch.stack([loss.mean() for loss, _ in found]).sum() * (len(index) / len(whole))
            self.accelerator.backward(mean)
            lr = self.networks[0].decay.get_last_lr()[0]
            norms = [network.update(self.settings.clip_norm) for network in self.networks]
            visits = [visit(moment, whole, number, weight) for number, (_, weight) in enumerate(found)]
            history.visits.extend(visits)
            # Tensors are kept as they are: reading one would wait for the device.
            history.history.append(
                {
                    "step": step,
                    "epoch": moment.epoch,
                    "lr": lr,
                    "loss": mean.detach() / len(found),
                    "grad_norm": torch.stack(norms).max(),
                    "weight": torch.cat([entry.weight for entry in visits]),
                }
            )
            if look is not None:
                history.history[-1].update(look(step))
            if (step - first) % CHECK_EVERY == CHECK_EVERY - 1 or step - first == updates - 1:
                settle(history)

    def _refresh(self, method: Method, rows: TrainingRows, history: History) -> None:
        """Tell the method what the first network makes of all generated rows, dropout off."""
        index = np.flatnonzero(~rows.real)
        log_probs = torch.log_softmax(torch.from_numpy(self.logits(rows.table.take(index))), dim=-1)
        history.passes.add(len(index))
        method.refresh(torch.from_numpy(rows.ids[index]), log_probs)
        self.networks[0].classifier.train()

    def _losses(self, method: Method, moment: Step, probes: Sequence[LookAhead]) -> list[tuple[Tensor, Tensor]]:
        """For each network (B,) losses with their graph and (B,) effective weights, NaN where the method has none."""
        rows, index, device = moment.rows, moment.index, self.accelerator.device
        labels = torch.from_numpy(rows.labels[index]).to(device)
        share = torch.from_numpy(rows.share[index]).to(device)
        generated = torch.from_numpy(np.flatnonzero(~rows.real[index])).to(device)
        passed = [
            self._passed(network, moment, probe.passes) for network, probe in zip(self.networks, probes, strict=True)
        ]
        views = [view for view, _ in passed]
        own: Sequence[Losses | None] = [None] * len(views)
        if len(generated):
            at = torch.from_numpy(index).to(device)[generated]
            own = method.joint(
                [
                    Batch(
                        ids=torch.from_numpy(rows.ids[index]).to(device)[generated],
                        labels=labels[generated],
                        log_probs=view[generated],
                        logp=view[generated].gather(1, labels[generated][:, None]).squeeze(1),
                        tables={name: scores[at] for name, scores in moment.tables.items()},
                        step=moment.step,
                        epoch=moment.epoch,
                        rng=moment.rng,
                        lookahead=probe,
                        evaluate=partial(still, network, moment, generated, probe.passes),
                    )
                    for network, view, probe in zip(self.networks, views, probes, strict=True)
                ]
            )
        return [
            combined(view, labels, share, generated, mine, term) for (view, term), mine in zip(passed, own, strict=True)
        ]

    def _passed(self, network: Network, moment: Step, passes: Passes) -> tuple[Tensor, Tensor | None]:
        """(B, C) log-probabilities, and the auxiliary term () where the settings have one."""
        table, index = moment.rows.table, moment.index
        if self.auxiliary is None:
            return network.log_probs(table, index), None
        seed = derive("auxiliary", self.task, self.seed, moment.step)
        log_probs, features = network.encoded(table, index)

        def again() -> Tensor:
            self._reseed(seed)
            passes.add(len(index), len(index))
            return network.encoded(table, index)[1]

        return log_probs, self.auxiliary.term(features, again, seed)

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
        network = self.networks[0]
        network.classifier.eval()
        out = torch.zeros(len(table), network.classifier.n_classes, device=self.accelerator.device)
        with torch.inference_mode():
            for index in by_length(table.length, EVALUATION_BATCH)[ranks.rank() :: ranks.world()]:
                out[torch.from_numpy(index).to(out.device)] = network.logits(table.inputs(index))
        return np.asarray(ranks.total(out).cpu().numpy())

    def close(self) -> None:
        """Leave no state in the process: the next cell may want another precision."""
        from accelerate.state import AcceleratorState

        for network in self.networks:
            self.accelerator.unwrap_model(network.model, keep_fp32_wrapper=False)
        self.accelerator.free_memory()
        AcceleratorState._reset_state(True)


def looked(watch: Watch, end: int, step: int) -> dict[str, float]:
    """What is found after an update of the model that counts, whose last one is `end`."""
    return watch(step, step == end)


def still(network: Network, moment: Step, generated: Tensor, passes: Passes) -> Tensor:
    """Log-probabilities of a batch's generated rows without dropout or graph, by a second pass, which is counted."""
    network.classifier.eval()
    with torch.no_grad():
        log_probs = network.log_probs(moment.rows.table, moment.index)
    network.classifier.train()
    passes.add(len(log_probs))
    return log_probs[generated]


def kept(
    method: Method, rows: TrainingRows, index: IntArray, when: tuple[int, int], rng: np.random.Generator
) -> IntArray:
    """The rows of a batch that are passed at (step, epoch): real ones, and the generated ones that the method wants."""
    generated = ~rows.real[index]
    wanted = method.keep(rows.ids[index][generated], *when, rng)
    if wanted is None:
        return index
    passed = ~generated
    passed[generated] = wanted
    return index[passed]


def combined(
    log_probs: Tensor, labels: Tensor, share: Tensor, generated: Tensor, own: Losses | None, term: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(B,) losses and weights of a batch: plain CE, which is what real rows carry, and the method's own elsewhere.

    A `term` () is added to the mean of the losses.
    """
    loss = -log_probs.gather(1, labels[:, None]).squeeze(1)
    weight = torch.ones_like(loss)
    if own is not None:
        effective = own.weight if own.weight is not None else torch.full_like(own.loss, torch.nan)
        loss = loss.index_copy(0, generated, own.loss)
        weight = weight.index_copy(0, generated, effective.detach())
    loss = loss * share
    return loss if term is None else loss + term, weight.detach() * share


def visit(moment: Step, whole: IntArray, network: int, weight: Tensor) -> Visit:
    """The visit of a whole batch, given the weights of the rows that were passed."""
    rows = moment.rows
    if len(moment.index) < len(whole):
        passed = torch.from_numpy(np.flatnonzero(np.isin(whole, moment.index))).to(weight.device)
        weight = weight.new_zeros(len(whole)).index_copy(0, passed, weight)
    return Visit(rows.ids[whole], rows.real[whole], moment.epoch, network, weight)
