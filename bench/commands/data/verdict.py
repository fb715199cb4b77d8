"""The verdict on the rows of a task in plain words, from findings about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from bench.encoders.token_counts import MANY_UNKNOWN
from tasks import TaskData
from tasks.errors import join_names, plural
from tasks.findings import Finding, Level, large_shift, real_shares_help

if TYPE_CHECKING:
    from bench.commands.data.examine import Lengths

NAMED = 4  # findings that the verdict names
WIDE = 0.05  # half the width of the interval of an accuracy; wider ones hide most differences between methods
ONE_SIDED = 0.8  # share of the largest class
CUT = 0.05  # share of the rows that are longer than the encoder's maximum


def of_sizes(data: TaskData) -> Iterator[Finding]:
    """Findings on the number of test rows, shifts of label shares, and a large majority class."""
    which = plural(len(data.test), "tested real row" if data.folds else "test row")
    clusters = len(np.unique(data.test.hidden["cluster"])) if "cluster" in data.test.hidden else 0
    which += f" in {plural(clusters, 'cluster')}" if clusters else ""
    half = half_width(clusters or len(data.test))
    if half > WIDE:
        text = (
            f"with {which}, a measured accuracy of 80 % can be {100 * half:.1f} points off; `bench plan` shows which "
            "differences between methods can be found"
        )
        yield Finding("few-test-rows", Level.CARE, f"only {which}", text)
    yield from of_shares({role: data.shares(rows) for role, rows in data.roles.items()}, data.spec.labels)
    largest = max(data.shares(data.test))
    if largest > ONE_SIDED:
        name = data.spec.labels[int(np.argmax(data.shares(data.test)))]
        text = f"{100 * largest:.0f} % of the test rows are {name}: read macro-F1 beside accuracy"
        yield Finding("majority", Level.CARE, "one class dominates the test", text)


def of_shares(shares: Mapping[str, Sequence[float]], labels: Sequence[str]) -> Iterator[Finding]:
    """Findings on label shares that differ between generated and real rows, or between real and test rows."""
    if (found := large_shift(shares["generated"], shares["real"])) is not None:
        label, shift = found
        effect = "gains from" if real_shares_help(label, shares) else "may lose by"
        text = (
            f"label shares shift: {labels[label]} is {listed_shares(label, shares)}; a method that learns the real "
            f"shares {effect} that alone, so compare with ce-prior, which learns nothing else"
        )
        yield Finding("label-shift", Level.CARE, f"other label shares (up to {100 * shift:.0f} points)", text)
    tested = {role: shares[role] for role in ("real", "test") if role in shares}
    if len(tested) == 2 and (found := large_shift(*tested.values())) is not None:
        label, shift = found
        text = f"label shares shift: {labels[label]} is {listed_shares(label, tested)}; are they of one source?"
        yield Finding(
            "test-shift", Level.CARE, f"other label shares in the test (up to {100 * shift:.0f} points)", text
        )


def listed_shares(label: int, shares: Mapping[str, Sequence[float]]) -> str:
    """`50 % of the generated, 32 % of the real and 54 % of the test rows`."""
    *first, last = [f"{100 * of_role[label]:.0f} % of the {role}" for role, of_role in shares.items()]
    return f"{', '.join(first)} and {last} rows"


def half_width(rows: int, accuracy: float = 0.8) -> float:
    """Half the width of the 95 % interval of an accuracy measured on some rows, with one trained model."""
    return NormalDist().inv_cdf(0.975) * math.sqrt(accuracy * (1 - accuracy) / rows)


def of_lengths(role: str, lengths: Lengths) -> Iterator[Finding]:
    """A finding if many rows of a role are longer than the maximum number of tokens."""
    limit, most = lengths.limit, lengths.positions or math.inf
    if lengths.counted and lengths.cut / lengths.counted > CUT:
        needed = 2 ** math.ceil(math.log2(lengths.high))
        advice = f"--max-length {min(needed, most)} reads more of them"
        if needed > most:
            advice += " (the encoder reads no more than that)"
        if limit >= most:
            advice = "the encoder reads no more: shorten the texts, or name another one (--encoder)"
        share = f"{100 * lengths.cut / lengths.counted:.0f} % of the {role} rows"
        text = f"{share} are longer than {limit} tokens and are cut there; {advice}"
        yield Finding("cut", Level.CARE, f"{role} texts cut at {limit} tokens", text, (role,))


def of_unknown(encoder: str, shares: Mapping[str, float]) -> Iterator[Finding]:
    """A finding if an encoder does not know many of the tokens of some role; `shares` are those of each role."""
    roles = tuple(role for role, share in shares.items() if share > MANY_UNKNOWN)
    if roles:
        listed = join_names(f"{100 * shares[role]:.0f} % of the {role} ones" for role in roles)
        apart = f"tokens that {encoder} does not know and cannot tell apart"
        text = f"{apart}: {listed}; --encoder names one for their language"
        short = f"tokens that the encoder does not know (up to {100 * max(shares.values()):.0f} %)"
        yield Finding("unknown-tokens", Level.FIX, short, text, roles)


def verdict(findings: Sequence[Finding]) -> str:
    """One or two sentences: whether results on these rows can be trusted, and what stands against it."""
    fix = [finding.short for finding in findings if finding.level is Level.FIX]
    care = [finding.short for finding in findings if finding.level is Level.CARE]
    if fix:
        rest = f" Also: {some(care)}." if care else ""
        return f"Fix this first: {some(fix)}.{rest}"
    if care:
        return f"Usable. Keep in mind when reading results: {some(care)}."
    return "Nothing was found that speaks against training on these rows."


def some(shorts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    shown = "; ".join(shorts[:NAMED])
    return shown if len(shorts) <= NAMED else f"{shown}; and {len(shorts) - NAMED} more"
