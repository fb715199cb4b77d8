"""A text classifier in the style of scikit-learn, trained with DIMP-Loss on the bundled tweets.

Run it with `python examples/text_classifier.py`. It prints the test accuracy with cross-entropy and with DIMP-Loss.
"""

from __future__ import annotations

import tasks
from bench.outside import WeightedTextClassifier


def main(encoder: str | None = None, preset: str = "quick", methods: tuple[str, ...] = ("ce", "dimp")) -> list[float]:
    """Train a classifier by each method and return their test accuracies."""
    data = tasks.load("twitter")
    real, generated, test = data.real(seed=0), data.generated, data.test
    scores = []
    for method in methods:
        classifier = WeightedTextClassifier(method, encoder=encoder, preset=preset)
        classifier.fit((real.texts, real.labels.tolist()), (generated.texts, generated.labels.tolist()))
        scores.append(classifier.score(test.texts, test.labels))
        print(f"{method}: test accuracy {scores[-1]:.4f} on {len(test):,} rows")
    return scores


if __name__ == "__main__":  # the training runs in a process of its own
    main()
