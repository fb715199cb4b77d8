"""`WeightedTrainer`: a `transformers.Trainer` whose loss on the training rows is that of a weighting method.

    trainer = WeightedTrainer(model, args, method="dimp(clip=20)", train_dataset=generated, real_dataset=real)
    trainer.train()
    trainer.row_weights()     # (n,) the mean weight of each generated row

Evaluation, prediction, logging and saving are those of `transformers.Trainer`.
"""

from __future__ import annotations

import copy
import logging
import math
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments, set_seed

from bench.arrays import Array, FloatArray
from bench.config.method_choice import MethodChoice, choose
from bench.errors import UserError
from bench.outside.checker_trainer import CheckerTrainer, as_scores, checker_arguments, first_output
from bench.outside.numbered_rows import ROW, Numbered, NumberedCollator
from methods.base import DIVERSITY, QUALITY
from methods.loop import BatchLoss, not_expressible

Checker = nn.Module | Array | Tensor  # a classifier, or (n, C) its log-probabilities of the training rows
ONES = 1e-3  # how far from 1 the probabilities of a row may sum up


class WeightedTrainer(Trainer):
    """A `transformers.Trainer` that trains by a weighting method.

    `train_dataset` has the generated rows and `real_dataset` the small real set, both tokenised, with labels.

    A checker that the method needs and that is not given is trained first: a copy of the model as it is before
    training, with cross-entropy, the same arguments and the same number of updates. The quality checker is trained on
    `real_dataset`, the diversity checker on `train_dataset`. A checker that is given is a classifier with the tokenizer
    of the model, or (n, C) its log-probabilities of the rows of `train_dataset`, in their order.

    A batch of a device is the batch that the method sees, also with gradient accumulation. Raises UserError for a
    method that needs more than a loss per batch, and for arguments that do not fit.
    """

    def __init__(
        self,
        model: Any = None,
        args: TrainingArguments | None = None,
        *,
        method: str = "dimp",
        real_dataset: Any = None,
        quality_checker: Checker | None = None,
        diversity_checker: Checker | None = None,
        **others: Any,
    ) -> None:
        """`method` is an expression as in `bench run`; `others` are further arguments of `transformers.Trainer`."""
        self.choice = chosen(method)
        self.real_dataset = real_dataset
        self.checkers: dict[str, Checker | None] = {QUALITY: quality_checker, DIVERSITY: diversity_checker}
        if (args is not None and args.label_smoothing_factor) or others.get("compute_loss_func") is not None:
            raise UserError(
                "WeightedTrainer takes its loss from the method; leave out label_smoothing_factor and compute_loss_func"
            )
        super().__init__(model, args, **others)
        self.model_accepts_loss_kwargs = False  # the loss is a mean over a batch: the base class divides it
        self._check()
        classes = classes_of(self.model)
        self.labels = labels_of(self.train_dataset, classes, "train_dataset")
        if hasattr(self.real_dataset, "__len__"):
            labels_of(self.real_dataset, classes, "real_dataset")
        self._check_checkers()
        self.rows: Any = self.train_dataset
        self.collator: Any = self.data_collator
        numbered: Any = Numbered(self.rows), NumberedCollator(self.collator)
        self.train_dataset, self.data_collator = numbered
        self.tables: dict[str, Tensor] = {}  # table -> (n, C) log-probabilities of the training rows, on the device
        self._begin()

    def _check(self) -> None:
        """Raise UserError for arguments that do not go together."""
        if not hasattr(self.train_dataset, "__len__"):
            raise UserError("WeightedTrainer needs a train_dataset with a length: weights are kept by row number")
        if self.real_dataset is self.train_dataset:
            raise UserError("train_dataset and real_dataset are the same rows; real_dataset has human-labelled ones")
        if QUALITY in self.required and self.checkers[QUALITY] is None and self.real_dataset is None:
            raise UserError(f"{self.choice.label} needs a quality checker: give real_dataset=, or quality_checker=")
        if self.args.world_size > 1 or self.args.n_gpu > 1:
            raise UserError(
                "WeightedTrainer trains on one device, and there are several; set CUDA_VISIBLE_DEVICES to one of them, "
                "or use `bench run`, which trains on several"
            )

    def _check_checkers(self) -> None:
        """Raise UserError for given checkers that do not fit the rows or the model."""
        classes = classes_of(self.model)
        for table in self.required:
            checker, name = self.checkers[table], f"{table}_checker"
            if isinstance(checker, np.ndarray | Tensor):
                own: int | None = checked_scores(as_scores(checker), len(self.labels), name).shape[1]
            else:
                own = classes_of(checker)
            if own is not None and classes is not None and own != classes:
                raise UserError(f"{name} has {own} classes, and the model {classes}; they must have the same")

    @property
    def required(self) -> tuple[str, ...]:
        """The tables that the method reads."""
        return self.choice.cls.requires_of(self.choice.config)

    @property
    def updates(self) -> int:
        """The number of updates of the training, as `transformers.Trainer` counts them."""
        args, rows = self.args, len(self.labels)
        if args.max_steps > 0:
            return int(args.max_steps)
        batches = rows / args.train_batch_size
        batches = math.floor(batches) if args.dataloader_drop_last else math.ceil(batches)
        return math.ceil(args.num_train_epochs * max(1, math.ceil(batches / args.gradient_accumulation_steps)))

    def _begin(self) -> None:
        """Forget the state and the weights of an earlier training."""
        method = self.choice.cls(self.choice.config)
        self.batch_loss = BatchLoss(method, self.updates, self.labels, self.args.seed, self.tables)
        self.weight_sums = np.zeros(len(self.labels))
        self.visits = np.zeros(len(self.labels), np.int64)

    def train(self, resume_from_checkpoint: Any = None, *others: Any, **keywords: Any) -> Any:
        """Train the checkers that are missing, then the model. Raises UserError for a checkpoint to resume from."""
        if resume_from_checkpoint:
            raise UserError("a WeightedTrainer cannot resume: a checkpoint does not hold the state of the method")
        self._begin()
        self.prepare()
        set_seed(self.args.seed)  # whatever was trained before, each method gets the same batches and dropout masks
        return super().train(None, *others, **keywords)

    def prepare(self) -> None:
        """Score the training rows by the checkers that the method reads; those that are not given are trained."""
        for table in self.required:
            if table not in self.tables:
                self.tables[table] = self._scores(table).to(self.args.device)

    def _scores(self, table: str) -> Tensor:
        """(n, C) log-probabilities of the training rows by a checker, which is trained if it is not given."""
        checker = self.checkers[table]
        if isinstance(checker, np.ndarray | Tensor):
            return as_scores(checker)
        rows = self.real_dataset if table == QUALITY else self.rows
        model: Any = copy.deepcopy(self.model) if checker is None else checker
        trainer = CheckerTrainer(
            model,
            checker_arguments(self.args, self.updates, rows),
            train_dataset=rows,
            data_collator=self.collator,
            processing_class=self.processing_class,
            preprocess_logits_for_metrics=first_output,
        )
        if checker is None:
            logging.getLogger(__name__).info("training the %s checker: %d updates", table, trainer.args.max_steps)
            trainer.train()
        return trainer.scores(self.rows)

    def _set_signature_columns_if_needed(self) -> None:
        """Keep the row numbers, which the base class would remove as a column that the model does not take."""
        super()._set_signature_columns_if_needed()
        columns: Any = self._signature_columns
        if ROW not in columns:
            columns.append(ROW)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """() the mean of the method's losses of a training batch; that of the base class in an evaluation."""
        rows = inputs.pop(ROW, None)
        if rows is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        self.batch_loss.step = self.state.global_step
        result = self.batch_loss.rows(
            outputs.logits,
            labels,
            quality=self.tables[QUALITY][rows] if QUALITY in self.tables else None,
            diversity=self.tables[DIVERSITY][rows] if DIVERSITY in self.tables else None,
            ids=rows,
            epoch=int(self.state.epoch or 0),
            evaluate=partial(without_dropout, model, inputs),
        )
        if result.weight is not None:
            index = rows.cpu().numpy()
            np.add.at(self.weight_sums, index, result.weight.detach().double().cpu().numpy())
            np.add.at(self.visits, index, 1)
        loss = result.loss.mean()
        return (loss, outputs) if return_outputs else loss

    def row_weights(self) -> FloatArray:
        """(n,) the mean effective weight of each training row over its visits.

        NaN for a row that was never visited, and for all rows if the method's loss is no weighted cross-entropy.
        """
        unknown = np.full(len(self.visits), np.nan)
        return np.asarray(np.divide(self.weight_sums, self.visits, out=unknown, where=self.visits > 0))


def chosen(expression: str) -> MethodChoice:
    """The one method of an expression. Raises UserError if a loss per batch cannot express it."""
    choices, _ = choose(expression, {})
    if len(choices) != 1:
        raise UserError(f"method={expression!r} names {len(choices)} methods; WeightedTrainer takes one")
    (choice,) = choices
    if why := not_expressible(choice.cls, choice.config):
        raise UserError(f"{choice.label} {why}; use bench.outside.WeightedTextClassifier, which trains by any method")
    return choice


def labels_of(rows: Any, classes: int | None, name: str) -> Any:
    """(n,) int64 labels of a data set of tokenised rows.

    Raises UserError if there is no row, or if its rows have no labels or others than 0 to `classes` - 1.
    """
    if not len(rows):
        raise UserError(f"{name} has no rows")
    first = rows[0]
    key = next((key for key in ("labels", "label", "label_ids") if key in first), None)
    if key is None:
        raise UserError(f"the rows of {name} have no labels, only {', '.join(map(str, first))}")
    column = rows[key] if hasattr(rows, "column_names") else [row[key] for row in rows]
    try:
        labels = np.array([int(label) for label in column], dtype=np.int64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: labels must be numbers of classes, from 0 on ({error})") from error
    if classes is not None and (labels.min() < 0 or labels.max() >= classes):
        odd = next(label for label in labels.tolist() if not 0 <= label < classes)
        raise UserError(
            f"{name} has the label {odd}; the model has {classes} classes, whose labels are 0 to {classes - 1}"
        )
    return labels


def classes_of(model: Any) -> int | None:
    """The number of classes of a classifier of `transformers`, None for other models, which do not say it."""
    return model.config.num_labels if "ForSequenceClassification" in type(model).__name__ else None


def checked_scores(scores: Tensor, rows: int, name: str) -> Tensor:
    """Log-probabilities of a checker. Raises UserError if they are none, or not one row per training row."""
    if scores.ndim != 2 or len(scores) != rows:
        raise UserError(f"{name} must have a row per training row: ({rows}, C), not {tuple(scores.shape)}")
    if not bool(((scores.exp().sum(dim=1) - 1).abs() < ONES).all()):
        raise UserError(f"{name} must hold log-probabilities: the exponentials of a row sum up to 1")
    return scores


def without_dropout(model: nn.Module, inputs: dict[str, Any]) -> Tensor:
    """(B, C) log-probabilities of a batch in evaluation mode, without a graph."""
    model.eval()
    try:
        with torch.no_grad():
            log_probs: Tensor = model(**inputs).logits.float().log_softmax(dim=1)
    finally:
        model.train()
    return log_probs
