"""Workers as forks of the test's process, which has imported torch already: no fork server has to import it again."""

from __future__ import annotations

import multiprocessing

import pytest

from bench.execution.engines import local


def workers_by_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rest of a test."""
    import bench.execution.worker  # noqa: F401 - before the fork

    monkeypatch.setattr(local, "CONTEXT", multiprocessing.get_context("fork"))
