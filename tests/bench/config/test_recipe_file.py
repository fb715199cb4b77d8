"""Configurations of the tweet-polarity project are read as they are."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from bench.config.recipe_file import Recipe, read
from bench.config.recipe_keys import METHODS, PREFIX
from bench.config.request import make_request
from bench.errors import UserError
from tasks.errors import DataError

# Its file for DIMP, key by key, as far as it is public.
DIMP = {
    "model_name_or_path": "bert-base-uncased",
    "problem_type": "single_label_classification_myloss_v2",
    "use_wandb_dataset": True,
    "wandb_dataset": "someone/project/twitter_dataset_1:v0",
    "twomodelloss_wandb_model2": "someone/project/twitter_1_only_valid_bert_base:v1",
    "twomodelloss_wandb_model3": None,
    "contrastive_learning": True,
    "contrastive_learning_weight": 0.0,
    "temperature": 0.05,
    "max_seq_length": 50,
    "pad_to_max_length": True,
    "per_device_train_batch_size": 256,
    "per_device_eval_batch_size": 512,
    "learning_rate": 6e-5,
    "num_train_epochs": 3,
    "lr_scheduler_type": "linear",
    "optim": "adamw_torch",
    "seed": 42,
    "load_best_model_at_end": True,
    "metric_for_best_model": "accuracy",
    "eval_strategy": "no",
    "evaluation_strategy": "epoch",
    "do_train": True,
    "do_eval": True,
    "do_predict": True,
    "output_dir": "./output/",
}


def translated(folder: Path, values: Any, name: str = "config.json") -> Recipe:
    path = folder / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return read(path)


def test_their_dimp_configuration(tmp_path: Path) -> None:
    result = translated(tmp_path, DIMP)
    data = "wandb:someone/project/twitter_dataset_1:v0"
    validation = "val.json|valid.json|validation.json|dev.json"
    assert result.rows == {
        "generated": f"{data}/train.json",
        "real": f"{data}/{validation}",
        "test": f"{data}/test.json",
    }
    assert result.checkers == {"quality": "wandb:someone/project/twitter_1_only_valid_bert_base:v1"}
    assert (result.method, result.seed, result.protocol, result.auxiliary) == ("dimp", 42, "paper-select", None)
    assert result.settings["max_length"] == 50
    assert result.settings["epochs"] == 3
    assert result.settings["train_layers"] == "all"
    assert set(result.ignored) == {
        "pad_to_max_length",
        "per_device_eval_batch_size",
        "eval_strategy",
        "evaluation_strategy",
    }


def test_every_argument_of_the_trainer_at_its_default_changes_nothing(tmp_path: Path) -> None:
    values: dict[str, Any] = {"model_name_or_path": "m"}
    for entry in dataclasses.fields(TrainingArguments):
        value = entry.default_factory() if callable(entry.default_factory) else entry.default
        values[entry.name] = value.value if isinstance(value, Enum) else value
    result = translated(tmp_path, {key: value for key, value in values.items() if value is not dataclasses.MISSING})
    assert (result.settings["batch_size"], result.settings["lr"], result.settings["epochs"]) == (8, 5e-5, 3)


def test_keys_of_the_older_project(tmp_path: Path) -> None:
    empty = {
        "use_auth_token": False,
        "dataset_name": None,
        "dataset_config_name": None,
        "tpu_num_cores": None,
        "debug": "",
    }
    files = {"train_file": "a.json", "augmented_train_file": ["b.json", "c.json"], "validation_file": "v.json"}
    result = translated(
        tmp_path,
        {
            "model_name_or_path": "m",
            **empty,
            **files,
            "test_file": ["t.json", "u.json"],
            "name": "x",
            "optim": "adamw_hf",
        },
    )
    assert result.rows == {"generated": "a.json,b.json,c.json", "real": "v.json", "test": "t.json"}
    assert result.more_tests == ("u.json",)
    assert "name" in result.ignored
    assert not {"use_auth_token", "overwrite_cache"} & set(result.ignored)


def test_files_in_a_data_set_of_wandb(tmp_path: Path) -> None:
    stored = {"use_wandb_dataset": True, "wandb_dataset": "a/b/c:v0", "wandb_augmented_dataset": "a/b/d:v1"}
    more = {"wandb_generalization_dataset": "a/b/e:v2", "train_file": "half.json"}
    result = translated(tmp_path, {"model_name_or_path": "x/y/z:v3", **stored, **more})
    generated = "wandb:a/b/c:v0/half.json,wandb:a/b/d:v1/generated.json|augmented.json|train.json"
    assert result.rows["generated"] == generated
    assert result.more_tests == ("wandb:a/b/e:v2",)
    assert result.model == "wandb:x/y/z:v3", "with or without use_wandb_model"
    assert translated(tmp_path, {"model_name_or_path": "x/y/z:v3", "use_wandb_model": True}).model == "wandb:x/y/z:v3"


def test_the_tracker(tmp_path: Path) -> None:
    both = ["wandb", "tensorboard"]
    for given, tracker in (
        (["wandb"], "wandb"),
        (both, "wandb,tensorboard"),
        ("none", "none"),
        (None, "none"),
        ([], "none"),
    ):
        assert translated(tmp_path, {"model_name_or_path": "m", "report_to": given}).tracker == tracker


def test_settings_of_a_training_do_not_matter_to_a_prediction(tmp_path: Path) -> None:
    values = {"model_name_or_path": "m", "gradient_accumulation_steps": 4}
    assert translated(tmp_path, {**values, "do_train": False}).ignored == ("gradient_accumulation_steps",)


@pytest.mark.parametrize("ending", METHODS)
def test_each_problem_type_is_a_method_that_there_is(ending: str, tmp_path: Path) -> None:
    result = translated(tmp_path, {"model_name_or_path": "m", "problem_type": PREFIX + ending.upper()})
    request = make_request(methods=result.method, settings=result.settings, seeds=[result.seed])
    assert len(request.methods) == 1
    assert request.settings.batch_size == 128, "their default"


def test_the_contrastive_term(tmp_path: Path) -> None:
    values = {"model_name_or_path": "m", "contrastive_learning": "True", "contrastive_learning_weight": 0.5}
    result = translated(tmp_path, values)
    assert make_request(methods="ce", settings={**result.settings, "auxiliary": result.auxiliary}).settings.auxiliary
    assert result.auxiliary == "simcse(weight=0.5,temperature=0.05,views=dropout)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rat": 1e-4}, "learning_rate"),
        ({"random_seed": 0}, "random_seed"),  # 0 == False, and it was taken for a key that asks for nothing
        ({"max_grad_nrom": 0.0}, "max_grad_norm"),
        ({"dataset_name": 0}, "dataset_name is not read"),
        ({"gradient_accumulation_steps": 4}, "gradient_accumulation_steps=4 would change the result"),
        ({"optim": "adafactor"}, "would change the result"),
        ({"fp16": True, "bf16": "true"}, "fp16 and bf16 are both true"),
        ({"problem_type": "single_label_classification_dipm"}, "single_label_classification_dimp"),
        (
            {"problem_type": f"{PREFIX}_myloss_v1"},
            "_myloss_v1 is not supported; use single_label_classification_dimp",
        ),
        ({"use_wandb_dataset": True}, "wandb_dataset names none"),
        ({"do_train": "perhaps"}, "do_train must be true or false"),
        ({"model_name_or_path": None}, "no model"),
        ({"warmup_steps": 100}, "warmup_ratio"),
        ({"wandb_dataset": "a/b/c:v0", "train_file": "x.json"}, "wandb_dataset needs use_wandb_dataset true"),
        ({"use_wandb_model": True}, "use_wandb_model is true, but m is not entity/project/name:version"),
        ({"dataset_name": "glue"}, "dataset_name is not read; give train_file"),
        ({"method": "dimp", "problem_type": "single_label_classification"}, "give either method or problem_type"),
        ({"quality_checker_model": "a", "twomodelloss_wandb_model2": "b"}, "two quality checkers"),
        ({"seed": 10**400}, "seed must be a number"),
        ({"seed": "abc"}, "seed must be a number, not 'abc'"),
        ({"seed": [1]}, "seed must be a number"),
        ({"seed": 1.7}, "seed must be a whole number"),
        ({"seed": True}, "seed must be a number"),
        ({"max_grad_norm": "x"}, "max_grad_norm must be a number"),
        ({"warmup_ratio": "x"}, "warmup_ratio must be a number"),
        ({"contrastive_learning_weight": "x"}, "contrastive_learning_weight must be a number"),
        (["a", "list"], "mapping"),
    ],
)
def test_bad_configurations(values: Any, message: str, tmp_path: Path) -> None:
    given = {"model_name_or_path": "m", **values} if isinstance(values, dict) else values
    with pytest.raises(UserError, match="(?s)" + message.replace("(", r"\(")):
        translated(tmp_path, given)


def test_yaml_and_what_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("model_name_or_path: m\nlearning_rate: 1e-5\n")
    assert make_request(methods="ce", settings=read(tmp_path / "c.yaml").settings).settings.lr == 1e-5
    usual = 'adam_epsilon: 1e-8\nadam_beta1: "0.9"\ngradient_accumulation_steps: "1"\nfull_determinism: "False"\n'
    (tmp_path / "c.yaml").write_text(f"model_name_or_path: m\n{usual}")
    assert read(tmp_path / "c.yaml").ignored == (), "YAML reads 1e-8 as text"
    (tmp_path / "c.yaml").write_text("model_name_or_path: m\nadam_epsilon: 1e-6\n")
    with pytest.raises(UserError, match="adam_epsilon='1e-6' would change the result; it must be 1e-08"):
        read(tmp_path / "c.yaml")
    (tmp_path / "c.json").write_text("{")
    for name, message in (("c.json", "c.json cannot be read as"), ("missing.json", "missing.json: no such file")):
        with pytest.raises((UserError, DataError), match=message):
            read(tmp_path / name)
