"""The model of a cell, saved on request in its folder `model`. Neither the cell's id nor its state depends on it.

`trained` saves the weights that trained, and the name of the encoder that has the others; `full` is a folder that
`transformers.AutoModelForSequenceClassification.from_pretrained` and `AutoTokenizer` read, labels included.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from transformers import AutoTokenizer

from bench.encoders.classifier import Classifier
from bench.encoders.loading import TOKEN_TYPES, load, one_token_type
from bench.jobs import CellJob
from bench.store.files import whole_folder, write_json
from bench.store.layout import MODEL


def save(job: CellJob, classifier: Classifier) -> None:
    """Save a trained model; its folder is written completely or not at all."""
    with whole_folder(job.folder / MODEL) as folder:
        {"trained": save_trained, "full": save_full}[job.keep or "full"](job, classifier, folder)
        for weights in folder.glob("*.safetensors"):  # which the library lets nobody but their owner read
            weights.chmod(folder.stat().st_mode & 0o666)


def save_trained(job: CellJob, classifier: Classifier, folder: Path) -> None:
    """Write `trained.safetensors`, with the names of the whole model, and `encoder.json`."""
    weights = {name: weight.cpu().contiguous() for name, weight in classifier.weights().items()}
    save_file(weights, folder / "trained.safetensors", metadata={"format": "pt"})
    encoder = {name: job.spec_json[name] for name in ("encoder", "encoder_hash", "labels")}
    write_json(folder / "encoder.json", {**encoder, "max_length": job.spec.settings["max_length"]})


def save_full(job: CellJob, classifier: Classifier, folder: Path) -> None:
    """Write the whole model with the trained weights; loaded again, as the one that trained may lack lower layers."""
    model = load(job.checkpoint, job.n_classes).model
    _, unexpected = model.load_state_dict(
        {name: weight.cpu() for name, weight in classifier.weights().items()}, strict=False
    )
    assert not unexpected, f"trained weights that the model does not have: {unexpected}"
    labels = list(job.spec_json["labels"])
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {name: i for i, name in enumerate(labels)}
    pairs = job.spec_json.get("pairs", False)
    model.config.inputs = ["text", "text_pair"] if pairs else ["text"]  # for bench predict
    model.config.problem_type = "single_label_classification"  # not that of the encoder
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint.path, local_files_only=True, trust_remote_code=False)
    tokenizer.model_max_length = job.spec.settings["max_length"]  # predictions truncate texts as training did
    if one_token_type(model):
        names = [name for name in tokenizer.model_input_names if name != TOKEN_TYPES]
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names
    tokenizer.save_pretrained(folder)
