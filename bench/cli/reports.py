"""Commands on results: `report`, `advise`, `labels`, `compare`, `changes`, `weights`, `calibrate`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import CELL_HELP, print_all, say, typed, up_to_date
from bench.cli.grids import as_run, display, finish, refuse_rounds
from bench.cli.options import option, parsed_arguments, refuse, takes_run_arguments
from bench.config.run_arguments import VerdictArguments
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.config.request import Request
    from bench.execution.grid import Options, Result

TO_HELP = "Write the weights of all generated rows to this file: .csv, .parquet or .jsonl."
KEEP_HELP = "Write only this share of the rows, those with the largest weights: 0.7."
THRESHOLD_HELP = "Write only the rows with at least this weight."


@takes_run_arguments(VerdictArguments)
def report(
    context: typer.Context,
    out: Annotated[Path, option("out")] = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores in place of --out, merged: --from A B.")
    ] = None,
    reports: Annotated[Path, option("reports")] = Path("reports"),
    no_figures: Annotated[bool, option("figures")] = False,
    format_: Annotated[
        str, typer.Option("--format", help="The formats to write: md, html, tex, csv, json, xlsx, joined by commas.")
    ] = "md,html,tex,csv,json",
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; exit code 1 if the report is not up to date with its store."),
    ] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
    **verdicts: Any,
) -> None:
    """Write the leaderboard of all cells in one or more stores, without training."""
    from bench.commands.arguments import rules
    from bench.commands.reports import report as reporting
    from bench.config.request import load_plugins
    from bench.store.files import writable

    if plugin:
        load_plugins(plugin)
    sources = stores_of(context, stores, out)
    if check:
        rules_given = [entry.name for entry in fields(VerdictArguments)]
        why = "report --check takes rules, formats and figures from the report that is there"
        refuse(context, ["no_figures", "format_", *rules_given], why)
        return print_all(*reporting.check(sources, reports))
    formats = reporting.formats_of(format_)
    writable(reports)
    judgement = rules(parsed_arguments(context.params, VerdictArguments))
    how: Any = {"command": typed(), "figures": not no_figures, "formats": formats}
    written, notes = reporting.report(sources, reports, judgement, **how)
    print_all(notes)
    print_all(reporting.left_from_before(reports, formats, figures=not no_figures))
    say(f"leaderboard: {written}")


def stores_of(context: typer.Context, stores: list[Path] | None, out: Path) -> list[Path]:
    """The folders of the stores of --from, or of the one of --out. Raises UserError if both were given."""
    if stores:
        refuse(context, ["out"], "--from names the stores")
    return [up_to_date(store) for store in stores or [out]]


@takes_run_arguments(VerdictArguments)
def advise(
    context: typer.Context,
    budget: Annotated[
        str | None,
        typer.Option(help="First run what the advice needs, cheapest first, within this time: 90s, 10m, 8h, 2d."),
    ] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores in place of --out, merged: --from A B.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write to this file: advice.md, advice.html or advice.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON in place of Markdown.")] = False,
    **verdicts: Any,
) -> None:
    """Say in three sentences per task whether the generated set helps, which method to use, and what is open.

    The sentences are those with which each section of the leaderboard begins. With --budget and the options of `run`
    that name data (--real, --generated, --tasks, ...), the cells that the advice needs are trained first.
    """
    from bench.commands.arguments import rules
    from bench.commands.reports import advise as advising
    from bench.store.files import write_text

    form = advising.form_of(to, json=json)
    judgement = rules(parsed_arguments(context.params, VerdictArguments))
    result = None
    if budget is not None or context.args:
        if stores:
            raise UserError("advise --from reads stores, and --budget runs cells; leave out one of them")
        result = advised_run(context, budget, task)
        text = advising.of_manifest(result.manifest, result.store, judgement, form)
    else:
        text = advising.advice(stores_of(context, stores, out), judgement, task=task, form=form)
    if to is None:
        say(text.rstrip("\n"))
    else:
        write_text(to, text)
        say(f"written: {to}")
    if result is not None:
        finish(result)


def advised_run(context: typer.Context, budget: str | None, task: str | None) -> Result:
    """Run the rounds of an advice on the data that the further options of the command name."""
    from bench.commands.reports.advise_rounds import in_rounds
    from bench.planning.estimate import budget_seconds

    if budget is None:
        raise UserError(f"advise runs cells only with --budget, such as --budget 10m; unknown here: {context.args[0]}")
    if refused := [word for word in context.args if word.partition("=")[0] in ("--methods", "--seeds", "--seed")]:
        raise UserError(f"advise --budget chooses methods and seeds itself; leave out {refused[0]}, or use `bench run`")
    names = ("out", *(entry.name for entry in fields(VerdictArguments)))
    shared = [f"--{name}={context.params[name]}" for name in names] + ([f"--tasks={task}"] if task else [])

    def make(methods: str, seeds: int) -> tuple[Request, Options]:
        request, options = as_run(context, [*context.args, *shared, f"--methods={methods}", f"--seeds={seeds}"])
        refuse_rounds(options, "advise --budget adds seeds while there is time")
        return request, options

    return in_rounds(make, budget_seconds(budget), say, display())


def labels(
    context: typer.Context,
    methods: Annotated[str, option("methods")] = "real-only",
    task: Annotated[
        str | None, typer.Option(help="One task (default: twitter, or the files of --generated and --real).")
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Sizes of the small real set: 25,50,100,200 (default: five, by halves of the pool)."),
    ] = None,
    seeds: Annotated[int | None, option("seeds")] = None,
) -> None:
    """How many more labelled rows would help? A learning curve over nested small real sets, with a fitted power law.

    Takes every option of `run` but --tasks, --until-decided and --max-seeds; its files are in the folder labels of
    --reports. Macro-F1 has a curve too, in which rare classes count like others.
    """
    from bench.commands.reports import labels as labelling
    from bench.config.stress_axis import along

    if any(argument.partition("=")[0] == "--tasks" for argument in context.args):
        raise UserError("labels takes one --task, not --tasks")

    def make(tasks: str | None) -> tuple[Request, Options]:
        given = {"--methods": methods, "--seeds": seeds, "--tasks": tasks}
        return as_run(
            context, [*context.args, *(f"{name}={value}" for name, value in given.items() if value is not None)]
        )

    request, options = make(task)
    refuse_rounds(options, "labels trains all seeds of its sizes")
    if len(request.tasks) != 1:
        raise UserError("labels takes one --task")
    points, notes = (labelling.sizes_of(sizes), []) if sizes else labelling.default_of(request)
    for note in notes:
        say(note)
    request, options = make(along(request.tasks[0].expression, f"real={','.join(map(str, points))}"))
    finish(labelling.labels(request, options, say, display()))


@takes_run_arguments(VerdictArguments, without=("baseline",))
def compare(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="A method, written as in the leaderboard.")],
    other: Annotated[str, typer.Argument(help="The method to compare it with.")],
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    non_inferior: Annotated[
        float | None,
        typer.Option(help="Also test whether METHOD loses less than this many points against OTHER."),
    ] = None,
    **verdicts: Any,
) -> None:
    """Compare two methods of a store: difference, interval, verdict, and the numbers behind them."""
    from bench.commands.arguments import rules
    from bench.commands.reports.compare import compare as lines

    judgement = rules(parsed_arguments({**context.params, "baseline": other}, VerdictArguments))
    margin = None if non_inferior is None else non_inferior / 100
    print_all(lines(up_to_date(out), method, judgement, task=task, margin=margin))


def changes(
    old: Annotated[Path, typer.Argument(help="The folder of an earlier report, or its leaderboard.json.")],
    new: Annotated[Path, typer.Argument(help="The folder of a later report.")],
) -> None:
    """Say what changed between two reports, as Markdown: data, settings, methods, seeds, accuracies, verdicts."""
    from bench.commands.reports.changes import changes as paragraphs

    say("\n\n".join(paragraphs(old, new)))


def variance(
    out: Annotated[Path, option("out")] = Path("runs"),
    baseline: Annotated[str, option("baseline")] = "ce",
    reports: Annotated[Path, option("reports")] = Path("reports"),
) -> None:
    """Show how far each source of variation moves methods: generated and real rows, head, order, dropout.

    The cells are those of `run --vary generated,real,head,order,dropout,method,all`.
    """
    from bench.commands.arguments import rules
    from bench.commands.reports.variance import variance as lines
    from bench.store.files import writable

    writable(reports)
    print_all(lines(up_to_date(out), rules(VerdictArguments(baseline)), reports))


def weights(
    context: typer.Context,
    cell: Annotated[
        list[str],
        typer.Argument(
            help=f"A finished cell: {CELL_HELP}. With --to also several cells, or a method: the mean over its seeds."
        ),
    ],
    to: Annotated[Path | None, typer.Option(help=TO_HELP)] = None,
    keep: Annotated[float | None, typer.Option(help=KEEP_HELP)] = None,
    threshold: Annotated[float | None, typer.Option(help=THRESHOLD_HELP)] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    top: Annotated[int, typer.Option(min=0, help="How many of the heaviest and of the lightest rows to show.")] = 5,
    with_texts: Annotated[bool, typer.Option("--with-texts", help="Also show the texts of these rows.")] = False,
) -> None:
    """Show a cell's weights: distribution, detection of wrong labels and duplicates, heaviest and lightest rows.

    With --to, write all generated rows with their weights and flags. The page docs/weights.md of the repository
    explains the columns.
    """
    from bench.commands.reports.weights import weights as lines
    from bench.commands.reports.weights_file import Filter, checked, write_weights

    rows = Filter(keep, threshold)
    checked(to, rows)
    if to is not None:
        refuse(context, ["top", "with_texts"], "weights --to writes all rows and shows none")
        print_all(write_weights(up_to_date(out), cell, to, rows))
    else:
        print_all(lines(up_to_date(out), " ".join(cell), top=top, with_texts=with_texts))


def calibrate(
    context: typer.Context,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Simulate more numbers of seeds and test rows and more standard deviations, 40,000 grids "
            "each; with --looks or --counts only more grids, 10,000.",
        ),
    ] = False,
    store: Annotated[
        Path | None, typer.Option("--from", help="Also simulate with the variances of the cells in this store.")
    ] = None,
    against_itself: Annotated[
        bool,
        typer.Option("--aa", help="In place of simulations, compare each method of --from with itself on other seeds."),
    ] = False,
    looks: Annotated[
        bool,
        typer.Option("--looks", help="Simulate verdicts that are read more than once, as `run --until-decided` does."),
    ] = False,
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Simulate counts of right rows, unlike the model: ties, clusters, collapses."),
    ] = False,
    reports: Annotated[Path, option("reports")] = Path("reports"),
) -> None:
    """Measure how often verdicts are wrong: false positives, coverage and power simulated, or on real cells (--aa)."""
    from bench.store.files import writable

    if (looks or counts) and (against_itself or store is not None):
        raise UserError(f"calibrate --{'looks' if looks else 'counts'} simulates only; leave out --from and --aa")
    if looks and counts:
        raise UserError("calibrate takes one of --looks and --counts")
    writable(reports)
    if looks:
        from bench.commands.reports.calibrate_looks import calibrate_looks

        say(f"written: {calibrate_looks(reports, say, full=full)}")
    elif counts:
        from bench.commands.reports.calibrate_counts import calibrate_counts

        say(f"written: {calibrate_counts(reports, say, full=full)}")
    elif against_itself:
        from bench.commands.reports.calibrate_aa import calibrate_aa

        refuse(context, ["full"], "calibrate --aa simulates nothing")
        if store is None:
            raise UserError("calibrate --aa needs the cells of a store; name it with --from DIR")
        say(f"written: {calibrate_aa(up_to_date(store), reports, say)}")
    else:
        from bench.commands.reports.calibrate import calibrate as simulate

        say(f"written: {simulate(reports, say, full=full, store=store and up_to_date(store))}")
