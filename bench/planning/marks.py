"""Marks: cells whose earlier results were wrong get other ids by them, and all other cells keep theirs.

A mark is for a mistake of this project that concerned only some cells. `TRAINER_VERSION` is for what concerns all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from bench.config.method_choice import MethodChoice
from bench.config.settings import Settings
from bench.encoders.checkpoints import Checkpoint, configuration
from methods.base import EMBEDDINGS, REAL_EMBEDDINGS, Method

# Families of encoders that a mistake concerned, as config.json calls them.
ONE_EMBEDDING = ("mt5", "mvp", "t5", "umt5")  # one module is the embedding of encoder and decoder
OTHER_NORM = ("biogpt", "esm", "megatron-bert", "roberta-prelayernorm", "xlm-roberta-xl")
LEAVES_ROWS_OUT = ("keep", "choose")  # the hooks of methods that pass only some rows of a batch


class Training(NamedTuple):
    """What of a cell its marks depend on."""

    choice: MethodChoice
    settings: Settings
    checkpoint: Checkpoint
    checker: Checkpoint  # the encoder of the checkers


def shared_masks(training: Training) -> bool:
    """The auxiliary term of all networks had the same dropout masks."""
    return training.settings.auxiliary is not None and training.choice.cls.networks > 1


def reads_embeddings(training: Training) -> bool:
    """Whether the method reads embeddings."""
    required = training.choice.cls.requires_of(training.choice.config)
    return bool({EMBEDDINGS, REAL_EMBEDDINGS} & {*required})


def small_term(training: Training) -> bool:
    """The auxiliary term was multiplied by the share of the rows that were passed."""
    cls = training.choice.cls
    return training.settings.auxiliary is not None and any(
        getattr(cls, hook) is not getattr(Method, hook) for hook in LEAVES_ROWS_OUT
    )


def foreign_embeddings(training: Training) -> bool:
    """Embeddings were those of the checkers' encoder, which was in no id."""
    return training.checker.hash != training.checkpoint.hash and reads_embeddings(training)


def decoders_embeddings(training: Training) -> bool:
    """Embeddings were the last states of the decoder."""
    reads = training.settings.train_layers == 0 or reads_embeddings(training)
    return training.checkpoint.has_decoder and reads


def frozen_decoder(training: Training) -> bool:
    """The final norm was frozen too. The self-test of states had no padding, and the head read that of shorter rows."""
    return training.checkpoint.reads_last_token and training.settings.train_layers not in ("all", 0)


@cache
def family(checkpoint: Checkpoint) -> str:
    """The family of an encoder, as its config.json calls it."""
    return str(configuration(checkpoint.path, checkpoint.name, checkpoint.kind).get("model_type"))


def lost_embedding(training: Training) -> bool:
    """A method with a probe took the embedding out of the model, also for the next cells of its worker."""
    settings = training.settings
    occurring = settings.train_layers == "all" and settings.weight_decay == 0  # see `bench.encoders.occurring_tokens`
    return occurring and family(training.checkpoint) in ONE_EMBEDDING


def frozen_norm(training: Training) -> bool:
    """The norm above the blocks was frozen."""
    return training.settings.train_layers not in ("all", 0) and family(training.checkpoint) in OTHER_NORM


MARKS: dict[str, Callable[[Training], bool]] = {
    "whole auxiliary term": small_term,
    "own embeddings": foreign_embeddings,
    "encoder's embeddings": decoders_embeddings,
    "masks of each network": shared_masks,
    "trained norm, padded self-test": frozen_decoder,
    "kept embedding": lost_embedding,
    "trained upper norm": frozen_norm,
}


def marks(training: Training) -> tuple[str, ...]:
    """The marks of a cell, most often none."""
    return tuple(name for name, concerns in MARKS.items() if concerns(training))
