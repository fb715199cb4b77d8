"""The grid as a value: which jobs there are, what each needs, and what the report is to cover.

Nothing is trained or written here, and torch is not needed: `--dry-run` is this and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import tuning
from bench.artefacts import given, part
from bench.checkpoint import Checkpoint, find, fits
from bench.errors import UserError
from bench.hashing import digest
from bench.jobs import CellJob, Job, Role, StatesJob, TokensJob
from bench.presets import Settings
from bench.protocols import Protocol, Tuned
from bench.request import Choice, Request, TaskChoice, task_label
from bench.spec import SCHEMA, CellSpec, method_code
from bench.store import State, artefact_path, cell_path, state
from methods.base import QUALITY, RealUse, hyperparameters
from methods.plugins import file_of
from tasks import Rows, TaskData, stressed

FITS = {RealUse.CHECKER, RealUse.GRADIENT, RealUse.SELECT, RealUse.TRAIN}  # uses in which real rows fit something
READS_REAL = {RealUse.TEXTS, RealUse.CLASSES, RealUse.PRIOR, RealUse.GRADIENT, RealUse.SELECT}


@dataclass
class Plan:
    """Jobs by id in the order in which they are best started, and the report's sections."""

    root: Path
    requests: Sequence[Request] = ()
    jobs: dict[str, Job] = field(default_factory=dict)
    sections: list[dict[str, Any]] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)  # job id -> label, of the cells that were asked for
    named: set[str] = field(default_factory=set)  # ids of specs that are asked for and may be checkers too
    mirrors: list[str] = field(default_factory=list)  # ids of the jobs that show these cells to a tracker
    planned: dict[str, tuple[TaskPlan, int]] = field(default_factory=dict)  # job id -> who planned it, and its seed
    records: dict[str, Rows] = field(default_factory=dict)  # record id -> rows, of which workers never hear

    def add(self, job: Job) -> str:
        """Add a job, or find the one with its id."""
        self.jobs.setdefault(job.id, job)
        return job.id


def plan(asked: Request | Sequence[Request], root: Path) -> Plan:
    """The plan of a grid, or of several as one. Raises UserError or DataError before anything is made."""
    root = root.resolve()
    if root.exists() and not root.is_dir():
        raise UserError(f"the store {root} is not a folder")
    made = Plan(root, [asked] if isinstance(asked, Request) else asked)
    sections = [section for one in made.requests for section in sections_of(one, made)]
    for section in sections:
        section.announce()
    for section in sections:
        section.build()
    made.jobs = ordered(made.jobs)
    return made


def sections_of(asked: Request, made: Plan) -> list[TaskPlan]:
    """The parts of a grid that share a task, an encoder and a protocol."""
    encoders = tuple({checkpoint.hash: checkpoint for checkpoint in map(find, asked.encoders)}.values())
    checker = find(asked.checker_encoder) if asked.checker_encoder else None
    for checkpoint in (*encoders, *((checker,) if checker else ())):
        fits(checkpoint, asked.settings)
    return [
        TaskPlan(asked, task, data, checkpoint, checker or checkpoint, protocol, made)
        for task, data in read(asked)
        for checkpoint in encoders
        for protocol in asked.protocols
    ]


def ordered(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """What others wait for first, stage by stage, then the rest: no worker is idle for want of what others could make.

    Within a stage jobs stay in the order in which they were added, each after what it needs.
    """
    stage: dict[str, int] = {}
    for identity, job in jobs.items():
        stage[identity] = 1 + max((stage[need] for need in job.needs), default=0)
    waited = {need for job in jobs.values() for need in job.needs}
    last = len(jobs)
    return dict(sorted(jobs.items(), key=lambda item: stage[item[0]] if item[0] in waited else last))


def read(asked: Request) -> list[tuple[TaskChoice, TaskData]]:
    """The tasks with their rows; sizes that change nothing are left out, so that what is the same has one name."""
    found: dict[tuple[str, str], tuple[TaskChoice, TaskData]] = {}
    for task in asked.tasks:
        data = asked.load(task)
        stress = dict(task.stress)
        if asked.limit is not None:
            data = data.limited(asked.limit)
            stress.update({key: min(stress[key], asked.limit) for key in ("real", "generated") if key in stress})
        rows = min(len(data.generated), asked.settings.generated_rows or len(data.generated))
        idle = {"real": stress.get("real") == data.default_real, "generated": stress.get("generated", 0) >= rows}
        stress = {key: value for key, value in stress.items() if not idle.get(key)}
        name = task_label(task.name, {**task.filters, **stress})
        found.setdefault((name, str(task.location)), (replace(task, stress=stress, label=name), data))
    return list(found.values())


class TaskPlan:
    """Adds the cells of one task, encoder and protocol, and what they need, to a plan: a section of the report."""

    def __init__(
        self,
        asked: Request,
        task: TaskChoice,
        data: TaskData,
        checkpoint: Checkpoint,
        checker: Checkpoint,
        protocol: Protocol,
        made: Plan,
    ) -> None:
        self.asked, self.task, self.data, self.made = asked, task, data, made
        self.checkpoint, self.protocol = checkpoint, protocol
        # D_Q before any subset of a stress axis is drawn: what checkers score, whatever the axis.
        self.base = data.generated_subset(asked.settings.generated_rows)
        rows = min(len(self.base), task.stress.get("generated", len(self.base)))
        self.settings: Settings = asked.settings.resolved(rows)
        if rows < self.settings.batch_size:
            raise UserError(
                f"task {task.label}: {rows} generated rows are fewer than a batch of {self.settings.batch_size}; "
                f"use --set batch_size={rows} or fewer"
            )
        self.artefacts = given(asked.checkers)
        self.needed: dict[Path, str] = {}  # artefact folder -> job id
        self.records: dict[str, dict[str, str]] = {}  # seed -> role -> id of what is recorded of its rows
        self.drawn: dict[int, dict[str, Role]] = {}  # roles by seed
        # Checkers with another encoder have tokens and states of their own; no term is added to a checker's loss.
        same = checker.hash == checkpoint.hash and asked.settings.auxiliary is None
        plain = replace(asked, settings=replace(asked.settings, auxiliary=None))
        self.checkers = self if same else TaskPlan(plain, task, data, checker, checker, protocol, made)

    def announce(self) -> None:
        """Say which cells that need no others are asked for: a checker that is one of them lies among the cells."""
        for choice in self.asked.methods:
            if not choice.cls.requires_of(choice.config):
                for seed in self.asked.seeds:
                    self.made.named.add(self.spec(choice, self.protocol, seed, self.roles(seed), {}).id)

    def build(self) -> None:
        """All cells of the task: seed by seed, so that early results are complete comparisons."""
        paths: dict[str, dict[str, str]] = {choice.label: {} for choice in self.asked.methods}
        needs: dict[str, dict[str, list[str]]] = {choice.label: {} for choice in self.asked.methods}
        quality: dict[str, str] = {}
        for seed in self.asked.seeds:
            roles = self.roles(seed)
            for choice in self.asked.methods:
                job = self.asked_cell(choice, seed, roles)
                paths[choice.label][str(seed)] = self.relative(job.folder)
                # What every cell needs, tokens, is nobody's cost.
                folders = (*job.tables.values(), *job.real_tables.values(), *(trial.folder for trial in job.trials))
                needs[choice.label][str(seed)] = [
                    self.relative(path) for path in folders if path not in self.checkers.needed
                ]
                if QUALITY in job.tables and QUALITY not in self.asked.checkers:  # a given one was never tested
                    quality[str(seed)] = self.relative(job.tables[QUALITY])
                self.made.cells[job.id] = choice.label
                self.made.planned[job.id] = self, seed
        self.made.sections.append(self.section(paths, needs, quality))

    def asked_cell(self, choice: Choice, seed: int, roles: Mapping[str, Role]) -> CellJob:
        """Add a cell of the table, with all that the protocol has trained for it."""
        if isinstance(self.protocol, Tuned):
            return tuning.plan(self, self.protocol, choice, seed, roles)
        return self.cell(choice, self.protocol, seed, roles, asked_for=True)

    def relative(self, folder: Path) -> str:
        """A folder as reports name it: below the store's root."""
        return str(folder.relative_to(self.made.root))

    def roles(self, seed: int) -> dict[str, Role]:
        """The rows of each role for a seed, with the artefacts that hold their tokens and states."""
        if seed not in self.drawn:
            self.drawn[seed] = self.draw(seed)
        return self.drawn[seed]

    def draw(self, seed: int) -> dict[str, Role]:
        """The roles of a seed, made."""
        data = self.stressed(seed)
        real = data.real(seed)
        division, small = self.protocol.divide(data.spec, real, seed), self.small_role(real)
        # Scored rows carry no labels: under noise theirs are the true ones, and a worker holds them.
        scored, generated = replace(self.role(self.base), labels=np.full(len(self.base), -1)), data.generated
        index = positions(self.base.ids, generated.origins)
        roles = {
            "scored": scored,
            "generated": replace(scored, ids=generated.ids, labels=generated.labels, index=index),
            "real": part(small, division.fitting),
            "select": part(small, division.selecting),
            "test": self.role(data.test),
        }
        recorded = {"generated": generated, **({"test": data.test} if data.test.record else {})}
        self.records[str(seed)] = {name: content(roles[name]) for name in recorded}
        self.made.records.update({content(roles[name]): rows for name, rows in recorded.items()})
        return roles

    def stressed(self, seed: int) -> TaskData:
        """The task under its stress, with the base set for the generated one."""
        return stressed(replace(self.data, generated=self.base), self.task.stress, seed)

    def rows(self, name: Literal["generated", "real"], role: Role) -> Rows:
        """The texts of a role, with the labels that it has here."""
        pool = self.data.pool
        texts = self.base.take(role.index) if name == "generated" else pool.take(positions(pool.ids, role.ids))
        return replace(texts, labels=role.labels)

    def small_role(self, real: Rows) -> Role:
        """The role of a seed's small real set: rows of what all seeds of the grid draw, each of which is passed once.

        Its identity is that of its own texts, whichever seeds are asked for beside it.
        """
        index, own = positions(self.real_rows.ids, real.ids), self.tokens_of(real, self.checkpoint).name
        return replace(self.role(self.real_rows), ids=real.ids, labels=real.labels, index=index, texts=own)

    @cached_property
    def real_rows(self) -> Rows:
        """The rows of the pool that any seed draws, in the pool's order."""
        drawn = [self.stressed(seed).real(seed).ids for seed in self.asked.seeds]
        return self.data.pool.take(np.isin(self.data.pool.ids, np.concatenate(drawn)))

    def tokens_of(self, rows: Rows, checkpoint: Checkpoint) -> Path:
        """The folder of the rows' token artefact."""
        content = [rows.content_hash(with_labels=False), checkpoint.tokenizer_hash, self.settings.max_length]
        return self.artefact("tokens", content)

    def role(self, rows: Rows) -> Role:
        """A role with its token artefact and, where lower layers are frozen, the states after them."""
        tokens = self.tokens(rows, self.checkpoint)
        layers = self.settings.train_layers
        if layers == "all":
            return Role(rows.ids, rows.labels, np.arange(len(rows)), tokens, None, tokens.name)
        states = self.artefact("states", [tokens.name, self.checkpoint.hash, layers])
        needs = (self.needed[tokens],)
        self.needed[states] = self.made.add(
            StatesJob(f"states/{states.name}", states, self.made.root, needs, tokens, self.checkpoint, layers)
        )
        return Role(rows.ids, rows.labels, np.arange(len(rows)), tokens, states, tokens.name)

    def tokens(self, rows: Rows, checkpoint: Checkpoint) -> Path:
        """The artefact with the rows' tokens, which is then needed."""
        folder, length = self.tokens_of(rows, checkpoint), self.settings.max_length
        self.needed[folder] = self.made.add(
            TokensJob(f"tokens/{folder.name}", folder, self.made.root, (), rows.texts, rows.pairs, checkpoint, length)
        )
        return folder

    def artefact(self, kind: str, content: list[Any]) -> Path:
        """The folder of an artefact, found by what makes it."""
        return artefact_path(self.made.root, kind, digest([SCHEMA, kind, *content]))

    def cell(
        self,
        choice: Choice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, Role],
        *,
        asked_for: bool,
        settings: Settings | None = None,
    ) -> CellJob:
        """Add a cell with its checkers and return it; `settings` are its own, where they are not the section's."""
        made = {
            name: self.artefacts[name].job(self.checkers, seed, self.checkers.roles(seed))
            for name in choice.cls.requires_of(choice.config)
        }
        identities = {name: self.artefacts[name].identity(job, self.checkers.roles(seed)) for name, job in made.items()}
        spec = self.spec(choice, protocol, seed, roles, identities, settings)
        read = [role for name, role in roles.items() if name in spec.data]
        folders = {path for role in read for path in (role.tokens, role.states) if path is not None}
        job = CellJob(
            id=f"cell/{spec.id}",
            folder=self.folder(spec, asked_for),
            root=self.made.root,
            needs=tuple(sorted({self.needed[path] for path in folders} | {job.id for job in made.values()})),
            spec=spec,
            record=self.record(choice, spec, roles),
            checkpoint=self.checkpoint,
            n_classes=len(self.data.spec.labels),
            tables={name: job.folder for name, job in made.items() if self.artefacts[name].role == "generated"},
            real_tables={name: job.folder for name, job in made.items() if self.artefacts[name].role == "real"},
            rule=protocol.rule,
            section=self.axes(),
            trials=(),
            plugin=file_of(choice.cls),
            keep=None,  # `bench.grid` says which cells keep their models
            **roles,
        )
        return self.made.jobs[self.made.add(job)]  # type: ignore[return-value]  # ids of cells name cells

    def axes(self) -> str:
        """The encoder and the protocol, where the grid has several."""
        encoder = [self.checkpoint.name] if len(self.asked.encoders) > 1 else []
        protocol = [self.protocol.label] if len(self.asked.protocols) > 1 else []
        return " ".join(encoder + protocol)

    def folder(self, spec: CellSpec, asked_for: bool) -> Path:
        """Where a cell lies; a checker that nobody asks for by name is an artefact unless it is there as a cell."""
        named = cell_path(self.made.root, spec.task, spec.method, spec.id)
        if asked_for or spec.id in self.made.named or state(named) in (State.DONE, State.RUNNING):
            return named
        return artefact_path(self.made.root, "checker", spec.id)

    def spec(
        self,
        choice: Choice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, Role],
        artefacts: Mapping[str, str],
        settings: Settings | None = None,
    ) -> CellSpec:
        """The identity of a cell: hashes of only what its method and protocol read."""
        data = {"scored": roles["scored"].texts, "test": content(roles["test"])}
        if choice.config.train_on != "real":
            data["generated"] = content(roles["generated"])
        if choice.config.train_on != "generated" or choice.cls.own_use_of(choice.config) in READS_REAL:
            data["real"] = content(roles["real"])
        if protocol.rule:
            data["select"] = content(roles["select"])
        return CellSpec(
            task=self.task.spec.name,
            method=choice.cls.name,
            hyperparameters=hyperparameters(choice.config),
            seed=seed,
            encoder_hash=self.checkpoint.hash,
            preset=self.asked.preset,
            protocol=protocol.label,
            settings=(settings or self.settings).stored(),
            data=data,
            artefacts=dict(artefacts),
            code=method_code(choice.cls),
        )

    def record(self, choice: Choice, spec: CellSpec, roles: Mapping[str, Role]) -> dict[str, Any]:
        """spec.json: the specification, and the names by which people know its parts."""
        return {
            "schema": SCHEMA,
            "id": spec.id,
            "method": spec.method,
            "label": choice.label,
            "hyperparameters": dict(spec.hyperparameters),
            "task": spec.task,
            "task_ref": self.task.label,
            "source": self.data.source,
            "origins": dict(self.data.origins),
            "seed": spec.seed,
            "encoder": self.checkpoint.name,
            "encoder_hash": spec.encoder_hash,
            "preset": spec.preset,
            "protocol": spec.protocol,
            "settings": dict(spec.settings),
            "data": dict(spec.data),
            "artefacts": dict(spec.artefacts),
            "code": spec.code,
            "labels": list(self.data.spec.labels),
            "real_use": str(choice.real_use),
            "rows": {name: len(roles[name].ids) for name in spec.data},
        }

    def section(self, paths: Mapping[str, Any], needs: Mapping[str, Any], quality: Mapping[str, str]) -> dict[str, Any]:
        """What the report needs to know of this task beyond what the cells store."""
        data = self.stressed(self.asked.seeds[0])
        test, roles = data.test, self.roles(self.asked.seeds[0])
        rows = {name: len(role.ids) for name, role in roles.items()}
        own = self.checkers.checkpoint.hash == self.checkpoint.hash
        return {
            "task": self.task.name,
            "task_ref": self.task.label,
            "title": self.data.spec.title,
            "labels": list(self.data.spec.labels),
            "source": self.data.source,
            "origins": dict(self.data.origins),
            "stand_in": self.data.stand_in,
            "encoder": self.checkpoint.name,
            "encoder_hash": self.checkpoint.hash,
            "preset": self.asked.preset,
            "checker_encoder": None if own else self.checkers.checkpoint.name,
            "checker_encoder_hash": None if own else self.checkers.checkpoint.hash,
            "given_checkers": {name: find(model).hash for name, model in self.asked.checkers.items()},
            "protocol": self.protocol.label,
            "settings": self.settings.stored(),
            "sizes": {
                "generated": len(data.generated),
                "real": rows["real"],
                **({"selection": rows["select"]} if rows["select"] else {}),
                "pool": len(self.data.pool),
                "test": len(test),
            },
            "hashes": {
                name: rows.content_hash()[:20]
                for name, rows in (("generated", self.base), ("pool", self.data.pool), ("test", test))
            },
            "majority": float(np.bincount(test.labels).max() / len(test)),
            "notes": [
                *self.data.notes,
                *([self.protocol.note] if self.protocol.note else []),
                *(
                    f"{name} checker: {Path(model).name}, trained elsewhere"
                    for name, model in self.asked.checkers.items()
                ),
            ],
            "seeds": list(self.asked.seeds),
            "filters": dict(self.task.filters),
            "stress": dict(self.task.stress),
            "records": self.records,
            "checkers": {QUALITY: dict(quality)} if quality else {},
            "methods": [
                {
                    "label": choice.label,
                    "method": choice.cls.name,
                    "hyperparameters": hyperparameters(choice.config),
                    "core": "core" in choice.cls.groups and choice.label == choice.cls.name,
                    "real_use": str(choice.real_use),
                    "pairing": choice.cls.pairing_of(choice.config),
                    "real_rows": 0 if choice.real_use is RealUse.NONE else rows["real"],
                    "select_rows": rows["select"],
                    "selection": selection_of(choice.real_use, roles),
                    "cells": paths[choice.label],
                    "needs": needs[choice.label],
                }
                for choice in self.asked.methods
            ],
        }


def selection_of(real_use: RealUse, roles: Mapping[str, Role]) -> str:
    """How the rows that select stand to those that a method sees.

    none: nothing selects; apart: no method sees them; seen: they are the small real set; fitted: and this method, or
    its checker, was trained on them.
    """
    selecting = roles["select"].ids
    if not len(selecting):
        return "none"
    if not np.isin(selecting, roles["real"].ids).any():
        return "apart"
    return "fitted" if real_use in FITS else "seen"


def content(role: Role) -> str:
    """Hash of a role's rows: the texts, which of them, and their labels."""
    repeated = len(np.unique(role.index)) < len(role.index)  # then ids alone do not tell the texts
    places = [role.index.tolist()] if repeated else []
    return digest([role.texts, role.ids.tolist(), role.labels.tolist(), *places])


def positions(ids: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where each of `wanted` stands in `ids`."""
    order = np.argsort(ids, kind="stable")
    return np.asarray(order[np.searchsorted(ids, wanted, sorter=order)])
