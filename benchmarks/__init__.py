"""What the grid costs against what one would run without it. `python -m benchmarks --help`; see docs/speed.md."""
