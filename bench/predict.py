"""Labels and probabilities for a file of texts, by a saved model: a folder, a hub id, a W&B artifact or a cell."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.checkpoint import find, outputs
from bench.errors import UserError
from bench.store import read_json, write_text
from tasks import FILES, load_spec
from tasks.columns import texts_of
from tasks.course import numbered_lines
from tasks.tables import READERS, read_table

if TYPE_CHECKING:
    import pandas as pd

BATCH = 64
COURSE_TEST = "test_data.txt"
NUMBERED = re.compile(r"(\d+),(.*)", re.DOTALL)  # a line of the course's test file: id,tweet
POLARITY = {"negative": -1, "positive": 1, "-1": -1, "1": 1}


def predict(model: Path | str, file: Path) -> pd.DataFrame:
    """One row per text: its id where the file has one, the label, and a probability per label. Raises UserError."""
    checkpoint = find(str(model), "model")
    labels = outputs(read_json(checkpoint.path / "config.json"), str(model))
    ids, first, second = texts(file)
    probabilities = classify(checkpoint.path, first, second)
    import pandas as pd

    frame = pd.DataFrame({"id": ids, "label": [labels[k] for k in probabilities.argmax(axis=1)]})
    for k, label in enumerate(labels):
        frame[f"p_{label}"] = probabilities[:, k]
    return frame


def texts(file: Path) -> tuple[list[Any], list[str], list[str] | None]:
    """Ids (from 1 where the file has none), texts and, for pairs, second texts. Raises UserError or DataError."""
    if file.suffix.lower() not in READERS:
        return lines(file)
    table = read_table(file)
    text, pair = texts_of(table, load_spec(FILES), None)
    first = [str(value) for value in table.column(text)]
    second = [str(value) for value in table.column(pair)] if pair else None
    return list(table.columns.get("id", range(1, len(table) + 1))), first, second


def lines(file: Path) -> tuple[list[Any], list[str], None]:
    """A text per line; with `id,text` on every line the ids are taken off. Raises UserError or DataError."""
    course = file.name == COURSE_TEST
    found = [line for _, line in numbered_lines(file, whole=course)]
    if not any(line.strip() for line in found):
        raise UserError(f"{file}: no texts")
    matches = [NUMBERED.fullmatch(line) for line in found]
    numbered = [(int(match[1]), match[2]) for match in matches if match]
    if not course and len(numbered) <= len(found) / 2:
        return list(range(1, len(found) + 1)), found, None
    if len(numbered) < len(found):
        number = matches.index(None) + 1
        raise UserError(f"{file}, line {number}: {found[number - 1][:40]!r} is not id,text as on the other lines")
    ids, texts = [identity for identity, _ in numbered], [text for _, text in numbered]
    if len(set(ids)) < len(ids):
        twice = next(identity for identity, count in Counter(ids).items() if count > 1)
        raise UserError(f"{file}: the id {twice} stands on several lines")
    return ids, texts, None


def classify(folder: Path, texts: list[str], pairs: list[str] | None) -> np.ndarray[Any, Any]:
    """(n, C) probabilities."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, use_safetensors=True).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    order = np.argsort([-len(text) for text in texts], kind="stable")  # like lengths together: little padding
    out = np.zeros((len(texts), model.config.num_labels))
    with torch.inference_mode():
        for at in range(0, len(order), BATCH):
            index = order[at : at + BATCH]
            second = [pairs[i] for i in index] if pairs else None
            limit = min(tokenizer.model_max_length, model.config.max_position_embeddings)
            inputs = tokenizer(
                [texts[i] for i in index],
                second,
                padding=True,
                truncation=True,
                max_length=limit,
                return_tensors="pt",
            ).to(device)
            out[index] = model(**inputs).logits.softmax(dim=-1).double().cpu().numpy()
    return out


def submission(frame: pd.DataFrame) -> str:
    """The course's file: `Id,Prediction` with -1 and 1, ids from 1. Raises UserError for other labels."""
    foreign = sorted({label for label in frame["label"] if str(label).casefold() not in POLARITY})
    if foreign:
        raise UserError(f"a submission knows negative and positive, not {', '.join(map(str, foreign))}")
    values = [POLARITY[str(label).casefold()] for label in frame["label"]]
    numbered = zip(frame["id"], values, strict=True)
    return "Id,Prediction\n" + "".join(f"{identity},{value}\n" for identity, value in numbered)


def write(frame: pd.DataFrame, path: Path, *, as_submission: bool) -> None:
    """Write predictions as CSV or as the course's submission."""
    write_text(path, submission(frame) if as_submission else frame.to_csv(index=False))
