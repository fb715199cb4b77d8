"""A benchmark of data-weighting methods for text classifiers: which one helps, by how much, and is it real?

`bench.run(methods="core", tasks="twitter")` does what `python -m bench run` does and returns the leaderboard's rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.config.option import described, keywords
from bench.config.run_arguments import RunArguments
from bench.shown import call
from bench.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

__version__ = VERSION
__all__ = ["__version__", "run"]


def run(
    methods: str | Sequence[str] = "all",
    tasks: str | Sequence[str] | None = None,
    *,
    say: Callable[[str], None] = print,
    **arguments: Any,
) -> pd.DataFrame:
    """Run a grid and return the leaderboard, one row per task and method. Finished cells are not trained again.

    Every option of `bench run` is a keyword. `say` is called with each line of progress.

    Raises `bench.errors.UserError` or `tasks.DataError` before anything trains. A cell that fails does not raise: the
    row of its method shows that cells are missing. After one Ctrl-C the cells that run are finished, the report is
    written and KeyboardInterrupt is raised; a second Ctrl-C stops at once.

    Keywords, with the options that they correspond to:

    """
    from bench.commands.arguments import request_and_options, run_arguments
    from bench.execution.until_decided import run_request

    table = run_arguments({"methods": methods, "tasks": tasks, **arguments})
    request, options = request_and_options(table, call(methods, tasks, arguments))
    result = run_request(request, options, say)
    if result.interrupted:
        raise KeyboardInterrupt
    return result.frame()


# help(bench.run) shows the keywords of the table, which is the only list of them.
_SAY = inspect.signature(run).parameters["say"]
run.__signature__ = inspect.Signature([*keywords(RunArguments), _SAY], return_annotation="pd.DataFrame")  # type: ignore[attr-defined]
run.__doc__ = f"{(run.__doc__ or '').rstrip()}\n\n{described(RunArguments)}\n"
