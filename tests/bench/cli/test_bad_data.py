"""Bad data of every kind: one clear line, exit code 2, and nothing is made. Through the command, in this process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from bench.cli import main
from bench.cli.common import say

GOOD = {
    role: [f"{role} {label} {i},{label}" for label in ("negative", "positive") for i in range(count)]
    for role, count in (("generated", 30), ("real", 40), ("test", 20))
}
YAML = {
    "name": "own",
    "version": 1,
    "title": "Own",
    "citation": "none",
    "licence": "none",
    "sources": {"files": {"generated": "generated.csv", "real": "real.csv", "test": "test.csv"}},
    "sizes": {"real": {"default": 30}, "test": 40},
}


def text(rows: list[str]) -> str:
    return "\n".join(["text,label", *rows]) + "\n"


def csv(role: str, rows: list[str]) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{role}.csv").write_text(text(rows)) and None


def raw(role: str, content: bytes, suffix: str = ".csv") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / f"{role}.csv").unlink()
        (folder / f"{role}{suffix}").write_bytes(content)

    return make


def described(changes: object) -> Callable[[Path], None]:
    content = {**YAML, **changes} if isinstance(changes, dict) else changes
    return lambda folder: (folder / "task.yaml").write_text(yaml.safe_dump(content)) and None


def unreadable(folder: Path) -> None:
    (folder / "real.csv").unlink()
    (folder / "real.csv").symlink_to("/proc/self/mem")


def directory(folder: Path) -> None:
    (folder / "real.csv").unlink()
    (folder / "real.csv").mkdir()


def few_rows(folder: Path) -> None:
    (folder / "test.csv").unlink()
    csv("real", GOOD["real"][31:49])(folder)


def one_class(folder: Path) -> None:
    for role in GOOD:
        csv(role, [f"{role} {i},yes" for i in range(60)])(folder)


def swapped(rows: list[str], old: str, new: str) -> list[str]:
    return [row.replace(f",{old}", f",{new}") for row in rows]


SINGLE = [row for row in GOOD["real"] if row.endswith("negative")]
BAD: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a YAML that is a list": (described([1, 2]), ["task.yaml", "not list"]),
    "an unknown key": (described({"licens": "x"}), ["task.yaml", "'licens'", "'licence'"]),
    "a label in another case": (
        csv("generated", swapped(GOOD["generated"], "positive", "Positive")),
        ["generated.csv, row 31", "'Positive' (30 rows)", "real.csv", "did you mean 'positive'"],
    ),
    "a label in another spelling": (
        csv("test", swapped(GOOD["test"], "positive", "posi tive")),
        ["test.csv, row 21", "'posi tive' (20 rows)", "did you mean 'positive'"],
    ),
    "an extra class": (
        csv("generated", [*GOOD["generated"], "a,mixed"]),
        ["row 61", "'mixed' (1 row)", "negative, pos"],
    ),
    "a label that the YAML does not have": (
        described({"labels": ["negative", "neutral"]}),
        ["generated.csv, row 31", "'positive' is not one of negative, neutral"],
    ),
    "pairs wanted, single texts given": (
        described({"text": "text", "text_pair": "other"}),
        ["no column 'other'", "text, label"],
    ),
    "five real rows": (
        csv("real", [*SINGLE[:3], "a,positive", "b,positive"]),
        ["a small real set of 20 rows needs more than the 5 real rows", "[real=5]"],
    ),
    "ten thousand labels": (
        csv("generated", [f"text {i},label {i}" for i in range(10_000)]),
        [
            "'label' has 10,000 different labels in 10,000 rows",
            "at most 1,000",
            "--generated-label COLUMN takes another",
        ],
    ),
    "scores for labels": (
        csv("real", [f"text {i},{i / 80}" for i in range(1, 80)]),
        ["real.csv", "looks like scores, not labels", "; --real-label COLUMN"],
    ),
    "one generated row": (
        csv("generated", ["a,positive"]),
        ["1 generated row cannot fill a batch of 8", "--batch-size 1"],
    ),
    "few real rows and no test": (few_rows, ["18 real rows are too few even for cross-validation", "--test FILE"]),
    "a class missing in the test": (
        csv("test", [row for row in GOOD["test"] if row.endswith("negative")]),
        ["real.csv, row 41: label 'positive' (40 rows) is not a label of", "test.csv", "--drop-labels positive leaves"],
    ),
    "one class alone": (one_class, ["labels: yes; a task needs at least 2 classes"]),
    "a class missing in the real pool": (csv("real", SINGLE), ["'positive' (30 rows) is not a label of", "real.csv"]),
    "broken UTF-16": (
        raw("real", text(GOOD["real"]).encode("utf-16") + b"x"),
        ["real.csv", "UTF-16", "save it as UTF-8"],
    ),
    "an empty file": (raw("real", b""), ["real.csv: the file is empty"]),
    "only a header": (raw("real", b"text,label\n"), ["real.csv: no rows"]),
    "a ragged CSV": (csv("real", [*GOOD["real"], "a,b,negative"]), ["real.csv, row 81: 3 fields", "header has 2"]),
    "a missing column": (raw("real", b"txt,label\na,b\n"), ["real.csv: no text column", "columns: txt, label"]),
    "a directory for a file": (directory, ["real.csv"]),
    "a file that cannot be read": (unreadable, ["real.csv: Input/output error"]),
    "a picture for a CSV": (raw("real", b"\x89PNG\r\n\x1a\n" + bytes(range(256))), ["real.csv", "not valid UTF-8"]),
    "damaged Parquet": (
        raw("real", b"PAR1" + b"\x00" * 99 + b"PAR1", ".parquet"),
        ["real.parquet: not a readable Parquet"],
    ),
    "a format that is not read": (raw("real", b"PK", ".docx"), ["real.docx: cannot read .docx; readable: .parquet"]),
    "no workbook": (raw("real", b"PK", ".xlsx"), ["real.xlsx: not a readable Excel workbook"]),
    "no Arrow file": (raw("real", b"ARROW1", ".arrow"), ["real.arrow: not an .arrow file of the library datasets"]),
    "a test that is the generated set": (
        csv("test", GOOD["generated"]),
        ["generated rows and the test rows are the same, those of", "generated.csv and", "test.csv"],
    ),
    "a test of the generated rows": (
        csv("test", GOOD["generated"][::-1]),
        ["all 60 generated rows are also in the test"],
    ),
    "a test of the real rows": (csv("test", GOOD["real"][::-1]), ["all 80 real rows are also in the test"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good task's folder."""
    folder = tmp_path / "mytask"
    folder.mkdir()
    for role, rows in GOOD.items():
        csv(role, rows)(folder)
    return folder


def arguments(folder: Path, encoder: Path) -> list[str]:
    described = folder / "task.yaml"
    out = [str(folder.parent / name) for name in ("runs", "reports")]
    task = str(described if described.exists() else folder)
    return ["run", "--tasks", task, "--methods", "ce", "--preset", "smoke", "--encoder", str(encoder), "--out", out[0],
            "--reports", out[1]]  # fmt: skip


def test_what_is_not_bad_is_planned(folder: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for make in (lambda folder: None, described({})):
        make(folder)
        with pytest.raises(SystemExit) as stopped:
            main([*arguments(folder, tiny_encoder), "--dry-run"])
        assert stopped.value.code == 0
        assert "5 cells: 5 not trained yet" in capsys.readouterr().out


@pytest.mark.parametrize("case", BAD)
def test_bad_data(folder: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    make, message = BAD[case]
    if case == "a file that cannot be read" and not os.path.exists("/proc/self/mem"):
        pytest.skip("no file that even root cannot read")
    make(folder)
    run = arguments(folder, tiny_encoder)
    for command in (run, ["validate", run[2], "--preset", "smoke", "--encoder", str(tiny_encoder)]):
        with pytest.raises(SystemExit) as stopped:
            main(command)
        error = capsys.readouterr().err
        assert stopped.value.code == 2
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        for part in message:
            assert part in error
    assert [path.name for path in folder.parent.iterdir()] == ["mytask"], "nothing is made"


HOME = "~nosuchuser/x"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["run", f"--{name}", HOME] for name in ("tasks", "encoder", "generated", "plugin", "quality-checker")),
        ["predict", HOME, "texts.csv"],
        ["validate", HOME],
        ["show", HOME],
    ],
    ids=" ".join,
)
def test_the_home_of_an_unknown_user(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {HOME}: no such user; write ./{HOME} for a folder of this name\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EFBIG, "File too large", "r.md"), "r.md cannot be written: File too large"),
        (OSError(errno.EMFILE, "Too many open files"), "a file cannot be used: Too many open files"),
        (RecursionError(), "an input is nested too deeply"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_no_error_of_the_machine_is_a_traceback(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("bench.cli.commands", lambda: SimpleNamespace(commands={}, main=fail))
    monkeypatch.setattr("bench.cli.canonical", lambda argv, parser: argv)
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert (stopped.value.code, capsys.readouterr().err) == (2, f"error: {message}\n")


def test_lines_have_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b]0;title\x07b")
    assert capsys.readouterr().out == "a\\x1b]0;title\\x07b\n"
