"""What a run says of the rows before it trains."""

from __future__ import annotations

from pathlib import Path

from bench.config.request import make_request
from bench.execution.dry_run import data_lines
from bench.planning.planner import make_plan


def test_what_is_left_out_of_own_rows_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    """It stood in the report and in `validate` alone."""
    own = [{"text": f"{word} day number {day}", "label": word} for day in range(30) for word in ("good", "bad")]
    generated = [{"text": f"a {word} evening {day}", "label": word} for day in range(40) for word in ("good", "bad")]
    options = {"methods": "ce", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, "skip_empty": True}
    request = make_request(generated=generated, real=[*own, {"text": "unlabelled", "label": ""}], **options)  # type: ignore[arg-type]
    lines = data_lines(make_plan(request, tmp_path / "runs"))
    assert "1 of 61 real rows have no text or no label and were left out" in lines
    assert any("cross-validated in 5 stratified folds" in line for line in lines)
