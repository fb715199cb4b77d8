"""Source `hub`, on folders in the layout that data sets of the hub have, and where nothing can be reached."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from tasks import DataError, load, load_spec, task_names
from tasks.sources.hub import HubPlace, hub_place
from tests.tasks import hub_stub
from tests.tasks.task_files import make_rows, write_json_lines, write_parquet

ON_HUB = [name for name in task_names() if "hub" in load_spec(name).sources]
PARTS = {"train": 160, "test": 20, "validation": 10}  # rows per class


def write_hub_copy(folder: Path, name: str) -> Path:
    """A task's data set as the hub lays it out: Parquet by split below the configuration, classes as ClassLabel."""
    from datasets import ClassLabel, Dataset, Features, Value

    spec = load_spec(name)
    block = spec.sources["hub"]
    place = hub_place(block.real)
    classes = sorted([*spec.labels, *block.leave_out])
    text, pair, label = (block.columns.get(key, key) for key in ("text", "text_pair", "label"))
    named = "label" in block.columns  # labels by name in a column of their own
    features = {text: Value("string"), label: Value("string") if named else ClassLabel(names=classes)}
    features |= {pair: Value("string")} if spec.pair else {}
    copy = folder / place.id
    config = place.config or "default"
    for part, count in PARTS.items():
        rows = make_rows(part, dict.fromkeys(classes, count))
        columns = {text: [row["text"] for row in rows], label: [row["label"] for row in rows]}
        columns |= {pair: ["b"] * len(rows)} if spec.pair else {}
        path = copy / config / f"{part}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(columns, features=Features(features)).to_parquet(path)
    files = "".join(f"  - split: {part}\n    path: {config}/{part}-*\n" for part in PARTS)
    (copy / "README.md").write_text(f"---\nconfigs:\n- config_name: {config}\n  data_files:\n{files}---\n")
    return copy


@pytest.fixture(autouse=True)
def _no_shared_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("name", ON_HUB)
def test_every_task_reads_its_data_set_in_hub_layout(tmp_path, name):
    write_hub_copy(tmp_path, name)
    if name == "mrpc":  # its generated set is not bundled
        rows = [row | {"text_pair": "b"} for row in make_rows("g", {"equivalent": 5, "not_equivalent": 5})]
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        write_parquet(tmp_path / load_spec(name).sources["local"].generated, columns)
    data = load(name, source="hub", data_dir=tmp_path)
    count = len(data.spec.labels)
    assert (len(data.pool), len(data.test), data.default_real) == (160 * count, 20 * count, 300)
    assert data.pool.labels.tolist().count(0) == 160
    assert data.pool.texts[data.pool.labels.tolist().index(count - 1)].startswith(f"train {data.spec.labels[-1]}")
    assert (data.spec.pair, data.stand_in, data.source) == (name == "mrpc", False, "hub")
    assert data.notes[0].startswith("generated set: ")
    assert data.generated.content_hash() != data.pool.content_hash()


def test_twitter_on_the_hub_is_named_as_the_other_data_set_that_it_is(tmp_path):
    write_hub_copy(tmp_path, "twitter")
    data = load("twitter", source="hub", data_dir=tmp_path)
    assert "TweetEval sentiment" in data.spec.title
    assert "TweetEval" not in load_spec("twitter").title
    assert "160 of 480 real rows left out: neutral" in data.notes


def test_a_copy_is_recorded_by_the_content_of_its_files(tmp_path):
    copy = write_hub_copy(tmp_path, "news")
    first = load("news", source="hub", data_dir=tmp_path).origins["real"]
    moved = tmp_path / "elsewhere" / copy.relative_to(tmp_path)
    shutil.copytree(copy, moved)
    assert load("news", source="hub", data_dir=tmp_path / "elsewhere").origins["real"] == first
    shutil.copy(moved / "default" / "test-00000-of-00001.parquet", moved / "default" / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match="the real rows and the test rows are the same"):
        load("news", source="hub", data_dir=tmp_path / "elsewhere")
    shutil.copy(
        copy / "default" / "validation-00000-of-00001.parquet", moved / "default" / "train-00000-of-00001.parquet"
    )
    changed = load("news", source="hub", data_dir=tmp_path / "elsewhere")
    assert changed.origins["real"] != first
    assert len(changed.pool) == 40, "no cache hands out the rows that were there before"


def test_a_folder_in_hub_layout_serves_a_role(tmp_path):
    copy = write_hub_copy(tmp_path, "news")
    data = load("news", places={"real": str(copy), "test": str(copy)})
    assert (len(data.pool), len(data.test), data.stand_in) == (640, 80, False)
    write_json_lines(tmp_path / "plain" / "rows.jsonl", make_rows("x", dict.fromkeys(data.spec.labels, 9)))
    assert len(load("news", places={"test": str(tmp_path / "plain")}).test) == 36, "the only split there is"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "train.parquet").write_bytes(b"PAR1"), "bad: "),
        (lambda folder: (folder / "notes.txt").write_text(""), "bad: "),
        (lambda folder: write_parquet(folder / "dev.parquet", {"text": ["a"], "lbl": [0]}), "no label column"),
        (
            lambda folder: [
                (folder / f"{name}.csv").write_text("text,label\na,b\n") for name in ("test", "validation")
            ],
            r"bad: no split 'train'; splits: (test, validation|validation, test)",
        ),
    ],
)
def test_bad_folder_of_a_role(tmp_path, make, message):
    (tmp_path / "bad").mkdir()
    make(tmp_path / "bad")
    with pytest.raises(DataError, match=message) as caught:
        load("twitter", places={"real": str(tmp_path / "bad")})
    assert "\n" not in str(caught.value)


def test_places_of_the_hub():
    assert hub_place("a/b") == HubPlace("a/b", None, None, None)
    assert hub_place("a/b:c:d@e") == HubPlace("a/b", "c", "d", "e")
    assert hub_place("a/b::d") == HubPlace("a/b", None, "d", None)
    assert [hub_place(text) for text in ("a", "a/b/c", "/a/b", "a/b:c:d:e", "~/a")] == [None] * 5


def test_missing_classes_are_missing_labels(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    rows = {"text": [f"row {i}" for i in range(50)], "label": [0, 1] * 24 + [0, -1]}
    (tmp_path / "set").mkdir()
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
    with pytest.raises(DataError, match="row 50: label is missing"):
        load("twitter", places={"real": str(tmp_path / "set")})


@pytest.mark.parametrize("offline", ["1", "0"])
def test_without_network_a_clear_error_comes_within_seconds(tmp_path, offline):
    """Offline by setting, and with a hub that does not answer."""
    code = "import tasks\ntry: tasks.load('twitter', source='hub')\nexcept tasks.DataError as error: print(error)"
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": offline,
        "HF_HOME": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    root = Path(tasks.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    line = done.stdout.strip()
    assert line.startswith("cardiffnlp/tweet_eval: "), done.stderr
    assert line.endswith("sources of task twitter without network: bundled, local, course")
    assert "\n" not in line


ASKED = """
import datasets, huggingface_hub, tasks
def tell(source="bundled", **places):
    try:
        data = tasks.load("news", source=source, places=places)
        print(len(data.pool), len(data.test), data.origins["real"])
    except tasks.DataError as error:
        print(error)
tell(real="fancyzhx/ag_news", test="fancyzhx/ag_news")
tell(real="fancyzhx/ag_news::validation@main", test="fancyzhx/ag_news")
tell(source="hub")
tell(real="fancyzhx/ag_new")
tell(real="fancyzhx/ag_news:othr")
tell(real="fancyzhx/ag_news::trian")
huggingface_hub.constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
tell(real="fancyzhx/ag_news", test="fancyzhx/ag_news")
tell(source="hub")
"""


def test_the_commit_that_the_hub_gives_is_read_and_recorded(tmp_path):
    """Against a hub on this machine, and then from the cache: a pinned revision is never served by another."""
    write_hub_copy(tmp_path / "hub", "news")
    with hub_stub.hub(tmp_path / "hub") as address:
        environment = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "HF_ENDPOINT": address}
        root = Path(tasks.__file__).parent.parent
        command = [sys.executable, "-c", ASKED]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    pinned = hub_place(load_spec("news").sources["hub"].real).revision
    no_file = ": no such file or folder, and as a data set of the hub:"
    assert done.stdout.splitlines() == [
        f"640 80 fancyzhx/ag_news:train@{hub_stub.COMMIT}",
        f"40 80 fancyzhx/ag_news:validation@{hub_stub.COMMIT}",
        f"fancyzhx/ag_news: the hub has no revision {pinned}",
        f"fancyzhx/ag_new{no_file} fancyzhx/ag_new: the hub has no such data set, or it is private",
        f"fancyzhx/ag_news:othr{no_file} fancyzhx/ag_news: BuilderConfig 'othr' not found. Available: ['default']",
        f"fancyzhx/ag_news::trian{no_file} fancyzhx/ag_news: no split 'trian'; splits: train, test, validation; "
        "did you mean 'train'?",
        f"640 80 fancyzhx/ag_news:train@{hub_stub.COMMIT}",
        f"fancyzhx/ag_news: the cache holds commit {hub_stub.COMMIT}, not {pinned}; sources of task news without "
        "network: bundled, local",
    ], done.stderr
    assert done.stderr == ""


def test_a_place_that_is_nowhere_says_that_it_was_no_file_either():
    with pytest.raises(
        DataError, match=r"^mine/reel: no such file or folder, and as a data set of the hub: mine/reel: not in"
    ):
        load("twitter", places={"real": "mine/reel"})


@pytest.mark.hub
@pytest.mark.parametrize("name", ON_HUB)
def test_every_task_reads_the_hub(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    spec = load_spec(name)
    pair = spec.pair and {"generated": spec.sources["hub"].real.replace(":train", ":validation")}
    data = load(name, source="hub", places=pair or {})
    assert len(data.test) >= 400
    pinned = hub_place(spec.sources["hub"].real).revision
    assert data.origins["real"].rpartition("@")[2] == (pinned or data.origins["test"].rpartition("@")[2])
