"""Configurations of the tweet-polarity project are read as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.config.recipe_file import METHODS, PREFIX, Recipe, read
from bench.config.request import make_request
from bench.errors import UserError

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
    assert result.rows == {"generated": f"{data}/train.json", "real": f"{data}/val.json", "test": f"{data}/test.json"}
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
        ({"gradient_accumulation_steps": 4}, "gradient_accumulation_steps=4 would change the result"),
        ({"optim": "adafactor"}, "would change the result"),
        ({"problem_type": "single_label_classification_dipm"}, "single_label_classification_dimp"),
        ({"use_wandb_dataset": True}, "wandb_dataset names none"),
        ({"do_train": "perhaps"}, "do_train must be true or false"),
        ({"model_name_or_path": None}, "no model"),
        ({"warmup_steps": 100}, "warmup_ratio"),
        ({"quality_checker_model": "a", "twomodelloss_wandb_model2": "b"}, "two quality checkers"),
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
    (tmp_path / "c.json").write_text("{")
    for name, message in (("c.json", "c.json cannot be read as"), ("missing.json", "missing.json: No such file")):
        with pytest.raises(UserError, match=message):
            read(tmp_path / name)
