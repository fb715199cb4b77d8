"""DIMP-Loss in a PyTorch loop of one's own: a linear classifier on counts of words, on the bundled tweets.

Run it with `python examples/plain_loop.py`. It prints the test accuracy with cross-entropy and with DIMP-Loss.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import cross_entropy

import tasks
from methods import get

FEATURES, EPOCHS, BATCH = 2**12, 4, 32
BatchLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # logits (B, C), labels (B,), row numbers (B,) -> loss ()


def features(texts: list[str]) -> Tensor:
    """(n, FEATURES) counts of words and of pairs of words, of length 1."""
    counts = HashingVectorizer(n_features=FEATURES, ngram_range=(1, 2), alternate_sign=False).transform(texts)
    return torch.from_numpy(counts.toarray()).float()


def train(inputs: Tensor, labels: Tensor, loss_of: BatchLoss, classes: int) -> Linear:
    """A linear classifier trained on n rows."""
    torch.manual_seed(0)
    model = Linear(FEATURES, classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss_of(model(inputs[rows]), labels[rows], rows).backward()
            optimizer.step()
    return model


def main() -> dict[str, float]:
    """Train the quality checker on the real rows, then both classifiers on the generated rows; test accuracies."""
    data = tasks.load("twitter")
    real, generated, test = data.real(seed=0), data.generated, data.test
    classes = len(data.spec.labels)
    inputs, labels = features(generated.texts), torch.from_numpy(generated.labels)

    def plain(logits: Tensor, given: Tensor, rows: Tensor) -> Tensor:
        return cross_entropy(logits, given)

    checker = train(features(real.texts), torch.from_numpy(real.labels), plain, classes)
    with torch.no_grad():
        quality = checker(inputs).log_softmax(dim=1)  # (n, C) log P'(.|x)
    dimp = get("dimp", clip=20.0)

    def weighted(logits: Tensor, given: Tensor, rows: Tensor) -> Tensor:
        return dimp(logits, given, quality=quality[rows])

    results = {}
    for name, loss_of in (("ce", plain), ("dimp", weighted)):
        model = train(inputs, labels, loss_of, classes)
        with torch.no_grad():
            predicted = model(features(test.texts)).argmax(dim=1)
        results[name] = float((predicted == torch.from_numpy(test.labels)).float().mean())
        print(f"{name}: test accuracy {results[name]:.4f} on {len(test):,} rows")
    return results


if __name__ == "__main__":
    main()
