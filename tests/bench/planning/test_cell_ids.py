"""Cell ids: every part of a specification changes them, nothing else does."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.config.settings import MINILM, Settings
from bench.encoders.checkpoints import find
from bench.errors import UserError
from bench.jobs import CellSpec
from bench.planning.planner import make_plan
from bench.seeds import derive

SPEC = CellSpec(
    task="twitter",
    method="dimp",
    hyperparameters={"clip": None},
    seed=0,
    encoder_hash="e",
    preset="quick",
    protocol="fixed",
    settings={"lr": 3e-4},
    data={"generated": "g", "test": "t"},
    table_ids={"quality": "q"},
    code="1:abc",
)
OTHER: dict[str, object] = {
    "seed": 1,
    "hyperparameters": {"clip": 2.0},
    "settings": {"lr": 1e-4},
    "data": {"test": "t"},
    "table_ids": {},
}


@pytest.mark.parametrize("name", [entry.name for entry in fields(CellSpec)])
def test_every_field_is_in_the_id(name: str) -> None:
    assert replace(SPEC, **{name: OTHER.get(name, "other")}).id != SPEC.id


NESTED = [(name, key) for name in ("hyperparameters", "settings", "data", "table_ids") for key in getattr(SPEC, name)]


@pytest.mark.parametrize(("name", "key"), NESTED)
def test_every_nested_value_and_key_is_in_the_id(name: str, key: str) -> None:
    values = dict(getattr(SPEC, name))
    without = {other: value for other, value in values.items() if other != key}
    changed = ({**values, key: "other"}, {**without, f"{key}2": values[key]}, without, {**values, "more": None})
    ids = [replace(SPEC, **{name: value}).id for value in changed]
    assert len({SPEC.id, *ids}) == len(changed) + 1


def test_values_that_look_alike_are_apart() -> None:
    """Text is no number, and a value does not move from one field to the next."""
    pairs = [({"clip": None}, {"clip": "None"}), ({"clip": 1}, {"clip": "1"}), ({"clip": True}, {"clip": "True"})]
    for one, other in pairs:
        assert replace(SPEC, hyperparameters=one).id != replace(SPEC, hyperparameters=other).id
    assert replace(SPEC, task="ab", method="c").id != replace(SPEC, task="a", method="bc").id


def test_ids_do_not_depend_on_the_order_of_keys() -> None:
    turned = replace(SPEC, data=dict(reversed(list(SPEC.data.items()))))
    assert turned.id == SPEC.id


def test_the_id_of_a_spec_is_stable() -> None:
    """A golden id: if it changes, every store in the world is recomputed."""
    assert SPEC.id == "e65aa45e05075726f8a1"


def test_paths_are_not_in_ids(tiny_encoder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_encoder, tmp_path / "moved")
    ids = []
    for encoder, root in ((tiny_encoder, tmp_path / "a"), (moved, tmp_path / "b")):
        plan = make_plan(make_request(methods="dimp", encoder=str(encoder), preset="smoke", seeds=1), root)
        ids.append(list(plan.jobs))
    assert ids[0] == ids[1]


OTHER_SETTINGS: dict[str, object] = {
    "updates": 9,
    "epochs": 2,
    "batch_size": 4,
    "lr": 2e-3,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 2.0,
    "max_length": 16,
    "train_layers": 2,
    "generated_rows": 32,
    "precision": "bf16",
    "auxiliary": "simcse(weight=0.1)",
    "vary": "head",
}


def test_every_training_setting_is_in_the_id(tiny_encoder: Path, tmp_path: Path) -> None:
    names = {entry.name for entry in fields(Settings)}
    assert {*OTHER_SETTINGS, "checker_updates", "checker_epochs"} == names, "every field is changed in turn"
    changes: list[dict[str, object]] = [{}, *({name: value} for name, value in OTHER_SETTINGS.items())]
    ids = set[str]()
    for change in changes:
        settings = {"updates": None, **change} if "epochs" in change else change
        request = make_request(
            methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=1, settings=settings, test_size=20
        )
        ids |= set(make_plan(request, tmp_path).cells)
    assert len(ids) == len(changes)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"settings": {"lr": "1e-3"}}, True),  # the preset's own value
        ({"settings": {"lr": "2e-3"}}, False),
        ({"seeds": [1]}, False),
        ({"methods": "dimp(gamma=1.0)"}, True),
        ({"methods": "dimp(gamma=0.5)"}, False),
        ({"tasks": "twitter[real=50]"}, False),  # another quality checker
        ({"tasks": "twitter[generated=50]"}, False),
        ({"tasks": "financial"}, False),
        ({"test_size": 100}, False),
    ],
)
def test_what_changes_a_cell(tiny_encoder: Path, tmp_path: Path, change: dict[str, object], same: bool) -> None:
    base = {"methods": "dimp", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1}
    first, second = (set(make_plan(make_request(**options), tmp_path).cells) for options in (base, {**base, **change}))  # type: ignore[arg-type]
    assert (first == second) is same


def test_seeds_by_axis_are_stable_and_apart() -> None:
    assert derive("head", "twitter", 0) == derive("head", "twitter", 0)
    values = {
        derive(axis, task, seed) for axis in ("head", "order") for task in ("twitter", "news") for seed in range(5)
    }
    assert len(values) == 20
    assert derive("order", "a", 11) != derive("order", "a1", 1)


def broken(folder: Path, encoder: Path, change: str) -> Path:
    """An encoder folder with something wrong."""
    copy = shutil.copytree(encoder, folder)
    if change == "pickle":
        (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    elif change == "tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            (copy / name).unlink(missing_ok=True)
    else:
        (copy / change).unlink()
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("pickle", "pytorch_model.bin cannot be read as weights"),
        ("model.safetensors", "no weights"),
        ("config.json", "no config.json"),
        ("tokenizer", "no tokenizer"),
    ],
)
def test_broken_encoders_are_refused(tmp_path: Path, tiny_encoder: Path, change: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(str(broken(tmp_path / "broken", tiny_encoder, change)))


def test_an_encoder_that_is_nowhere_says_what_works_offline() -> None:
    with pytest.raises(UserError, match="--encoder DIR"):
        find("nobody/no-such-encoder")
    with pytest.raises(UserError, match="neither a folder nor a hub id"):
        find("a/b/c/d")


def test_the_default_encoder_is_checked_by_its_hash(monkeypatch: pytest.MonkeyPatch, tiny_encoder: Path) -> None:
    monkeypatch.setattr("bench.encoders.checkpoints.downloaded", lambda name, kind: tiny_encoder)
    with pytest.raises(UserError, match="SHA-256"):
        find(MINILM)
