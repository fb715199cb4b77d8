"""What every command line tool answers: -h, --version, a command without its arguments."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bench as package
from bench.cli import KEEP, TRAIN, commands, main
from bench.cli.common import say
from bench.cli.stores import Listing
from bench.store.files import whole_folder
from bench.system import ENDING
from tests.conftest import ROOT
from tests.helpers.in_process import command
from tests.helpers.stopped import interrupted

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("command", ["", *commands().commands])
def test_h_is_help(bench: Command, command: str) -> None:
    words = [command] if command else []
    short, long = bench(*words, "-h"), bench(*words, "--help")
    assert (short.returncode, short.stderr) == (0, "")
    assert short.stdout == long.stdout
    usage = next(line for line in short.stdout.splitlines() if "Usage:" in line)
    assert command in usage.split() or not command


def test_the_version_is_printed(bench: Command) -> None:
    done = bench("--version")
    assert (done.returncode, done.stdout) == (0, f"data-weighting-bench {package.__version__}\n")


def test_list_without_an_argument_shows_what_there_is_to_list(bench: Command) -> None:
    done = bench("list")
    assert done.returncode == 0
    assert [line.split()[4] for line in done.stdout.splitlines()] == [str(kind) for kind in Listing]


def test_the_tasks_are_listed_with_whose_text_how_many_rows_which_licence_and_whom_to_cite(bench: Command) -> None:
    lines = bench("list", "tasks").stdout.splitlines()
    start = lines.index("twitter: Tweet polarity (negative, positive)")
    assert lines[start + 1].startswith("    bundled: tweet-like texts by people, each rated by at least 20 people")
    assert lines[start + 2] == "        rows: 1,000 generated, 1,499 real, 1,374 test"
    assert lines[start + 3] == "        licence: MIT (real, test), Apache-2.0 (generated)"
    assert lines[start + 4].startswith("        citation: Hutto and Gilbert 2014, VADER")
    start = lines.index("oracle: Two known processes (north, south)")
    assert lines[start + 3] == "        citation: tasks/oracle.py of this benchmark"
    start = lines.index("twitter-irony: Irony in tweets (non_irony, irony)")
    assert "no real rows (not enough for a run: give --source local or hub)" in lines[start + 1]
    assert any(line.startswith("    bundled: a stand-in, no human text") for line in lines)


def test_the_shell_completes_commands_and_options() -> None:
    for words, number, expected in (("bench li", 1, {"list"}), ("bench run --meth", 2, {"--methods"})):
        code = "import sys; sys.argv = ['bench']; from bench.cli import main; main()"
        asked = {"_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **asked},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) == expected


def test_a_letter_that_the_output_lacks_is_shown_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where output that goes to a file is in Windows-1252."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="cp1252"))
    with pytest.raises(SystemExit):
        main(["--version"])
    say("\u00e4 \u221a")
    assert content.getvalue().splitlines()[-1] == b"\xe4 \\u221a"


@pytest.mark.posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is one of Linux")
@pytest.mark.parametrize("arguments", [("list", "methods"), ("--version",)])
def test_an_output_that_a_full_disk_lacks_is_an_error(arguments: tuple[str, ...]) -> None:
    """A script went on with an empty JSON file."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bench", *arguments], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, text=True
        )
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written: No space left on device\n")


def test_a_closed_pipe_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", pipe)
    with pytest.raises(SystemExit) as stop:
        main(["list", "methods"])
    assert (stop.value.code, capsys.readouterr().err) == (0, "")
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_command_and_removes_what_is_half_written(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`export` left hidden copies of a model, `publish` a bundle in the folder of temporary files."""

    def listed() -> list[str]:
        with whole_folder(tmp_path / "target") as part:
            (part / "half").touch()
            signal.raise_signal(number)
        return []

    monkeypatch.setattr("bench.commands.stores.list.methods", listed)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert command(capsys, "list", "methods") == (128 + number, "", "")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        (["merge", "store"], "the same command continues from here"),
        (["list", "methods"], "the same command begins again"),
    ],
)
def test_an_interrupt_says_what_the_same_command_does(
    arguments: list[str], how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.commands.stores.merge.merge", interrupted)
    monkeypatch.setattr("bench.commands.stores.list.methods", interrupted)
    assert command(capsys, *arguments) == (130, "", f"interrupted; {how}\n")


def test_the_commands_that_go_on_are_commands() -> None:
    assert {*TRAIN, *KEEP} <= commands().commands.keys()


@pytest.mark.parametrize("line", ["raise KeyboardInterrupt", 'exec("raise KeyboardInterrupt")'])
def test_an_interrupt_of_the_start_is_no_traceback(line: str, tmp_path: Path) -> None:
    """In an `exec`, such as that of a dataclass, Python ended itself by SIGINT, so that the exit code was another."""
    (tmp_path / "typer.py").write_text(f"{line}\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--version"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "dimp"), "compare [OPTIONS] {method} {other}"),
        (("init",), "Missing argument 'what'. Choose from: sweeps. Usage: "),
    ],
)
def test_a_missing_argument_is_one_line_with_the_usage(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = command(capsys, *arguments)
    assert code == 2
    assert said in error
    assert len(error.splitlines()) == 1
