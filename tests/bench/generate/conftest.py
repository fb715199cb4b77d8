"""The command against a server on the loopback interface, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.commands.data.generate import generate
from bench.generate.arguments import GenerateArguments
from tests.helpers.chat_server import ChatServer

KEY = "sk-secret-of-the-test"


@dataclass
class Done:
    """What a run left: whether it is complete, its rows and answers, and what it printed."""

    complete: bool
    rows: list[dict[str, Any]]
    lines: list[str]

    @property
    def said(self) -> str:
        """All lines together."""
        return "\n".join(self.lines)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """`run(server, n=10)` generates `out.jsonl` with two labels and the server's small model."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def start(server: ChatServer, **options: Any) -> Done:
        usual = {
            "labels": "pos,neg",
            "domain": "tweets",
            "n": 10,
            "model": "small-writer",
            "base_url": server.url,
            "to": tmp_path / "out.jsonl",
        }
        lines: list[str] = []
        complete = generate(GenerateArguments(**{**usual, **options}), lines.append)
        return Done(complete, rows_of(tmp_path / "out.jsonl"), lines)

    return start


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines; none if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
