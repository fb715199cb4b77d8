"""Commands about one model or method: `train`, `predict`, `export`, `weigh`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.common import CELL_HELP, print_all, say, typed
from bench.cli.grids import display, finish
from bench.cli.options import option, parsed_arguments, takes_run_arguments
from bench.cli.reports import KEEP_HELP, THRESHOLD_HELP, TO_HELP
from bench.config.grid_arguments import WeighArguments
from bench.config.option import ROLES
from bench.devices import Device, using
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.execution.grid import Options

COLUMN_HELP = "The column of {} (default: a usual name)."


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A JSON or YAML file with the keys of Hugging Face's scripts (default: the packaged twitter.json).",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int | None, option("workers", help="Worker processes.")] = 1,
    device: Annotated[Device, option("device")] = "auto",
    dry_run: Annotated[bool, option("dry_run")] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
    reports: Annotated[Path, option("reports")] = Path("reports"),
    track: Annotated[str, option("track")] = "none",
    live_curves: Annotated[bool, option("live_curves")] = False,
    log_artifacts: Annotated[bool, option("artifacts")] = False,
) -> None:
    """Train one cell from a configuration file, keep its model and predict its test file.

    A leaderboard of this cell alone is written, in place of any other one in the folder of --reports.
    """
    from bench.commands.models.train import train as train_one
    from bench.tracking.lineage import KINDS

    tracking = {"track": track, "live_curves": live_curves, "artifacts": KINDS if log_artifacts else ()}
    options = options_of(out, reports, workers=workers, device=device, dry_run=dry_run, **tracking)
    if not train_one(config, options, say):
        raise typer.Exit(1)


def predict(
    model: Annotated[
        str,
        typer.Argument(
            help=f"A classifier: a folder, a hub id, wandb:entity/project/name:version, or a cell: {CELL_HELP}."
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            help="The texts: CSV, TSV, JSON, Parquet, Excel, one text per line, or a folder with test rows."
        ),
    ],
    to: Annotated[Path, typer.Option(help="The file to write: .csv, .parquet or .jsonl.")] = Path("predictions.csv"),
    as_submission: Annotated[
        bool,
        typer.Option(
            "--submission", help="Write a submission file: the columns Id and Prediction, with labels -1 and 1."
        ),
    ] = False,
    text: Annotated[str | None, option("text", help=COLUMN_HELP.format("texts"))] = None,
    text_pair: Annotated[str | None, option("text_pair", help=COLUMN_HELP.format("second texts"))] = None,
    label: Annotated[str | None, option("label", help=COLUMN_HELP.format("labels, for the accuracy"))] = None,
    labels: Annotated[
        str | None, option("labels", help='The model\'s names for labels of the file: "0=bad,1=good".')
    ] = None,
    skip_empty: Annotated[bool, option("skip_empty", help="Leave out the rows without a text.")] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
    device: Annotated[Device, option("device")] = "auto",
) -> None:
    """Predict the texts of a file with a saved model: labels and probabilities, beside the columns of the file.

    A file that has labels too gives the accuracy.
    """
    from bench.commands.models.predict import Target, write_predictions
    from bench.commands.models.predict import predict as predictions_of
    from bench.commands.models.train import without_labels
    from bench.commands.output_file import writable, writable_table
    from bench.execution.limits import require_device
    from bench.remote.opened import model_of
    from tasks.reading import Reading, parsed_labels
    from tasks.roles import ColumnRole

    if as_submission and without_labels(str(file)) is None:
        raise UserError(f"{file} has labels, but a submission is for unlabelled texts; leave out --submission")
    (writable if as_submission else writable_table)(to, [file])
    require_device(device)
    named: dict[ColumnRole, str | None] = {"text": text, "text_pair": text_pair, "label": label}
    columns = {what: column for what, column in named.items() if column is not None}
    reading = Reading(columns, parsed_labels(labels, "--labels"), skip_empty=skip_empty)
    target = Target(to, as_submission)
    with using(device):
        found = predictions_of(model_of(model, out), file, reading, target)
    print_all(write_predictions(found, target))
    say(f"predictions: {to}")


def export(
    cell: Annotated[str, typer.Argument(help=f"A finished cell with a model: {CELL_HELP}.")],
    folder: Annotated[Path, typer.Argument(help="The new folder.")],
    licence: Annotated[str | None, typer.Option("--license", help="The licence of the model, for its card.")] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write model.onnx, and check that its logits agree (extra onnx).")
    ] = False,
    push_to_hub: Annotated[
        str | None, typer.Option(help="Also upload it to the Hugging Face hub: owner/name. Private by default.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make the uploaded model public.")] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Write a cell's model as a Hugging Face folder with a model card. The cell was run with --save-models full."""
    from bench.commands.models.export import export as export_model
    from bench.commands.models.export import push

    if public and push_to_hub is None:
        raise UserError("--public is for an upload; name the repository with --push-to-hub owner/name")
    print_all(export_model(out, cell, folder, licence, onnx=onnx))
    if push_to_hub is not None:
        say(f"uploaded: {push(folder, push_to_hub, public=public)}")


@takes_run_arguments(WeighArguments)
def weigh(
    context: typer.Context,
    method: Annotated[str, typer.Option(help="The method that weights the rows.")] = "dimp",
    to: Annotated[Path, typer.Option(help=TO_HELP)] = Path("weights.csv"),
    keep: Annotated[float | None, typer.Option(help=KEEP_HELP)] = None,
    threshold: Annotated[float | None, typer.Option(help=THRESHOLD_HELP)] = None,
    tasks: Annotated[str | None, option("tasks")] = None,
    seeds: Annotated[int, option("seeds", help="Number of seeds, counted from 0.")] = 3,
    plugins: Annotated[list[Path] | None, option("plugins")] = None,
    workers: Annotated[int | None, option("workers")] = None,
    device: Annotated[Device, option("device")] = "auto",
    dry_run: Annotated[bool, option("dry_run")] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
    **arguments: Any,
) -> None:
    """Train one method on your rows and write the weight of every generated row: `run` and `weights --to` in one step.

    All generated rows are visited twice, unless --set or --preset say otherwise. The leaderboard of the training is
    written beside the weights.
    """
    from bench.commands.models.weigh import settings_of
    from bench.commands.models.weigh import weigh as weigh_rows
    from bench.commands.reports.weights_file import Filter, checked
    from bench.config.request import make_request
    from bench.remote.opened import checkers_of

    rows = Filter(keep, threshold)
    values = vars(parsed_arguments(context.params, WeighArguments))
    checked(to, rows, [values[role] for role in ROLES])
    values["settings"] = settings_of(values["preset"], values["settings"])
    checkers = {name: values[name] for name in ("quality_checker", "diversity_checker")}
    request = make_request(
        methods=method,
        tasks=tasks,
        seeds=seeds,
        plugins=tuple(plugins or ()),
        **{**values, **checkers_of(checkers, out)},
    )
    reports = to.with_name(f"{to.stem}-report")
    options = options_of(out, reports, workers=workers, device=device, dry_run=dry_run)
    finish(weigh_rows(request, options, to, rows, say, display()))


def options_of(out: Path, reports: Path, **execution: Any) -> Options:
    """How `train` and `weigh` run their cells: failed ones again, and without figures.

    `execution`: further fields of the options. Raises UserError for a store that cannot be a folder.
    """
    from bench.execution.grid import Options
    from bench.remote.opened import local_folder

    fixed: dict[str, Any] = {"command": typed(), "figures": False, "retry_failed": True}
    return Options(out=local_folder(out), reports=reports, **fixed, **execution)
