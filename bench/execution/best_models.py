"""`--save-models best`: of the models that a run saved, only that of the advised method stays in each section.

Which method is advised is known when all cells are done, so until then every model is kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.planning.plan import Plan
from bench.store.layout import MODEL, MODEL_FILES
from tasks.errors import plural

MIB = 2**20


def models(plan: Plan) -> set[Path]:
    """The folders of the requested cells that hold a whole model."""
    folders = {plan.jobs[identity].folder for identity in plan.cells}
    return {folder for folder in folders if any((folder / MODEL / name).exists() for name in MODEL_FILES["full"])}


def keep_best(
    manifest: Mapping[str, Any], report: Mapping[str, Any], store: Path, saved: Iterable[Path]
) -> Iterator[str]:
    """Remove the models of the cells `saved` that no section advises; yields a line per section, and one of the sum.

    `report` is the JSON of a report on the sections of the manifest. The cell that stays is that of the method's first
    seed: results on the test rows choose among methods in the report, and never among the seeds of one. Where no method
    is advised, all models stay.
    """
    removed: list[Path] = []
    saved = set(saved)
    for section, shown in zip(manifest["sections"], report["sections"], strict=True):
        cells = {method["label"]: list(method["cells"].values()) for method in section["methods"]}
        folders = [store / path for paths in cells.values() for path in paths if store / path in saved]
        choice = shown["advice"].get("choice") if shown["advice"]["informative"] else None
        kept = next((store / path for path in cells.get(choice, ()) if (store / path / MODEL).is_dir()), None)
        if not folders:
            continue
        if kept is None:
            why = "no method is advised" if choice is None else f"no cell of {choice}, which is advised, has a model"
            yield f"models of {section['task_ref']}: all {plural(len(folders), 'model')} stay, since {why}"
            continue
        removed += [folder for folder in folders if folder != kept]
        yield f"models of {section['task_ref']}: kept 1 of {len(folders)}, that of {choice}: {kept / MODEL}"
    space = sum(path.stat().st_size for folder in removed for path in (folder / MODEL).iterdir())
    for folder in removed:
        shutil.rmtree(folder / MODEL)
    if removed:
        yield f"removed {plural(len(removed), 'model')} ({space / MIB:,.0f} MiB); the cells keep their results"
