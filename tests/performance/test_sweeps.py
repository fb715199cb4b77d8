"""A sweep under an agent, on sizes so small that its numbers mean nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench.errors import UserError
from tests.performance import sweeps


@pytest.mark.slow
@pytest.mark.wandb_agent
@pytest.mark.timeout(600)
def test_table_and_figure_of_a_sweep(tmp_path: Path, tiny_encoder: Path) -> None:
    parameters = {
        "methods": {"values": ["ce", "focal"]},
        "tasks": {"values": ["twitter[generated=32]", "twitter[generated=64]"]},
        "seed": {"values": [0, 1]},
        "preset": {"value": "smoke"},
        "encoder": {"value": str(tiny_encoder)},
    }
    command = ["${env}", "${interpreter}", "-m", "bench", "run", "--track=wandb", "${args}"]
    sweep = {"program": "bench", "method": "grid", "parameters": parameters, "command": command}
    file = tmp_path / "sizes.yaml"
    file.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    lines: list[str] = []
    sweeps.measure(file, ["ce"], tmp_path / "out", lines.append)
    assert lines[0] == "4 trials, 4 of them finished"
    assert lines[1].startswith("ce against twitter[generated=32]: ")
    table = pd.read_csv(tmp_path / "out" / "sizes.csv")
    sizes = ["twitter[generated=32]", "twitter[generated=64]"]
    assert sorted(zip(table["tasks"], table["seed"], strict=True)) == [
        (size, seed) for size in sizes for seed in (0, 1)
    ]
    assert (tmp_path / "out" / "sizes.png").stat().st_size > 10_000
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert page.startswith("# Sweeps under a W&B agent")
    assert "| twitter[generated=64] | " in page


@pytest.mark.parametrize("left_out", ["seed", "tasks"])
def test_a_sweep_must_vary_seeds_and_one_thing(left_out: str) -> None:
    parameters = {name: {"values": [0, 1]} for name in ("methods", "seed", "tasks")}
    del parameters[left_out]
    with pytest.raises(UserError, match="must vary methods, seed, and one thing more"):
        sweeps.varied(parameters, Path("x.yaml"))
