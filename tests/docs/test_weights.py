"""The code of docs/weights.md runs, on a few rows and a tiny encoder."""

import re
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.output_file import write_table

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "weights.md").read_text(), re.DOTALL)
ENCODER = '"sentence-transformers/all-MiniLM-L6-v2"'


TABLE = {
    "text": ["@anna so happy today", "what a lovely day", "- sad and tired", "=this is awful"],
    "label": ["positive", "positive", "None", "None"],
    "weight": [2.0, 1.0, 0.5, 0.0],
}


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """The files as `bench weigh` writes them, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("weights.csv", "weights.parquet"):
        list(write_table(pd.DataFrame(TABLE), Path(name)))


def test_scikit_learn():
    """Texts that begin with `@`, `-`, `=` or `+` were fitted with a `'` in front, which a CSV has for spreadsheets."""
    names = {}
    exec(BLOCKS[0], names)
    assert names["rows"].to_dict("list") == TABLE
    assert set(names["model"].predict(["happy", "awful"])) <= {"positive", "None"}


def test_the_trainer(tiny_encoder):
    code = (
        BLOCKS[1].replace(ENCODER, repr(str(tiny_encoder))).replace("num_train_epochs=3", "max_steps=1, use_cpu=True")
    )
    assert code.count(ENCODER) == 0
    names = {"__name__": "recipe"}
    exec(code, names)
    assert names["table"].to_dict("list") == TABLE
    trainer, torch = names["trainer"], names["torch"]
    assert trainer.state.global_step == 1
    assert not trainer.model_accepts_loss_kwargs, "the loss is divided where gradients are accumulated"
    batch = trainer.data_collator([names["rows"][k] for k in range(4)])
    trainer.model.eval()
    with torch.no_grad():
        logits = trainer.model(**{key: batch[key] for key in batch if key not in ("labels", "weight")}).logits
        loss = trainer.compute_loss(trainer.model, dict(batch))
    expected = torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none") * batch["weight"]
    assert float(loss) == pytest.approx(float(expected.mean()))
