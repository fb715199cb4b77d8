"""Counterweight: which data-weighting method helps here, by how much, is it real, and what does it cost?

`bench.run(methods="core", tasks="twitter")` does what `python -m bench run` does and returns the leaderboard's rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"
__all__ = ["run"]


def run(
    methods: str | Sequence[str] = "all",
    tasks: str | Sequence[str] | None = None,
    *,
    seeds: int | str | Sequence[int] = 5,
    out: str | Path = "runs",
    reports: str | Path = "reports",
    workers: int | None = None,
    retry_failed: bool = False,
    force: bool = False,
    fail_fast: bool = False,
    dry_run: bool = False,
    figures: bool = True,
    save_models: Literal["trained", "full"] | None = None,
    say: Callable[[str], None] = print,
    **asked: Any,
) -> pd.DataFrame:
    """Run a grid and return one row per task and method label; what is done already is not trained again.

    `asked` takes the other arguments of `bench.request.request`: source, data_dir, generated, real, test, encoder,
    preset, protocol, settings, test_size, limit, plugins. Raises `bench.errors.UserError` or `tasks.DataError` before
    anything trains. A cell that fails does not raise: its method's row shows the cells that are missing. Ctrl-C once
    finishes what runs, writes the report and then raises KeyboardInterrupt; twice stops at once.
    """
    from bench import grid
    from bench.kept import checkers_of
    from bench.request import request

    given = [repr(methods), repr(tasks), *(f"{key}={value!r}" for key, value in {"seeds": seeds, **asked}.items())]
    options = grid.Options(
        out=Path(out),
        reports=Path(reports),
        workers=workers,
        retry_failed=retry_failed,
        force=force,
        fail_fast=fail_fast,
        dry_run=dry_run,
        figures=figures,
        save_models=save_models,
        command=f"bench.run({', '.join(given)})",
    )
    named: dict[str, str | None] = {key: asked[key] for key in ("quality_checker", "diversity_checker") if key in asked}
    asked |= checkers_of(named, Path(out))
    result = grid.run(request(methods=methods, tasks=tasks, seeds=seeds, **asked), options, say)
    if result.interrupted:
        raise KeyboardInterrupt
    return result.frame()
