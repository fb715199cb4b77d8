"""Records at which numbers of seeds the verdicts of a table were read, so that later reports say so.

A look is a report on all planned seeds of a grid, the advice on it, or a comparison, if two methods have all their
cells: without, there is no verdict. The leaderboards of a run that is not finished are none: whoever trains the seeds
that were planned does not choose them by what was seen.

A record says which looks were `unplanned`: the plan of the section had none there, so the verdicts had the whole 5 %.
Records of earlier versions do not; then a look is planned if the plan of the section that is read now has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.store.files import read_json, write_json
from bench.store.layout import DONE, LOOKS
from bench.store.manifest import section_key
from bench.store.schemas import SeedsRead

FEWEST_SEEDS = 2  # from which verdicts are about new seeds
# The worst lines of reports/calibration-looks.md.
EXCESS = "up to 18 % of families instead of 5 % with at most 10 seeds, and in up to 26 % with 20"


def looks_file(root: Path, section: Mapping[str, Any]) -> Path:
    """The file with the looks at a section's table."""
    return root / LOOKS / f"{section_key(section)}.json"


def looks_in(path: Path) -> dict[str, list[int]]:
    """The entries of `SeedsRead` in a file, empty without one. Raises UserError for a damaged file."""
    return united([read_json(path, SeedsRead)] if path.is_file() else [])


def united(records: Sequence[Mapping[str, list[int]]]) -> dict[str, list[int]]:
    """The looks of several records as one."""
    return {key: sorted({count for one in records for count in one.get(key, [])}) for key in SeedsRead.model_fields}


def record_look(root: Path, manifest: Mapping[str, Any]) -> None:
    """Note that the verdicts of a manifest are read now, with all its seeds, where it has any. Raises OSError."""
    for section in manifest["sections"]:
        count, known = len(section["seeds"]), looks_in(looks_file(root, section))
        new = united([known, {"seeds": [count], "unplanned": [] if in_plan(section, count) else [count]}])
        if count >= FEWEST_SEEDS and "so_far" not in section and new != known and has_verdicts(root, section):
            write_json(looks_file(root, section), new)


def in_plan(section: Mapping[str, Any], count: int) -> bool:
    """Whether a look at so many seeds is one of the plan of a section."""
    return count in section.get("looks", ())


def has_verdicts(root: Path, section: Mapping[str, Any]) -> bool:
    """Whether two methods of a section have all their cells: others get no verdict."""
    whole = (all((root / path / DONE).exists() for path in method["cells"].values()) for method in section["methods"])
    return sum(whole) > 1


def with_looks(roots: Sequence[Path], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with a note on each section whose verdicts were read before, unplanned, with fewer seeds."""
    return {**manifest, "sections": [noted(roots, section) for section in manifest["sections"]]}


def noted(roots: Sequence[Path], section: Mapping[str, Any]) -> dict[str, Any]:
    """`with_looks` of one section."""
    known = united([looks_in(looks_file(root, section)) for root in roots])
    seen = {*known["unplanned"], *(count for count in known["seeds"] if not in_plan(section, count))}
    unplanned = sorted(count for count in seen if count < len(section["seeds"]))
    if not unplanned:
        return dict(section)
    note = (
        f"unplanned looks: verdicts of this table were read before, with {' and '.join(map(str, unplanned))} seeds. "
        f"Where seeds are added until a verdict appears, false ones are in {EXCESS}; run --until-decided plans its "
        "looks"
    )
    return {**section, "notes": [note, *section["notes"]]}
