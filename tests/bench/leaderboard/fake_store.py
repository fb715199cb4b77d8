"""A store and a manifest as a grid would leave them, from simulated logits."""

import json

import numpy as np
import pandas as pd

from bench.stats import metrics

ENVIRONMENT = {
    "code": "c0de",
    "python": "3.11.9",
    "torch": "2.13.0",
    "transformers": "5.14.1",
    "accelerate": "1.14.0",
    "numpy": "2.4.0",
    "device": "cpu",
}


class FakeStore:
    """Writes cells below `root` and collects the manifest; the same seed makes the same store."""

    def __init__(self, root, *, rows=40, classes=2, seeds=(0, 1, 2), **section):
        self.root, self.seeds = root, seeds
        rng = np.random.default_rng(0)
        self.labels = rng.integers(classes, size=rows)
        self.difficulty = rng.normal(size=rows)
        self.section = {
            "task": "twitter",
            "task_ref": "twitter",
            "title": "Tweet polarity",
            "labels": [f"class {k}" for k in range(classes)],
            "source": "bundled",
            "about": "simulated logits, no text",
            "stand_in": False,
            "encoder": "sentence-transformers/all-MiniLM-L6-v2",
            "encoder_hash": "ab12",
            "preset": "quick",
            "protocol": "fixed",
            "settings": {"updates": 48, "batch_size": 32, "lr": 0.0003},
            "sizes": {"generated": 1000, "real": 100, "test": rows},
            "hashes": {
                "generated": "9e4e",
                "test": f"7e57{section.get('task', '')}",
            },
            "label_shares": {role: self.shares(classes) for role in ("generated", "real", "test")},
            "majority": float(np.bincount(self.labels).max() / rows),
            "notes": ["3 generated rows removed: also in the test"],
            "seeds": list(seeds),
            "checkers": {},
            "methods": [],
            **section,
        }

    def shares(self, classes):
        """The share of each class among the test rows."""
        return (np.bincount(self.labels, minlength=classes) / len(self.labels)).tolist()

    def manifest(self, *others, **values):
        """The manifest of this section and of `others`."""
        sections = [self.section, *(other.section for other in others)]
        command = "python -m bench run --methods all --tasks twitter"
        return {"schema": 1, "command": command, "references_missing": [], "sections": sections, **values}

    def method(self, label, *, skill=1.0, failed=(), missing=(), core=True, env=None, passes=None, **entry):
        """Add a method whose logits favour the label by `skill`; other fields go into its manifest entry."""
        name = label.partition("(")[0]
        cells = {}
        for seed in self.seeds:
            cells[str(seed)] = f"{self.section['task']}/{name}/{len(self.section['methods'])}-{seed}"
            if seed in failed:
                self.fail(cells[str(seed)])
            elif seed not in missing:
                self.cell(cells[str(seed)], self.logits(label, seed, skill), env=env, passes=passes)
        known = {
            "hyperparameters": {},
            "core": core,
            "real_use": "none",
            "pairing": "full",
            "real_rows": 0,
            "needs": {},
        }
        self.section["methods"].append({"label": label, "method": name, **known, "cells": cells, **entry})
        return self

    def logits(self, label, seed, skill):
        """(N, C) float32: the label's logit is raised, less so for difficult rows."""
        classes = len(self.section["labels"])
        rng = np.random.default_rng([seed, *label.encode()])
        logits = rng.normal(size=(len(self.labels), classes))
        logits[np.arange(len(self.labels)), self.labels] += skill - self.difficulty
        return logits.astype(np.float32)

    def cell(self, path, logits, *, env=None, passes=None, labels=None, seconds=12.3456, **changed):
        """A finished cell; `changed` replaces entries of its metrics."""
        labels = self.labels if labels is None else labels
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        scores = {f"logit_{k}": logits[:, k] for k in range(logits.shape[1])}
        pd.DataFrame({"id": np.arange(len(labels)), "label": labels, **scores}).to_parquet(
            folder / "predictions.parquet"
        )
        result = {name: getattr(metrics, name)(labels, logits) for name in ("accuracy", "macro_f1", "log_loss", "ece")}
        timing = {"seconds": seconds, "passes": passes or {"train_rows": 1500, "score_rows": 1500}}
        self.put(path, "timing.json", timing)
        trial = {"hyperparameters": {}, "lr": 0.0003, "updates": 48, "number": 0, "accuracy": 0.7}
        self.put(path, "spec.json", {"chosen": trial})
        self.put(path, "env.json", {**ENVIRONMENT, **(env or {})})
        self.put(path, "metrics.json", {**result, "rows": len(labels), **changed})

    def history(self, path, *, loss=0.7, steps=48):
        """The training history of a cell, falling from `loss`."""
        rows = [
            {"step": step, "epoch": step // 32, "loss": loss * 0.97**step, "ess": 1 / (1 + step / steps)}
            for step in range(steps)
        ]
        (self.root / path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def weights(self, *labels, rows=30):
        """Weights and final scores of some methods' cells over generated rows, every third of them wrong."""
        folder = self.root / ".artefacts" / "record" / "r"
        folder.mkdir(parents=True, exist_ok=True)
        values = np.arange(rows) % 2
        columns = {
            "id": np.arange(rows),
            "label": values,
            "label_clean": np.where(np.arange(rows) % 3, values, 1 - values),
        }
        pd.DataFrame(columns).to_parquet(folder / "record.parquet")
        self.section["records"] = {str(seed): {"generated": "r"} for seed in self.seeds}
        for entry in self.section["methods"]:
            for seed, path in entry["cells"].items() if entry["label"] in labels else ():
                rng = np.random.default_rng([int(seed), *entry["label"].encode()])
                visits = {"id": np.arange(2 * rows) % rows, "role": "generated", "weight": rng.random(2 * rows)}
                pd.DataFrame(visits).to_parquet(self.root / path / "weights.parquet")
                scores = np.log(rng.dirichlet([1, 1], size=rows))
                frame = pd.DataFrame(scores, columns=["logp_0", "logp_1"])
                frame.assign(id=np.arange(rows)).to_parquet(self.root / path / "train_scores.parquet")
        return self

    def fail(self, path, kind="RuntimeError", message="loss is nan\nat update 7"):
        """A failed cell."""
        self.put(path, "error.json", {"type": kind, "message": message})

    def put(self, path, name, value):
        """A JSON file of a cell."""
        (self.root / path).mkdir(parents=True, exist_ok=True)
        (self.root / path / name).write_text(json.dumps(value))

    def correct(self, label, seed, skill):
        """Which rows the method of this label gets right (N,)."""
        return self.logits(label, seed, skill).argmax(1) == self.labels
