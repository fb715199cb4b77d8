"""A right example of each kind of file; the strategies put mistakes into it."""

from __future__ import annotations

from typing import Any

COMMAND = ["${env}", "python", "-m", "bench", "run", "${args}"]
TASK: dict[str, Any] = {
    "name": "own",
    "version": 1,
    "title": "Own",
    "labels": ["a", "b"],
    "citation": "none",
    "licence": "none",
    "sources": {"files": {"generated": "g.csv", "real": "r.csv", "test": "t.csv"}},
    "sizes": {"real": {"default": 30}, "test": 40},
    "filters": {"agreement": {"column": "c", "meaning": "m"}},
    "choices": {"size": {"source": "files", "values": ["full"], "meaning": "m"}},
}
GRID: dict[str, Any] = {
    "methods": ["ce", "dimp(clip=20)"],
    "tasks": "twitter",
    "seeds": 5,
    "lr": "1e-4",
    "dry-run": True,
    "set": {"updates": 96, "dimp.clip": 5},
}
SWEEP: dict[str, Any] = {
    "method": "random",
    "run_cap": 3,
    "command": COMMAND,
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-3},
        "methods": {"values": ["ce", "dimp"]},
        "seed": {"min": 0, "max": 4},
        "dimp.clip": {"value": 2.0},
    },
}
RECIPE: dict[str, Any] = {
    "model_name_or_path": "m",
    "train_file": "t.csv",
    "validation_file": "v.csv",
    "problem_type": "single_label_classification_dimp",
    "learning_rate": 5e-5,
    "seed": 42,
    "fp16": False,
    "warmup_ratio": 0.1,
    "optim": "adamw_torch",
    "quality_checker_model": "a/b/c:v0",
    "contrastive_learning": "true",
}
CONFIG: dict[str, Any] = {
    "architectures": ["BertForSequenceClassification"],
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "max_position_embeddings": 128,
    "vocab_size": 400,
    "pad_token_id": 0,
    "id2label": {"0": "a", "1": "b"},
}
SPEC: dict[str, Any] = {
    "id": "0123456789abcdef0123",
    "method": "ce",
    "label": "ce",
    "hyperparameters": {"train_on": "generated"},
    "task": "twitter",
    "task_ref": "twitter",
    "seed": 0,
    "encoder": "e",
    "settings": {"updates": 8, "lr": 0.001},
    "data": {"test": "5751ea"},
    "code": "1:b351",
    "labels": ["a", "b"],
    "rows": {"test": 400},
}
CELL: dict[str, Any] = {
    "spec.json": SPEC,
    "metrics.json": {"accuracy": 0.5, "macro_f1": 0.5, "log_loss": 0.7, "rows": 400, "files": {"spec.json": 300}},
    "timing.json": {"seconds": 1.5, "passes": {"train_rows": 64, "score_rows": 400}},
    "env.json": {"code": "c0de", "torch": "2.13.0", "device": "cpu"},
    "history.jsonl": {"step": 0, "epoch": 0, "loss": 0.7, "grad_norm": 1.0, "ess": 1.0},
    "error.json": {"type": "RuntimeError", "message": "loss is nan"},
    "lease": {"pid": 1, "host": "h", "started": "x"},
}
METHOD: dict[str, Any] = {
    "label": "ce",
    "method": "ce",
    "hyperparameters": {"train_on": "generated"},
    "core": True,
    "real_use": "none",
    "pairing": "full",
    "real_rows": 0,
    "select_rows": 0,
    "selection": "none",
    "cells": {"0": "twitter/ce/8645ab6121c01676779e"},
    "needs": {"0": [".artefacts/checker/71028078532eae692dc4"]},
}
SECTION: dict[str, Any] = {
    "task": "twitter",
    "task_ref": "twitter",
    "title": "Tweet polarity",
    "labels": ["negative", "positive"],
    "source": "bundled",
    "origins": {"generated": "bundled/twitter/generated.jsonl"},
    "about": "tweets",
    "stand_in": True,
    "encoder": "e",
    "encoder_hash": "161d",
    "preset": "smoke",
    "checker_encoder": None,
    "checker_encoder_hash": None,
    "given_checkers": {},
    "protocol": "fixed",
    "settings": {"updates": 8, "lr": 0.001},
    "training": {"updates": 8, "lr": 0.001},
    "sizes": {"generated": 64, "real": 100, "pool": 200, "test": 400},
    "generated_size": {"used": 64, "of": 1000, "cause": "preset smoke"},
    "hashes": {"generated": "2b5c", "test": "46ed"},
    "drawn_from": "46ed",
    "label_shares": {"generated": [0.5, 0.5], "real": [0.3, 0.7], "test": [0.3, 0.7]},
    "majority": 0.505,
    "notes": [],
    "looks": [3, 5],
    "seeds": [0],
    "filters": {},
    "stress": {},
    "records": {"0": {"generated": "1ffc"}},
    "texts": {"generated": "ab12", "real": "cd34"},
    "checkers": {"quality": {"0": ".artefacts/checker/71028078532eae692dc4"}},
    "methods": [METHOD, {**METHOD, "label": "dimp", "method": "dimp"}],
}
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "command": "python -m bench run",
    "references_missing": [],
    "left_out": {},
    "sections": [SECTION],
    "artefacts": [".artefacts/tokens/1ffc"],
}
WRITTEN: dict[str, Any] = {
    "baseline": "ce",
    "delta": 1.0,
    "correction": "holm",
    "allow_mixed": False,
    "family": "task",
    "intervals": "simultaneous",
    "command": "python -m bench run",
}
BUNDLE: dict[str, Any] = {
    "schema": 1,
    "name": "n",
    "files": {"store/twitter/ce/0123456789abcdef0123/spec.json": {"size": 300, "sha256": "0" * 64}},
}
JOURNAL: tuple[dict[str, Any], dict[str, Any]] = (
    {"journal": 1, "settings": {"labels": ["a", "b"], "rows": 2}},
    {
        "record": {
            "label": "a",
            "number": 0,
            "outcome": "row",
            "answer": "good",
            "tokens_in": 3,
            "tokens_out": 1,
            "row": {"text": "good", "label": "a"},
        }
    },
)
