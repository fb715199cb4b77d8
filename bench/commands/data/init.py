"""`bench init`: copies files that come with the package into the working directory, to be edited and run there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

import tasks
from bench.errors import UserError
from bench.hashing import ROOT
from bench.store.files import whole_folder

# In a wheel its files are there; in a checkout it is a link, which git on Windows may make a text file.
LINK = ROOT / "bench" / "sweeps"
SWEEPS = LINK if LINK.is_dir() else ROOT / "sweeps"
BUNDLED = "tasks/bundled/"  # how recipes name the bundled rows, relative to a checkout


def sweeps(target: Path = Path("sweeps")) -> Iterator[str]:
    """Copy the W&B sweeps, grids and recipes; yield, for each kind, its files and the command that runs one.

    Recipes name the bundled rows by a path in a checkout; a copy gets their path in the installed package. Grids that
    name a plugin, a file of the checkout, are left out. Raises UserError where `target` exists.
    """
    if target.exists():
        raise UserError(f"{target} exists already and is not overwritten: move it, or run init in another folder")
    grids = sorted((SWEEPS / "grids").glob("*.yaml"))
    left = [path.name for path in grids if "plugin" in yaml.safe_load(path.read_text("utf-8"))]
    rows = (Path(tasks.__file__).parent / "bundled").as_posix()
    with whole_folder(target) as part:
        shutil.copytree(SWEEPS, part, ignore=shutil.ignore_patterns(*left), dirs_exist_ok=True)
        for path in part.glob("recipes/*.json"):
            path.write_bytes(path.read_bytes().replace(BUNDLED.encode(), f"{rows}/".encode()))
    yield f"{target}/*.yaml, sweeps: wandb sweep {target}/methods.yaml"
    yield f"    or, without a W&B server: python -m bench sweep {target}/methods.yaml"
    yield f"{target}/grids/*.yaml, grids: python -m bench run --config {target}/grids/clipping.yaml"
    yield f"{target}/recipes/*.json, single trainings: python -m bench train {target}/recipes/twitter_val.json"
    yield f"left out: grids {', '.join(left)}, whose plugin is in the checkout alone"
