"""What differs between Windows and other systems: locks, open files, signals, limits. The rest of `bench` asks here.

Two modules have the same names, and a system has one of them. Nothing else in `bench` tests which system it is on, but
for what a Mac lacks.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from bench.system.windows import *  # noqa: F403
else:
    from bench.system.posix import *  # noqa: F403

__all__ = [  # noqa: F405
    "ENDING",
    "MOST_PROCESSES",
    "START_METHOD",
    "UNUSABLE",
    "allow",
    "allowed",
    "claim_space",
    "create_locked",
    "flush",
    "folder_name",
    "ignoring_interrupts",
    "is_locked",
    "lock",
    "patiently",
    "remove_locked",
    "space_of",
    "user",
]
