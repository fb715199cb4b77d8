"""Files of weights: all generated rows in source order, numbers recomputed from the files of cells, and their use."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bench.commands.models.weigh import settings_of
from bench.commands.output_file import WRITERS, to_csv
from bench.commands.reports.weights_file import (
    Filter,
    cells_of,
    checked,
    filtered,
    kept,
    write_weights,
)
from bench.config.request import make_request
from bench.config.settings import PRESETS
from bench.errors import UserError
from bench.jobs import CellJob
from bench.leaderboard.read.weight_table import weight_table
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.store import hidden_columns, manifest, role_texts
from bench.store.files import read_json, write_json
from bench.store.find import spelt_run
from tasks import load
from tests.bench.leaderboard.fake_store import FakeStore

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SEEDS = (0, 1)


def save_inputs(plan: Plan) -> None:
    """Write what a run writes to the store beside its cells."""
    hidden_columns.save(plan.hidden, plan.root)
    role_texts.save(plan.texts, plan.root)
    manifest.save(describe(plan, "python -m bench run"), plan.root)


@pytest.fixture(scope="module")
def grid(run_once: Callable[..., Plan]) -> Plan:
    """Two seeds that visit 32 of 64 rows; the generated set has more."""
    plan = run_once(methods="ce,quality-only,bootstrap", tasks="twitter", seeds=2, settings={"updates": 4})
    save_inputs(plan)
    return plan


@pytest.fixture(scope="module")
def table(grid: Plan) -> pd.DataFrame:
    section, cells = cells_of(grid.root, ["quality-only"])
    return weight_table(grid.root, section, cells)[0]


def jobs(grid: Plan, method: str) -> list[CellJob]:
    named = [job for job in grid.jobs.values() if isinstance(job, CellJob) and job.spec.method == method]
    return sorted(named, key=lambda job: job.spec.seed)


def test_every_generated_row_is_there_in_source_order(table: pd.DataFrame) -> None:
    source = load("twitter").generated
    assert table["row"].tolist() == source.ids.tolist()
    assert table["text"].tolist() == source.texts
    names = load("twitter").spec.labels
    assert table["label"].tolist() == [names[label] for label in source.labels]
    page = (Path(__file__).parents[4] / "docs" / "weights.md").read_text("utf-8").partition("| --- | --- |")[2]
    names = [line.split(" | ")[0] for line in page.partition("\n\n")[0].splitlines()]
    documented = {name for cell in names for name in re.findall("`(.*?)`", cell)}
    assert set(table) == documented - {"generation", "text_pair"}


def test_weights_are_means_over_visits_and_seeds(grid: Plan, table: pd.DataFrame) -> None:
    by_seed = []
    for job in jobs(grid, "quality-only"):
        visits = pd.read_parquet(job.folder / "weights.parquet")
        by_seed.append({row: visits.loc[visits["id"] == row, "weight"].to_numpy() for row in set(visits["id"])})
    table = table.set_index("row")
    for row in set(by_seed[0]) | set(by_seed[1]):
        means = [float(np.mean(seed[row])) for seed in by_seed if row in seed]
        assert table.at[row, "weight"] == pytest.approx(np.mean(means), rel=1e-5)
        assert table.at[row, "visits"] == sum(len(seed.get(row, ())) for seed in by_seed)
        deviation = abs(means[0] - means[1]) / np.sqrt(2) if len(means) == 2 else np.nan
        assert table.at[row, "weight_sd"] == pytest.approx(deviation, rel=1e-4, abs=1e-9, nan_ok=True)
        assert not table.at[row, "estimated"]


def test_probabilities_are_those_of_the_checkers_and_models(grid: Plan, table: pd.DataFrame) -> None:
    labels = load("twitter").generated.labels
    place = {row: i for i, row in enumerate(load("twitter").generated.ids.tolist())}
    for column, method in (("quality", "real-only"), ("model", "quality-only")):
        folders = [job.folder for job in jobs(grid, method)]
        assert len(folders) == 2
        scores = [pd.read_parquet(folder / "train_scores.parquet").set_index("id") for folder in folders]
        known = table[table[column].notna()]
        assert len(known) == 64
        for _, line in known.iterrows():
            label = labels[place[line["row"]]]
            mean = np.mean([np.exp(frame.at[line["row"], f"logp_{label}"]) for frame in scores])
            assert line[column] == pytest.approx(mean, rel=1e-5)


def test_rows_without_a_visit_are_estimated_and_rows_outside_the_run_are_counted(
    grid: Plan, table: pd.DataFrame
) -> None:
    estimated = table[table["estimated"]]
    assert len(estimated) > 0
    assert (estimated["visits"] == 0).all()
    assert estimated["weight"].notna().all()
    visited = table[table["visits"] > 0]
    assert estimated["weight"].between(visited["weight"].min(), visited["weight"].max()).all()
    outside = table[table["weight"].isna()]
    assert len(outside) == len(table) - 64
    lines = "\n".join(write_weights(grid.root, ["quality-only"], grid.root / "w.csv", Filter()))
    assert f"{len(outside):,} rows not in the run" in lines
    assert outside["likely_mislabelled"].isna().all(), "no checker scored them"
    assert f"likely_mislabelled: {table['likely_mislabelled'].sum()} of 64 rows (" in lines
    assert f"{len(estimated)} rows without a visit" in lines


def test_the_accuracy_of_the_checker_stands_beside_its_flags(grid: Plan) -> None:
    right = [read_json(job.folder / "metrics.json")["accuracy"] for job in jobs(grid, "real-only")]
    lines = list(write_weights(grid.root, ["quality-only"], grid.root / "w.csv", Filter()))
    (line,) = (line for line in lines if "quality checker" in line)
    assert f"accuracy on the test rows is {100 * np.mean(right):.1f} %; a constant guess has 68.9 %" in line
    lines = list(write_weights(grid.root, ["quality-only"], grid.root / "w.csv", Filter(keep=0.5)))
    weighted = int(pd.read_csv(grid.root / "w.csv")["weight"].notna().sum())
    assert any(re.match(rf"kept {weighted} of \d+ rows with a weight: ", line) for line in lines)


@pytest.mark.parametrize("words", [["quality-only"], ["twitter", "quality-only"], ["twitter", "quality-only", "1"]])
def test_names_of_methods_and_cells(grid: Plan, words: list[str]) -> None:
    _, cells = cells_of(grid.root, words)
    folders = {job.spec.seed: job.folder.resolve() for job in jobs(grid, "quality-only")}
    assert cells == ({1: folders[1]} if words[-1] == "1" else folders)
    ids = [folder.name for folder in cells.values()]
    assert cells_of(grid.root, ids)[1] == cells


def test_names_that_do_not_fit(grid: Plan) -> None:
    some, other = jobs(grid, "quality-only")[0].folder.name, jobs(grid, "ce")[1].folder.name
    with pytest.raises(UserError, match="differ in more than their seeds"):
        cells_of(grid.root, [some, other])
    with pytest.raises(UserError, match="the same seed"):
        cells_of(grid.root, [some, some])
    with pytest.raises(UserError, match="no cell"):
        cells_of(grid.root, ["qualty-only"])
    with pytest.raises(UserError, match="no weights"):
        list(write_weights(grid.root, ["bootstrap"], grid.root / "w.csv", Filter()))


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_holds_the_same(grid: Plan, table: pd.DataFrame, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    list(write_weights(grid.root, ["quality-only"], path, Filter()))
    read = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda path: pd.read_json(path, lines=True, dtype={"text": str}),
    }[suffix](path)
    assert list(read) == list(table)
    assert read["weight"].to_numpy() == pytest.approx(table["weight"].to_numpy(), nan_ok=True, abs=1e-9)
    plain = ~table["text"].str.startswith(("=", "+", "-", "@"))
    assert read["text"][plain].tolist() == table["text"][plain].tolist()


def test_cells_that_look_like_formulas_are_escaped(tmp_path: Path) -> None:
    texts = ["=1+1", "@user hi", "-3", "+4", "fine = yes", "\tx"]
    frame = pd.DataFrame({"row": range(6), "text": texts, "label": ["=a", "-1", *"bbbb"], "weight": [-1.0] * 6})
    assert to_csv(frame, tmp_path / "w.csv") == 4
    back = pd.read_csv(tmp_path / "w.csv")
    assert back["text"].tolist() == ["'=1+1", "'@user hi", "-3", "+4", "fine = yes", "'\tx"]
    assert back["label"].tolist() == ["'=a", "-1", *"bbbb"]
    assert back["weight"].tolist() == [-1.0] * 6
    assert frame["text"].tolist() == texts


def test_filters_keep_the_largest_weights_in_source_order() -> None:
    frame = pd.DataFrame({"row": range(6), "weight": [3.0, 1.0, np.nan, 2.0, 5.0, 2.0], "label": list("aabbaa")})
    assert filtered(frame, Filter(keep=0.6))["row"].tolist() == [0, 3, 4]
    assert list(kept(frame, filtered(frame, Filter(keep=0.6)))) == [
        "kept 3 of 5 rows with a weight: 2 and more",
        "left out: 1 later row of the generated file with the weight 2 too",
    ]
    assert filtered(frame, Filter(keep=1.0))["row"].tolist() == [0, 1, 3, 4, 5]
    assert filtered(frame, Filter(threshold=2.0))["row"].tolist() == [0, 3, 4, 5]
    with pytest.raises(UserError, match="the largest is 5"):
        filtered(frame, Filter(threshold=6.0))
    with pytest.raises(UserError, match="every row has the weight 1"):
        filtered(frame.assign(weight=1.0), Filter(keep=0.5))


@pytest.mark.parametrize(
    ("to", "options", "message"),
    [
        (Path("w.xlsx"), {}, r"must end in \.csv"),
        (None, {"keep": 0.5}, "name it with --to"),
        (Path("w.csv"), {"keep": 0.0}, "share of the rows"),
        (Path("w.csv"), {"keep": 1.5}, "share of the rows"),
        (Path("w.csv"), {"keep": float("nan")}, "share of the rows"),
        (Path("w.csv"), {"threshold": float("inf")}, "is a weight"),
        (Path("w.csv"), {"keep": 0.5, "threshold": 1.0}, "not both"),
    ],
)
def test_options_that_do_not_fit(to: Path | None, options: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked(to, Filter(**options))


def test_the_file_is_used_in_two_lines(grid: Plan, tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from torch.utils.data import WeightedRandomSampler

    path = tmp_path / "weights.csv"
    list(write_weights(grid.root, ["quality-only"], path, Filter(keep=1.0)))
    rows = pd.read_csv(path)
    model = LogisticRegression().fit(
        TfidfVectorizer().fit_transform(rows["text"]), rows["label"], sample_weight=rows["weight"]
    )
    assert set(model.classes_) == {"negative", "positive"}
    sampler = WeightedRandomSampler(torch.tensor(rows["weight"]), num_samples=len(rows))
    assert all(0 <= i < len(rows) for i in sampler)


def test_noise_differs_between_seeds_so_one_cell_is_named(run_here: Callable[..., Plan]) -> None:
    plan = run_here(methods="quality-only", tasks="twitter[noise=0.4]", seeds=2)
    save_inputs(plan)
    with pytest.raises(UserError, match="differ between seeds"):
        list(write_weights(plan.root, ["quality-only"], plan.root / "w.csv", Filter()))
    section, cells = cells_of(plan.root, ["twitter[noise=0.4]", "quality-only", "1"])
    table, _ = weight_table(plan.root, section, cells)
    rows = plan.hidden[section["records"]["1"]["generated"]]
    names = np.array(section["labels"])
    assert table.set_index("row").loc[rows.ids, "label"].tolist() == names[rows.labels].tolist()


def test_copies_are_rows_of_their_own_with_the_text_that_they_copy(run_here: Callable[..., Plan]) -> None:
    plan = run_here(methods="quality-only", tasks="twitter[duplicates=0.5]", seeds=2)
    save_inputs(plan)
    with pytest.raises(UserError, match="copies of rows differ between seeds"):
        list(write_weights(plan.root, ["quality-only"], plan.root / "w.csv", Filter()))
    section, cells = cells_of(plan.root, ["twitter[duplicates=0.5]", "quality-only", "0"])
    table = weight_table(plan.root, section, cells)[0].set_index("row")
    rows = plan.hidden[section["records"]["0"]["generated"]]
    assert table.loc[rows.ids, "text"].tolist() == rows.texts
    copies = rows.hidden["copy_of"] >= 0
    assert table.loc[rows.ids[copies], "redundant"].all()
    assert table.loc[rows.ids[copies], "quality"].tolist() == table.loc[rows.origins[copies], "quality"].tolist()


def test_weigh_refuses_what_it_cannot_do_before_training(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("text,label\na,b\n")
    for options, message in (
        (("--method", "dimp,imp"), "weigh takes one method"),
        (("--tasks", "twitter,financial"), "weigh takes one task"),
        (("--to", "w.xlsx"), "must end in .csv"),
        (("--method", "dinp"), "dimp"),
        (("--method", "real-only"), "real-only trains on real rows alone, so generated rows get no weights"),
        (("--generated", "g.csv", "--to", "./g.csv"), "is a file that this command reads"),
    ):
        ran = bench("weigh", *options)
        assert ran.returncode == 2
        assert message in ran.stderr
        assert "Traceback" not in ran.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("preset", PRESETS)
def test_weigh_visits_every_row_with_each_preset(preset: str) -> None:
    """With `probe`, 48 updates for at most 1,000 rows were all for 5,000."""
    settings = make_request(methods="imp", preset=preset, settings=settings_of(preset, {})).settings
    assert settings.generated_rows is None
    assert settings.epochs is not None or PRESETS[preset].settings.generated_rows is None
    assert settings_of(preset, {"updates": "5"}) == {"updates": "5"}


def test_weigh_writes_every_row(bench: Command, tmp_path: Path, tiny_encoder: Path) -> None:
    for name, count in (("generated", 50), ("real", 60)):
        rows = [{"text": f"{name} {k} {i}", "label": k} for i in range(count) for k in ("bad", "good")]
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    ran = bench(
        *("weigh", "--real", "real.csv", "--generated", "generated.csv", "--seeds", "2", "--to", "w.parquet"),
        *("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1"),
    )
    assert ran.returncode == 0, ran.stderr
    written = pd.read_parquet(tmp_path / "w.parquet")
    assert written["text"].tolist() == pd.read_csv(tmp_path / "generated.csv")["text"].tolist()
    assert written["weight"].notna().all()
    assert (tmp_path / "w-report" / "leaderboard.md").exists()


def test_a_method_on_two_versions_of_a_file_is_named_with_its_cells(tmp_path: Path) -> None:
    """Both had one name, and one cell in place of a method loses the mean over seeds."""
    names = {}
    for place, version in enumerate(("new", "old")):
        hashes = {"generated": f"{version}rows", "test": "7e57"}
        store = FakeStore(tmp_path, hashes=hashes).method("ce", missing=(0, 1, 2)).method("dimp", missing=(2,))
        (_, entry) = store.section["methods"]
        for seed, path in entry["cells"].items():
            entry["cells"][seed] = f"twitter/dimp/{place}{seed:0>7}{version}"
            if seed != "2":
                (tmp_path / path).rename(tmp_path / entry["cells"][seed])
        names[version] = " ".join(f"{place}{seed:0>7}" for seed in (0, 1))
        grid = {**store.manifest(), "ran": (2 - place) * 10**9}
        (tmp_path / ".grids").mkdir(exist_ok=True)
        write_json(tmp_path / ".grids" / f"{version}.json", grid)
    encoder, times = "sentence-transformers/all-MiniLM-L6-v2", [spelt_run(at * 10**9) for at in (1, 2)]
    said = [
        f"twitter ({encoder}, fixed, generated set {version}rows, {at}): {names[version]}"
        for version, at in zip(("old", "new"), times, strict=True)
    ]
    with pytest.raises(
        UserError, match=re.escape(f"2 sections, the newest last: {said[0]}; {said[1]}; name the cells")
    ):
        cells_of(tmp_path, ["dimp"])


def test_cells_that_read_two_versions_of_a_column_are_no_row(tmp_path: Path) -> None:
    """Their weights were averaged where their ids were given, and of a replaced cell it was said to be of no grid."""
    (tmp_path / ".grids").mkdir()
    for number, version in enumerate(("old", "new")):
        store = FakeStore(tmp_path, seeds=(number, number + 2)).method("score", given={"column:score": version})
        (entry,) = store.section["methods"]
        for seed, path in entry["cells"].items():
            entry["cells"][seed] = new = f"twitter/score/abcde{seed}"
            (tmp_path / path).rename(tmp_path / new)
            spec = {"task_ref": "twitter", "task": "twitter", "label": "score", "method": "score", "seed": int(seed)}
            spec |= {"id": "i", "encoder": "e", "code": "c", "hyperparameters": {}, "settings": {}, "data": {}}
            store.put(new, "spec.json", {**spec, "artefacts": {"column:score": version, "quality": seed}})
        write_json(tmp_path / ".grids" / f"{number}.json", {**store.manifest(), "ran": number})
    section, cells = cells_of(tmp_path, ["score"])
    assert sorted(cells) == [1, 3]
    assert section["notes"][0].startswith("left out: 2 cells of score, which read other values of column score")
    assert sorted(cells_of(tmp_path, ["abcde0", "abcde2"])[1]) == [0, 2], "the older cells have their own grid"
    with pytest.raises(UserError, match="give cells of one method, task, encoder and data"):
        cells_of(tmp_path, ["abcde0", "abcde1"])


def test_cells_of_a_bundle_without_texts(grid: Plan, tmp_path: Path) -> None:
    """The message did not name this reason."""
    section, cells = cells_of(grid.root, ["quality-only"])
    section["texts"] = {"generated": "ab" * 10}
    with pytest.raises(UserError, match=r"of an earlier version or of a bundle without --texts, or they were removed"):
        weight_table(grid.root, section, cells)
