"""Paired test results of two methods that are equally good on average, drawn from a crossed model."""

import numpy as np
from scipy.special import ndtri


def gaussian(rng, nulls, seeds, examples, sd, *, total=0.15, shared=0.3):
    """Differences (R, S, N) of mean 0: `sd` between seeds, `total` variance per example, `shared` of it over seeds."""
    seed = sd * rng.standard_normal((nulls, seeds, 1))
    example = np.sqrt(total * shared) * rng.standard_normal((nulls, 1, examples))
    return seed + example + np.sqrt(total * (1 - shared)) * rng.standard_normal((nulls, seeds, examples))


def right(rng, nulls, seeds, examples, sd, *, accuracy=0.75, own=0.3):
    """Correctness (2, R, S, N) of two methods: hard examples are hard for both, each has its own noise per seed.

    The latent score is normal with variance 1: difficulty of the example, the method's own view of it (variance
    `own`), a part per seed; `sd` is the sd of the accuracy over seeds, in shares.
    """
    shape = (2, nulls, seeds, examples)
    difficulty = np.sqrt(0.6) * rng.standard_normal((1, nulls, 1, examples))
    view = np.sqrt(0.4 * own) * rng.standard_normal((2, nulls, 1, examples))
    luck = np.sqrt(0.4 * (1 - own)) * rng.standard_normal(shape)
    cut = ndtri(accuracy)
    slope = np.exp(-(cut**2) / 2) / np.sqrt(2 * np.pi)
    seed = sd / slope * rng.standard_normal((2, nulls, seeds, 1))
    return difficulty + view + luck + seed < cut
