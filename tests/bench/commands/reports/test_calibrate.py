import pytest

from bench.commands.reports import calibrate
from bench.errors import UserError
from bench.store.files import write_json
from tests.bench.leaderboard.fake_store import FakeStore


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(calibrate, "NULLS", {False: 500, True: 500})


def test_the_table(tmp_path):
    lines = []
    path = calibrate.calibrate(tmp_path, lines.append)
    text = path.read_text()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2 * 2 * 2
    assert all(line in text for line in lines)
    assert not any("TOO MANY" in line for line in table)


def test_with_the_variances_of_a_store(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=200)
    store.method("ce").method("dimp", skill=1.1).method("focal", failed=[0])
    write_json(store.root / ".grids" / "a.json", store.manifest())
    (design,) = calibrate.designs_by_task(store.root).values()
    assert (design.seeds, design.examples) == (3, 200)
    difference = store.correct("dimp", 0, 1.1).astype(float) - store.correct("ce", 0, 1.0)
    assert design.total == pytest.approx(difference.var(), rel=0.3)
    assert 0 <= design.lasting <= 1
    text = calibrate.calibrate(tmp_path, lambda line: None, store=store.root).read_text()
    assert "The last 1 line: variances as estimated from a store (3 seeds × 200 rows" in text


def test_a_store_without_comparisons(tmp_path):
    store = FakeStore(tmp_path / "runs")
    store.method("ce")
    write_json(store.root / ".grids" / "a.json", store.manifest())
    with pytest.raises(UserError, match="no complete comparison"):
        calibrate.designs_by_task(store.root)
