"""The settings that tuning chose: the best trial's, for each method and seed."""

from __future__ import annotations

from collections.abc import Iterator

from bench.leaderboard.results import Section
from bench.store.files import read_json
from bench.store.layout import SPEC
from bench.store.schemas import TunedSpec


def tuned_settings(section: Section) -> Iterator[tuple[str, int, str]]:
    """(method label, seed, settings) of each finished cell; nothing for protocols that do not tune."""
    if not str(section.spec["protocol"]).startswith("tuned"):
        return
    for row in section.rows:
        for seed, cell in row.cells.items():
            trial = read_json(cell.folder / SPEC, TunedSpec)["chosen"]
            settings = {**trial["hyperparameters"], "lr": trial["lr"], "updates": trial["updates"]}
            text = ", ".join(f"{name} {value}" for name, value in settings.items())
            yield row.label, seed, f"{text} (trial {trial['number'] + 1}, held-out accuracy {trial['accuracy']:.3f})"
