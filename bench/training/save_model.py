"""Models that are kept on request, in the folder `model` of a cell; they are no part of its id or of its being done.

`trained` keeps the weights that trained and names the encoder whose other weights they belong to; `full` is a folder
that `transformers.AutoModelForSequenceClassification.from_pretrained` and `AutoTokenizer` read, labels included.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from transformers import AutoTokenizer

from bench.encoders.classifier import Classifier, load
from bench.jobs import CellJob
from bench.store.files import whole_folder, write_json
from bench.store.layout import MODEL


def save(job: CellJob, classifier: Classifier) -> None:
    """Keep a trained model; the folder is there when all of it is."""
    with whole_folder(job.folder / MODEL) as folder:
        {"trained": save_trained, "full": save_full}[job.keep or "full"](job, classifier, folder)


def save_trained(job: CellJob, classifier: Classifier, folder: Path) -> None:
    """`trained.safetensors` with the names of the whole model, and `encoder.json`."""
    weights = {name: weight.cpu().contiguous() for name, weight in classifier.weights().items()}
    save_file(weights, folder / "trained.safetensors", metadata={"format": "pt"})
    told = {name: job.spec_json[name] for name in ("encoder", "encoder_hash", "labels")}
    write_json(folder / "encoder.json", {**told, "max_length": job.spec.settings["max_length"]})


def save_full(job: CellJob, classifier: Classifier, folder: Path) -> None:
    """The whole model: loaded anew, because the one that trained may lack its lower layers, with what trained."""
    model, _ = load(job.checkpoint, job.n_classes)
    _, unexpected = model.load_state_dict(
        {name: weight.cpu() for name, weight in classifier.weights().items()}, strict=False
    )
    assert not unexpected, f"trained weights that the model does not have: {unexpected}"
    labels = list(job.spec_json["labels"])
    model.config.id2label = dict(enumerate(labels))  # type: ignore[union-attr]
    model.config.label2id = {name: i for i, name in enumerate(labels)}  # type: ignore[union-attr]
    model.save_pretrained(folder)  # type: ignore[operator]
    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint.path, local_files_only=True)
    tokenizer.model_max_length = job.spec.settings["max_length"]  # whoever predicts cuts where training did
    tokenizer.save_pretrained(folder)
