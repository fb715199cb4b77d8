"""Loads a pretrained encoder under a classification head. Only the head may be new: all else must be in the files.

`transformers` initialises a tensor that it does not find in the files at random, and reports this only in a log, which
workers silence. So its report is checked here: a tensor of the encoder that is absent, misnamed or of another shape is
an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from bench.encoders.checkpoints import Checkpoint
from bench.encoders.families import family
from bench.encoders.weight_files import REMEDY, tensors, wrapper
from bench.errors import UserError

logging.disable_progress_bar()  # loading takes a second
LENGTH = 200  # characters of another library's error in a message
SHOWN = 3  # names of tensors in a message
# BERT's pooler lies in the base model but belongs to the head: models trained on masked words alone come without it.
POOLER = "pooler."
TOKEN_TYPES = "token_type_ids"


@dataclass(frozen=True)
class Loaded:
    """A model, the modules of its head that are not pretrained, and what the user should know about the loading."""

    model: Any  # a Hugging Face model for sequence classification, float32, in evaluation mode
    new: tuple[str, ...]  # modules by name: their weights are random until a seed draws them
    output: str  # the last layer of the head by name, new or not
    notes: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether it is a classifier: nothing is new."""
        return not self.new


def load(checkpoint: Checkpoint, n_classes: int) -> Loaded:
    """The encoder with a head of `n_classes` outputs.

    Raises UserError where a tensor of the encoder is not loaded or holds a NaN, and for a model of an unknown kind.
    """
    stored = tensors(checkpoint.path)
    prefix = wrapper(stored)
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            checkpoint.path,
            num_labels=n_classes,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # a head of another size is replaced; what else does not fit is refused below
            output_loading_info=True,
            key_mapping={f"^{re.escape(prefix)}": ""} if prefix else None,
        )
    except Exception as error:  # transformers raises many kinds for what it cannot use in config.json
        raise UserError(f"{checkpoint.title} cannot be loaded ({first_line(error)})") from error
    shapes = {name: (file, wanted) for name, file, wanted in report["mismatched_keys"]}
    absent = {*report["missing_keys"], *shapes}
    base = f"{model.base_model_prefix}."
    if lost := sorted(name for name in absent if name.startswith(base) and not name.startswith(base + POOLER)):
        raise UserError(refusal(checkpoint.title, model, lost, shapes, report["unexpected_keys"]))
    if broken := [name for name, weight in model.named_parameters() if not weight.isfinite().all()]:
        raise UserError(
            f"{checkpoint.title} has values that are NaN or infinite in {listed(broken)}: its training "
            "diverged, or the file is damaged"
        )
    notes = [f"{checkpoint.name}: the prefix {prefix!r} of all names of tensors is left out"] if prefix else []
    unused = sorted(name for name in report["unexpected_keys"] if name.startswith(base) or block(name))
    if unused:
        notes.append(
            f"{checkpoint.name}: {len(unused)} tensors of the weights are not used, since config.json does not ask for "
            f"them ({listed(unused)})"
        )
    refuse_variants(checkpoint.title, model, unused)
    notes += [f"{checkpoint.name}: {note}" for note in in_full(model)]
    if one_token_type(model):
        model.get_submodule(model.base_model_prefix).register_forward_pre_hook(without_types, with_kwargs=True)
    new = tuple(sorted({name.rpartition(".")[0] for name in absent}))
    return Loaded(model, new, output_layer(model, n_classes), tuple(notes))


def refuse_variants(title: str, model: Any, unused: Sequence[str]) -> None:
    """Raise UserError for settings of config.json with which a model would not compute what it learned."""
    config = model.config
    if getattr(config, "is_decoder", False) and not config.is_encoder_decoder and not hasattr(model, "score"):
        raise UserError(
            f"{title}: config.json says is_decoder: true, so its first token, which the head reads, sees no other; "
            "set is_decoder to false there if the model was pretrained to read both ways, or use another encoder"
        )
    kind = getattr(config, "position_embedding_type", None)
    if kind not in (None, "absolute") and any("distance_embedding" in name for name in unused):
        raise UserError(
            f"{title}: its positions are relative (position_embedding_type: {kind}), which this transformers "
            "does not compute; use another encoder"
        )


def in_full(model: Any) -> Iterator[str]:
    """Make sparse attention full, and say so: BigBird chooses one of them by the longest text that it ever saw."""
    if getattr(model.config, "attention_type", None) == "block_sparse":
        model.get_submodule(model.base_model_prefix).set_attention_type("original_full")
        model.config.attention_type = "original_full"
        yield "its sparse attention is computed in full, since the choice would depend on the other texts of a batch"


def one_token_type(model: Any) -> bool:
    """Whether a model tells the two texts of a pair by no token type, as RoBERTa; its tokenizer may, being BERT's."""
    return getattr(model.config, "type_vocab_size", None) == 1


def without_types(_: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The inputs of a forward pass but the types of the tokens, see `one_token_type`."""
    return inputs, {name: value for name, value in named.items() if name != TOKEN_TYPES}


def load_classifier(checkpoint: Checkpoint, n_classes: int) -> Loaded:
    """A trained classifier. Raises UserError where any of its weights is not loaded, those of its head too."""
    loaded = load(checkpoint, n_classes)
    if not loaded.whole:
        raise UserError(
            f"{checkpoint.title} is not a whole classifier: its weights lack {listed(list(loaded.new))}; "
            "`bench run --save-models full` saves whole models"
        )
    return loaded


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """A checkpoint's tokenizer. Raises UserError for files that are none."""
    try:
        return AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of many kinds: JSON that is none, JSON of another shape, an unknown kind of tokenizer
        raise UserError(
            f"{checkpoint.title}: the tokenizer in {checkpoint.path} cannot be read ({first_line(error)}); {REMEDY}"
        ) from error


def check_tokenizer(title: str, model: Any, tokenizer: Any) -> None:
    """Raise UserError for a tokenizer without words or padding, or whose tokens the model does not know."""
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(
            f"{title}: its tokenizer knows no word, so its vocabulary is missing (tokenizer.json, vocab.txt "
            "or another file); copy the files of its tokenizer into the folder"
        )
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise UserError(
            f"{title}: its tokenizer has {len(tokenizer):,} tokens and its model embeddings for {rows:,}; "
            "call model.resize_token_embeddings(len(tokenizer)) and save both again"
        )
    for holder, file in ((tokenizer, "tokenizer_config.json"), (model.config, "config.json")):
        if getattr(holder, "pad_token_id", None) is None:
            raise UserError(
                f"{title}: {file} has no padding token, which texts of different lengths need; "
                "set tokenizer.pad_token and model.config.pad_token_id, and save both again"
            )
    # Positions after the padding, and heads that read the last token before it, compare tokens with the model's id.
    compares = family(model.config).beyond_padding or hasattr(model, "score")
    if compares and model.config.pad_token_id != tokenizer.pad_token_id:
        raise UserError(
            f"{title}: the padding token is {tokenizer.pad_token_id} in its tokenizer and "
            f"{model.config.pad_token_id} in config.json; set model.config.pad_token_id = tokenizer.pad_token_id and "
            "save both again"
        )


def output_layer(model: Any, n_classes: int) -> str:
    """The name of the head's last layer: the last linear one of `n_classes` outputs outside the base model.

    Raises UserError for a family that has none.
    """
    base = f"{model.base_model_prefix}."
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    names: list[str] = [name for name, layer in linear if layer.out_features == n_classes and not name.startswith(base)]
    if not names:
        raise UserError(f"encoders of the family {model.config.model_type} have no linear layer after the encoder")
    return names[-1]


def refusal(
    title: str,
    model: Any,
    lost: list[str],
    shapes: Mapping[str, tuple[Iterable[int], Iterable[int]]],
    unexpected: Iterable[str],
) -> str:
    """The error of a checkpoint whose tensors `lost` would be random, with the likeliest cause."""
    base = f"{model.base_model_prefix}."
    total = sum(key.startswith(base) for key in model.state_dict())
    start = f"{title}: {len(lost)} of its {total} tensors are not in its weights ({listed(lost)})"
    misfits = [key for key in lost if key in shapes]
    if misfits:
        file, wanted = (list(shape) for shape in shapes[misfits[0]])
        return f"{start}: {misfits[0]} has shape {file}, config.json asks for {wanted}; use the weights' own config"
    other = sorted(unexpected)
    if not other:
        return f"{start}: they are of a smaller model or cut; use their own config.json or download them again"
    ends = [key for key in other if key.endswith(lost[0].removeprefix(base))]
    if ends:
        strange = ends[0].removesuffix(lost[0].removeprefix(base))
        return f"{start}: the weights have {ends[0]}; save them without the prefix {strange!r}"
    kind = model.config.model_type
    return f"{start}: the weights have {listed(other)}, which is no {kind} model; use the weights' own config.json"


def block(name: str) -> bool:
    """Whether a tensor belongs to one of the encoder's numbered blocks."""
    return re.search(r"\blayers?\.\d+\.", name) is not None


def first_line(error: Exception) -> str:
    """The kind of an error, and its message on one line, cut."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message if len(message) <= LENGTH else message[:LENGTH] + '...'}"


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
