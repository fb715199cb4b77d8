"""Each source of variation can be drawn by itself, and the usual cells keep their ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.jobs import CellJob
from bench.planning.mirrors import logged_rows
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.seeds import FIXED, SOURCES, source_seed
from bench.store.files import read_json
from tasks import Rows
from tasks.resample import resampled
from tests.tasks.task_files import make_rows, write_json_lines


def cells(plan: Plan) -> dict[tuple[str | None, str, int], CellJob]:
    """The requested cells by source, label and seed."""
    jobs = [(plan.jobs[name], label) for name, label in plan.cells.items()]
    return {
        (job.spec.settings.get("vary"), label, job.spec.seed): job for job, label in jobs if isinstance(job, CellJob)
    }


@pytest.fixture
def plan(tiny_encoder: Path, tmp_path: Path) -> Callable[..., Plan]:
    def make(vary: str | None, methods: str = "ce,ce-mix", seeds: int = 3) -> Plan:
        settings = {} if vary is None else {"vary": vary}
        request = make_request(
            methods=methods, encoder=str(tiny_encoder), preset="smoke", seeds=seeds, settings=settings
        )
        return make_plan(request, tmp_path / "runs")

    return make


def test_usual_cells_keep_their_ids(plan: Callable[..., Plan]) -> None:
    assert set(plan(None).jobs) == set(plan("all").jobs)
    assert "vary" not in next(iter(cells(plan(None)).values())).spec.settings


@pytest.mark.parametrize("source", SOURCES)
def test_only_one_source_follows_the_seed(plan: Callable[..., Plan], source: str) -> None:
    jobs = cells(plan(source))
    rows = {
        name: {tuple(getattr(job, name).index.tolist()) for (_, label, _), job in jobs.items() if label == "ce-mix"}
        for name in ("generated", "real", "test", "scored")
    }
    assert {name: len(found) for name, found in rows.items()} == {
        "generated": 3 if source == "generated" else 1,
        "real": 3 if source == "real" else 1,
        "test": 1,
        "scored": 1,
    }
    assert len({job.spec.id for job in jobs.values()}) == len(jobs), "each seed is a cell, whatever it draws"
    for other in SOURCES:
        assert source_seed(source, other, 2) == (2 if other == source else FIXED)


@pytest.mark.parametrize("source", ["real", "head"])
def test_the_logged_small_real_set_is_that_of_the_cell(plan: Callable[..., Plan], source: str) -> None:
    made = plan(source, "real-only")
    for job in cells(made).values():
        texts = made.cell_data[job.id][0].rows("real", job.real).texts
        assert [row["text"] for row in logged_rows(made, job.id)["val.json"]] == texts


def test_several_sources_have_tables_of_their_own(plan: Callable[..., Plan]) -> None:
    both = plan("real,head,all,head")
    assert [section["settings"].get("vary") for section in both.sections] == ["real", "head", None]
    assert [section["title"].endswith("varies)") for section in both.sections] == [True, True, False]
    assert set(plan("real").cells) | set(plan("head").cells) | set(plan(None).cells) == set(both.cells)


def test_an_unknown_source(plan: Callable[..., Plan]) -> None:
    with pytest.raises(UserError, match="vary takes generated, real, head, order, dropout, method or all"):
        plan("heads")


def test_folds_are_no_fixed_test(tiny_encoder: Path, tmp_path: Path) -> None:
    """Every seed tested fold 0, and the report said that seeds test the folds in turn."""
    counts = {"negative": 40, "positive": 40}
    places = {
        role: str(write_json_lines(tmp_path / f"{role}.jsonl", make_rows(role, counts)))
        for role in ("generated", "real")
    }
    request = make_request(
        methods="ce",
        encoder=str(tiny_encoder),
        preset="smoke",
        settings={"vary": "head"},
        **places,  # type: ignore[arg-type]
    )
    with pytest.raises(UserError, match=r"--vary needs one test for all seeds, .* give --test FILE, or --folds 0"):
        make_plan(request, tmp_path / "runs")


def test_resampled_rows() -> None:
    rows = Rows(np.arange(100, 300), [f"text {n}" for n in range(200)], None, np.arange(200) % 2)
    new = resampled(rows, 5)
    assert len(new) == 200
    assert len(set(new.ids.tolist())) == 200, "copies have ids of their own"
    counts = np.unique(new.origins, return_counts=True)[1]
    assert len(counts) == pytest.approx(200 * (1 - np.exp(-1)), abs=20), "63 % of the rows are drawn"
    place = {int(identity): n for n, identity in enumerate(rows.ids)}
    assert all(new.texts[n] == rows.texts[place[int(origin)]] for n, origin in enumerate(new.origins))
    assert all(new.labels[n] == rows.labels[place[int(origin)]] for n, origin in enumerate(new.origins))
    assert new.texts == resampled(rows, 5).texts
    assert new.texts != resampled(rows, 6).texts


def test_what_a_training_draws(run_here: Callable[..., Plan]) -> None:
    """`ce` draws nothing of its own: its seeds are the same training. Every other source changes the result."""
    plan = run_here(methods="ce", seeds=2, settings={"vary": "generated,real,head,order,dropout,method"})
    accuracy: dict[str, list[list[float]]] = {}
    for (source, _, _), job in cells(plan).items():
        assert source is not None
        table = pd.read_parquet(job.folder / "predictions.parquet")
        accuracy.setdefault(source, []).append(table["logit_0"].tolist())
        assert read_json(job.folder / "spec.json")["settings"]["vary"] == source
    same = {source for source, (first, second) in accuracy.items() if first == second}
    assert same == {"method", "real"}, "cross-entropy reads no real rows"
    firsts = [accuracy[source][0] for source in ("real", "head", "order", "dropout", "method")]
    assert all(first == firsts[0] for first in firsts), "seed 0 of each is the training of seed 0"


def generations(folder: Path, count: int = 3) -> str:
    """The place of so many generations of 20 rows."""
    files = [
        write_json_lines(folder / f"{n}.jsonl", make_rows(f"set {n}", {"negative": 10, "positive": 10}))
        for n in range(count)
    ]
    return ",".join(map(str, files))


@pytest.mark.parametrize("task", ["twitter", "twitter[duplicates=0.5]"])
def test_each_seed_takes_another_generation(tiny_encoder: Path, tmp_path: Path, task: str) -> None:
    place = generations(tmp_path)

    def planned(**options: Any) -> Plan:
        options = {"seeds": 5, "generated": place, **options}
        settings = {"vary": "generated,head,all"} if "," in options["generated"] else {}
        request = make_request(
            tasks=task, methods="ce", encoder=str(tiny_encoder), preset="smoke", settings=settings, **options
        )
        return make_plan(request, tmp_path / "runs")

    plan = planned()
    taken, head, usual = plan.sections
    assert taken["seeds"] == [0, 1, 2]
    assert any("3 generations give 3 seeds of the 5 asked for" in note for note in taken["notes"])
    assert usual["seeds"] == head["seeds"] == list(range(5))
    assert taken["generations"] == ["0.jsonl", "1.jsonl", "2.jsonl"]
    assert taken["sizes"] == usual["sizes"]
    for (vary, _, seed), job in cells(plan).items():
        planner, _ = plan.cell_data[job.id]
        texts = planner.rows("generated", job.generated).texts
        number = seed if vary == "generated" else 0
        assert {text.split()[1] for text in texts} == {str(number)}
        assert job.spec_json.get("generation") == (f"{number}.jsonl" if vary == "generated" else None)
        assert len(job.scored.ids) == (60 if vary == "generated" else 20)
        own = job.generated.ids[len(job.generated.ids) - (10 if "duplicates" in task else 0) :]
        assert not np.isin(own, job.scored.ids).any(), "a copy has an id of its own"
    first = planned(generated=place.split(",")[0])
    assert set(first.cells) <= set(plan.cells), "other tables have the cells of the first generation"
    with pytest.raises(UserError, match="the 3 generations are for seeds 0 to 2, not 7"):
        planned(seed="7")


def test_a_section_of_generations_names_the_set_of_the_other_tables(tiny_encoder: Path, tmp_path: Path) -> None:
    """`bench variance` joins them by it. Of an edited file, both have another one."""

    def sections() -> tuple[dict[str, Any], dict[str, Any]]:
        request = make_request(
            methods="ce",
            encoder=str(tiny_encoder),
            preset="smoke",
            settings={"vary": "generated,head"},
            generated=place,
        )
        taken, head = make_plan(request, tmp_path / "runs").sections
        return taken, head

    place = generations(tmp_path)
    taken, head = sections()
    assert taken["first_generation"] == head["hashes"]["generated"] != taken["hashes"]["generated"]
    assert "first_generation" not in head
    write_json_lines(tmp_path / "0.jsonl", make_rows("another set", {"negative": 10, "positive": 10}))
    after, _ = sections()
    assert after["first_generation"] != taken["first_generation"]
