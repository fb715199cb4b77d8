"""Detects another distribution whose files are mixed into the folder of this package.

frappe-bench installs a top-level package `bench` too, and pip overwrites the files of one by those of the other without
a word. The check costs three look-ups of a file; asking importlib.metadata would read every installed distribution.
"""

from __future__ import annotations

from pathlib import Path

import bench

FRAPPE = ("app.py", "cli.py", "patches")  # in the package `bench` of frappe-bench, never in this one


def foreign_package() -> str:
    """The error message if another package `bench` is installed in the same folder; empty if none is."""
    folder = Path(__file__).parent.parent
    if hasattr(bench, "run") and not any((folder / name).exists() for name in FRAPPE):
        return ""
    return (
        f"{folder} also holds files of another package named bench, probably frappe-bench, and the two overwrite each "
        "other; install this benchmark in a virtual environment of its own (python -m venv .venv)"
    )
