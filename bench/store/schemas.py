"""What the JSON files of a store must hold: `bench.store.files.read_json` checks the entries that a schema names."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, RootModel, StringConstraints, model_validator

Scalar = str | int | float | None


def inside(path: str) -> str:
    """A path below the store. Raises ValueError for another one."""
    parts = PureWindowsPath(path)  # of which / and \\ are separators
    if parts.anchor or ".." in parts.parts or "\0" in path:
        raise ValueError("must be a path below the store")
    return path


def ascending(counts: list[int]) -> list[int]:
    """Numbers of 1 or more, each larger than the one before. Raises ValueError for other ones."""
    if counts != sorted({max(count, 1) for count in counts}):
        raise ValueError("must be ascending numbers of 1 or more")
    return counts


StorePath = Annotated[str, AfterValidator(inside)]
Seed = Annotated[str, StringConstraints(pattern=r"^\d{1,18}$")]
FolderOfSeed = dict[Seed, StorePath]


class ManifestMethod(BaseModel):
    """A method of a section."""

    label: str
    method: str
    hyperparameters: dict[str, Any]
    core: bool
    real_use: str
    pairing: str
    real_rows: int
    cells: FolderOfSeed
    needs: dict[Seed, list[StorePath]] = Field(default_factory=dict)
    select_rows: int | None = None
    selection: str | None = None
    given: dict[str, str] = Field(default_factory=dict)


class ManifestGenerated(BaseModel):
    """How many generated rows a section used of how many, and why not all."""

    used: int
    of: int
    cause: str


class CrossValidation(BaseModel):
    """The rows that the cells of a section test in folds: ids and labels (N,)."""

    folds: int = Field(ge=2)
    classes: int
    ids: list[int]
    labels: list[int]


class ManifestSection(BaseModel):
    """A section of a grid."""

    task: str
    task_ref: str
    title: str
    labels: list[str]
    source: str
    stand_in: bool
    encoder: str
    encoder_hash: str
    preset: str
    protocol: str
    settings: dict[str, Any]
    sizes: dict[str, int]
    hashes: dict[str, Any]
    majority: float
    notes: list[str]
    seeds: list[int]
    checkers: dict[str, FolderOfSeed]
    methods: list[ManifestMethod]
    records: dict[Seed, dict[str, str | None]] = Field(default_factory=dict)
    texts: dict[str, StorePath] = Field(default_factory=dict)
    origins: dict[str, Any] = Field(default_factory=dict)
    drawn_from: str = ""
    filters: dict[str, Any] = Field(default_factory=dict)
    stress: dict[str, Any] = Field(default_factory=dict)
    cross_validation: CrossValidation | None = None
    given_checkers: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    looks: Annotated[list[int], AfterValidator(ascending)] = Field(default_factory=list)
    checker_encoder: str | None = None
    about: str | None = None
    generated_size: ManifestGenerated | None = None
    generation_rows: dict[str, Annotated[int, Field(ge=1, lt=2**40)]] = Field(default_factory=dict)
    label_shares: dict[str, list[float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def one_share_per_label(self) -> Self:
        """Raises ValueError for label shares of other roles or another number of labels."""
        if self.label_shares and not {"generated", "real"} <= self.label_shares.keys():
            raise ValueError("label_shares must have the roles generated and real")
        if any(len(part) != len(self.labels) for part in self.label_shares.values()):
            raise ValueError("label_shares must have a number for each label")
        if self.generated_size is not None and "generated" not in self.sizes:
            raise ValueError("sizes must have an entry generated")
        return self


class Manifest(BaseModel):
    """`.grids/<id>.json`: a grid."""

    command: str
    references_missing: list[str]
    left_out: dict[str, str] = Field(default_factory=dict)
    sections: list[ManifestSection]
    artefacts: list[StorePath] = Field(default_factory=list)
    ran: int = 0  # absent in earlier versions


class SeedsRead(BaseModel):
    """`.looks/<id>.json`: the numbers of seeds at which verdicts of one table were read."""

    seeds: Annotated[list[int], AfterValidator(ascending)]
    unplanned: Annotated[list[int], AfterValidator(ascending)] = Field(default_factory=list)  # at the whole 5 %


class BundleFile(BaseModel):
    """A file of a bundle."""

    size: int
    sha256: str


class Bundle(BaseModel):
    """`bundle.json` of a bundle."""

    schema_: int = Field(alias="schema")
    name: str
    files: dict[StorePath, BundleFile]


class Imported(BaseModel):
    """`.imported/<digest>.json`: the folders that came from one bundle, and the seals of their results then."""

    name: str
    cells: list[StorePath]
    seals: dict[StorePath, str] = Field(default_factory=dict)


class NamedSpec(BaseModel):
    """`spec.json`, as far as it says which cell this is."""

    task_ref: str
    label: str
    method: str
    seed: int


class CodeSpec(BaseModel):
    """`spec.json`, as far as it says which code trained the cell."""

    code: str


class Trial(BaseModel):
    """The best trial of a tuned cell."""

    hyperparameters: dict[str, Any]
    lr: float
    updates: int
    number: int
    accuracy: float


class TunedSpec(BaseModel):
    """`spec.json` of a tuned cell."""

    chosen: Trial


class Spec(NamedSpec):
    """`spec.json` of a cell."""

    id: str
    task: str
    encoder: str
    code: str
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]
    data: dict[str, str]
    rows: dict[str, int] = Field(default_factory=dict)


class ModelSpec(Spec):
    """`spec.json` of a cell whose model is exported."""

    labels: list[str]
    preset: str
    protocol: str
    source: str = ""
    origins: dict[str, str] = Field(default_factory=dict)
    generated_size: dict[str, Any] = Field(default_factory=dict)
    pairs: bool = False


class Metrics(BaseModel):
    """`metrics.json` of a cell: what is compared or shown as a number."""

    accuracy: float | None = None
    macro_f1: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    rows: int | None = None


class Passes(BaseModel):
    """Rows that passed through the network."""

    train_rows: float | None = None
    score_rows: float | None = None
    forward_rows: float | None = None
    backward_rows: float | None = None


class Timing(BaseModel):
    """`timing.json`."""

    seconds: float | None = None
    passes: Passes = Field(default_factory=Passes)


class Environment(RootModel[dict[str, Scalar | bool]]):
    """`env.json`: versions and the device."""


class DrawnFigure(BaseModel):
    """A figure of an earlier report: its kind, what it was drawn from, and the digests of its files."""

    kind: str
    key: str
    svg: str
    png: str


class DrawnFigures(BaseModel):
    """`figures/.drawn.json` of a report, by name of the figure's files."""

    figures: dict[Annotated[str, StringConstraints(pattern=r"^[\w.-]+$")], DrawnFigure]


class WrittenReport(BaseModel):
    """`leaderboard.json`, as far as it says how the report was made."""

    baseline: str
    delta: float
    correction: str
    allow_mixed: bool
    family: str = "task"
    intervals: str = "plain"
    command: str
    formats: list[str] | None = None


class ReportEntry(BaseModel):
    """The section of `leaderboard.json` that an entry is or belongs to."""

    task_ref: str
    source: str
    encoder: str
    preset: str
    protocol: str
    checker_encoder: str | None = None
    section: str = ""  # what it differs in from sections with the same names; absent where there are none
    sizes: dict[str, Any] = {}


class ReportSection(ReportEntry):
    """A section of `leaderboard.json`: which one it is, and what it was computed from."""

    title: str = ""
    baseline: str = ""
    seeds: list[int] = []
    settings: dict[str, Any] = {}
    hashes: dict[str, Any] = {}
    notes: list[str] = []
    given: dict[str, dict[str, str]] = {}


class ReportRow(ReportEntry):
    """A row of `leaderboard.json`; numbers are shares."""

    label: str
    n_seeds: int
    accuracy: dict[str, float | None]
    difference: dict[str, Any]


class ComparedReport(WrittenReport):
    """`leaderboard.json`, as far as two reports are compared."""

    provenance: dict[str, Any] = {}
    sections: list[ReportSection]
    rows: list[ReportRow]


class Update(BaseModel):
    """A line of `history.jsonl`: the measures of one update."""

    step: int
    loss: float | None = None
    ess: float | None = None
    grad_norm: float | None = None
    weight_mean: float | None = None
