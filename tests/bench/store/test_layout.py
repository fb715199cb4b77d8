"""The place of a cell in its store is found from its folder alone."""

import os
from pathlib import Path

import pytest

from bench.store.layout import cell_path, place_of, precomputed_path, root_of


@pytest.mark.parametrize("root", [Path("runs"), Path("/data/my runs"), Path("..") / "a", Path()])
def test_the_place_of_a_folder_is_its_store_and_its_name_there(root: Path) -> None:
    for folder in (cell_path(root, "twitter", "dimp", "0a1b"), precomputed_path(root, "scores", "2c3d")):
        name = folder.relative_to(root).as_posix()
        for written in (folder, str(folder), os.path.join(root, name)):
            found, place = place_of(written)
            assert (Path(found), place) == (root, name)
            assert Path(found) == root_of(folder)
