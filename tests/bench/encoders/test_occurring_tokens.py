"""Embeddings of the tokens that occur: training gives the weights that the whole vocabulary gives, in every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.config.settings import Settings
from bench.encoders.checkpoints import find
from bench.encoders.classifier import Classifier
from bench.encoders.occurring_tokens import Occurring
from bench.training.network import adamw
from tests.helpers.encoders import FAMILIES, make_encoder

IDS = np.array([0, 1, 5, 7, 8, 11, 40, 41, 59])  # of which 0 and 1 stand for padding in one family or another
STEPS = 20


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder of each family, dropout off."""
    return make_encoder(tmp_path_factory.mktemp("family") / request.param, request.param, dropout=0.0)


def trajectory(classifier: Classifier) -> list[float]:
    """Losses of a few updates with quality weights as in DIMP, and gradients clipped as in cells."""
    classifier.start(3)
    classifier.eval()
    optimizer = adamw(classifier, Settings(lr=1e-2))
    padding = classifier.model.config.pad_token_id
    rng, losses = np.random.default_rng(0), []
    for _ in range(STEPS):
        mask = torch.arange(8) < torch.from_numpy(rng.integers(2, 9, 6))[:, None]
        ids = torch.from_numpy(rng.choice(IDS[2:], mask.shape)).where(mask, torch.tensor(padding))
        labels, quality = torch.from_numpy(rng.integers(0, 3, 6)), torch.from_numpy(rng.uniform(0.1, 1, 6)).float()
        logits = classifier.model(input_ids=ids, attention_mask=mask.long()).logits
        logp = logits.log_softmax(-1).gather(1, labels[:, None]).squeeze(1)
        loss = -(quality / logp.detach().exp() * logp).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(classifier.trained.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_training_gives_the_weights_of_the_whole_vocabulary(encoder: Path) -> None:
    checkpoint = find(str(encoder))
    whole, few = Classifier(checkpoint, 3, "all"), Classifier(checkpoint, 3, "all", vocabulary=IDS)
    assert isinstance(few.embedding, Occurring)
    assert len(few.embedding.weight) == len(IDS) < len(few.embedding.whole)
    np.testing.assert_allclose(trajectory(few), trajectory(whole), atol=1e-5)
    expected, result = whole.weights(), few.weights()
    assert expected.keys() == result.keys()
    for name in expected:
        torch.testing.assert_close(result[name], expected[name], atol=1e-5, rtol=0, msg=name)
    (name,) = (name for name, weight in few.trained.items() if weight is few.embedding.weight)
    absent = np.setdiff1d(np.arange(len(few.embedding.whole)), IDS)
    assert torch.equal(result[name][absent], whole.pretrained[name][absent]), (
        "rows of tokens that never occur do not change"
    )
    assert not torch.equal(result[name], whole.pretrained[name])


def test_an_unexpected_token_is_an_error(tiny_encoder: Path) -> None:
    classifier = Classifier(find(str(tiny_encoder)), 2, "all", vocabulary=IDS)
    with pytest.raises(IndexError):
        classifier.model(input_ids=torch.tensor([[5, 6]]), attention_mask=torch.ones(1, 2).long())


def test_two_networks_embed_apart(tiny_encoder: Path) -> None:
    one = Classifier(find(str(tiny_encoder)), 2, "all", vocabulary=IDS)
    other = one.peer()
    with torch.no_grad():
        one.embedding.weight.add_(1)  # type: ignore[union-attr]
    (name,) = (name for name, weight in one.trained.items() if weight is one.embedding.weight)  # type: ignore[union-attr]
    assert not torch.equal(one.weights()[name], other.weights()[name])
    assert torch.equal(other.weights()[name], other.embedding.whole)  # type: ignore[union-attr]
