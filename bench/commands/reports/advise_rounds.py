"""Rounds of `bench advise --budget`: grids from the cheapest to the largest, while the next one fits the budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from bench.config.request import Request
from bench.errors import UserError
from bench.execution import engines
from bench.execution.dry_run import forecast
from bench.execution.grid import Options, Result, planned, run
from bench.execution.prepare import done_again, make_queue, unfinished
from bench.execution.progress import Say, Show
from bench.planning import estimate

# Methods and seeds. Each round has the cells of the one before, which are not trained again.
ROUNDS: tuple[tuple[str, int], ...] = (("ce,real-only,ce-mix", 3), ("core", 3), ("core", 5), ("core", 10))
Make = Callable[[str, int], tuple[Request, Options]]


def in_rounds(make: Make, budget: float, say: Say, show: Show) -> Result:
    """Run the rounds that fit and return the result of the last one. `make`: the grid of some methods and seeds.

    How many rounds there are depends on time alone and not on verdicts, so their error rates hold. Finished cells of
    the store make the estimates of later rounds better. A round that has begun is finished. Raises UserError if not
    even the first round is expected to fit, before anything trains.
    """
    result, begun = None, time.monotonic()
    for methods, seeds in rounds_of(folds_of(make(*ROUNDS[0])[0])):
        if result is not None and result.closed:
            return replace(result, interrupted=True)
        request, options = make(methods, seeds)
        expected, title = seconds_expected(request, options), f"{methods} with {seeds} seeds"
        left = budget - (time.monotonic() - begun)
        if expected > left:
            needs = f"{title} takes about {estimate.spell(expected)}"
            if result is None:
                raise UserError(f"{needs}, more than --budget {estimate.spell(budget)}; a longer budget runs it")
            say(f"left out: {needs}, and {estimate.spell(max(left, 0))} of the budget are left")
            break
        say(f"round: {title}, about {estimate.spell(expected)}")
        result = run(request, options, say, show)
        if not result.ok:
            break
    assert result is not None, "the first round ran or raised"
    return result


def folds_of(request: Request) -> int:
    """The largest number of folds in which the real rows of a task are cross-validated; 0 without."""
    return max(request.load(task).folds for task in request.tasks)


def rounds_of(folds: int) -> list[tuple[str, int]]:
    """The rounds, each with a whole number of repeats of a cross-validation, so that it tests all real rows alike."""
    whole = max(folds, 1)
    return list(dict.fromkeys((methods, whole * -(-seeds // whole)) for methods, seeds in ROUNDS))


def seconds_expected(request: Request, options: Options) -> float:
    """The estimated time for the missing cells of a grid."""
    plan = planned(request, options)
    jobs = unfinished(make_queue(plan, again=done_again(plan, options)))
    engine = engines.chosen(options.engine, options.engine_set)
    return forecast(jobs, plan, engine.count(options.workers))[0] if jobs else 0.0
