"""The rows of a task in a plan: the rows of each role, and the folders of their tokens and frozen states."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.config.generated_size import check_fills_batch, generated_size
from bench.config.protocols import Division, Protocol
from bench.config.request import Request
from bench.config.settings import Settings
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import Checkpoint, find
from bench.hashing import digest
from bench.jobs import SCHEMA, EmbeddingsJob, RoleRows, StatesJob, TokensJob, content, subset
from bench.seeds import derive, source_seed
from bench.store.layout import precomputed_path
from tasks import Rows, TaskData, stressed
from tasks.resample import resampled
from tasks.rows import one_set

if TYPE_CHECKING:
    from bench.planning.plan import Plan

OF_FILES = ("cluster", "label_clean")  # hidden columns that files have
STATES_VERSION = 2  # raise it when states differ in their bits; 2: in batches of fixed shape


class SectionRows:
    """The rows of one task under its stress, for each seed and role, as one encoder reads them.

    The jobs that tokenise and encode the rows are added to the plan.
    """

    def __init__(
        self, request: Request, task: TaskChoice, data: TaskData, checkpoint: Checkpoint, protocol: Protocol, plan: Plan
    ) -> None:
        self.request, self.task, self.data, self.plan = request, task, data, plan
        self.checkpoint, self.protocol = checkpoint, protocol
        # The generated set before stress; checkers always score all of it.
        self.generated_size = generated_size(request, task, data)
        # Where a seed takes one of several generations: the same subset of each, all of which are scored.
        taken = data.generations if request.settings.vary == "generated" else {}
        self.generations = list(data.generation_subsets(self.generated_size.base).values()) if taken else []
        self.base = one_set(self.generations) if taken else data.generated_subset(self.generated_size.base)
        rows = self.generated_size.used
        self.settings: Settings = request.settings.resolved(rows)
        check_fills_batch(task, rows, self.settings.batch_size)
        self.job_of_folder: dict[Path, str] = {}  # folder of tokens or states -> job id
        self.hidden_ids: dict[str, dict[str, str]] = {}  # seed -> role -> id of its hidden columns
        self.drawn: dict[int, dict[str, RoleRows]] = {}  # roles by seed

    def roles(self, seed: int) -> dict[str, RoleRows]:
        """The rows of each role for a seed, with the folders of their tokens and states."""
        if seed not in self.drawn:
            self.drawn[seed] = self.draw(seed)
        return self.drawn[seed]

    def draw(self, seed: int) -> dict[str, RoleRows]:
        """Draw the roles of a seed."""
        data = self.stressed(seed)
        real = data.real(self.seed_of("real", seed))
        division = self.division(seed, real)
        small = self.small_role(real)
        # Scored rows get no labels: before noise theirs are the true ones, which a worker must not hold.
        scored = replace(self.role(self.base, "generated"), labels=np.full(len(self.base), -1))
        generated = data.generated
        index = positions(self.base.ids, generated.origins)
        roles = {
            "scored": scored,
            "generated": replace(scored, ids=generated.ids, labels=generated.labels, index=index),
            "real": subset(small, division.fitting),
            "select": subset(small, division.selecting),
            "test": self.test_role(data.test),
        }
        with_hidden = {"generated": generated, **({"test": data.test} if data.test.hidden else {})}
        read = {"generated": self.base, "test": self.data.test}
        ids = {name: hidden_id(roles[name], rows, read[name]) for name, rows in with_hidden.items()}
        self.hidden_ids[str(seed)] = ids
        self.plan.hidden.update({ids[name]: rows for name, rows in with_hidden.items()})
        return roles

    def stressed(self, seed: int) -> TaskData:
        """The task under its stress, which is applied to the base set.

        Where the generated set varies, it is the seed's generation, or resampled if there is one only.
        """
        own = self.seed_of("generated", seed)
        base = self.generations[seed] if self.generations else self.base
        data = stressed(replace(self.data, generated=base), self.task.stress, own)
        if self.generations:
            return replace(data, generated=numbered_apart(data.generated, base, self.base))
        if self.settings.vary != "generated":
            return data
        return replace(data, generated=resampled(data.generated, derive("generated", self.task.spec.name, seed)))

    def real_of(self, seed: int) -> Rows:
        """The small real set of a seed."""
        return self.stressed(seed).real(self.seed_of("real", seed))

    @cached_property
    def real_counts(self) -> list[tuple[int, int]]:
        """The numbers of real rows that train and that select, at the first seed.

        Of a cross-validation, for each fold: their sizes may differ, and must not depend on the seeds of the request.
        """
        if not self.data.folds:
            roles = self.roles(self.request.seeds[0])
            return [(len(roles["real"].ids), len(roles["select"].ids))]
        divisions = [self.division(seed, self.real_of(seed)) for seed in range(self.data.folds)]
        return [(len(one.fitting), len(one.selecting)) for one in divisions]

    def division(self, seed: int, real: Rows) -> Division:
        """A seed's small real set, divided into rows that train and rows that select."""
        return self.protocol.divide(self.data.spec, real, self.seed_of("real", seed))

    def seed_of(self, source: str, seed: int) -> int:
        """The seed of one source of variation in the cells of a seed."""
        return source_seed(self.settings.vary, source, seed)

    def rows(self, name: Literal["generated", "real"], role: RoleRows) -> Rows:
        """The texts of a role, with the role's labels."""
        pool = self.data.pool
        texts = self.base.take(role.index) if name == "generated" else pool.take(positions(pool.ids, role.ids))
        return replace(texts, labels=role.labels)

    def small_role(self, real: Rows) -> RoleRows:
        """The role of a seed's small real set.

        The rows of all seeds share a folder, so that each text is encoded once; `texts` is the hash of this seed's
        texts alone, so that the other seeds of a grid do not change it.
        """
        index, own = positions(self.real_rows.ids, real.ids), self.tokens_of(real, self.checkpoint).name
        return replace(self.role(self.real_rows, "real"), ids=real.ids, labels=real.labels, index=index, texts=own)

    def test_role(self, test: Rows) -> RoleRows:
        """The role of the test rows. The folds of a cross-validation share the folder of all real rows."""
        if not self.data.folds:
            return self.role(test, "test")
        index, own = positions(self.data.pool.ids, test.ids), self.tokens_of(test, self.checkpoint).name
        return replace(self.role(self.data.pool, "real"), ids=test.ids, labels=test.labels, index=index, texts=own)

    @cached_property
    def real_rows(self) -> Rows:
        """The rows of the pool that some seed of the grid draws, in the pool's order.

        Rounds with more and more seeds share the rows of the last one, so that no row is encoded twice.
        """
        seeds = range(self.request.looks[-1]) if self.request.looks else self.request.seeds
        drawn = [self.real_of(seed).ids for seed in seeds]
        return self.data.pool.take(np.isin(self.data.pool.ids, np.concatenate(drawn)))

    @cached_property
    def written(self) -> dict[str, Rows]:
        """The rows whose texts the store keeps: all generated rows, and the real rows that some seed draws."""
        return {"generated": self.base if self.generations else self.data.generated, "real": self.real_rows}

    def tokens_of(self, rows: Rows, checkpoint: Checkpoint, length: int | None = None) -> Path:
        """The folder of the rows' tokens, at most `length` or else `max_length` of each text."""
        length = length or self.settings.max_length
        content = [rows.content_hash(with_labels=False), checkpoint.tokenizer_hash, length]
        return self.table_folder("tokens", content)

    def role(self, rows: Rows, name: str) -> RoleRows:
        """The role `name` with its tokens and, where layers are frozen, the states after them or embeddings.

        All of these are planned.
        """
        tokens = self.tokens(rows, name, self.checkpoint)
        return RoleRows(rows.ids, rows.labels, np.arange(len(rows)), tokens, self.states(tokens), tokens.name)

    def states(self, tokens: Path) -> Path | None:
        """Plan what cells read of the frozen blocks for the texts of a token table; None where all blocks train."""
        layers = self.settings.train_layers
        if layers == "all":
            return None
        if layers == 0:
            embeddings = self.embeddings(tokens)
            self.job_of_folder[embeddings.folder] = embeddings.id
            return embeddings.folder
        mark = ["padded self-test"] if self.checkpoint.reads_last_token else []  # see `bench.planning.marks`
        states = self.table_folder("states", [tokens.name, self.checkpoint.hash, layers, STATES_VERSION, *mark])
        needs = (self.job_of_folder[tokens],)
        job = StatesJob(f"states/{states.name}", states, self.plan.root, needs, tokens, self.checkpoint, layers)
        self.job_of_folder[states] = self.plan.add(job).id
        return states

    def embeddings(self, tokens: Path) -> EmbeddingsJob:
        """Plan the embeddings of the texts in a folder of tokens."""
        mark = ["encoder's embeddings"] if self.checkpoint.has_decoder else []  # see `bench.planning.marks`
        folder = self.table_folder("embeddings", [tokens.name, self.checkpoint.hash, *mark])
        needs = self.job_of_folder[tokens]
        job = EmbeddingsJob(f"embeddings/{folder.name}", folder, self.plan.root, (needs,), tokens, self.checkpoint)
        return self.plan.add(job)

    @cached_property
    def given(self) -> dict[str, Checkpoint]:
        """The checkers that the user gives, by name. Raises UserError for one that is incomplete."""
        return {name: find(model, "model") for name, model in self.request.checkers.items()}

    def length_of(self, given: Checkpoint) -> int:
        """The tokens of a text that a given checker reads: as many as in its training, if it says how many."""
        return given.longest or self.settings.max_length

    def length_notes(self) -> list[str]:
        """A note on each given checker that reads other lengths of texts than the cells, or does not say which."""
        notes, unread, cells = [], self.request.unread_checkers(), self.settings.max_length
        for name, given in self.given.items():
            says = (
                f"reads {given.longest} tokens of a text, as its tokenizer or config.json says; the cells read {cells}"
            )
            guess = (
                f"does not say how many tokens of a text it reads, so it reads {cells}, as the cells do (max_length)"
            )
            if name not in unread and given.longest != cells:
                notes.append(f"{name} checker: {Path(given.name).name} {says if given.longest else guess}")
        return notes

    def tokens(self, rows: Rows, role: str, checkpoint: Checkpoint, length: int | None = None) -> Path:
        """Plan the tokens of a role's rows, at most `length` or else `max_length` of each; returns their folder."""
        length = length or self.settings.max_length
        folder = self.tokens_of(rows, checkpoint, length)
        job = TokensJob(
            f"tokens/{folder.name}", folder, self.plan.root, (), role, rows.texts, rows.pairs, checkpoint, length
        )
        self.job_of_folder[folder] = self.plan.add(job).id
        return folder

    def table_folder(self, kind: str, content: list[Any]) -> Path:
        """The folder of a precomputed table, named by the hash of its inputs."""
        return precomputed_path(self.plan.root, kind, digest([SCHEMA, kind, *content]))


def numbered_apart(rows: Rows, own: Rows, every: Rows) -> Rows:
    """The rows with other ids for copies that stress added to the generation `own`, which `every` gives to no row."""
    added = rows.ids > own.ids.max()
    return replace(rows, ids=rows.ids + np.where(added, every.ids.max() - own.ids.max(), 0))


def hidden_id(role: RoleRows, rows: Rows, read: Rows) -> str:
    """The id of a role's hidden columns. Those that a file has may change while the rows stay, so they are part of it.

    `read`: the rows before stress.
    """
    columns = [rows.hidden[name].tolist() for name in OF_FILES if name in read.hidden]
    return digest([content(role), *columns]) if columns else content(role)


def positions(ids: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The place of each of `wanted` in `ids`."""
    order = np.argsort(ids, kind="stable")
    return np.asarray(order[np.searchsorted(ids, wanted, sorter=order)])
