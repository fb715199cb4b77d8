"""A training configuration with the keys of the tweet-polarity project, most of which are Hugging Face's.

A recipe is one cell: its rows, method, settings and checkers. Every key is either translated, or known to change no
result, or an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config.recipe_keys import DEFAULTS, FIXED, IGNORED, METHODS, PREFIX, RETIRED, SETTINGS, STORED
from bench.errors import UserError, unknown
from bench.store.files import MAX_JSON, parse_json
from bench.wandb_artifacts import FORM, SCHEME, is_artifact
from tasks.errors import missing_file, short_repr, user_path
from tasks.sources.json_files import once_each
from tasks.strict_yaml import read_yaml


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
    more_tests: tuple[str, ...] = ()  # further files to predict, each with a prediction file of its own
    tracker: str = "none"
    ignored: tuple[str, ...] = field(default=())


def read(path: Path) -> Recipe:
    """The recipe in a JSON or YAML file. Raises UserError and DataError."""
    values = strict_json(path) if path.suffix == ".json" else read_yaml(path)
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: a configuration is a mapping of keys to values, not a {type(values).__name__}")
    return Reader(dict(values), path).recipe()


def strict_json(path: Path) -> Any:
    """The value in a JSON file. Raises DataError if it is missing, UserError if it is not JSON or repeats a key."""
    if not path.is_file():
        raise missing_file(path)
    try:
        with path.open("rb") as file:
            return parse_json(file.read(MAX_JSON + 1), once_each)
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
        rows, more_tests = self.rows()
        train = self.flag("do_train", default=True)
        return Recipe(
            model=self.model(),
            method=self.method(),
            settings=self.settings(),
            seed=self.whole("seed", 42),
            protocol="paper-select" if self.flag("load_best_model_at_end") else "fixed",
            rows=rows,
            checkers=self.checkers(),
            auxiliary=self.auxiliary(),
            output=user_path(str(self.take("output_dir", "output"))),
            save_model=self.flag("save_model"),
            train=train,
            predict=self.flag("do_predict"),
            more_tests=more_tests,
            tracker=self.tracker(),
            ignored=self.rest(fixed=FIXED if train else {}),  # last, when all known keys have been taken
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
        except (TypeError, ValueError, OverflowError):
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
        """The model from which training starts. `model_name_or_path` may be a W&B artifact."""
        wandb_model, model = self.artifact("wandb_model"), self.artifact("model_name_or_path")
        if self.flag("use_wandb_model"):
            model = wandb_model or model
            if model is not None and not is_artifact(model):
                raise UserError(f"{self.path}: use_wandb_model is true, but {model} is not entity/project/name:version")
        if model is None:
            raise UserError(f"{self.path}: no model; give model_name_or_path, or wandb_model with use_wandb_model")
        return model

    def method(self) -> str:
        """The method that belongs to the problem type, or that the key `method` names."""
        if (method := self.take("method")) is not None:
            if self.take("problem_type") is not None:
                raise UserError(f"{self.path}: give either method or problem_type")
            return str(method)
        problem_type = str(self.take("problem_type", PREFIX))
        known = {f"{PREFIX}{ending}": method for ending, method in METHODS.items()}
        if problem_type.lower() == f"{PREFIX}_myloss_v1":
            raise UserError(
                f"{self.path}: problem_type {problem_type} is not supported; use {PREFIX}_dimp or {PREFIX}_imp"
            )
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
        precisions = [name for name in ("fp16", "bf16") if self.flag(name)]
        if len(precisions) > 1:
            raise UserError(f"{self.path}: fp16 and bf16 are both true; give one of them")
        settings["precision"] = precisions[0] if precisions else "no"
        settings["warmup"] = self.warmup()
        return settings

    def warmup(self) -> float:
        """Warm-up as a share of the updates."""
        share, steps = self.number("warmup_ratio", 0), self.number("warmup_steps", 0)
        if steps >= 1:
            raise UserError(f"{self.path}: warmup_steps={steps:g} is not known; give warmup_ratio, a share of updates")
        return share or steps

    def rows(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """The places of each role, separated by commas, and further files to predict.

        Training rows are the generated set, validation rows the small real set. With `use_wandb_dataset`, files are
        those of the W&B data set; the keys `*_file` then name files in it.
        """
        stored, more = self.artifact("wandb_dataset"), self.artifact("wandb_augmented_dataset")
        if not self.flag("use_wandb_dataset"):
            if stored is not None:
                raise UserError(f"{self.path}: wandb_dataset needs use_wandb_dataset true; without it, leave it out")
        elif stored is None:
            raise UserError(f"{self.path}: use_wandb_dataset is true, but wandb_dataset names none")
        train, validation, tests = (self.files(name, stored) for name in ("train", "validation", "test"))
        train += self.files("augmented_train", more)
        places = {"generated": ",".join(train), "real": ",".join(validation), "test": ",".join(tests[:1])}
        further = self.artifact("wandb_generalization_dataset")
        return {role: files for role, files in places.items() if files}, (*tests[1:], *filter(None, [further]))

    def files(self, name: str, stored: str | None) -> list[str]:
        """The files that a key names; in a W&B data set, those of usual names if the key names none."""
        given = self.take(f"{name}_file")
        named = given if isinstance(given, list) else [given] if given else []
        if stored is None:
            return [str(file) for file in named]
        return [f"{stored}/{file}" for file in named or [STORED[name]]]

    def tracker(self) -> str:
        """The trackers that `report_to` names, as `--track` takes them."""
        given = self.take("report_to", "none")
        return ",".join(map(str, given)) or "none" if isinstance(given, list) else str(given)

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

    def rest(self, fixed: Mapping[str, tuple[Any, ...]]) -> tuple[str, ...]:
        """The remaining keys, which change no result. Raises UserError for a value that would, or an unknown key."""
        ignored = []
        for key, value in self.values.items():
            if key in fixed:
                if plain(value) not in fixed[key]:
                    allowed = " or ".join(map(str, fixed[key]))
                    raise UserError(
                        f"{self.path}: {key}={short_repr(value)} would change the result; it must be {allowed}"
                    )
            elif key in IGNORED or key in FIXED:
                ignored += [] if asks_nothing(value) else [key]
            elif asks_nothing(value):
                ignored.append(key)
            elif key in RETIRED:
                raise UserError(f"{self.path}: {key} is not read; {RETIRED[key]}")
            else:
                raise unknown(f"key of {self.path}", key, [*self.seen, *FIXED, *IGNORED])
        return tuple(ignored)


def asks_nothing(value: Any) -> bool:
    """Whether a value says that its key is not used. 0 is a value, although it equals False."""
    return value is None or value is False or value in ("", [], {})


def plain(value: Any) -> Any:
    """A number or a truth value that is written as text, as YAML reads 1e-8; any other value as it is."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        return float(value)
    except ValueError:
        return value
