"""A training configuration with the keys of the tweet-polarity project, most of which are Hugging Face's.

A recipe is one cell: its rows, method, settings and checkers. Every key is either translated, or known to change no
result, or an error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.store.files import parse_json
from bench.wandb_artifacts import FORM, SCHEME
from tasks.errors import short_repr
from tasks.strict_yaml import read_yaml

PREFIX = "single_label_classification"
METHODS = {
    "": "ce",
    "_dimp": "dimp",
    "_myloss_v2": "dimp",
    "_imp": "imp",
    "_myloss_importance": "imp",
    "_distillation": "quality-only",
    "_focalloss": "focal(gamma=1,detach=True)",  # the project's FocalLoss: gamma 1, no gradient through the factor
}
SETTINGS = {
    "learning_rate": "lr",
    "per_device_train_batch_size": "batch_size",
    "num_train_epochs": "epochs",
    "max_seq_length": "max_length",
    "weight_decay": "weight_decay",
    "max_train_samples": "generated_rows",
}
DEFAULTS = {"learning_rate": 5e-5, "per_device_train_batch_size": 128, "num_train_epochs": 3.0, "max_seq_length": 128}
# Keys that would change the result: accepted only with the values with which every cell is trained.
FIXED: dict[str, tuple[Any, ...]] = {
    "adam_beta1": (0.9,),
    "adam_beta2": (0.999,),
    "adam_epsilon": (1e-8,),
    "config_name": (None,),
    "data_seed": (None,),
    "dataloader_drop_last": (False,),
    "full_determinism": (False,),
    "gradient_accumulation_steps": (1,),
    "label_smoothing_factor": (0, 0.0),
    "lr_scheduler_type": ("linear",),
    "max_eval_samples": (None,),
    "max_predict_samples": (None,),
    "max_steps": (-1, None),
    "model_revision": ("main", None),
    "metric_for_best_model": ("accuracy", "eval_accuracy", None),
    "optim": ("adamw_torch", "adamw_torch_fused"),
    "tokenizer_name": (None,),
}
# Keys that change no result: logging, saving, padding, devices.
QUIET = """
cache_dir dataloader_num_workers dataloader_pin_memory disable_tqdm eval_delay eval_steps eval_strategy
evaluation_strategy fp16_opt_level greater_is_better hub_model_id ignore_mismatched_sizes local_rank log_level
logging_dir logging_first_step logging_steps logging_strategy no_cuda overwrite_cache overwrite_output_dir
pad_to_max_length per_device_eval_batch_size preprocessing_num_workers push_to_hub report_to run_name save_safetensors
save_steps save_strategy save_total_limit skip_memory_metrics task_name use_cpu use_fast_tokenizer wandb_project
"""
IGNORED = frozenset(QUIET.split())


@dataclass(frozen=True)
class Recipe:
    """One training, or with `train=False` one prediction."""

    model: str
    method: str
    settings: Mapping[str, Any]
    seed: int
    protocol: str
    rows: Mapping[str, str]  # role -> file, folder or W&B artifact
    checkers: Mapping[str, str]  # quality, diversity -> model
    auxiliary: str | None
    output: Path
    save_model: bool
    train: bool
    predict: bool
    ignored: tuple[str, ...] = field(default=())


def read(path: Path) -> Recipe:
    """The recipe in a JSON or YAML file. Raises UserError and DataError."""
    values = strict_json(path) if path.suffix == ".json" else read_yaml(path)
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: a configuration is a mapping of keys to values, not a {type(values).__name__}")
    return Reader(dict(values), path).recipe()


def strict_json(path: Path) -> Any:
    """The value in a JSON file. Raises UserError for a file that is missing or not JSON, and for a repeated key."""

    def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, count in Counter(key for key, _ in pairs).items():
            if count > 1:
                raise ValueError(f"{key} is given twice")
        return dict(pairs)

    try:
        return parse_json(path.read_bytes(), once_each)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} cannot be read as a configuration: {error}") from error


class Reader:
    """Takes keys out of a configuration one by one; keys that are left at the end are unknown."""

    def __init__(self, values: dict[str, Any], path: Path) -> None:
        self.values, self.path, self.seen = values, path, set[str]()

    def take(self, key: str, default: Any = None) -> Any:
        """The value of a key. None and "" count as absent."""
        self.seen.add(key)
        value = self.values.pop(key, None)
        return default if value is None or value == "" else value

    def recipe(self) -> Recipe:
        """The recipe. Raises UserError that names the key."""
        self.flag("do_eval")  # every cell is evaluated
        return Recipe(
            model=self.model(),
            method=self.method(),
            settings=self.settings(),
            seed=self.whole("seed", 42),
            protocol="paper-select" if self.flag("load_best_model_at_end") else "fixed",
            rows=self.rows(),
            checkers=self.checkers(),
            auxiliary=self.auxiliary(),
            output=Path(str(self.take("output_dir", "output"))),
            save_model=self.flag("save_model"),
            train=self.flag("do_train", default=True),
            predict=self.flag("do_predict"),
            ignored=self.rest(),  # last, when all known keys have been taken
        )

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A truth value, which may be text."""
        value = self.take(key, default)
        if str(value).lower() not in ("true", "false"):
            raise UserError(f"{self.path}: {key} must be true or false, not {short_repr(value)}")
        return str(value).lower() == "true"

    def number(self, key: str, default: float) -> float:
        """A number, which may be text."""
        value = self.take(key, default)
        try:
            if isinstance(value, bool):
                raise TypeError
            return float(value)
        except (TypeError, ValueError):
            raise UserError(f"{self.path}: {key} must be a number, not {short_repr(value)}") from None

    def whole(self, key: str, default: int) -> int:
        """A whole number, 0 or more."""
        value = self.number(key, default)
        if not value.is_integer() or value < 0:
            raise UserError(f"{self.path}: {key} must be a whole number, 0 or more, not {value:g}")
        return int(value)

    def artifact(self, key: str) -> str | None:
        """A model or data set; a W&B artifact gets the prefix `wandb:`, which files leave out. Text "None" is None."""
        value = self.take(key)
        if value is None or str(value).lower() in ("none", "null"):
            return None
        return f"{SCHEME}{value}" if FORM.fullmatch(str(value)) else str(value)

    def model(self) -> str:
        """The model from which training starts."""
        wandb_model, hub_model = self.artifact("wandb_model"), self.take("model_name_or_path")
        model = wandb_model if self.flag("use_wandb_model") else hub_model
        if model is None:
            raise UserError(f"{self.path}: no model; give model_name_or_path, or wandb_model with use_wandb_model")
        return str(model)

    def method(self) -> str:
        """The method that belongs to the problem type."""
        problem_type = str(self.take("problem_type", PREFIX))
        known = {f"{PREFIX}{ending}": method for ending, method in METHODS.items()}
        if problem_type.lower() not in known:
            raise unknown("problem_type", problem_type, known)
        return known[problem_type.lower()]

    def settings(self) -> dict[str, Any]:
        """Training settings. Every layer trains, and the budget is in epochs."""
        settings: dict[str, Any] = {"updates": None, "train_layers": "all", "generated_rows": None}
        for key, name in SETTINGS.items():
            value = self.take(key, DEFAULTS.get(key))
            if value is not None:
                settings[name] = value
        settings["clip_norm"] = self.number("max_grad_norm", 1.0) or None
        precisions = [name for name, key in (("fp16", "fp16"), ("bf16", "bf16")) if self.flag(key)]
        settings["precision"] = precisions[0] if precisions else "no"
        settings["warmup"] = self.warmup()
        return settings

    def warmup(self) -> float:
        """Warm-up as a share of the updates."""
        share, steps = self.number("warmup_ratio", 0), self.number("warmup_steps", 0)
        if steps >= 1:
            raise UserError(f"{self.path}: warmup_steps={steps:g} is not known; give warmup_ratio, a share of updates")
        return share or steps

    def rows(self) -> dict[str, str]:
        """The file or folder of each role: training rows are the generated set, validation rows the small real set."""
        stored = self.artifact("wandb_dataset")
        more = self.artifact("wandb_augmented_dataset")
        files = {name: self.take(f"{name}_file") for name in ("train", "validation", "test")}
        if self.flag("use_wandb_dataset"):
            if stored is None:
                raise UserError(f"{self.path}: use_wandb_dataset is true, but wandb_dataset names none")
            files = {"train": f"{stored}/train.json", "validation": f"{stored}/val.json", "test": f"{stored}/test.json"}
        if more is not None:
            files["train"] = ",".join(filter(None, (files["train"], f"{more}/train.json")))
        names = {"train": "generated", "validation": "real", "test": "test"}
        return {names[name]: str(file) for name, file in files.items() if file}

    def checkers(self) -> dict[str, str]:
        """Models that score the training rows, under the key of this project or of the tweet-polarity project."""
        keys = {
            "quality": ("quality_checker_model", "twomodelloss_wandb_model2"),
            "diversity": ("diversity_checker_model", "twomodelloss_wandb_model3"),
        }
        models_of = {name: [model for key in own if (model := self.artifact(key))] for name, own in keys.items()}
        for name, models in models_of.items():
            if len(set(models)) > 1:
                raise UserError(f"{self.path}: two {name} checkers: {' and '.join(models)}")
        return {name: models[0] for name, models in models_of.items() if models}

    def auxiliary(self) -> str | None:
        """The contrastive term as the tweet-polarity project defines it."""
        wanted, weight = self.flag("contrastive_learning"), self.number("contrastive_learning_weight", 0.1)
        temperature = self.number("temperature", 0.05)
        if not wanted or weight == 0 or not math.isfinite(weight):
            return None
        return f"simcse(weight={weight},temperature={temperature},views=dropout)"

    def rest(self) -> tuple[str, ...]:
        """The remaining keys, which change no result. Raises UserError for a value that would, or an unknown key."""
        ignored = []
        for key, value in self.values.items():
            if key in FIXED:
                if value not in FIXED[key]:
                    allowed = " or ".join(map(str, FIXED[key]))
                    raise UserError(
                        f"{self.path}: {key}={short_repr(value)} would change the result; it must be {allowed}"
                    )
            elif key in IGNORED:
                ignored.append(key)
            else:
                raise unknown(f"key of {self.path}", key, [*self.seen, *FIXED, *IGNORED])
        return tuple(ignored)
