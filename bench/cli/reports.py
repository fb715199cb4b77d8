"""Commands about verdicts: `report`, `compare`, `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import say, typed
from bench.cli.options import option
from bench.config.run_arguments import CORRECTIONS, VerdictArguments
from bench.errors import UserError


def report(
    out: Annotated[Path, option("out")] = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores instead, merged: --from A B.")
    ] = None,
    reports: Annotated[Path, option("reports")] = Path("reports"),
    baseline: Annotated[str, option("baseline")] = "ce",
    delta: Annotated[float, option("delta")] = 1.0,
    correction: Annotated[CORRECTIONS, option("correction")] = "holm",
    allow_mixed: Annotated[bool, option("allow_mixed")] = False,
    no_figures: Annotated[bool, option("figures")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare the written report with the store.")] = False,
) -> None:
    """Write the leaderboard of everything that one or more stores hold, without training."""
    from bench.commands import report as reporting
    from bench.commands.arguments import rules
    from bench.execution.grid import writable

    sources = stores or [out]
    if check:
        found = list(reporting.check(sources, reports))
        for line in found:
            say(line)
        told = ", ".join(map(str, sources))
        say(f"{reports}: {f'{len(found)} files differ from {told}' if found else f'what {told} gives'}")
        if found:
            raise typer.Exit(1)
        return
    writable(reports)
    rules_of_report = rules(VerdictArguments(baseline, delta, correction, allow_mixed))
    say(f"leaderboard: {reporting.write(sources, reports, rules_of_report, command=typed(), figures=not no_figures)}")


def compare(
    a: Annotated[str, typer.Argument(help="A method, as the leaderboard labels it.")],
    b: Annotated[str, typer.Argument(help="The method that it is compared with.")],
    task: Annotated[str | None, typer.Option(help="One task only.")] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    delta: Annotated[float, option("delta")] = 1.0,
    correction: Annotated[CORRECTIONS, option("correction")] = "holm",
    allow_mixed: Annotated[bool, option("allow_mixed")] = False,
) -> None:
    """Compare two methods of a store, with everything that the verdict rests on."""
    from bench.commands.arguments import rules
    from bench.commands.compare import compare as lines

    rules_of_report = rules(VerdictArguments(b, delta, correction, allow_mixed))
    for line in lines(out, a, rules_of_report, task=task):
        say(line)


def calibrate(
    full: Annotated[bool, typer.Option("--full", help="All seeds, rows and sd; 40,000 nulls each.")] = False,
    store: Annotated[Path | None, typer.Option("--from", help="Also the variances of this store.")] = None,
    same: Annotated[
        bool, typer.Option("--aa", help="Instead, each method of --from against itself on other seeds.")
    ] = False,
    reports: Annotated[Path, option("reports")] = Path("reports"),
) -> None:
    """Measure by simulation how often verdicts are wrong: false positives, coverage, power; or on real cells (--aa)."""
    from bench.execution.grid import writable

    writable(reports)
    if same:
        from bench.commands.calibrate_aa import aa

        if store is None:
            raise UserError("calibrate --aa needs the cells of a store: --from DIR")
        say(f"written: {aa(store, reports, say)}")
    else:
        from bench.commands.calibrate import calibrate as simulate

        say(f"written: {simulate(reports, say, full=full, store=store)}")
