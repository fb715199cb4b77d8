"""The version of the package, stated here alone; this module imports nothing."""

VERSION = "0.1.0"
