import itertools

import pytest

from bench.cli import main
from bench.commands.reports import advise_rounds
from bench.commands.reports.advise_rounds import ROUNDS, in_rounds, rounds_of
from bench.errors import UserError
from bench.execution.grid import Result


@pytest.fixture
def clock(monkeypatch):
    """Grids that take 30, 60, ... seconds, as expected."""
    now, cost = [0.0], itertools.count(1)
    monkeypatch.setattr(advise_rounds.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(advise_rounds, "folds_of", lambda request: 0)
    monkeypatch.setattr(advise_rounds, "seconds_expected", lambda request, options: 30.0 * next(cost))

    def run(request, options, say, show):
        now[0] += 30.0 * (ROUNDS.index(request) + 1)
        return Result({"round": request}, None)

    monkeypatch.setattr(advise_rounds, "run", run)
    return now


def rounds(budget):
    lines = []
    result = in_rounds(lambda methods, seeds: ((methods, seeds), None), budget, lines.append, None)
    return result.manifest["round"], lines


@pytest.mark.parametrize(("budget", "last"), [(30, 0), (89, 0), (90, 1), (179, 1), (180, 2), (300, 3), (9999, 3)])
def test_as_many_rounds_as_fit_are_run(clock, budget, last):
    done, lines = rounds(budget)
    assert done == ROUNDS[last]
    assert clock[0] <= budget
    assert lines[-1].startswith("left out: " if last < len(ROUNDS) - 1 else "round: ")


def test_rounds_test_all_rows_of_a_cross_validation_alike():
    assert rounds_of(0) == list(ROUNDS)
    assert rounds_of(5) == [("ce,real-only,ce-mix", 5), ("core", 5), ("core", 10)]
    assert rounds_of(4) == [("ce,real-only,ce-mix", 4), ("core", 4), ("core", 8), ("core", 12)]


def test_a_budget_below_the_first_round_trains_nothing(clock):
    with pytest.raises(UserError, match="takes about 30 s, more than --budget 29 s"):
        rounds(29)
    assert clock[0] == 0


def test_a_failed_cell_ends_the_rounds(clock, monkeypatch):
    failed = Result({"round": 0}, None, failures={"a": "b"})
    monkeypatch.setattr(advise_rounds, "run", lambda *_: failed)
    assert rounds(9999)[0] == 0


def test_a_ctrl_c_in_a_round_that_is_whole_ends_the_rounds(clock, monkeypatch):
    """Three further rounds were trained after it."""
    monkeypatch.setattr(advise_rounds, "run", lambda request, *_: Result({"round": request}, None, closed=True))
    lines = []
    result = in_rounds(lambda methods, seeds: ((methods, seeds), None), 9999, lines.append, None)
    assert (result.manifest["round"], result.interrupted) == (ROUNDS[0], True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", "ten"), "--budget 'ten' is no time; write it as 90s, 10m (or 10min), 8h or 2d"),
        (("--budget", "0m"), "is no time"),
        (("--budget", "1s"), "more than --budget 1 s"),
        (("--budget", "5m", "--methods", "ce"), "chooses methods and seeds itself; leave out --methods"),
        (("--budget", "5m", "--from", "a"), "leave out one of them"),
        (("--jsn",), "advise runs cells only with --budget"),
        (("--budget", "5m", "--jsn"), "--jsn"),
    ],
)
def test_bad_requests(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["advise", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
