"""Trains cells without this project: transformers' `Trainer` in a process of its own, and prints the seconds.

    python -m tests.performance.naive JOB.json

reads a `Job` and prints JSON. As in the released code of the IMP and DIMP losses, `compute_loss` calls the checkers, a
second and a third model, in training and in evaluation. `cached` leaves the checkers out, as if their scores had been
stored. `updates` limits the measurement: the seconds of a whole cell are start + updates x step + rows x row.
"""

from __future__ import annotations

import time

BEGAN = time.perf_counter()  # before all imports, because a process per cell imports everything for each cell

import argparse  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

CHECKERS = {"ce": 0, "dimp": 1, "imp": 2}  # models that `compute_loss` calls


@dataclass(frozen=True)
class Job:
    """What to train, for how many updates, and the test rows to measure on."""

    method: str
    padding: int | None  # length in tokens that texts are padded to; None: the longest text of a batch
    encoder: str
    texts: list[str]
    labels: list[int]
    test_texts: list[str]
    test_labels: list[int]
    updates: int
    cells: int = 1  # trained one after the other in this process
    cached: bool = False  # whether the checkers' scores are taken as stored
    batch_size: int = 32
    lr: float = 1e-4
    max_length: int = 128
    bf16: bool = False


def main() -> None:
    """Train the cells of a job, and print the seconds of each part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("job", type=Path, help="JSON file with the fields of `Job`")
    job = Job(**json.loads(parser.parse_args().job.read_text(encoding="utf-8")))
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(json.dumps({"cells": [cell(job, number) for number in range(job.cells)]}))


def cell(job: Job, number: int) -> dict[str, float]:
    """Seconds until the first update, of an update (median), of a test row, and of the whole."""
    from statistics import median

    from transformers import AutoTokenizer, set_seed

    began = BEGAN if number == 0 else time.perf_counter()
    set_seed(number)
    tokenizer = AutoTokenizer.from_pretrained(job.encoder)
    others = [model(job).eval().to(device()) for _ in range(0 if job.cached else CHECKERS[job.method])]
    ends: list[float] = []
    trainer = trainer_of(job, tokenizer, others, ends)
    ready = time.perf_counter()
    trainer.train()
    trained = time.perf_counter()
    if job.test_texts:
        trainer.predict(rows(job, tokenizer, job.test_texts, job.test_labels))
    tested = time.perf_counter()
    steps = [b - a for a, b in itertools.pairwise(ends)] or [trained - ready]
    return {
        "start": ready - began,
        "step": median(steps),
        "row": (tested - trained) / max(1, len(job.test_texts)),
        "whole": tested - began,
    }


def device() -> str:
    """The device on which `Trainer` trains."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def model(job: Job) -> Any:
    """A classifier on the job's encoder."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(job.encoder, num_labels=max(job.labels) + 1)


def rows(job: Job, tokenizer: Any, texts: list[str], labels: list[int]) -> list[dict[str, Any]]:
    """Texts and labels in the form that `Trainer` takes, without padding."""
    encoded = tokenizer(texts, truncation=True, max_length=job.padding or job.max_length)
    return [{**{k: encoded[k][i] for k in encoded}, "labels": label} for i, label in enumerate(labels)]


def trainer_of(job: Job, tokenizer: Any, others: list[Any], ends: list[float]) -> Any:
    """A `Trainer` for the job, which appends the time at which each step ends to `ends`."""
    import torch
    from transformers import DataCollatorWithPadding, TrainerCallback, TrainingArguments

    cuda = device() == "cuda"

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if cuda:
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    padding: dict[str, Any] = {"padding": "max_length", "max_length": job.padding} if job.padding else {"padding": True}
    return weighting(others)(
        model=model(job),
        args=TrainingArguments(
            output_dir="unused",
            max_steps=job.updates,
            per_device_train_batch_size=job.batch_size,
            per_device_eval_batch_size=job.batch_size,
            learning_rate=job.lr,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=cuda,
            bf16=job.bf16,
        ),
        train_dataset=rows(job, tokenizer, job.texts, job.labels),
        data_collator=DataCollatorWithPadding(tokenizer, **padding),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )


def weighting(others: list[Any]) -> Any:
    """A `Trainer` class whose loss is weighted by other models' predictions; without other models: cross-entropy."""
    import torch
    from transformers import Trainer

    class Weighting(Trainer):
        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            logp = torch.log_softmax(outputs.logits.float(), -1).gather(1, labels[:, None]).squeeze(1)
            weight = torch.ones_like(logp)
            with torch.no_grad():
                for place, other in enumerate(others):
                    scores = torch.log_softmax(other(**inputs).logits.float(), -1)
                    score = scores.gather(1, labels[:, None]).squeeze(1)
                    weight = weight * (score if place == 0 else -score).exp()
                if len(others) == 1:
                    weight = weight / logp.exp()
            loss = -(weight * logp).mean()
            return (loss, outputs) if return_outputs else loss

    return Weighting


def write(job: Job, path: Path) -> Path:
    """Write a job in the form that `main` reads."""
    path.write_text(json.dumps(asdict(job)), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
