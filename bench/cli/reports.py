"""Commands about verdicts: `report`, `compare`, `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.common import say, typed
from bench.errors import UserError
from bench.leaderboard.rules import Correction


def report(
    out: options.Out = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores instead, merged: --from A B.")
    ] = None,
    reports: options.Reports = Path("reports"),
    baseline: options.Baseline = "ce",
    delta: options.Delta = 1.0,
    correction: options.Corrected = Correction.HOLM,
    allow_mixed: options.AllowMixed = False,
    no_figures: options.NoFigures = False,
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
        names = ", ".join(f"{source}/" for source in sources)
        differ = f"{len(found)} file{' differs' if len(found) == 1 else 's differ'} from what {names} gives"
        say(f"{reports}/: {differ}" if found else f"{reports}/ is up to date with {names}")
        if found:
            raise typer.Exit(1)
        return
    writable(reports)
    judged = rules({"baseline": baseline, "delta": delta, "correction": correction, "allow_mixed": allow_mixed})
    say(f"leaderboard: {reporting.write(sources, reports, judged, command=typed(), figures=not no_figures)}")


def compare(
    a: Annotated[str, typer.Argument(help="A method, as the leaderboard labels it.")],
    b: Annotated[str, typer.Argument(help="The method that it is compared with.")],
    task: Annotated[str | None, typer.Option(help="One task only.")] = None,
    out: options.Out = Path("runs"),
    delta: options.Delta = 1.0,
    correction: options.Corrected = Correction.HOLM,
    allow_mixed: options.AllowMixed = False,
) -> None:
    """Compare two methods of a store, with everything that the verdict rests on."""
    from bench.commands.arguments import rules
    from bench.commands.compare import compare as lines

    judged = rules({"baseline": b, "delta": delta, "correction": correction, "allow_mixed": allow_mixed})
    for line in lines(out, a, judged, task=task):
        say(line)


def calibrate(
    full: Annotated[bool, typer.Option("--full", help="All seeds, rows and sd; 40,000 nulls each.")] = False,
    store: Annotated[Path | None, typer.Option("--from", help="Also the variances of this store.")] = None,
    same: Annotated[
        bool, typer.Option("--aa", help="Instead, each method of --from against itself on other seeds.")
    ] = False,
    reports: options.Reports = Path("reports"),
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
