"""Methods that compare generated rows with each other take some number of them; more is known before a training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.dry_run import data_lines
from bench.execution.grid import Options
from bench.execution.until_decided import tables_of
from bench.planning import row_limits
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from methods import METHODS, discover
from methods.base import EMBEDDINGS, Context
from tests.helpers.in_process import command

WHY = "generated rows are compared with each other, at most 20 of a class, and here are 32"
LIMITED = {"coverage", "k-center", "kmm", "semdedup"}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The methods take 20 rows of a class. Preset `smoke` trains on 64 rows of two."""
    monkeypatch.setattr(row_limits, "MOST_ROWS", dict.fromkeys(row_limits.MOST_ROWS, 20))


def planned(encoder: Path, root: Path, methods: str, **changes: Any) -> Plan:
    return make_plan(make_request(**options(encoder, methods, **changes)), root)


def options(encoder: Path, methods: str, **changes: Any) -> Any:
    return {"methods": methods, "encoder": str(encoder), "preset": "smoke", "seeds": 1, **changes}


def test_groups_leave_such_methods_out_and_say_so(tiny_encoder: Path, tmp_path: Path) -> None:
    """They were planned, and failed in each cell."""
    plan = planned(tiny_encoder, tmp_path, "all", tasks="twitter,twitter[generated=24]")
    labels = [{method["label"] for method in section["methods"]} for section in plan.sections]
    assert labels[1] - labels[0] == LIMITED, "the smaller set has them all"
    left_out = describe(plan, "")["left_out"]
    assert left_out["coverage, k-center, kmm, semdedup on twitter"] == WHY
    assert f"coverage, k-center, kmm, semdedup on twitter ({WHY})" in next(
        line for line in data_lines(plan) if line.startswith("left out: ")
    )
    (table,) = tables_of(make_request(**options(tiny_encoder, "all")), Options(out=tmp_path)).values()
    assert not LIMITED & {choice.label for choice in table.request.methods}
    assert WHY in table.request.left_out.values()


@pytest.mark.parametrize("methods", ["ce,k-center", "all,k-center", "ce,coverage(share=0.3)", "ce,kmm", "ce,semdedup"])
def test_a_method_that_is_named_is_an_error(tiny_encoder: Path, tmp_path: Path, methods: str) -> None:
    name = methods.split(",")[1].replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(UserError, match=f"^task twitter: method '{name}' cannot run: {WHY}; --generated-rows takes"):
        planned(tiny_encoder, tmp_path, methods)


def test_the_command_ends_before_anything_trains(tiny_encoder: Path, tmp_path: Path, capsys: Any) -> None:
    words = ["--methods", "ce,kmm", "--tasks", "twitter", "--preset", "smoke", "--encoder", str(tiny_encoder)]
    code, _, error = command(capsys, "run", *words, "--out", str(tmp_path / "runs"), "--reports", str(tmp_path / "r"))
    assert (code, WHY in error) == (2, True), error
    assert not (tmp_path / "runs").exists()


def test_the_rows_that_a_cell_compares_count(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(tiny_encoder, tmp_path, "ce,kmm,k-center(train_on=real)", settings={"generated_rows": "24"})
    planned(tiny_encoder, tmp_path, "ce,k-center(train_on=real)")
    with pytest.raises(UserError, match="at most 20 of a class, and here are "):
        planned(tiny_encoder, tmp_path, "k-center", tasks="twitter[generated=30,duplicates=0.5]")
    monkeypatch.setattr(row_limits, "MOST_ROWS", dict.fromkeys(row_limits.MOST_ROWS, 40))
    planned(tiny_encoder, tmp_path, "ce,k-center,kmm")
    for changes in ({"methods": "kmm(per_class=False)"}, {"methods": "kmm", "protocol": "tuned(8)"}):
        with pytest.raises(UserError, match="with each other, at most 40, and here are 64"):
            planned(tiny_encoder, tmp_path, **changes)


def test_the_limits_are_those_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row more is an error there too, and no other method has such a limit."""
    monkeypatch.undo()
    for name, cls in discover().items():
        most = getattr(sys.modules[cls.__module__], "MOST", None)
        own = [limit for base, limit in row_limits.MOST_ROWS.items() if issubclass(cls, base)]
        assert own == ([] if most is None else [most]), name
    rows = row_limits.coverage.MOST + 1
    table = np.ones((rows, 1), np.float32)
    context = Context(1, 1, (1.0,), None, np.zeros(rows, np.int64), {EMBEDDINGS: table}, np.arange(rows))
    with pytest.raises(ValueError, match="rows are too many"):
        METHODS["k-center"]().table(context)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="rows of a class are too many"):
        METHODS["kmm"]().matched(table, table[:2], np.random.default_rng(0))  # type: ignore[attr-defined]
