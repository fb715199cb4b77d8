"""What the options of `bench generate` ask for, checked before anything is sent."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.generate.arguments import GenerateArguments
from bench.generate.attributes import read_attributes
from bench.generate.backends import BACKENDS, Sampling
from bench.generate.known_texts import KnownTexts, Places, read_own_rows
from bench.generate.prompts import Prompts
from bench.generate.spending import Budget, Prices, parsed_budget
from bench.hashing import digest
from tasks.errors import did_you_mean, join_names, plural
from tasks.reading import parsed_labels, parsed_names

SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class GenerateRequest:
    """What to generate, checked."""

    quotas: Mapping[str, int]  # rows by label
    prompts: Prompts
    known: KnownTexts
    backend: str
    sampling: Sampling
    prices: Prices
    budget: Budget | None
    output: Path
    settings: Mapping[str, Any]  # what must stay the same for a file to be continued
    notes: tuple[str, ...]


def make_request(arguments: GenerateArguments) -> GenerateRequest:
    """The checked request of the options. Raises UserError or DataError."""
    labels = checked_labels(arguments.labels)
    if not arguments.domain or not arguments.domain.strip():
        raise UserError('--domain is missing: say in words what the texts are, as in --domain "tweets"')
    if arguments.backend not in BACKENDS:
        raise unknown("backend", arguments.backend, BACKENDS)
    if not arguments.model:
        raise UserError(f"--model is missing: the name of the model that backend {arguments.backend} shall ask")
    if arguments.to.suffix.lower() not in SUFFIXES:
        raise UserError(f"--to {arguments.to}: the file is JSON lines; give it the ending {SUFFIXES[0]}")
    weights = checked_shares(arguments.shares, labels)
    quotas = divided(arguments.n, weights)
    if short := [label for label, count in quotas.items() if not count]:
        least = f"--n {arguments.n} rows leave none for {join_names(short)}"
        raise UserError(f"{least}; {plural(len(labels), 'label')} with these shares need more rows")
    prices = Prices(arguments.price_in, arguments.price_out)
    budget = parsed_budget(arguments.budget, prices)
    meanings = {**dict.fromkeys(labels, ""), **described(arguments.describe, labels)}
    attributes = read_attributes(arguments.attributes, labels)
    columns = {"text": arguments.text, "text_pair": arguments.text_pair, "label": arguments.label}
    places = Places(
        arguments.few_shot,
        arguments.real,
        arguments.test,
        {name: column for name, column in columns.items() if column is not None},  # type: ignore[misc]
    )
    own = read_own_rows(places, labels, pair=arguments.pair)
    prompts = Prompts(
        arguments.domain.strip(), meanings, attributes, own.examples, arguments.examples, arguments.pair, arguments.seed
    )
    names = ("model", "temperature", "top_p", "max_tokens", "concurrency", "timeout", "base_url")
    sampling = Sampling(**{name: getattr(arguments, name) for name in names})
    settings = {
        "labels": list(labels),
        "shares": {label: round(weight, 9) for label, weight in weights.items()},
        "domain": prompts.domain,
        "describe": meanings,
        "template": prompts.template,
        "attributes": digest(attributes) if attributes else "none",
        "examples": arguments.examples if own.examples else 0,
        "seed": arguments.seed,
        "backend": arguments.backend,
        **{name: getattr(sampling, name) for name in names[:4]},
        **{f"rows of --{name}": of_rows for name, of_rows in own.digests.items()},
    }
    notes = (*own.notes, *(numbered(labels, meanings)))
    return GenerateRequest(
        quotas, prompts, own.known, arguments.backend, sampling, prices, budget, arguments.to, settings, notes
    )


def checked_labels(text: str | None) -> tuple[str, ...]:
    """The labels of an option. Raises UserError for fewer than two, or for one that is given twice."""
    labels = parsed_names(text)
    if len(labels) < 2:
        raise UserError(f"--labels needs at least 2 labels, as in --labels pos,neg; given: {join_names(labels)}")
    seen: dict[str, str] = {}
    for label in labels:
        if (other := seen.setdefault(label.casefold(), label)) is not label or labels.count(label) > 1:
            raise UserError(f"--labels names {label!r} twice" + (f" (also as {other!r})" if other != label else ""))
    return labels


def described(text: str | None, labels: Sequence[str]) -> dict[str, str]:
    """The meanings of labels. Raises UserError or DataError."""
    meanings = parsed_labels(text, "--describe")
    for label in meanings:
        if label not in labels:
            raise UserError(
                f"--describe: {label!r} is not one of --labels {','.join(labels)}{did_you_mean(label, labels)}"
            )
    return meanings


def checked_shares(text: str | None, labels: Sequence[str]) -> dict[str, float]:
    """The share of each label; they add up to 1. Raises UserError or DataError."""
    if text is None:
        return dict.fromkeys(labels, 1 / len(labels))
    given = parsed_labels(text, "--shares")
    if set(given) != set(labels):
        raise UserError(f"--shares names {join_names(given)}, but --labels are {join_names(labels)}; give one to each")
    try:
        shares = {label: float(given[label]) for label in labels}
    except ValueError:
        raise UserError(f'--shares {text!r}: shares are numbers, as in "pos=0.7,neg=0.3"') from None
    if not all(math.isfinite(share) and share > 0 for share in shares.values()):
        raise UserError(f"--shares {text!r}: every share must be above 0")
    return {label: share / sum(shares.values()) for label, share in shares.items()}


def divided(n: int, shares: Mapping[str, float]) -> dict[str, int]:
    """n rows divided by shares (Sainte-Lague): no label loses a row when n grows, so that a file can be extended."""
    quotas = dict.fromkeys(shares, 0)
    # The label with the largest share / (2 * its rows + 1) comes first.
    waiting = [(1 / share, place, label) for place, (label, share) in enumerate(shares.items())]
    heapq.heapify(waiting)
    for _ in range(n):
        _, place, label = waiting[0]
        quotas[label] += 1
        heapq.heapreplace(waiting, ((2 * quotas[label] + 1) / shares[label], place, label))
    return quotas


def numbered(labels: Sequence[str], meanings: Mapping[str, str]) -> list[str]:
    """A note on labels that tell a model nothing."""
    bare = [label for label in labels if not meanings[label] and not any(map(str.isalpha, label))]
    return [f"warning: a model cannot know what {join_names(bare)} means; --describe says it"] if bare else []
