"""Plans a section of the report: the cells of one task, encoder and protocol, and the jobs that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.config.method_choice import MethodChoice
from bench.config.protocols import Protocol, Tuned
from bench.config.request import Request
from bench.config.settings import Settings
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import Checkpoint
from bench.jobs import CellJob, CellSpec, RoleRows, content, method_code
from bench.planning import tuning
from bench.planning.describe import section, spec_json
from bench.planning.marks import Training, marks
from bench.planning.requirements import requirement
from bench.planning.rows import SectionRows
from bench.store import role_texts
from bench.store.folders import State, state
from bench.store.layout import cell_path, precomputed_path
from methods.base import COLUMN, QUALITY, RealUse, hyperparameters
from methods.plugins import file_of
from tasks import TaskData

if TYPE_CHECKING:
    from bench.planning.plan import Plan

READS_REAL = {RealUse.TEXTS, RealUse.CLASSES, RealUse.PRIOR, RealUse.GRADIENT, RealUse.SELECT}


class SectionPlanner(SectionRows):
    """Adds the cells of one task, encoder and protocol, and the jobs that they need, to a plan."""

    def __init__(
        self,
        request: Request,
        task: TaskChoice,
        data: TaskData,
        checkpoint: Checkpoint,
        checker: Checkpoint,
        protocol: Protocol,
        plan: Plan,
    ) -> None:
        super().__init__(request, task, data, checkpoint, protocol, plan)
        # Checkers with another encoder have tokens and states of their own. No auxiliary term is in a checker's loss.
        same = checker.hash == checkpoint.hash and request.settings.auxiliary is None
        plain = replace(request, settings=replace(request.settings, auxiliary=None))
        self.checkers = self if same else SectionPlanner(plain, task, data, checker, checker, protocol, plan)

    def announce(self) -> None:
        """Note the requested cells that need no checkers: a checker that is one of them is planned as that cell."""
        for choice in self.request.methods:
            if not choice.cls.requires_of(choice.config):
                for seed in self.request.seeds:
                    self.plan.requested_ids.add(self.spec(choice, self.protocol, seed, self.roles(seed), {}).id)

    def build(self) -> None:
        """All cells of the task: seed by seed, so that early results are complete comparisons."""
        paths: dict[str, dict[str, str]] = {choice.label: {} for choice in self.request.methods}
        needs: dict[str, dict[str, list[str]]] = {choice.label: {} for choice in self.request.methods}
        quality: dict[str, str] = {}
        uses: dict[str, RealUse] = {}
        given: dict[str, dict[str, str]] = {}
        for seed in self.request.seeds:
            roles = self.roles(seed)
            for choice in self.request.methods:
                job = self.requested_cell(choice, seed, roles)
                paths[choice.label][str(seed)] = self.relative(job.folder)
                # Tokens and states serve every cell, so they are no method's cost.
                folders = (*job.tables.values(), *job.real_tables.values(), *(trial.folder for trial in job.trials))
                shared = {*self.job_of_folder, *self.checkers.job_of_folder}
                needs[choice.label][str(seed)] = [self.relative(path) for path in folders if path not in shared]
                if QUALITY in job.tables and QUALITY not in self.request.checkers:  # the user's own was not tested
                    quality[str(seed)] = self.relative(job.tables[QUALITY])
                uses[choice.label] = RealUse(job.spec_json["real_use"])  # where it is tuned, that of its trials
                given[choice.label] = self.given_tables(job)
                self.plan.cells[job.id] = choice.label
                self.plan.cell_data[job.id] = self, seed
        self.plan.texts.update({role_texts.identity(rows): rows for rows in self.written.values()})
        self.plan.sections.append(section(self, self.checkers.checkpoint, paths, needs, quality, uses, given))

    def given_tables(self, job: CellJob) -> dict[str, str]:
        """The ids of the tables that a cell or its trials read and that a file or a model of the user makes."""
        read = {name: table for one in (job.trials or (job,)) for name, table in one.spec.table_ids.items()}
        return {name: table for name, table in read.items() if name.startswith(COLUMN) or name in self.request.checkers}

    def requested_cell(self, choice: MethodChoice, seed: int, roles: Mapping[str, RoleRows]) -> CellJob:
        """Add a cell of the report, and the trials of a protocol that tunes."""
        if isinstance(self.protocol, Tuned):
            return tuning.add_trials(self, self.protocol, choice, seed, roles)
        return self.cell(choice, self.protocol, seed, roles, requested=True)

    def relative(self, folder: Path) -> str:
        """A folder as reports name it: relative to the store."""
        return folder.relative_to(self.plan.root).as_posix()

    def cell(
        self,
        choice: MethodChoice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, RoleRows],
        *,
        requested: bool,
        settings: Settings | None = None,
    ) -> CellJob:
        """Add a cell with its checkers and return it; `settings` replace those of the section."""
        required = {name: requirement(name, self.request.checkers) for name in choice.cls.requires_of(choice.config)}
        makers = {name: self.checkers if entry.of_checkers else self for name, entry in required.items()}
        jobs = {name: entry.job(makers[name], seed, makers[name].roles(seed)) for name, entry in required.items()}
        table_ids = {name: required[name].table_id(job, makers[name].roles(seed)) for name, job in jobs.items()}
        spec = self.spec(choice, protocol, seed, roles, table_ids, settings)
        read = [role for name, role in roles.items() if name in spec.data]
        folders = {path for role in read for path in (role.tokens, role.states) if path is not None}
        job = CellJob(
            id=f"cell/{spec.id}",
            folder=self.folder(spec, requested),
            root=self.plan.root,
            needs=tuple(sorted({self.job_of_folder[path] for path in folders} | {job.id for job in jobs.values()})),
            spec=spec,
            spec_json=spec_json(self, choice, spec, roles),
            checkpoint=self.checkpoint,
            n_classes=len(self.data.spec.labels),
            tables={name: job.folder for name, job in jobs.items() if required[name].role == "generated"},
            real_tables={name: job.folder for name, job in jobs.items() if required[name].role == "real"},
            rule=protocol.rule,
            section=self.axes(),
            trials=(),
            plugin=file_of(choice.cls),
            replaces=(),  # set by `bench.execution.prepare`
            keep=None,  # set by `bench.execution.prepare`
            score=True,  # changed by the same
            snapshots=None,  # set by the requirement that reads them
            live_curves=None,  # set by `bench.planning.mirrors`
            **roles,
        )
        return self.plan.add(job)

    def folder(self, spec: CellSpec, requested: bool) -> Path:
        """The folder of a cell. A checker that was not requested is among the tables, unless it exists as a cell."""
        as_cell = cell_path(self.plan.root, spec.task, spec.method, spec.id)
        if requested or spec.id in self.plan.requested_ids or state(as_cell) in (State.DONE, State.RUNNING):
            return as_cell
        return precomputed_path(self.plan.root, "checker", spec.id)

    def spec(
        self,
        choice: MethodChoice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, RoleRows],
        table_ids: Mapping[str, str],
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
        settings = settings or self.settings
        return CellSpec(
            task=self.task.spec.name,
            method=choice.cls.name,
            hyperparameters=hyperparameters(choice.config),
            seed=seed,
            encoder_hash=self.checkpoint.hash,
            preset=self.request.preset,
            protocol=protocol.label,
            settings=settings.of_cell(),
            data=data,
            table_ids=dict(table_ids),
            code=method_code(choice.cls),
            marks=marks(Training(choice, settings, self.checkpoint, self.checkers.checkpoint)),
        )

    def axes(self) -> str:
        """The names of the encoder and the protocol, each only if the grid has several."""
        encoder = [self.checkpoint.name] if len(self.request.encoders) > 1 else []
        protocol = [self.protocol.label] if len(self.request.protocols) > 1 else []
        return " ".join(encoder + protocol)
