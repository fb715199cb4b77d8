"""Stores in an object store such as S3: commands work on a local copy, and this package makes the two agree."""
