"""What the fork server of workers imports, by importing this module: torch, and all else that a worker needs.

Without collections of garbage, which would take a sixth of the time: of 600,000 new objects they find 10,000 to free.
"""

import gc
import importlib

gc.disable()
# The worker first: it sets the number of threads before anything computes. Workers begin in `local`.
for name in ("bench.execution.worker", "bench.execution.engines.local"):
    importlib.import_module(name)
# Now, of the files that were imported: a worker that starts after an edit of them still has the old code in memory.
importlib.import_module("bench.hashing").training_hash()
gc.freeze()  # as in the worker, with what was imported since
gc.enable()
