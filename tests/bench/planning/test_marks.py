"""Marks: cells whose earlier results were wrong have new ids, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.config.request import make_request
from bench.encoders.checkpoints import find
from bench.jobs import CellJob, EmbeddingsJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from tests.bench.planning.test_cell_ids import SPEC
from tests.helpers.encoders import edited, make_encoder, small

Encoders = dict[str, Path]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Encoders:
    """A classifier's encoder, two others with its tokenizer, and one with another."""
    folder = tmp_path_factory.mktemp("encoders")
    others = {
        str(factor): edited(
            tiny_encoder,
            folder / str(factor),
            lambda weights, factor=factor: {key: value * factor for key, value in weights.items()},
        )
        for factor in (2, 3)
    }
    return {"own": tiny_encoder, **others, "roberta": make_encoder(folder / "roberta", "roberta")}


def planned(encoders: Encoders, folder: Path, methods: str, checker: str | None = None, **settings: Any) -> Plan:
    """A plan of one seed."""
    return make_plan(
        make_request(
            methods=methods,
            encoder=str(encoders["own"]),
            checker_encoder=None if checker is None else str(encoders[checker]),
            preset="smoke",
            seeds=1,
            settings=settings,
        ),
        folder,
    )


def by_method(plan: Plan) -> dict[str, CellJob]:
    """The requested cells of a plan by their methods."""
    jobs = [plan.jobs[identity] for identity in plan.cells]
    return {job.spec.method: job for job in jobs if isinstance(job, CellJob)}


@pytest.mark.parametrize("checker", ["2", "3", "roberta"])
def test_embeddings_and_tokens_are_those_of_the_classifiers_encoder(
    checker: str, encoders: Encoders, tmp_path: Path
) -> None:
    """With `--checker-encoder` they were those of the checkers' encoder, under ids that did not say so."""
    plain = by_method(planned(encoders, tmp_path, "kmm,dsir"))
    plan = planned(encoders, tmp_path, "kmm,dsir", checker)
    cells = by_method(plan)
    for name, job in cells.items():
        assert (job.tables, job.real_tables) == (plain[name].tables, plain[name].real_tables)
    made_by = {job.checkpoint.hash for job in plan.jobs.values() if isinstance(job, EmbeddingsJob)}
    assert made_by == {find(str(encoders["own"])).hash}
    assert cells["kmm"].id != plain["kmm"].id, "cells with foreign embeddings are made again"
    assert cells["dsir"].id == plain["dsir"].id
    assert plain["kmm"].spec.marks == ()


def test_tables_that_all_cells_share_are_no_methods_cost(encoders: Encoders, tmp_path: Path) -> None:
    (section,) = planned(encoders, tmp_path, "dsir,kmm", "roberta").sections
    needs = {entry["method"]: entry["needs"]["0"] for entry in section["methods"]}
    assert needs["dsir"] == []
    assert [need.split("/")[1] for need in needs["kmm"]] == ["embeddings", "embeddings"]


def test_a_term_marks_methods_that_leave_rows_out_or_have_two_networks(encoders: Encoders, tmp_path: Path) -> None:
    cells = by_method(
        planned(encoders, tmp_path, "ce,dimp,rho,infobatch,supergen-filter,co-teaching", auxiliary="simcse")
    )
    marks = {name: job.spec.marks for name, job in cells.items() if job.spec.marks}
    less = dict.fromkeys(("rho", "infobatch", "supergen-filter"), ("whole auxiliary term",))
    assert marks == {**less, "co-teaching": ("masks of each network",)}
    plain = by_method(planned(encoders, tmp_path, "rho"))["rho"]
    assert plain.spec.marks == ()


def test_frozen_states_mark_decoders(encoders: Encoders, tmp_path: Path) -> None:
    from tests.helpers.encoders import make_llama

    llama = make_llama(tmp_path / "llama")
    modern = make_encoder(tmp_path / "modern", "modernbert")
    assert find(str(llama)).reads_last_token
    assert not any(find(str(folder)).reads_last_token for folder in (modern, *encoders.values()))
    cells = {
        layers: by_method(planned({"own": llama}, tmp_path / "runs", "ce", train_layers=layers))["ce"].spec.marks
        for layers in (0, 1, "all")
    }
    assert cells == {0: (), 1: ("trained norm, padded self-test",), "all": ()}


def test_occurring_tokens_mark_the_families_with_one_embedding(encoders: Encoders, tmp_path: Path) -> None:
    """Also methods without a probe: one with a probe may have broken the model of their worker."""
    from tests.helpers.encoders import make_bart, make_t5

    t5, bart = make_t5(tmp_path / "t5"), make_bart(tmp_path / "bart")

    def mark(encoder: Path, **settings: Any) -> set[tuple[str, ...]]:
        plan = planned({"own": encoder}, tmp_path / "runs", "ce,l2rw", **settings)
        return {job.spec.marks for job in by_method(plan).values()}

    assert mark(t5, train_layers="all") == {("kept embedding",)}
    assert mark(t5, train_layers="all", weight_decay="0.01") == mark(bart, train_layers="all") == {()}
    assert mark(encoders["own"], train_layers="all") == {()}


@pytest.mark.parametrize(("family", "earlier"), [("biogpt", ("trained norm, padded self-test",)), ("esm", ())])
def test_norms_of_other_names_mark_cells_with_frozen_blocks(
    family: str, earlier: tuple[str, ...], tmp_path: Path
) -> None:
    encoder = small(tmp_path / family, family)
    cells = {
        layers: by_method(planned({"own": encoder}, tmp_path / "runs", "ce", train_layers=layers))["ce"].spec.marks
        for layers in (0, 1, "all")
    }
    assert cells == {0: (), 1: (*earlier, "trained upper norm"), "all": ()}


def test_a_mark_changes_an_id_and_its_absence_does_not() -> None:
    assert replace(SPEC, marks=("x",)).id != SPEC.id
    assert replace(SPEC, marks=()).id == SPEC.id
