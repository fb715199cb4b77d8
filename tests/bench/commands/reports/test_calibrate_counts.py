import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.commands.reports import calibrate_counts
from bench.stats.simulation.across import Tasks
from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import FaultRates, Line


def test_the_tables_of_counts(tmp_path, monkeypatch):
    few = (Line("ties", World(4, 2, 100, 0.035, 0.9)), Line("rows 4 times, as rows", World(4, 3, 100, copies=4)))
    margin = (Line("few rows", World(3, 2, 80, 0.0, 0.99, shift=0.01)),)
    across = (Tasks("alike", (World(2, 2, 60, 0.02), World(2, 2, 60, 0.02))),)
    for name, value in {"LINES": few, "AT_MARGIN": margin, "ACROSS": across, "GRIDS": {False: 40}}.items():
        monkeypatch.setattr(calibrate_counts, name, value)
    lines = []
    path = calibrate_counts.calibrate_counts(tmp_path, lines.append)
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 3 * 2 + len(few) + len(margin) + len(across)
    assert all(line in path.read_text() for line in lines)
    worst = [line for line in lines if line.startswith("Worst lines")]
    assert "(ties, 4 methods, 2 seeds × 100 rows)" in worst[0]
    assert "of 1 lines" in worst[0]
    assert "on 40 simulated grids" in path.read_text()
    assert calibrate_counts.grids_of(Line("large", World(9, 20, 2_000)), 1_000) == 250


def test_rates_beyond_the_error_are_too_many():
    assert not calibrate_counts.above_limit(FaultRates({"last": 0.06, "pairs": 0.05, "planned": None}, 400))
    assert calibrate_counts.above_limit(FaultRates({"last": 0.06, "pairs": 0.09}, 400))
    assert not calibrate_counts.above_limit(FaultRates({"every_seed": 0.2}, 400), ("every_seed",))


@pytest.mark.parametrize(("options", "message"), [(["--aa"], "leave out --from and --aa"), (["--looks"], "one of")])
def test_counts_are_simulated_alone(options, message):
    result = CliRunner().invoke(app, ["calibrate", "--counts", *options])
    assert result.exit_code
    assert message in str(result.exception)
