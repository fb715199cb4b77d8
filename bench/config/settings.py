"""Training settings and presets, which are named settings. A new preset is one entry; a new setting is one field.

`quick`, the default, trains the top two blocks, pooler and head of MiniLM for 48 updates on 1,000 generated rows.
`probe` trains a linear head on embeddings of the frozen encoder, on the same batches.
`full` trains every layer on as many rows. `paper` trains a classifier as the released configuration of Kuo et al. (ICLR
2025) does, and a quality checker for as many updates. `smoke` runs in seconds and only tests that everything works: its
numbers mean nothing. `scratch` is for task `oracle`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from bench.seeds import ALL_SOURCES, SOURCES

MIN_LENGTH = 4  # tokens: three special tokens of a pair, and a word
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
BUDGETS = ("updates", "epochs", "checker_updates", "checker_epochs")
AUTO = "auto"  # of generated_rows: more updates for more rows, within a budget
AUTO_ROWS = 10_000  # the most rows of AUTO, so that a cell costs at most ten times as much
AUTO_UNIT = 1_000  # rows that `updates` is for
NONE = ("none", "null", "~")  # how None is typed, in any case
OPTIONAL = ("auxiliary", "vary", "checker_updates", "checker_epochs")  # stored only if they are set


@dataclass(frozen=True)
class Settings:
    """How every cell and checker is trained. The budget is counted in optimiser updates."""

    updates: int | None = 48  # U, the same for every method; None: computed from epochs
    epochs: float | None = None  # passes over the generated set, used when updates is None
    batch_size: int = 32
    lr: float = 3e-4  # peak; linear to 0
    warmup: float = 0.0  # share of the updates
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0  # global gradient norm; None: no clipping
    max_length: int = 128  # tokens
    train_layers: int | Literal["all"] = 2  # top blocks that train, with pooler and head; 0: a head on embeddings
    generated_rows: int | Literal["auto"] | None = (
        1000  # at most so many generated rows; None: all; auto: see `resolved`
    )
    precision: Literal["no", "bf16", "fp16"] = "no"  # mixed precision of the forward pass; "no" is float32
    auxiliary: str | None = None  # a term added to every method's loss, never to a checker's: simcse(weight=0.1)
    # The only source of `bench.seeds.SOURCES` that seeds draw, or several, each by itself; None: the usual ones.
    vary: str | None = None
    checker_updates: int | None = None  # of the quality checker; None: as many as every cell
    checker_epochs: float | None = None  # the same in passes over the rows that it is trained on

    def __post_init__(self) -> None:
        if (self.updates is None) == (self.epochs is None):
            raise ValueError("give either updates or epochs, and set the other to none")
        if self.checker_updates is not None and self.checker_epochs is not None:
            raise ValueError("give checker_updates or checker_epochs, not both")
        for name in (*BUDGETS, "batch_size", "lr", "clip_norm", "max_length", "generated_rows"):
            value = getattr(self, name)
            if value not in (None, AUTO) and not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, not {value}")
        if self.max_length < MIN_LENGTH:
            raise ValueError(
                f"max_length must be at least {MIN_LENGTH}, not {self.max_length}; a shorter text holds no word"
            )
        if self.train_layers != "all" and self.train_layers < 0:
            raise ValueError(f"train_layers must be at least 0, not {self.train_layers}")
        if self.train_layers == 0 and self.auxiliary is not None:
            raise ValueError(f"auxiliary={self.auxiliary} trains the encoder, which is frozen with train_layers=0")
        for name in self.vary.split(",") if self.vary is not None else ():
            if name not in (*SOURCES, ALL_SOURCES):
                raise ValueError(f"vary takes {', '.join(SOURCES)} or {ALL_SOURCES}, separated by commas, not {name}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must lie in [0, 1), not {self.warmup}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be a finite number from 0, not {self.weight_decay}")

    @property
    def most_generated(self) -> int | None:
        """The largest number of generated rows; None: all."""
        return AUTO_ROWS if isinstance(self.generated_rows, str) else self.generated_rows

    def by_source(self) -> list[Settings]:
        """These settings for each of the sources that vary by themselves, one after the other."""
        names = dict.fromkeys(self.vary.split(",")) if self.vary is not None else [ALL_SOURCES]
        return [replace(self, vary=None if name == ALL_SOURCES else name) for name in names]

    def resolved(self, generated: int) -> Settings:
        """The same settings with the number of updates, for a generated set of `generated` rows.

        With `generated_rows=auto`, `updates` counts for `AUTO_UNIT` rows and grows with the set, so that each row is
        passed as often; smaller sets keep it.
        """
        if self.generated_rows == AUTO:
            updates = self.updates and math.ceil(self.updates * max(generated, AUTO_UNIT) / AUTO_UNIT)
            return replace(self, generated_rows=AUTO_ROWS, updates=updates).resolved(generated)
        if self.epochs is None:
            return self
        return replace(self, updates=math.ceil(self.epochs * math.ceil(generated / self.batch_size)), epochs=None)

    def of_checker(self, real: int) -> Settings:
        """The settings of a quality checker that is trained on `real` rows; `self` has its number of updates."""
        updates = self.updates if self.checker_updates is None else self.checker_updates
        if self.checker_epochs is not None:
            updates = math.ceil(self.checker_epochs * math.ceil(real / self.batch_size))
        return replace(self, updates=updates, checker_updates=None, checker_epochs=None)

    def stored(self) -> dict[str, Any]:
        """The settings as a manifest stores them. What is not set is left out, so that older cells keep their ids."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in OPTIONAL}

    def of_cell(self) -> dict[str, Any]:
        """The settings as spec.json stores them: without the checker's, which are in the id of the checker's table."""
        return replace(self, checker_updates=None, checker_epochs=None).stored()


def divide(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split the keys of `--set` into training settings, and hyper-parameters by method."""
    training: dict[str, Any] = {}
    hyperparameters: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        method, dot, name = key.rpartition(".")
        if dot:
            hyperparameters.setdefault(method.replace("_", "-"), {})[name.replace("-", "_")] = value
        else:
            training[key.replace("-", "_")] = value
    return as_meant(training), hyperparameters


def as_meant(values: dict[str, Any]) -> dict[str, Any]:
    """Training settings as they are typed, with what they mean beside a preset.

    `updates` and `epochs` replace each other. `generated_rows=all` is no limit. YAML reads `precision: no` as False.
    """
    meant = dict(values)
    for size, other in (("updates", "epochs"), ("epochs", "updates")):
        if other not in values and str(values.get(size)).lower() not in NONE:
            meant[other] = None
    if values.get("generated_rows") == "all":
        meant["generated_rows"] = None
    if str(values.get("precision")).lower() == "false":
        meant["precision"] = "no"
    return meant


@dataclass(frozen=True)
class Preset:
    """Settings with their default encoder and protocol."""

    settings: Settings
    encoder: str = MINILM
    protocol: str = "fixed"


def described_presets() -> str:
    """The presets by name, each with its limit on generated rows: `quick (at most 1,000 generated rows), paper`."""
    limits = {name: preset.settings.generated_rows for name, preset in PRESETS.items()}
    return ", ".join(f"{name} (at most {most:,} generated rows)" if most else name for name, most in limits.items())


PRESETS: dict[str, Preset] = {
    "quick": Preset(Settings()),
    "probe": Preset(Settings(lr=3e-3, train_layers=0)),
    "full": Preset(Settings(updates=None, epochs=3, lr=1e-4, train_layers="all")),
    "paper": Preset(
        Settings(updates=None, epochs=5, lr=6e-5, train_layers="all", generated_rows=None),
        encoder="google-bert/bert-base-uncased",
        protocol="paper-select",
    ),
    # For task `oracle`: a one-block BERT that starts from random weights and passes each row about ten times.
    "scratch": Preset(
        Settings(
            updates=300, batch_size=64, lr=2e-3, warmup=0.1, max_length=32, train_layers="all", generated_rows=None
        ),
        encoder="scratch",
    ),
    "smoke": Preset(
        Settings(updates=8, batch_size=8, lr=1e-3, max_length=32, train_layers=1, generated_rows=64),
    ),
}
