"""Every `python -m bench` command on a page runs: grids as a plan, all else on a small store and small files.

A command that cannot run here is in `ELSEWHERE` with the reason, or in `REFUSED` with what it says.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.docs.test_pages import PAGES, ROOT
from tests.helpers import warm

ELSEWHERE = {  # a part of the command -> why it cannot run here
    "hub:": "asks the Hugging Face hub; tests/bench/commands/stores/test_bundles.py has a stand-in",
    "--push-to-hub": "writes to the Hugging Face hub; tests/bench/commands/models/test_export.py has a stand-in",
    "--source hub": "reads the Hugging Face hub",
    "fancyzhx/ag_news": "reads the Hugging Face hub",
    "wandb:": "reads a W&B server; tests/bench/tracking/test_lineage.py has one",
    "$D/": "reads a W&B server; tests/bench/tracking/test_lineage.py has one",
    "s3://": "needs a bucket; tests/bench/remote has one",
    "bench generate": "asks a language model; tests/bench/generate has servers",
    "bench calibrate": "takes hours; tests/bench/commands/reports/test_calibrate.py runs its parts",
    "--source local": "reads data sets that are not in the package; tests/tasks does where they are",
    "--data-dir": "reads the files of a course; tests/tasks/test_task_course.py writes some",
    "twitter-datasets/": "reads the files of a course; tests/tasks/test_task_course.py writes some",
    "bench train": "trains for minutes; tests/bench/commands/models/test_train.py has small ones",
    "bench variance": "needs a grid of its own; tests/bench/commands/reports/test_variance.py has one",
    "--onnx": "needs the extra onnx; tests/bench/commands/models/test_export.py",
}
REFUSED = {  # a part of the command -> what it says here, where a package, a cluster or a cell is missing
    "--baseline real-finetune": "no such method in runs",
    "compare real-finetune": "no method 'real-finetune' in runs",
    "address=HEAD": "no Ray cluster answers at HEAD",
    "--engine slurm": "this machine has no sbatch",
    "wandb,trackio": "--track trackio needs the package trackio",
}
GRIDS = ("run", "stress", "sweep")


def commands(page: Path) -> list[str]:
    """The commands of a page's code blocks: whole lines, without comments and pipes."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ *(?:!|WANDB_MODE=offline )?(python -m bench .*)$", text, re.MULTILINE)
    return [re.split(r"\s+#|\s+\| ", line)[0].strip() for line in lines]


ALL = sorted({command for page in PAGES for command in commands(page)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A working folder with the files that the pages name, and a store with cells of two tasks."""
    place = tmp_path_factory.mktemp("pages")
    write_files(place)
    small = ["--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures"]
    grids = {"twitter": ["ce,dimp,real-only", "2"], "mytweets": ["real-only", "1"]}
    for task, (methods, seeds) in grids.items():
        grid = ["run", "--tasks", task, "--methods", methods, "--seeds", seeds, "--save-models", "full", *small]
        done = warm.run(grid, place)
        assert done.returncode == 0, done.stdout + done.stderr
    done = warm.run(["publish", "--to", "their-results.zip", "--name", "theirs"], place)
    assert done.returncode == 0, done.stdout + done.stderr
    for store in ("runs-a", "runs-b"):
        shutil.copytree(place / "runs", place / store)
    return place


def write_files(place: Path) -> None:
    """Files of texts and labels, folders and tasks of them, a method, and the files of `bench init sweeps`."""
    bundled = ROOT / "tasks" / "bundled" / "twitter"
    parts = {
        "generated": pd.read_json(bundled / "generated.jsonl", lines=True),
        "real": pd.read_parquet(bundled / "real.parquet"),
        "test": pd.read_parquet(bundled / "test.parquet"),
    }
    for role, rows in parts.items():
        some = rows[["text", "label"]].sample(300, random_state=0).assign(topic="a", rating=3.0)
        some["label"] = some["label"].replace({0: "negative", 1: "positive"})
        some.loc[some.index[:150], ["topic", "rating"]] = ["b", 5.0]
        for name in (role, role[0], *{"test": ["tweets", "new_texts"]}.get(role, [])):
            some.to_csv(place / f"{name}.csv", index=False)
        for task in ("mytask", "mytweets", "path/to"):
            (place / task).mkdir(parents=True, exist_ok=True)
            named = {"negative": "bad", "positive": "good"} if task == "path/to" else {}
            some.replace({"label": named}).to_csv(place / task / f"{role}.csv", index=False)
        for name in ("generated", "rated", "my_tweets") if role == "generated" else ():
            some.to_json(place / f"{name}.jsonl", orient="records", lines=True)
        own = some.replace({"label": {"negative": "bad", "positive": "good"}})
        own = own.rename(columns={"text": "body", "label": "verdict"})
        if role == "generated":
            own.to_json(place / "gen.jsonl", orient="records", lines=True)
        else:
            own.to_csv(place / {"real": "labelled.csv", "test": "heldout.csv"}[role], index=False)
    (place / "reviews.yaml").write_text(block("data.md", "yaml"), encoding="utf-8")
    (place / "path" / "to" / "reviews.yaml").write_text(block("extend.md", "yaml"), encoding="utf-8")
    (place / "confidence.py").write_text(block("extend.md", "python"), encoding="utf-8")
    shutil.copytree(ROOT / "sweeps", place / "sweeps")
    for name in ("tasks", "examples"):
        (place / name).symlink_to(ROOT / name)


def block(page: str, language: str) -> str:
    """The first code block of a page in a language."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_runs(page: Path, folder: Path, tiny_encoder: Path) -> None:
    cells = {path.parents[0].name: path for path in (folder / "runs").glob("twitter/*/*/spec.json")}
    one, other = (name for name, path in cells.items() if path.parts[-3] == "dimp")
    stand_ins = {"7c46e4": one, "8645ab": other, "dimp/ID": f"dimp/{one}", "MODEL": "twitter real-only 0"}
    stand_ins["g real-finetune 0"] = "mytweets real-only 0"
    failed = []
    for line in commands(page):
        if any(part in line for part in ELSEWHERE):
            continue
        words = [stand_in(word, stand_ins) for word in shlex.split(line)[3:]]
        if words[0] == "export":
            shutil.rmtree(folder / words[-1] if words[-1] == "my-model" else folder / "my-model", ignore_errors=True)
        if words[0] in GRIDS and "--dry-run" not in words:
            words.append("--dry-run")
        if words[0] == "weigh":
            words += ["--preset", "smoke", "--encoder", str(tiny_encoder), "--out", "runs-weigh"]
        done = warm.run(words, folder)
        says = next((text for part, text in REFUSED.items() if part in line), "")
        if done.returncode and not (says and says in done.stderr):
            failed.append(f"{line}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    assert not failed, "\n".join(failed)


def stand_in(word: str, stand_ins: dict[str, str]) -> str:
    """A word of a command with the names of this folder's cells in place of the page's."""
    for name, own in stand_ins.items():
        word = word.replace(name, own)
    return word


def test_every_exception_is_needed() -> None:
    for part in (*ELSEWHERE, *REFUSED):
        assert any(part in command for command in ALL), f"no page has a command with {part}"
