"""Families of encoders: where one differs from the others in what config.json and the names of modules do not show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Family:
    """What is known of the encoders of a family. A family that is not in `FAMILIES` has the values given here."""

    positions: str = "max_position_embeddings"  # the entry of config.json with the number of positions
    # Whether positions are numbered from the padding id + 1 on, which leaves fewer of them for tokens.
    beyond_padding: bool = False
    padding: int | None = None  # the padding id from which they are numbered, whatever config.json says
    # A part of the base model above its blocks, where it has a name that other families give to parts below the blocks.
    above: str = ""
    # Whether the blocks are those of BERT: attention.self.{query,key,value}, attention.output, intermediate, output.
    packed: bool = False
    decoder_names: bool = False  # whether its weights have the names of a decoder's, though it reads both ways


FAMILIES: Mapping[str, Family] = {
    "bert": Family(packed=True),
    "biogpt": Family(above="layer_norm"),
    "camembert": Family(beyond_padding=True),
    "ctrl": Family(positions="n_positions"),
    "data2vec-text": Family(beyond_padding=True),
    "electra": Family(packed=True),
    "esm": Family(above="encoder.emb_layer_norm_after"),
    "gpt2": Family(positions="n_positions"),
    "gpt_bigcode": Family(positions="n_positions"),
    "gptj": Family(positions="n_positions"),
    "ibert": Family(beyond_padding=True),
    "lilt": Family(beyond_padding=True),
    "longformer": Family(beyond_padding=True),
    "luke": Family(beyond_padding=True),
    "megatron-bert": Family(above="encoder.ln"),
    "modernbert": Family(decoder_names=True),
    "mpnet": Family(beyond_padding=True, padding=1),
    "openai-gpt": Family(positions="n_positions"),
    "roberta": Family(beyond_padding=True, packed=True),
    "roberta-prelayernorm": Family(beyond_padding=True, above="LayerNorm"),
    "xlm-roberta": Family(beyond_padding=True, packed=True),
    "xlm-roberta-xl": Family(beyond_padding=True, above="encoder.LayerNorm"),
    "xmod": Family(beyond_padding=True),
}
USUAL = Family()


def family(config: Any) -> Family:
    """The family of a configuration: of a config.json, or of a Hugging Face model."""
    name = config.get("model_type") if isinstance(config, Mapping) else config.model_type
    return FAMILIES.get(str(name), USUAL)
