"""The estimate of a plan's duration counts an encoder's parameters from its configuration."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from bench.planning.estimate import size
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


def test_a_configuration_without_sizes_counts_as_bert_base(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "other"})
    assert size(tmp_path) == (pytest.approx(85_054_464, rel=0.01), 12)
