"""An exported model as ONNX, for `bench export --onnx`: `model.onnx` beside it, with a check that the logits agree."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

NAME = "model.onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # of the extra `onnx`
CLOSE = 1e-4  # largest difference of logits between torch and ONNX Runtime, both in float32 on the CPU
LARGE = 2**30  # bytes of weights from which they are a file of their own: a file of this format has at most 2 GiB
# Texts of the check, whose numbers of rows and of tokens differ from those of the export.
SHORT = ["a text", "another text with a few more words", "!"]
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # as the converter puts into its messages
EXPORTED = ["one text of a few words", "and one more"]
WITHOUT = "so nothing was written; without --onnx the model is exported alone"


def require_packages() -> None:
    """Raise UserError if a package of the extra `onnx` is missing."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise UserError(f"--onnx needs {', '.join(missing)}: pip install 'data-weighting-bench[onnx]'")


def write_onnx(folder: Path, *, pairs: bool) -> float:
    """Write the model of an exported folder as ONNX, and return the largest difference of its logits from torch's.

    Rows and tokens of a batch may have any number. Raises UserError if the model cannot be converted, or if a logit
    differs by more than `CLOSE`; then the file is no part of an export.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    # Attention as plain products: ONNX has no operator for torch's fused one.
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def tokens(texts: list[str]) -> dict[str, Tensor]:
        columns = [texts, texts[::-1]] if pairs else [texts]
        return dict(tokenizer(*columns, padding=True, truncation=True, return_tensors="pt"))

    example = tokens(EXPORTED)
    shape = {0: "rows", 1: "tokens"}
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    try:
        with torch.no_grad(), without_warnings():
            torch.onnx.export(
                logits_of(model),
                kwargs=example,
                f=folder / NAME,
                input_names=list(example),
                output_names=["logits"],
                dynamic_shapes=dict.fromkeys(example, shape),
                dynamo=True,
                external_data=size > LARGE,
                verbose=False,
            )
    except Exception as error:  # of many kinds: whatever the converter does not know about a family of models
        raise UserError(f"the model cannot be converted to ONNX ({cause(error)}), {WITHOUT}") from error
    long = " ".join(EXPORTED) + " word" * 600
    try:
        return agreement(model, folder / NAME, [tokens(texts) for texts in (EXPORTED, SHORT, [*SHORT, long])])
    except UserError:
        raise
    except Exception as error:  # ONNX Runtime raises kinds of its own
        raise UserError(f"the ONNX file of the model fails on some texts ({cause(error)}), {WITHOUT}") from error


def cause(error: Exception) -> str:
    """The kind of an error, and the first of its message without colours."""
    text = " ".join(COLOUR.sub("", str(error)).split())
    return f"{type(error).__name__}: {text[:200]}"


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """A context in which the converter does not warn: what counts is whether the logits agree."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def agreement(model: Any, file: Path, batches: Sequence[dict[str, Tensor]]) -> float:
    """The largest difference of logits over some batches. Raises UserError if it is larger than `CLOSE`, or NaN."""
    worst = float(np.max([difference(model, file, tokens) for tokens in batches]))  # NaN if one is
    if not worst <= CLOSE:
        raise UserError(
            f"the logits of the ONNX file differ by {worst:.1e} from those of the model, more than {CLOSE:g}, {WITHOUT}"
        )
    return worst


def logits_of(model: Any) -> Any:
    """A module with the logits (B, C) as its only output, and inputs by name."""
    from torch import nn

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
        ) -> Tensor:
            given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
            result: Tensor = self.model(input_ids, **{k: v for k, v in given.items() if v is not None}).logits
            return result

    return Logits().eval()


def difference(model: Any, file: Path, inputs: dict[str, Tensor]) -> float:
    """The largest absolute difference of the logits of a batch."""
    import onnxruntime
    import torch

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    return float(np.abs(found - expected).max())
