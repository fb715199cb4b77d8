"""Few real rows without a test set: folds that partition them, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config.option import option_of
from bench.config.run_arguments import RunArguments
from tasks import DataError, TaskData, load, stressed
from tasks.cross_validation import FEW, FOLDS, LEAST
from tasks.findings import Level
from tasks.reading import Reading
from tasks.sources.memory import table_of


def write(folder: Path, role: str, counts: dict[str, int], texts: str = "{role} {label} {i}") -> str:
    rows = [(texts.format(role=role, label=label, i=i), label) for label, n in counts.items() for i in range(n)]
    path = folder / f"{role}.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return str(path)


def own(folder: Path, counts: dict[str, int], **options: object) -> TaskData:
    places = {"generated": write(folder, "generated", {"bad": 40, "good": 40}), "real": write(folder, "real", counts)}
    return load("files", places=places, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("counts", [{"bad": 90, "good": 60}, {"bad": 13, "good": 7}, {"bad": 301, "good": 98}])
def test_the_folds_of_a_repeat_test_every_row_once(tmp_path: Path, counts: dict[str, int]) -> None:
    """Nothing is trained on and tested by one seed; folds have the same size and label shares; repeats differ."""
    data = own(tmp_path, counts)
    rows = sum(counts.values())
    assert data.folds == FOLDS
    parts = [stressed(data, {}, seed) for seed in range(2 * FOLDS)]
    for repeat in (parts[:FOLDS], parts[FOLDS:]):
        tested = np.concatenate([part.test.ids for part in repeat])
        assert sorted(tested) == list(range(rows))
        assert np.ptp([len(part.test) for part in repeat]) <= 1
        assert max(np.ptp([int((part.test.labels == label).sum()) for part in repeat]) for label in (0, 1)) <= 1
    for part in parts:
        assert sorted([*part.test.ids, *part.pool.ids]) == list(range(rows))
        assert len(part.real(0)) == part.default_real == min(300, rows - -(-rows // FOLDS))
    assert set(parts[0].test.ids) != set(parts[FOLDS].test.ids)
    assert stressed(data, {}, 3).test.content_hash() == parts[3].test.content_hash()


def test_equal_texts_stay_in_one_fold_and_no_generated_row_has_one(tmp_path: Path) -> None:
    real = write(tmp_path, "real", {"bad": 30, "good": 30})
    frame = pd.concat([pd.read_csv(real), pd.read_csv(real).head(10)])
    frame.to_csv(real, index=False)
    generated = write(tmp_path, "generated", {"bad": 40, "good": 40})
    pd.concat([pd.read_csv(generated), frame.head(5)]).to_csv(generated, index=False)
    data = load("files", places={"generated": generated, "real": real})
    assert len(data.generated) == 80
    assert "removed 5 of 85 generated rows whose text is also among the real rows, which are the test too" in data.notes
    for seed in range(FOLDS):
        part = stressed(data, {}, seed)
        assert not set(part.test.keys) & set(part.pool.keys)
    kept = load("files", places={"generated": generated, "real": real}, readings={None: Reading(drop_copies=True)})
    assert len(kept.pool) == 60
    assert any("10 of 70 real rows that repeat an earlier real row" in note for note in kept.notes)


@pytest.mark.parametrize(
    ("rows", "options", "folds"),
    [
        (FEW - 2, {}, FOLDS),
        (FEW, {}, 0),
        (FEW, {"folds": 10}, 10),
        (FEW - 2, {"folds": 0}, 0),
        (FEW - 2, {"test_size": 50}, 0),
        (FEW - 2, {"test_size": None}, FOLDS),
        (60, {"folds": 3}, 3),
    ],
)
def test_few_rows_are_cross_validated_and_half_of_many_held_out(
    tmp_path: Path, rows: int, options: dict[str, object], folds: int
) -> None:
    data = own(tmp_path, {"bad": rows // 2, "good": rows // 2}, **options)
    assert data.folds == folds
    assert len(data.test) == (rows if folds else options.get("test_size", rows // 2))
    assert any("cross-validated" in note for note in data.notes) == bool(folds)


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ({"bad": 3, "good": 2}, {}, f"5 real rows are too few even for cross-validation; give at least {LEAST} real"),
        (
            {"bad": 30, "good": 2},
            {},
            "class good has 2 real rows, and 5 folds need at least 3;.*--drop-labels good",
        ),
        ({"bad": 30, "good": 30, "very good": 2}, {}, "--drop-labels 'very good'$"),
        ({"bad": 30, "Good": 30, "good": 1}, {}, "at least 3; --labels good=Good makes one class of both spellings"),
        ({"bad": 30, "good": 30}, {"folds": 0}, "60 real rows are too few to hold one out.*--folds 5"),
    ],
)
def test_too_few_rows_are_one_line(
    tmp_path: Path, counts: dict[str, int], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        own(tmp_path, counts, **options)


def test_the_help_names_the_defaults() -> None:
    """The table of options must not import `tasks`."""
    entry = {field.name: field for field in fields(RunArguments)}["folds"]
    assert f"default: {FOLDS} folds below {FEW} real rows" in option_of(entry).help


def test_a_task_with_a_test_takes_no_folds() -> None:
    with pytest.raises(DataError, match="--folds is for real rows without a test set"):
        load("twitter", folds=5)


def test_a_smoke_run_limits_the_rows(tmp_path: Path) -> None:
    data = own(tmp_path, {"bad": 90, "good": 60}).limited(40)
    assert len(data.pool) == len(data.test) == 40
    assert len(stressed(data, {}, 0).test) == 8


@pytest.mark.parametrize(("examples", "folds"), [("[3, 9]", 0), ("[]", FOLDS)])
def test_rows_that_prompts_showed_are_not_tested(tmp_path: Path, examples: str, folds: int) -> None:
    """`bench generate --few-shot` shows no row of the half that is held out; a fold would test the others."""
    real = write(tmp_path, "real", {"bad": 60, "good": 60})
    generated = write(tmp_path, "generated", {"bad": 40, "good": 40})
    pd.read_csv(generated).assign(prompt_id="a", examples=examples).to_csv(generated, index=False)
    data = load("files", places={"generated": generated, "real": real})
    assert data.folds == folds
    assert any("showed examples (few-shot)" in note for note in data.notes) == (not folds)
    asked = load("files", places={"generated": generated, "real": real}, folds=4)
    assert any("the generator saw" in str(finding) for finding in asked.findings) == (not folds)


def test_generated_copies_of_cross_validated_rows_are_leaks(tmp_path: Path) -> None:
    """The real rows are the test too, so copies of them raise the accuracy."""
    real = write(tmp_path, "real", {"bad": 60, "good": 60})
    generated = write(tmp_path, "generated", {"bad": 40, "good": 40})
    copies = pd.read_csv(real).head(50).assign(text=lambda frame: frame["text"] + "!")
    pd.concat([pd.read_csv(generated), copies]).to_csv(generated, index=False)
    data = load("files", places={"generated": generated, "real": real})
    (leak,) = [one for one in data.findings if one.roles == ("generated", "real")]
    assert leak.level is Level.FIX
    assert leak.text.endswith(f"accuracy may be up to {100 * 50 / 120:.1f} points too high")


def test_a_class_of_fewer_rows_than_folds_is_in_some_of_them(tmp_path: Path) -> None:
    data = own(tmp_path, {"bad": 30, "good": 3})
    parts = [stressed(data, {}, seed) for seed in range(FOLDS)]
    assert sorted(int((part.test.labels == 1).sum()) for part in parts) == [0, 0, 1, 1, 1]


def test_rows_that_differ_in_punctuation_stay_in_one_fold(tmp_path: Path) -> None:
    real = write(tmp_path, "real", {"bad": 30, "good": 30})
    frame = pd.read_csv(real)
    pd.concat([frame, frame.head(12).assign(text=frame["text"] + "!")]).to_csv(real, index=False)
    data = load("files", places={"generated": write(tmp_path, "generated", {"bad": 40, "good": 40}), "real": real})
    for seed in range(2 * FOLDS):
        part = stressed(data, {}, seed)
        assert not set(part.test.near_keys) & set(part.pool.near_keys)


def test_near_duplicates_among_cross_validated_rows_are_leaks(tmp_path: Path) -> None:
    """Both of a pair may be tested where the other is trained on."""
    ending, kind = " indeed", "near-duplicates"
    texts = " ".join(f"word{k}{{label}}{{i}}" for k in range(8))
    real = write(tmp_path, "real", {"bad": 30, "good": 30}, texts)
    frame = pd.read_csv(real)
    pd.concat([frame, frame.head(12).assign(text=frame["text"] + ending)]).to_csv(real, index=False)
    data = load("files", places={"generated": write(tmp_path, "generated", {"bad": 40, "good": 40}), "real": real})
    (leak,) = [one for one in data.findings if one.kind == kind and one.roles[0] == "real"]
    assert (leak.level, leak.roles) == (Level.FIX, ("real", "real"))
    assert leak.text.startswith("12 of 72 real rows ")
    assert leak.text.endswith(f"accuracy may be up to {100 * 24 / 72:.1f} points too high")


def test_a_class_of_one_text_is_too_few(tmp_path: Path) -> None:
    """Its rows are in one fold, so a seed would have none of the class to teach."""
    real = write(tmp_path, "real", {"bad": 30, "good": 30})
    rare = pd.DataFrame({"text": ["so so"] * 3, "label": "mixed"})
    pd.concat([pd.read_csv(real), rare]).to_csv(real, index=False)
    places: Any = {"generated": write(tmp_path, "generated", {"bad": 40, "mixed": 40}), "real": real}
    with pytest.raises(
        DataError, match="class mixed has 3 real rows with 1 different text, and 5 folds need at least 3"
    ):
        load("files", places=places)


def test_the_note_says_how_many_of_the_held_out_rows_are_tested(tmp_path: Path) -> None:
    data = own(tmp_path, {"bad": 199, "good": 199}, test_size=50)
    assert (len(data.pool), len(data.test)) == (199, 50)
    assert any(
        "199 of the 398 real rows" in note and "50 of them are the test (--test-size)" in note for note in data.notes
    )


def test_arrays_of_shown_rows_in_memory(tmp_path: Path) -> None:
    """A DataFrame may hold arrays; these ended with a traceback."""
    frame = pd.read_csv(write(tmp_path, "generated", {"bad": 40, "good": 40}))
    frame = frame.assign(prompt_id="a", examples=[np.array([3, 9])] * 80)
    places: Any = {"generated": table_of(frame, "generated"), "real": write(tmp_path, "real", {"bad": 60, "good": 60})}
    assert load("files", places=places).folds == 0
    places["generated"] = table_of(frame.assign(examples=[[]] * 80), "generated")
    assert load("files", places=places).folds == FOLDS
