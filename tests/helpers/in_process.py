"""A command in this process, for commands that start none: faster than `tests.helpers.warm`."""

from __future__ import annotations

import pytest

from bench.cli import main


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    """Exit code, standard output and standard error of `bench ARGUMENTS`."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    printed = capsys.readouterr()
    return stop.value.code, printed.out, printed.err
