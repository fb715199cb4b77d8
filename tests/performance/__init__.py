"""What the grid costs against what one would run without it: `python -m tests.performance --help`, docs/speed.md."""
