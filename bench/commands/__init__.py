"""What each command does, one file per command, named as it is typed. Parsing is in `bench.cli`."""
