"""`bench export`: a cell's model as a folder for transformers with a model card, also as ONNX and on the hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from bench.commands.models.model_card import card
from bench.commands.models.onnx_file import NAME, require_packages, write_onnx
from bench.commands.reports.weights import section_of
from bench.encoders import checkpoints
from bench.errors import UserError
from bench.remote.opened import fetched, saved_model
from bench.store.files import read_json, whole_folder, write_text
from bench.store.find import find, title
from bench.store.layout import SPEC
from bench.store.schemas import ModelSpec
from tasks.errors import in_a_line

LONG = 5_000  # words of the text that an exported model must classify


def export(root: Path, name: str, target: Path, licence: str | None, *, onnx: bool = False) -> Iterator[str]:
    """Write the model of a finished cell to a new folder, on request as ONNX too; yields lines on it.

    Raises UserError for a cell without a whole model, for a folder that is not empty, and for a model whose ONNX file
    does not give the same logits.
    """
    from bench.encoders.loading import load_tokenizer

    if onnx:
        require_packages()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists and is not empty; name a new folder, or remove it")
    root = fetched(root)
    cell = find(root, name)
    model = Path(saved_model(cell, root))
    spec = read_json(cell / SPEC, ModelSpec)
    load_tokenizer(checkpoints.find(str(model), "model"))  # damage is named where it is, before anything is copied
    try:
        section = section_of(root, cell.resolve())
    except (UserError, ValueError):  # of another store, or its grid was removed
        section = None
    spec = {"pairs": False, "generated_size": {}, "origins": {}, "source": "", **spec}
    if target.exists():
        target.rmdir()
    with whole_folder(target) as part:
        shutil.copytree(model, part, dirs_exist_ok=True)
        write_text(part / "README.md", card(spec, cell, section, licence))
        check(part, pairs=spec["pairs"])
        worst = write_onnx(part, pairs=spec["pairs"]) if onnx else None
    yield f"{title(spec)}: {target} ({decimal(sum(path.stat().st_size for path in target.iterdir()))})"
    yield f'use: pipeline("text-classification", "{target}", truncation=True)'
    if worst is not None:
        yield f"ONNX: {target / NAME}; its logits agree with those of the model to {worst:.0e}"
    if not licence:
        yield "the card says that the licence is unknown; --license apache-2.0 states it"


def check(folder: Path, *, pairs: bool) -> None:
    """Load the folder as its users will, and classify a very long text. Raises UserError if that fails."""
    from transformers import pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    text = "word " * LONG
    try:
        (result,) = pipeline("text-classification", str(folder), truncation=True, device="cpu")(
            [{"text": text, "text_pair": text}] if pairs else [text]
        )
    except Exception as error:  # of many kinds: whatever a pipeline cannot use
        raise UserError(
            f"the exported model does not load in a pipeline ({error}), so nothing was written; `bench predict` uses "
            "the model of the cell without one"
        ) from error
    assert 0 <= result["score"] <= 1


def push(folder: Path, repository: str, *, public: bool) -> str:
    """Upload an exported folder to the Hugging Face hub; returns its address.

    The token is that of `hf auth login` or HF_TOKEN. Raises UserError if the hub refuses, and without `public` for a
    repository that is there and public.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import OfflineModeIsEnabled

    hub = HfApi()
    try:
        address = hub.create_repo(repository, private=not public, exist_ok=True)
        if not (public or hub.model_info(repository).private):  # the repository was there already
            raise UserError(f"{folder} is written, but not uploaded: {repository} is public; --public allows that")
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="Model of data-weighting-bench")
    except OfflineModeIsEnabled as error:
        raise UserError(f"{folder} is written, but HF_HUB_OFFLINE is set, so nothing was uploaded") from error
    except UserError:
        raise
    except Exception as error:  # of the hub and of the network, of many kinds
        raise UserError(
            f"{folder} is written, but not uploaded to {repository}: {in_a_line(error)}; `hf auth login` or HF_TOKEN "
            "gives access"
        ) from error
    return str(address)
