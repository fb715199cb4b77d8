"""DIMP-Loss with the `Trainer` of transformers, on the bundled tweets.

Run it with `python examples/weighted_trainer.py`. The quality checker is trained first, on the real rows. The test
accuracy is printed, and the generated rows with the smallest and the largest mean weight.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, EvalPrediction, TrainingArguments

import tasks
from bench.config.settings import MINILM
from bench.encoders.checkpoints import find
from bench.outside import WeightedTrainer
from tasks import Rows


def main(encoder: str = MINILM, **settings: Any) -> float:
    """Train and return the test accuracy; `settings` are further arguments of the training."""
    folder = find(encoder).path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    data = tasks.load("twitter")

    def tokenised(rows: Rows) -> Dataset:
        tokens = tokenizer(list(rows.texts), truncation=True, max_length=128)
        return Dataset.from_dict({**tokens, "labels": rows.labels.tolist()})

    def accuracy(outputs: EvalPrediction) -> dict[str, float]:
        return {"accuracy": float((outputs.predictions.argmax(axis=1) == outputs.label_ids).mean())}

    with tempfile.TemporaryDirectory() as output:
        defaults = {"max_steps": 48, "per_device_train_batch_size": 32, "learning_rate": 1e-4, "save_strategy": "no"}
        trainer = WeightedTrainer(
            AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(data.spec.labels)),
            TrainingArguments(output, report_to=[], **{**defaults, **settings}),
            method="dimp(clip=20)",
            train_dataset=tokenised(data.generated),
            real_dataset=tokenised(data.real(seed=0)),
            eval_dataset=tokenised(data.test),
            processing_class=tokenizer,
            compute_metrics=accuracy,
        )
        trainer.train()
        score = float(trainer.evaluate()["eval_accuracy"])
    print(f"test accuracy {score:.4f} on {len(data.test):,} rows")
    weights = trainer.row_weights()
    for what, row in (("smallest", np.nanargmin(weights)), ("largest", np.nanargmax(weights))):
        label = data.spec.labels[data.generated.labels[row]]
        print(f"{what} mean weight {weights[row]:.3f}: {label}: {data.generated.texts[row]}")
    return score


if __name__ == "__main__":
    main()
