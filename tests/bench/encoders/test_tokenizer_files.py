"""Every file that changes tokens changes the ids of encoder and tokenizer; one that changes none does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.settings import MINILM
from bench.encoders.checkpoints import FURTHER, LANGUAGE_MODEL, PATTERNS, find
from bench.encoders.loading import load_tokenizer
from bench.encoders.tokenizer_files import ADDED, DOWNLOADED, SPECIAL
from bench.errors import UserError

WORD = "qqzz"


@pytest.fixture
def older(tiny_encoder: Path, tmp_path: Path) -> Path:
    """An encoder whose tokenizer_config.json has no `added_tokens_decoder`."""
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "older"))
    assert "added_tokens_decoder" not in json.loads((folder / "tokenizer_config.json").read_text())
    return folder


def tokens(folder: Path) -> list[int]:
    """The tokens of an unknown word and a known one."""
    found: list[int] = load_tokenizer(find(str(folder)))(f"{WORD} \N{SNOWMAN} happy")["input_ids"]
    return found


@pytest.mark.parametrize(("file", "content"), [(ADDED, {WORD: 5}), (SPECIAL, {"unk_token": "[MASK]"})])
def test_a_file_that_changes_tokens_changes_the_ids(older: Path, file: str, content: dict[str, object]) -> None:
    before, plain = find(str(older)), tokens(older)
    (older / file).write_text(json.dumps(content))
    after = find(str(older))
    assert tokens(older) != plain
    assert after.tokenizer_hash != before.tokenizer_hash
    assert after.hash != before.hash


def test_a_file_that_changes_no_token_changes_no_id(older: Path) -> None:
    config = json.loads((older / "tokenizer_config.json").read_text())
    before, plain = find(str(older)), tokens(older)
    (older / SPECIAL).write_text(json.dumps({"unk_token": config["unk_token"]}))
    (older / ADDED).write_text("{}")
    assert (find(str(older)).hash, tokens(older)) == (before.hash, plain)


def test_where_the_configuration_has_the_added_tokens_older_files_do_not_count(older: Path) -> None:
    config = json.loads((older / "tokenizer_config.json").read_text())
    (older / "tokenizer_config.json").write_text(json.dumps({**config, "added_tokens_decoder": {}}))
    before, plain = find(str(older)), tokens(older)
    (older / SPECIAL).write_text(json.dumps({"unk_token": "[MASK]"}))
    (older / ADDED).write_text(json.dumps({WORD: 5}))
    assert (find(str(older)).hash, tokens(older)) == (before.hash, plain)


@pytest.mark.parametrize("file", ["bpe.codes", "dict.txt", "sentencepiece.model"])
def test_every_vocabulary_counts(older: Path, file: str) -> None:
    before = find(str(older)).tokenizer_hash
    (older / file).write_text("a b\n")
    assert find(str(older)).tokenizer_hash != before


def test_all_of_them_are_downloaded() -> None:
    assert {*DOWNLOADED} <= {*PATTERNS}


def test_files_of_language_models_change_no_id_and_are_not_downloaded(
    older: Path, hub: Callable[[str, Path], Path]
) -> None:
    before = find(str(older)).hash
    for name in FURTHER[LANGUAGE_MODEL]:
        (older / name).write_text("{}")
    assert find(str(older)).hash == before
    cache = hub("someone/encoder", older)
    assert find("someone/encoder").hash == before
    assert not {path.name for path in cache.iterdir()} & {*FURTHER[LANGUAGE_MODEL]}


def test_an_adapter_of_the_hub_is_called_one(tmp_path: Path, hub: Callable[[str, Path], Path]) -> None:
    """Its configuration was not downloaded, so that model.safetensors was said to be needed."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_text("{}")
    hub("someone/adapter", tmp_path)
    with pytest.raises(UserError, match="has an adapter of PEFT"):
        find("someone/adapter")


@pytest.mark.minilm
def test_the_default_encoder_keeps_its_id() -> None:
    """Committed results name it. Its special_tokens_map.json says what tokenizer_config.json says."""
    assert find(MINILM).hash == "273ff6b7a9bfc638e5fd"
