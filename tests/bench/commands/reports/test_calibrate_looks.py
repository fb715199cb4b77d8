import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.commands.reports import calibrate_looks


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(calibrate_looks, "GRIDS", {False: 300})
    monkeypatch.setattr(calibrate_looks, "ROWS", (350, 2_000))
    monkeypatch.setattr(calibrate_looks, "SDS", (0.0, 0.025))


def test_the_table_of_looks(tmp_path):
    lines = []
    path = calibrate_looks.calibrate_looks(tmp_path, lines.append)
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2 * 2 * 3
    assert all(line in path.read_text() for line in lines)
    assert not any("TOO MANY" in line for line in table)
    assert "3, 5, 7, 10 of 10 seeds" in path.read_text()
    assert lines[-1].count("with at most") == 3


def test_looks_take_no_store(tmp_path):
    result = CliRunner().invoke(app, ["calibrate", "--looks", "--from", str(tmp_path)])
    assert result.exit_code
    assert "leave out --from and --aa" in str(result.exception)
