"""Commands about one model: `train` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import say, typed
from bench.cli.options import option
from bench.devices import Device, using
from bench.errors import UserError


def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A JSON or YAML file with the keys of Hugging Face's scripts (default: the packaged twitter.json).",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[int | None, option("workers")] = 1,
    device: Annotated[Device, option("device")] = "auto",
    dry_run: Annotated[bool, option("dry_run")] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
    reports: Annotated[Path, option("reports")] = Path("reports"),
    track: Annotated[str, option("track")] = "none",
    log_artifacts: Annotated[bool, option("artifacts")] = False,
) -> None:
    """Train one cell from a configuration file, keep its model and predict its test file."""
    from bench.commands.models.train import train as train_one
    from bench.execution.grid import Options
    from bench.tracking.lineage import KINDS

    options = Options(
        out=out,
        reports=reports,
        workers=workers,
        device=device,
        dry_run=dry_run,
        command=typed(),
        figures=False,
        track=track,
        artifacts=KINDS if log_artifacts else (),
    )
    if not train_one(config, options, say):
        raise typer.Exit(1)


def predict(
    model: Annotated[
        str, typer.Argument(help="A classifier: a folder, hub id, cell, or wandb:entity/project/name:version.")
    ],
    file: Annotated[Path, typer.Argument(help="The texts: CSV, TSV, JSON lines, Parquet, or one text per line.")],
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path("predictions.csv"),
    as_submission: Annotated[
        bool,
        typer.Option(
            "--submission", help="Write a submission file: the columns Id and Prediction, with labels -1 and 1."
        ),
    ] = False,
    out: Annotated[Path, option("out")] = Path("runs"),
    device: Annotated[Device, option("device")] = "auto",
) -> None:
    """Predict the texts of a file with a saved model: labels and probabilities."""
    from bench.commands.models.predict import predict as predictions
    from bench.commands.models.predict import write_predictions
    from bench.commands.models.train import labelled
    from bench.commands.output_file import writable
    from bench.execution.limits import require_device
    from bench.store.find import model_of

    if as_submission and labelled(str(file)):
        raise UserError(f"{file} has labels, but a submission is for unlabelled texts; leave out --submission")
    writable(to)
    require_device(device)
    with using(device):
        write_predictions(predictions(model_of(model, out), file), to, as_submission=as_submission)
    say(f"predictions: {to}")
