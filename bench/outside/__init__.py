"""Methods outside of `bench run`: a `transformers.Trainer` and an estimator in the style of scikit-learn."""

from bench.outside.text_classifier import WeightedTextClassifier
from bench.outside.weighted_trainer import WeightedTrainer

__all__ = ["WeightedTextClassifier", "WeightedTrainer"]
