"""The code of docs/recipes.md runs, on a few rows and a tiny encoder."""

import re
from pathlib import Path

import pandas as pd
import pytest

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(), re.DOTALL)
ENCODER = '"sentence-transformers/all-MiniLM-L6-v2"'


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """A file as `bench weigh` writes it, in the working folder."""
    monkeypatch.chdir(tmp_path)
    texts = ["so happy today", "what a lovely day", "sad and tired", "this is awful"]
    table = {"text": texts, "label": ["positive", "positive", "negative", "negative"], "weight": [2.0, 1.0, 0.5, 0.0]}
    pd.DataFrame(table).to_csv("weights.csv", index=False)


def test_scikit_learn():
    names = {}
    exec(BLOCKS[0], names)
    assert set(names["model"].predict(["happy", "awful"])) <= {"positive", "negative"}


def test_the_trainer(tiny_encoder):
    code = (
        BLOCKS[1].replace(ENCODER, repr(str(tiny_encoder))).replace("num_train_epochs=3", "max_steps=1, use_cpu=True")
    )
    assert code.count(ENCODER) == 0
    names = {"__name__": "recipe"}
    exec(code, names)
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
