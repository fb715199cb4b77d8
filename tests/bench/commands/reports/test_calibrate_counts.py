import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.commands.reports import calibrate_counts
from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import CountRates, Line


def test_the_table_of_counts(tmp_path, monkeypatch):
    few = (Line("ties", World(4, 2, 100, 0.035, 0.9)), Line("rows 4 times, as rows", World(4, 3, 100, copies=4)))
    monkeypatch.setattr(calibrate_counts, "LINES", few)
    lines = []
    path = calibrate_counts.calibrate_counts(tmp_path, lines.append)
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(few)
    assert all(line in path.read_text() for line in lines)
    assert "(ties, 4 methods, 2 seeds × 100 rows)" in lines[-1]
    assert "of 1 lines" in lines[-1]


def test_rates_beyond_the_error_are_too_many():
    assert not calibrate_counts.above_limit(CountRates(0.06, 0.05, 0.05, 400))
    assert calibrate_counts.above_limit(CountRates(0.06, 0.05, 0.09, 400))


@pytest.mark.parametrize(("options", "message"), [(["--aa"], "leave out --from and --aa"), (["--looks"], "one of")])
def test_counts_are_simulated_alone(options, message):
    result = CliRunner().invoke(app, ["calibrate", "--counts", *options])
    assert result.exit_code
    assert message in str(result.exception)
