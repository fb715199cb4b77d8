"""One manifest of all grids of a store."""

from bench.store.manifest import joined


def grid(methods: list[str], left_out: dict[str, str]) -> dict[str, object]:
    entries = [{"label": name, "method": name, "cells": {}} for name in methods]
    section = {"task_ref": "t", "seeds": [], "records": {}, "checkers": {}, "methods": entries}
    return {"sections": [section], "left_out": left_out}


def test_methods_that_every_grid_left_out_stay_named() -> None:
    """A report of a store, and of an imported bundle, did not say which methods `all` had left out."""
    grids = [grid(["ce"], {"score": "no column", "group-dro": "no column"}), grid(["score"], {})]
    assert joined(grids, "command")["left_out"] == {"group-dro": "no column"}
