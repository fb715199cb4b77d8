"""Engines as a registry: their names and settings, and what is wrong with them in one line before anything trains."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from bench.cli import main
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution import engines
from bench.execution.engines.engine import Engine
from bench.execution.engines.local import Local
from bench.execution.grid import Options, run

OWN = '''
from dataclasses import dataclass
from bench.execution.engines.engine import setting
from bench.execution.engines.local import Local

@dataclass(frozen=True)
class Own(Local):
    """Says hello first."""
    greeting: str = setting("hello", "what it says")
    def execute(self, queue, workers, watcher, limits):
        watcher.note([self.greeting])
        super().execute(queue, workers, watcher, limits)
'''


@pytest.mark.parametrize("name", engines.available())
def test_every_engine_is_described(name: str) -> None:
    cls = engines.available()[name]
    assert issubclass(cls, Engine)
    assert (cls.__doc__ or "").partition("\n")[0].endswith(".")
    assert "Runs the jobs of a queue" not in (cls.__doc__ or "")
    assert all(entry.metadata.get("note") for entry in fields(cls))  # type: ignore[arg-type]
    cls()  # every setting has a default


def test_the_engine_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engines.chosen() == engines.chosen("local") == Local()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "any")
    assert engines.chosen() == engines.chosen("torchrun")
    with pytest.raises(UserError, match="leave out --engine local"):
        engines.chosen("local")


def test_a_run_asks_for_its_engine_once(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine may look for its cluster when it is chosen."""
    asked: list[str] = []
    monkeypatch.setattr(Local, "require", lambda self: asked.append("local"))
    request = make_request(methods="ce", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    run(request, Options(out=tmp_path / "runs", dry_run=True), lambda line: None)
    assert asked == ["local"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "lokal"], "unknown engine 'lokal'; did you mean 'local'?"),
        (["--engine", "torchrun"], "torchrun --nproc_per_node 2 -m bench run"),
        (["--engine-set", "cpus=2"], "unknown setting of engine local"),
        (["--engine-set", "cpus"], "--engine-set 'cpus' is not key=value"),
        (["--engine-set", "a=1", "--engine-set", "a=2"], "--engine-set 'a' is given twice"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_wrong_engine_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main([command, "--methods", "ce", "--preset", "smoke", "--encoder", "nowhere", *options])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_package_adds_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_engine.py").write_text(OWN)
    info = tmp_path / "own-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{engines.GROUP}]\nown = own_engine:Own\nbroken = nowhere:Engine\n")
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from bench.cli import main; main()"
    python = [sys.executable, "-c", start]
    listed = subprocess.run([*python, "list", "engines"], cwd=tmp_path, capture_output=True, text=True)
    assert listed.returncode == 2
    assert listed.stderr.startswith("error: engine broken of an installed package: ModuleNotFoundError")
    (info / "entry_points.txt").write_text(f"[{engines.GROUP}]\nown = own_engine:Own\n")
    listed = subprocess.run([*python, "list", "engines"], cwd=tmp_path, capture_output=True, text=True)
    assert "own: Says hello first.\n    greeting=hello: what it says\n" in listed.stdout
    monkeypatch.syspath_prepend(str(tmp_path))
    assert engines.chosen("own", {"greeting": "good day"}).greeting == "good day"  # type: ignore[attr-defined]
