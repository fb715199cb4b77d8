"""What a cell is, as a value: its specification, from which its id follows.

In the id: the method with its code and resolved hyper-parameters, hashes of only the data it reads, the ids of the
artefacts it consumes, the seed, the encoder's content, preset, protocol, settings. Not in it: paths, hub names, the
device, numbers of workers, the task reference by which it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from bench.hashing import class_hash, digest
from methods.base import Method

SCHEMA = 1  # of the store
TRAINER_VERSION = 2  # raised by hand when the same spec would train differently; tests hold a golden trajectory


@dataclass(frozen=True)
class CellSpec:
    """One (method, task, seed, encoder, preset, protocol, settings) run."""

    task: str
    method: str
    hyperparameters: Mapping[str, Any]
    seed: int
    encoder_hash: str
    preset: str
    protocol: str
    settings: Mapping[str, Any]  # with U as a number
    data: Mapping[str, str]  # content hash of each role that is read: generated, real, scored, test
    artefacts: Mapping[str, str]  # id of each artefact that is consumed
    code: str  # of the method

    @cached_property
    def id(self) -> str:
        """The cell's name in the store."""
        return digest({"schema": SCHEMA, "trainer": TRAINER_VERSION, **asdict(self)})


def method_code(cls: type[Method]) -> str:
    """The identity of a method's code: its declared version and the hash of its files without docstrings."""
    return f"{cls.version}:{class_hash(cls)}"
