"""Counterweight: which data-weighting method helps here, by how much, is it real, and what does it cost?

`bench.run(methods="core", tasks="twitter")` does what `python -m bench run` does and returns the leaderboard's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

__version__ = VERSION
__all__ = ["__version__", "run"]


def run(
    methods: str | Sequence[str] = "all",
    tasks: str | Sequence[str] | None = None,
    *,
    seeds: int | str | Sequence[int] = 5,
    say: Callable[[str], None] = print,
    **options: Any,
) -> pd.DataFrame:
    """Run a grid and return one row per task and method label; what is done already is not trained again.

    `options` are those of `bench run`, with underscores:

    - what is asked for, as in `bench.request.request`: source, data_dir, generated, real, test, test_size, limit,
      encoder, checker_encoder, quality_checker, diversity_checker, preset, protocol, settings (a mapping), plugins;
    - how it is run, as in `bench.grid.Options`: out, reports, workers, dry_run, retry_failed, force, fail_fast,
      figures, save_models, track, artifacts, inputs;
    - how it is judged: baseline, delta (points), correction ("holm" or "bh"), allow_mixed.

    `say` gets each line of progress. Raises `bench.errors.UserError` or `tasks.DataError` before anything trains. A
    cell that fails does not raise: its method's row shows the cells that are missing. Ctrl-C once finishes what runs,
    writes the report and then raises KeyboardInterrupt; twice stops at once.
    """
    from bench.commands.arguments import sort
    from bench.execution import grid

    given = {"seeds": seeds, **options}
    words = [repr(methods), repr(tasks), *(f"{key}={value!r}" for key, value in given.items())]
    asked, how = sort({"methods": methods, "tasks": tasks, **given}, f"bench.run({', '.join(words)})")
    result = grid.run(asked, how, say)
    if result.interrupted:
        raise KeyboardInterrupt
    return result.frame()
