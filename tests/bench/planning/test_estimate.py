"""The estimate of a plan's duration counts an encoder's parameters from its configuration."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.encoders.checkpoints import find
from bench.jobs import TokensJob
from bench.planning.estimate import CHARACTERS, LAST, last_block, size, tokens_per_row
from bench.store.files import write_json
from tests.helpers.encoders import FAMILIES, make_encoder


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_parameters_of_blocks_are_about_those_of_the_weights(tmp_path: Path, family: str) -> None:
    from safetensors import safe_open

    folder, parameters, blocks = make_encoder(tmp_path, family, width=128), 0, set()
    with safe_open(folder / "model.safetensors", "pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - it is no mapping
            if block := re.search(r"layers?\.(\d+)\.", name):
                blocks.add(block[1])
                parameters += math.prod(weights.get_slice(name).get_shape())
    estimated, count = size(folder)
    assert count == len(blocks)
    assert estimated == pytest.approx(parameters, rel=0.3)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_last_block_counts_little_where_it_computes_the_first_token_alone(tmp_path: Path, family: str) -> None:
    """The estimate of a usual grid was twice the time that it took."""
    from transformers import AutoModel

    folder = make_encoder(tmp_path, family)
    encoder = getattr(AutoModel.from_pretrained(folder), "encoder", None)
    packed = ("BertEncoder", "RobertaEncoder", "XLMRobertaEncoder", "ElectraEncoder")
    assert (last_block(folder) == LAST) == (type(encoder).__name__ in packed)


def test_a_configuration_without_sizes_counts_as_bert_base(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "other"})
    assert size(tmp_path) == (pytest.approx(85_054_464, rel=0.01), 12)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_tokens_of_other_scripts_are_those_of_the_tokenizer(tmp_path: Path, family: str) -> None:
    """They were estimated by the length of English tokens: a Russian text had a third of its tokens."""
    from transformers import AutoTokenizer

    folder = make_encoder(tmp_path / family, family)
    if json.loads((folder / "tokenizer.json").read_text())["pre_tokenizer"] is None:
        pytest.skip("this version of transformers saves a part of the tokenizer alone")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    russian, chinese = "Компания объявила о росте прибыли.", "公司宣布第三季度利润增长，并上调了明年的预测。"
    english = "The company reported higher profit for the third quarter."
    by_length = len(english) / CHARACTERS + 2
    jobs = {
        texts: TokensJob("tokens", tmp_path, tmp_path, (), "test", [texts[0]] * 300, second, find(str(folder)), 128)
        for texts, second in {
            (russian,): None,
            (chinese,): None,
            (russian, chinese): [chinese] * 300,
            (english,): None,
        }.items()
    }
    for texts, job in jobs.items():
        counted = len(tokenizer(*texts, truncation=True, max_length=128)["input_ids"])
        assert tokens_per_row(job) == pytest.approx(by_length if texts == (english,) else counted)
    (folder / "tokenizer.json").unlink()
    job = replace(jobs[russian,], checkpoint=replace(jobs[russian,].checkpoint, hash="another"))
    assert tokens_per_row(job) == pytest.approx(len(russian) / CHARACTERS + 2), (
        "without torch there is nothing to count with"
    )
