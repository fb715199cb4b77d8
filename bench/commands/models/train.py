"""`bench train CONFIG`: trains one cell from a configuration file, keeps its model and predicts its test file.

The file has the keys of the tweet-polarity project, which are those of Hugging Face's scripts and a few more.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.commands.data.init import SWEEPS
from bench.commands.models.predict import Target, check_submission, predict, submission, write_predictions
from bench.commands.models.texts_file import has_lines, read_texts, readable
from bench.commands.output_file import json_lines
from bench.config.recipe_file import Recipe, read
from bench.config.request import Request, make_request
from bench.errors import UserError
from bench.execution.grid import Options, Result, run
from bench.execution.progress import Say
from bench.hashing import ROOT
from bench.remote.opened import checkers_of, model_of
from bench.store.files import part_folder, read_json, whole_folder, write_bytes, write_json, write_text
from bench.store.layout import DONE, MODEL
from bench.system import patiently
from bench.tracking.trackers import names
from bench.wandb_artifacts import located, origin
from tasks import DataError, load
from tasks.errors import join_names
from tasks.loading.columns import LABELS
from tasks.loading.labels import check_named, label_name
from tasks.reading import Reading, Readings
from tasks.roles import FILES
from tasks.sources.files import READERS
from tasks.sources.places import read_place
from tasks.sources.table import Table

SUBMISSION, PREDICTIONS, RESULTS = "test_submission.txt", "predictions.csv", "results.json"
OPTION = re.compile("(;|, or) --[^;]*")  # the remedy of a message about rows where it is an option of `run`
BEST = "twitter.json"  # the packaged configuration that runs without another


@contextlib.contextmanager
def remedy_without_options() -> Iterator[None]:
    """Within it, errors in rows name no option of `run`, which a configuration does not have, but their files."""
    try:
        yield
    except DataError as error:
        if (message := OPTION.sub("", str(error))) == str(error):
            raise
        raise DataError(f"{message}; change the file, as a configuration names no columns and no labels") from error


@remedy_without_options()
def train(path: Path | None, options: Options, say: Say) -> bool:
    """Train and predict as a configuration says, or by the packaged one; returns whether that succeeded.

    Raises UserError or DataError before anything trains, and KeyboardInterrupt after a training that was interrupted.
    """
    if path is None:
        path = SWEEPS / "recipes" / BEST
        say(f"no configuration is given: {path}")
    recipe = read(path)
    if recipe.ignored:
        say(f"ignored, since they change no result: {', '.join(recipe.ignored)}")
    require_first_step(recipe, path.parent)
    if options.track == "none":
        options = replace(options, track=recipe.tracker)
    options = replace(options, artifacts=uploaded_kinds(recipe, options), inputs=wandb_inputs(recipe))
    require_work(recipe, path)
    if not recipe.train:
        say("nothing is trained: settings such as max_seq_length are not read, and texts are cut as the model says")
    recipe = replace(
        recipe, rows={role: merged(place, role, recipe.output, say) for role, place in recipe.rows.items()}
    )
    test, model = recipe.rows.get("test"), recipe.model
    if recipe.predict and test is not None:
        further = files_of(recipe.more_tests)
        for file in (Path(test), *further):
            read_texts(file)  # an unreadable file is an error before anything trains
    if recipe.train:
        request = request_of(recipe, options.out, say)
        result = run(request, replace(options, save_models="full"), say)
        if result.interrupted:
            raise KeyboardInterrupt
        if not result.ok:
            return False
    if options.dry_run:
        return True
    if recipe.train:
        model = str(keep(result, recipe, say))
    if recipe.predict and test is not None:
        model = model_of(model, options.out)
        predict_test(model, test, recipe.output, say)
        for number, file in enumerate(further, 1):
            predict_more(model, file, recipe.output / numbered(number), say)
    return True


def require_work(recipe: Recipe, path: Path) -> None:
    """Raise UserError for a recipe that asks for nothing, has no file to predict, or would replace what is no model."""
    if not (recipe.train or recipe.predict):
        raise UserError(
            f"{path}: do_train and do_predict are both false, so there is nothing to do; do_predict predicts the "
            "test_file by model_name_or_path, and evaluates it if it has labels"
        )
    if recipe.predict and "test" not in recipe.rows:
        raise UserError(f"{path}: do_predict is true, but there is no test_file")
    whole = recipe.output.absolute()
    there = next(place for place in (whole, *whole.parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"{path}: output_dir is {recipe.output}, and {there} is a file, not a folder")
    if recipe.save_model:
        replaceable(recipe.output / MODEL)
    keep_inputs(recipe, path)


def keep_inputs(recipe: Recipe, path: Path) -> None:
    """Raise UserError if the configuration or its rows would be replaced, or its rows joined by what is written."""
    places = [place for places in recipe.rows.values() for place in places.split(",")]
    more = recipe.more_tests if recipe.predict else ()
    reads = [path, *map(found, places), *(Path(located(place)) for place in more)]
    merges = [f"{role}.jsonl" for role, places in recipe.rows.items() if "," in places]
    predicted = [PREDICTIONS, SUBMISSION, *map(numbered, range(1, 1 + len(files_of(more))))]
    names = [*merges, *([RESULTS] if recipe.train else []), *(predicted if recipe.predict else [])]
    for target in (recipe.output, *(recipe.output / name for name in names)):
        if target.exists() and any(file.exists() and target.samefile(file) for file in reads):
            raise UserError(f"{target} is read, and this command would write there; choose another output_dir")


def numbered(number: int) -> str:
    """The name of the predictions of a further test file."""
    return f"predictions_{number}.csv"


def files_of(places: Sequence[str]) -> list[Path]:
    """The files of places; a folder stands for the files in it that can be read as tables."""
    paths = [Path(located(place)) for place in places]
    inside = {path: sorted(path.iterdir()) if path.is_dir() else [path] for path in paths}
    return [file for path in paths for file in inside[path] if file == path or file.suffix.lower() in READERS]


def uploaded_kinds(recipe: Recipe, options: Options) -> Collection[str]:
    """The kinds of W&B artifacts to upload. A model that the recipe saves is uploaded if the run is tracked by W&B."""
    return {*options.artifacts, *(["model"] if recipe.save_model and "wandb" in names(options.track) else [])}


def wandb_inputs(recipe: Recipe) -> tuple[str, ...]:
    """The W&B artifacts that hold the rows, before several of them are merged into one file."""
    places = [Path(located(place)) for places in recipe.rows.values() for place in places.split(",")]
    return tuple(sorted({name for place in places if (name := origin(place)) is not None}))


def replaceable(target: Path) -> None:
    """Raise UserError if saving the model would replace something that is not a model."""
    if target.exists() and not ((target / "config.json").exists() or (target.is_dir() and not any(target.iterdir()))):
        raise UserError(f"{target} exists and holds no model; move it, or choose another output_dir")


def request_of(recipe: Recipe, store: Path, say: Say) -> Request:
    """The grid of one cell. Checkers may be cells of the store.

    The whole validation file is the small real set. If the test file has no labels, part of the validation rows is the
    test set.
    """
    rows: dict[Any, Any] = dict(recipe.rows)
    missing = [name for name, role in (("train_file", "generated"), ("validation_file", "real")) if role not in rows]
    if missing:
        roles = "train_file holds the generated set, validation_file the small real set"
        raise UserError(f"no {' and no '.join(missing)}; {roles}")
    if "test" in rows and (lacking := without_labels(rows["test"])):
        say(f"{rows.pop('test')} has {lacking}: it is predicted, and part of the validation rows is the test set")
    checkers = checkers_of(recipe.checkers, store)
    # To train a checker, train_file holds the real rows too.
    readings: Readings = {None: Reading(same_rows=True)}
    pool = load(FILES, source=FILES, places=rows, readings=readings, folds=0).pool
    request = make_request(
        methods=recipe.method,
        tasks=f"{FILES}[real={len(pool)}]",
        seeds=[recipe.seed],
        encoder=model_of(recipe.model, store),  # which may be a cell, or the output folder of another configuration
        preset="full",
        protocol=recipe.protocol,
        settings={**recipe.settings, **({"auxiliary": recipe.auxiliary} if recipe.auxiliary else {})},
        test_size="all",
        folds=0,  # one cell: a part of the validation rows is the test, not a fold
        quality_checker=checkers.get("quality"),
        diversity_checker=checkers.get("diversity"),
        **rows,
    )
    if request.several:
        raise UserError(f"a configuration is one training, and it names several of {request.several}")
    return replace(request, readings=readings)


def require_first_step(recipe: Recipe, folder: Path) -> None:
    """Raise UserError for a checker that is not there yet and that another configuration of the folder trains."""
    missing = {role: Path(model) for role, model in recipe.checkers.items() if not Path(model).exists()}
    trained: dict[Path, Path] = {}  # output folder -> its configuration
    for path in folder.glob("*.json") if missing else ():
        with contextlib.suppress(UserError, DataError):
            trained[read(path).output] = path
    for role, model in missing.items():
        if step := trained.get(model) or trained.get(model.parent):
            raise UserError(f"the {role} checker {model} is not there; train it first: python -m bench train {step}")


def without_labels(place: str) -> str | None:
    """What test rows lack to be labelled: labels, or a column of a usual name; None if they lack nothing."""
    if has_lines(Path(place)):
        return "no labels"
    table = readable(Path(place))
    columns = [values for name, values in table.columns.items() if name.strip().lower() in LABELS]
    if not columns:
        return f"no column of labels (usual names: {join_names(LABELS)}; columns: {join_names(table.columns)})"
    return None if any(value not in (None, "") for values in columns for value in values) else "no labels"


def found(place: str) -> Path:
    """The local path of a place. A path of a checkout that is not there is that of the installed package."""
    path = Path(located(place))
    if path.is_absolute() or path.exists():
        return path
    inside = [folder / path for folder in (ROOT, ROOT / "bench") if (folder / path).exists()]
    return inside[0] if inside and path.parts[0] in ("tasks", "sweeps") else path


def merged(places: str, role: str, output: Path, say: Say) -> str:
    """The file of a role. Several places (training rows and augmenting rows) are merged in the output folder.

    How they were read is said.
    """
    files = [str(found(place)) for place in places.split(",")]
    if len(files) == 1:
        return files[0]
    tables = [with_names(read_place(file, role)) for file in files]
    for note in (note for table in tables for note in table.notes):
        say(note)
    shared = [name for name in tables[0].columns if all(name in table.columns for table in tables)]
    rows = [
        dict(zip(shared, row, strict=True)) for table in tables for row in zip(*map(table.column, shared), strict=True)
    ]
    path = output / f"{role}.jsonl"
    write_bytes(path, json_lines(rows))
    return str(path)


def with_names(table: Table) -> Table:
    """The table with the names of its card in place of numbers: other files may count classes in another order."""
    columns = dict(table.columns)
    for name in columns if table.label_names is not None else ():
        if name.strip().lower() in LABELS:
            check_named(table, name)
            columns[name] = [label_name(cell, table.label_names) for cell in columns[name]]
    return replace(table, columns=columns, label_names=None)


def keep(result: Result, recipe: Recipe, say: Say) -> Path:
    """Write results.json and return the folder of the model, which is copied to the output folder if it is saved."""
    (section,) = result.manifest["sections"]
    (cell,) = (result.store / path for method in section["methods"] for path in method["cells"].values())
    metrics: Mapping[str, Any] = read_json(cell / DONE)
    results = {name: metrics[name] for name in ("accuracy", "macro_f1", "log_loss", "rows")}
    write_json(recipe.output / RESULTS, {"cell": cell.name, "method": recipe.method, **results})
    say(f"test accuracy {metrics['accuracy']:.4f} on {metrics['rows']} rows; results: {recipe.output / RESULTS}")
    if not recipe.save_model:
        return Path(cell / MODEL)
    target = recipe.output / MODEL
    with part_folder(target) as former, whole_folder(target) as part:
        shutil.copytree(cell / MODEL, part, dirs_exist_ok=True)
        if target.exists():
            patiently(os.replace, target, former / MODEL)
    say(f"model: {target}")
    return target


def predict_more(model: str, file: Path, target: Path, say: Say) -> None:
    """Predict a further file."""
    for line in write_predictions(predict(model, file), Target(target)):
        say(line)
    say(f"predictions of {file}: {target}")


def predict_test(model: str, test: str, output: Path, say: Say) -> None:
    """Predict the test file: labels and probabilities, and a submission if the labels are negative and positive."""
    predictions = predict(model, Path(test))
    for line in write_predictions(predictions, Target(output / PREDICTIONS)):
        say(line)
    say(f"predictions: {output / PREDICTIONS}")
    try:
        check_submission(predictions.labels, [*predictions.frame["id"]])
    except UserError:
        return  # labels of another task, which has no submissions
    write_text(output / SUBMISSION, submission(predictions.frame))
    say(f"submission: {output / SUBMISSION}")
