"""Run campaigns: `python -m tests.torture [ATTACKS [KILLS [SEED [CAMPAIGN ...]]]]`, by default all of them.

Without KILLS (0) no real run is started. Prints a line for each campaign and the summary. The exit code is 1 if a cell
was lost, doubled or torn, or if a run that was not killed failed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.torture.campaign import Campaign, Count, NotPermittedError, run
from tests.torture.runs import rounds
from tests.torture.writer import DAY, Setting

ATTACKS = 300  # kills, stops and calls of `clean`, in each campaign of processes that train nothing
KILLS = 200  # of processes of real runs
CAMPAIGNS = (
    Campaign("kills"),
    Campaign("cleans", (Setting(),), kills=False),
    Campaign("stops", stops=0.05, kills=False),
    Campaign("namespaces", (Setting(), Setting(namespace=True), Setting(namespace=True))),
    Campaign("machines", (Setting("a"), Setting("b", DAY), Setting("c", -DAY)), stops=1.0, cleans=False),
    Campaign("faults", (Setting(faults=0.02), Setting(faults=0.02), Setting())),
    Campaign("full disk", (Setting(), Setting()), fills=True),
)


def main(attacks: int = ATTACKS, kills: int = KILLS, seed: int = 0, *names: str) -> int:
    """Run the campaigns, print what they found, and return the exit code. Raises KeyError for an unknown name."""
    known = {campaign.name: campaign for campaign in CAMPAIGNS}
    chosen = [known[name] for name in names or known]
    total, wrong = real_runs(kills, seed) if kills else (Count(), [])
    for campaign in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                count = run(campaign, Path(folder), attacks, seed)
            except NotPermittedError as reason:
                print(f"{campaign.name:12} skipped: {reason}", flush=True)
                continue
        done = f"{count.kills} kills, {count.stops} stops, {count.refused} cleans refused, {count.cleaned} not"
        print(f"{campaign.name:12} {count.line()}; {done}, {time.monotonic() - began:.0f} s", flush=True)
        total += count
    print(total.line())
    return int(bool(total.lost or total.doubled or total.torn or wrong))


def real_runs(kills: int, seed: int) -> tuple[Count, list[str]]:
    """Kill real runs, and print what each round found. Also returns what was wrong besides the cells."""
    total, wrong = Count(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for runs in rounds(Path(folder), kills, seed):
            total, wrong = total + runs.count, [*wrong, *runs.wrong]
            print(f"{'real runs':12} {total.line()}; {total.kills} kills", *runs.wrong, sep="\n  ", flush=True)
    return total, wrong


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:4]), *sys.argv[4:]))
