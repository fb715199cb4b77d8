"""Exported models: the folder works in a pipeline on texts of any length, and the card states what the cell says."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml

from bench.commands.models.export import export, push
from bench.commands.models.model_card import card, intervals, is_path
from bench.commands.models.predict import predict
from bench.errors import UserError
from bench.jobs import CellJob
from bench.planning.describe import describe
from bench.store import manifest
from bench.store.files import read_json
from tasks import DataError
from tests.bench.training.test_save_model import trained
from tests.helpers.in_process import command


@pytest.fixture(scope="module")
def cell(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> CellJob:
    """A cell of the method `dimp` with its whole model."""
    return trained(tmp_path_factory.mktemp("export") / "runs", "full", tiny_encoder, method="dimp")


@pytest.fixture
def exported(cell: CellJob, tmp_path: Path) -> Path:
    list(export(cell.root, cell.folder.name, tmp_path / "model", "apache-2.0"))
    return tmp_path / "model"


def test_the_pipeline_gives_names_and_the_cells_own_predictions(cell: CellJob, exported: Path) -> None:
    from transformers import pipeline

    from tasks import load

    classify = pipeline("text-classification", str(exported), truncation=True, top_k=None, device="cpu")
    stored = pd.read_parquet(cell.folder / "predictions.parquet").set_index("id").loc[cell.test.ids[:20]]
    logits = stored[["logit_0", "logit_1"]].to_numpy(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    test = load("twitter").test
    texts = dict(zip(test.ids.tolist(), test.texts, strict=True))
    for answer, expected in zip(classify([texts[row] for row in stored.index]), chances, strict=True):
        scores = {entry["label"]: entry["score"] for entry in answer}
        assert [scores[name] for name in ("negative", "positive")] == pytest.approx(expected, abs=1e-4)
    (answer,) = classify(["so happy " * 20_000])
    assert len(answer) == 2


def test_the_card_has_the_fields_and_numbers_of_the_cell(cell: CellJob, exported: Path) -> None:
    text = (exported / "README.md").read_text("utf-8")
    _, head, body = text.split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["license"] == "apache-2.0"
    assert fields["pipeline_tag"] == "text-classification"
    assert "base_model" not in fields, "the encoder is a folder of this machine"
    assert str(cell.checkpoint.path) not in text
    stored = json.loads((cell.folder / "metrics.json").read_text())
    measured = {entry["type"]: entry["value"] for entry in fields["model-index"][0]["results"][0]["metrics"]}
    for name, value in measured.items():
        assert value == pytest.approx(stored[name], abs=1e-6)
    assert f"{stored['accuracy']:.4f}" in body
    assert f"| generated, trained on | {len(cell.generated.ids)} of" in body
    assert "wrote the generated rows" in body
    assert "| None |" not in body
    assert fields["model-index"][0]["name"] == "twitter-dimp"
    for name in ("negative", "positive", "dimp", cell.spec.id, "## Limits", "## Licences"):
        assert name in body


def test_the_card_has_the_notes_of_the_section_where_the_store_has_its_grid(tiny_encoder: Path, tmp_path: Path) -> None:
    from bench.config.request import make_request
    from bench.planning.planner import make_plan

    job = trained(tmp_path / "runs", "full", tiny_encoder)
    request = make_request(
        methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=1, settings={"train_layers": "1", "lr": "1e-2"}
    )
    manifest.save(describe(make_plan(request, job.root), "bench run"), job.root)
    lines = list(export(job.root, "twitter ce 0", tmp_path / "model", None))
    assert any("licence is unknown" in line for line in lines)
    text = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "A constant guess" in text
    assert "license: unknown" in text


def test_the_card_shows_labels_as_they_are(cell: CellJob) -> None:
    """Labels in angle brackets vanished, and one with a line end wrote a heading."""
    labels = ["<neg>", "a|b", "x\x1b[31m\u202e", "l1\n## Limits\nnone"]
    spec = {**read_json(cell.folder / "spec.json"), "pairs": False, "labels": labels}
    text = card(spec, cell.folder, None, None)
    assert "\\<neg>, a\\|b, x\\x1b[31m\\u202e, l1 ## Limits none, trained with" in text
    assert text.count("\n## Limits\n") == 1


def test_the_card_of_a_model_of_real_rows_alone(tiny_encoder: Path, tmp_path: Path) -> None:
    job = trained(tmp_path / "runs", "full", tiny_encoder, method="real-only")
    list(export(job.root, "twitter real-only 0", tmp_path / "model", None))
    assert "wrote the generated rows" not in (tmp_path / "model" / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("encoder", "path"),
    [
        ("bert-base-uncased", False),
        ("some-folder-of-another-place", True),
        ("someone/encoder", False),
        ("wandb:someone/encoder:v0", True),
        ("scratch", True),
        ("/models/encoder", True),
    ],
)
def test_the_card_names_an_encoder_of_the_hub(
    encoder: str, path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id without a slash was taken for a folder, so the card had neither base_model nor where the licence stands."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--bert-base-uncased").mkdir()
    assert is_path(encoder) is path


def test_intervals_are_wilsons_and_hold_the_value() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=200)
    logits = rng.normal(size=(200, 2)) + 1.5 * np.eye(2)[labels]
    result = intervals(labels, logits)
    p, n, z = result["accuracy"][0], 200, 1.959963984540054
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    wilson = ((centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n))
    assert result["accuracy"][1:] == pytest.approx(wilson)
    for value, low, high in result.values():
        assert low < value < high


def test_what_cannot_be_exported(cell: CellJob, exported: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        list(export(cell.root, cell.folder.name, exported, None))
    without = trained(tmp_path / "other", None, tiny_encoder)
    with pytest.raises(UserError, match="keeps no whole model"):
        list(export(without.root, without.folder.name, tmp_path / "new", None))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", None, "is cut or damaged"),
        ("config.json", b"{", "is no JSON object"),
        ("tokenizer.json", b"{", "the tokenizer in .* cannot be read"),
    ],
)
def test_a_damaged_model_is_named_where_it_is(
    cell: CellJob, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """It was a traceback, or named a temporary folder."""
    root = shutil.copytree(cell.root, tmp_path / "runs")
    file = root / cell.folder.relative_to(cell.root) / "model" / name
    file.write_bytes(file.read_bytes()[:-50] if content is None else content)
    with pytest.raises(UserError, match=message) as caught:
        list(export(root, cell.folder.name, tmp_path / "new", None))
    assert str(file.parent) in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_public_is_for_an_upload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = command(capsys, "export", "a cell 0", str(tmp_path / "new"), "--public")
    assert (code, "--public is for an upload" in error) == (2, True)


class Hub(BaseHTTPRequestHandler):
    """What the client asks of the hub when it creates a repository and commits a folder to it."""

    commits: ClassVar[list[dict[str, bytes]]] = []
    tokens: ClassVar[set[str]] = set()
    private: ClassVar[bool] = True  # whether the repository is

    def do_GET(self) -> None:
        self.answer({"id": "me/model", "private": self.private})

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.tokens.add(self.headers["Authorization"] or "")
        if "hf_right" not in (self.headers["Authorization"] or ""):
            return self.answer({"error": "Invalid user token."}, 401)
        if self.path == "/api/repos/create":
            return self.answer({"url": f"http://{self.headers['Host']}/me/model", "id": "me/model"})
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            return self.answer({"files": modes})
        if "/commit/" in self.path:
            entries = [json.loads(line) for line in body.splitlines()]
            files = [entry["value"] for entry in entries if entry["key"] == "file"]
            self.commits.append({file["path"]: base64.b64decode(file["content"]) for file in files})
            return self.answer(
                {
                    "commitUrl": f"http://{self.headers['Host']}/me/model/commit/0",
                    "commitOid": "0" * 40,
                    "success": True,
                }
            )
        return self.answer({"warnings": [], "errors": []})

    def answer(self, value: Any, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def pushed(folder: Path, token: str) -> subprocess.CompletedProcess[str]:
    """Upload to a hub on the loopback interface, in a process of its own: the client reads its address once."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "import sys; from pathlib import Path; from bench.commands.models.export import push; "
        "print(push(Path(sys.argv[1]), 'me/model', public=False))"
    )
    address = f"http://127.0.0.1:{server.server_port}"
    hub = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    try:
        return subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env={**os.environ, **hub}
        )
    finally:
        server.shutdown()
        server.server_close()


def test_the_upload_has_every_file_of_the_folder(exported: Path) -> None:
    ran = pushed(exported, "hf_right")
    assert ran.returncode == 0, ran.stderr
    assert Hub.commits[-1] == {path.name: path.read_bytes() for path in exported.iterdir()}
    assert Hub.tokens == {"Bearer hf_right"}
    assert "hf_right" not in ran.stdout + ran.stderr


def test_no_upload_to_a_public_repository_without_public(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that was there stayed public, and the model was shown to all."""
    monkeypatch.setattr(Hub, "private", False)
    monkeypatch.setattr(Hub, "commits", [])
    ran = pushed(exported, "hf_right")
    assert ran.stderr.strip().endswith("not uploaded: me/model is public; --public allows that")
    assert Hub.commits == []


def test_an_upload_that_the_hub_refuses_is_one_line(exported: Path) -> None:
    ran = pushed(exported, "hf_wrong")
    assert "UserError: " in ran.stderr
    message = ran.stderr.strip().splitlines()[-1]
    assert "is written, but not uploaded to me/model" in message
    assert "hf_wrong" not in ran.stderr
    with pytest.raises(UserError, match="is written, but") as error:
        push(exported, "not/a/name", public=False)
    assert "\n" not in str(error.value)


class NetworkError(Exception):
    """As the client's library for requests raises it: no OSError, and no error of the client."""


@pytest.mark.parametrize(("error", "shown"), [(TimeoutError(), "TimeoutError"), (NetworkError("no\nway"), "no way")])
def test_a_hub_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, shown: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", refuse)
    with pytest.raises(UserError, match=f"is written, but not uploaded to me/model: {shown}; `hf auth login`"):
        push(tmp_path, "me/model", public=False)


def test_predictions_keep_the_columns_of_the_file(exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text("ID,topic,text,label\n7,a,so happy,positive\n9,=1+1,awful queue,negative\n")
    frame = predict(exported, path).frame
    assert list(frame) == ["id", "label", "p_negative", "p_positive", "topic", "text", "label_input"]
    assert frame["id"].tolist() == ["7", "9"]
    assert frame["label_input"].tolist() == ["positive", "negative"]


def test_a_model_of_single_texts_refuses_pairs_and_the_reverse(exported: Path, tmp_path: Path) -> None:
    pairs, single = tmp_path / "pairs.csv", tmp_path / "single.csv"
    pairs.write_text("text,text_pair\na,b\n")
    single.write_text("text\na\n")
    with pytest.raises((UserError, DataError), match="trained on single texts"):
        predict(exported, pairs)
    config = json.loads((exported / "config.json").read_text())
    (exported / "config.json").write_text(json.dumps({**config, "inputs": ["text", "text_pair"]}))
    with pytest.raises((UserError, DataError), match="trained on pairs"):
        predict(exported, single)
    assert len(predict(exported, pairs).frame) == 1
