"""The version of the package, in the only place that states it; importing this imports nothing else."""

VERSION = "0.1.0"
