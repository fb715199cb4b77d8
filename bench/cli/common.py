"""What the families of commands share: which options take no value, and how a command speaks."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import fields

from bench.config.settings import Settings

INTERRUPTED = 130
SETTINGS = tuple(f"--{entry.name.replace('_', '-')}" for entry in fields(Settings))
FLAGS = (
    "--dry-run",
    "--retry-failed",
    "--force",
    "--fail-fast",
    "--allow-mixed",
    "--no-figures",
    "--full",
    "--check",
    "--aa",
    "--with-texts",
    "--yes",
    "--failed",
    "--log-artifacts",
)
SEVERAL = ("--from",)  # options of several values


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def say(line: str) -> None:
    """One line on standard output, at once; that nobody reads it any more is no reason to stop."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end
