"""A short version of each campaign; `make torture` runs them for longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.__main__ import CAMPAIGNS, main
from tests.torture.campaign import Campaign, NotPermittedError, run


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_nothing_is_lost_doubled_or_torn(tmp_path: Path, campaign: Campaign) -> None:
    try:
        count = run(replace(campaign, cells=10), tmp_path / "stores", attacks=8)
    except NotPermittedError as reason:
        pytest.skip(str(reason))
    assert count.checked >= 10
    assert (count.lost, count.doubled, count.torn) == (0, 0, 0)
    assert count.kills + count.stops + count.cleaned + count.refused > 0


def test_campaigns_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(2, 0, 0, "kills") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["kills", "cells"]
