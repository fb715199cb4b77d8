"""Tables of a store: as a frame and as columns, and what is said of a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.errors import UserError
from bench.store.tables import Kind, read_columns, read_table, write_columns

COLUMNS: dict[str, Kind] = {"id": "whole", "logit_*": "number"}


def test_columns_are_those_of_the_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [3, 1, 2], "logit_0": np.float32([0.5, -1.0, 2.0]), "logit_1": [0.0, np.nan, 1.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    found = read_columns(tmp_path / "a.parquet", COLUMNS)
    assert list(found) == list(frame)
    for name, values in read_table(tmp_path / "a.parquet", COLUMNS).items():
        np.testing.assert_array_equal(found[str(name)], values.to_numpy())
        assert found[str(name)].dtype == values.dtype


@pytest.mark.parametrize("read", [read_table, read_columns])
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, read: object) -> None:
    path = tmp_path / "a.parquet"
    assert callable(read)
    with pytest.raises(UserError, match=r"cell x cannot be read: .*No such file"):
        read(path, COLUMNS, "cell x")
    path.write_bytes(b"cut")
    with pytest.raises(UserError, match=r"a\.parquet cannot be read: "):
        read(path, COLUMNS)
    pd.DataFrame({"id": [1, 2]}).to_parquet(path)
    with pytest.raises(UserError, match=r"it has no column logit_\*"):
        read(path, COLUMNS)
    pd.DataFrame({"id": [1.0, None]}).to_parquet(path)
    with pytest.raises(UserError, match=r"column id has values of type double or none, not a whole number in each row"):
        read(path, {"id": "key"})
    pd.DataFrame({"id": [2, 1, 2]}).to_parquet(path)
    assert len(read(path, {"id": "whole"})["id"]) == 3
    with pytest.raises(UserError, match=r"a\.parquet cannot be read: column id has a value in several rows; remove"):
        read(path, {"id": "key"})


def test_what_is_written_is_read_back_to_the_bit_and_takes_less_space(tmp_path: Path) -> None:
    """Numbers, an absent one, categories and texts; without the index."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": np.arange(1000, 2000),
            "logit_0": rng.normal(size=1000).astype(np.float32),
            "logit_1": np.where(np.arange(1000) == 7, np.nan, rng.normal(size=1000)),
            "role": pd.Categorical(["real"] * 300 + ["generated"] * 700),
            "text": ["a b"] * 1000,
        },
        index=np.arange(1000)[::-1],
    )
    write_columns(frame, tmp_path / "a.parquet")
    frame.to_parquet(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet", COLUMNS), frame.reset_index(drop=True))
    assert (tmp_path / "a.parquet").stat().st_size < 0.8 * (tmp_path / "b.parquet").stat().st_size
    write_columns(frame[["id", "logit_0"]][:0], tmp_path / "c.parquet")
    assert list(read_table(tmp_path / "c.parquet", COLUMNS)) == ["id", "logit_0"]
