"""`bench validate`: every number recounted, and no torch."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest

from bench.cli import main
from bench.commands.data.validate import validate, validate_json
from bench.commands.data.verdict import of_shares, verdict
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.dry_run import data_lines
from bench.planning.planner import make_plan
from tasks import DataError
from tests.helpers.encoders import edited, make_bert


def lines(tiny_encoder: Path, **changes: object) -> list[str]:
    return list(validate(make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", **changes)))  # type: ignore[arg-type]


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Generated: 40 rows, 3 of them a repetition, 1 with two labels, 2 also in the test; real 100; test 60."""
    rows = {
        role: [(f"{role} {label} {i}", label) for label in ("no", "yes") for i in range(count)]
        for role, count in (("generated", 18), ("real", 50), ("test", 30))
    }
    rows["generated"] += [("generated no 0", "no"), ("Generated  no 1", "no"), ("generated no 2", "yes")]
    rows["generated"] += [("test no 1", "no"), ("test no 2", "no")]
    rows["real"][0] = ("word " * 50, "no")
    return {role: write(tmp_path / f"{role}.csv", content) for role, content in rows.items()}


def test_every_number_is_right(tiny_encoder: Path, places: dict[str, str]) -> None:
    printed = lines(tiny_encoder, **places)
    assert printed[0] == "generated: texts, 2 classes; source files"
    assert printed[1] == (
        "  generated: 39 rows (generated.csv); no 51.3 %, yes 48.7 %; 3 rows with the text of an earlier row; "
        "1 text with more than one label"
    )
    assert printed[2] == "  real: 100 rows (real.csv); no 50.0 %, yes 50.0 %"
    assert printed[3] == "  test: 60 rows (test.csv); no 50.0 %, yes 50.0 %"
    assert printed[4] == "  small real set: 100 rows; no 50.0 %, yes 50.0 %"
    assert printed[5] == "  removed 2 of 41 generated rows whose text is also in the test"
    assert printed[6].startswith("  label shares (generated / real / test): no 51.3 % / 50.0 % / 50.0 %, yes ")
    assert printed[6].endswith(
        "generated and real differ by up to 1.3 points, real and test differ by up to 0.0 points"
    )
    assert (
        printed[7] == "  constant guess (always no, the most frequent class of the test): 50.0 % accuracy on the test"
    )
    assert printed[8].startswith("  words: ")
    assert "  generated rows (generated.csv): text = text, label = label" in printed
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    counts = pd.Series([len(ids) for ids in tokenizer(pd.read_csv(places["real"])["text"].tolist())["input_ids"]])
    middle, high = counts.quantile([0.5, 0.99])
    expected = f"median {middle:.0f}, 99 % {high:.0f}, longest {counts.max()}; 1 row cut at 32"
    assert f"  tokens of {tiny_encoder.name}, real: {expected}" in printed
    assert (counts > 32).sum() == 1
    assert printed[-3] == (
        "  warning: 1 text of the generated rows has more than one label (2 of 39 rows), such as "
        "'generated no 2' (no, yes)"
    )
    assert printed[-2].startswith("  warning: with 60 test rows, a measured accuracy of 80 % can be 10.1 points off")
    assert printed[-1] == (
        "  Usable. Keep in mind when reading results: conflicting labels among generated rows (2); only 60 test rows."
    )


def test_a_file_of_validation_rows_is_said_not_to_be_read_before_a_run_too(
    tiny_encoder: Path, tmp_path: Path, places: dict[str, str]
) -> None:
    shutil.copy(places["real"], tmp_path / "validation.csv")
    note = "not read: validation.csv in the task's folder; --test FILE tests on such rows"
    request = make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", tasks=str(tmp_path))
    plan = make_plan(request, tmp_path / "runs")
    assert [line.strip() for line in validate(request)].count(note) == 1
    assert data_lines(plan).count(note) == plan.sections[0]["notes"].count(note) == 1


def test_json_has_the_rows_of_each_finding(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choices([a + b for a in "bdfgkl" for b in "aeiou"], k=12)) for _ in range(260)]
    rows = [(text, "yes" if place % 4 else "no") for place, text in enumerate(texts)]
    near = (f"{texts[0]} too", "no")
    parts = {"test": rows[:100], "real": [*rows[100:180], near], "generated": [*rows[180:], (texts[200], "no")]}
    words = [word for role, part in parts.items() for word in (f"--{role}", write(tmp_path / f"{role}.csv", part))]
    with pytest.raises(SystemExit) as stop:
        main(["validate", *words, "--name", "mine", "--encoder", str(tiny_encoder), "--max-length", "8", "--json"])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err
    (task,) = json.loads(printed.out)["tasks"]
    assert (task["task"], task["title"], task["folds"]) == ("mine", "mine", 0)
    assert task["roles"]["test"]["shares"] == [0.25, 0.75]
    assert task["majority"] == {"label": "yes", "share": 0.75}
    found = {(finding["kind"], *finding["roles"]): finding for finding in task["findings"]}
    assert found["near-duplicates", "real", "test"]["rows"] == [[80, 0]]
    assert found["near-duplicates", "real", "test"]["level"] == "fix"
    assert found["near-duplicates", "real", "test"]["text"].endswith("accuracy may be up to 1.0 points too high")
    assert found["cut", "test"]["text"].startswith("100 % of the test rows are longer than 8 tokens")
    assert task["tokens"][tiny_encoder.name]["test"]["cut"] == 100
    assert task["verdict"].startswith("Fix this first: near duplicates of test rows among real rows (1). Also: ")


def test_texts_that_the_encoder_does_not_know(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every Thai text is the same unknown token to an English vocabulary, and nothing said so."""
    rng = random.Random(0)
    thai = ["".join(rng.choices("กขคงจชดตถทนบปพมยรลวสหอ", k=12)) for _ in range(200)]
    rows = [(text, "yes" if place % 2 else "no") for place, text in enumerate(thai)]
    english = [(f"{word} day {n}", label) for n in range(50) for word, label in (("good", "yes"), ("bad", "no"))]
    parts = {"generated": rows[:80], "real": rows[80:], "test": english}
    words = [word for role, part in parts.items() for word in (f"--{role}", write(tmp_path / f"{role}.csv", part))]
    with pytest.raises(SystemExit):
        main(["validate", *words, "--encoder", str(tiny_encoder), "--json"])
    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    (found,) = (finding for finding in task["findings"] if finding["kind"] == "unknown-tokens")
    assert (found["level"], found["roles"]) == ("fix", ["generated", "real"])
    assert found["text"] == (
        f"tokens that {tiny_encoder.name} does not know and cannot tell apart: 100 % of the generated ones, 100 % of "
        "the real ones; --encoder names one for their language"
    )
    assert [one["unknown"] for one in task["tokens"][tiny_encoder.name].values()] == [1, 1, 0]
    assert task["verdict"].startswith("Fix this first: tokens that the encoder does not know (up to 100 %).")
    printed = lines(tiny_encoder, **{role: str(tmp_path / f"{role}.csv") for role in parts})
    assert f"  tokens of {tiny_encoder.name}, real: median 3, 99 % 3, longest 3; 0 rows cut at 32; " in "".join(printed)
    assert sum(line.endswith("; 100.0 % of the tokens unknown") for line in printed) == 2


def test_the_verdict_where_nothing_is_found() -> None:
    assert verdict([]) == "Nothing was found that speaks against training on these rows."


def test_stress_and_a_missing_encoder(tiny_encoder: Path) -> None:
    printed = list(
        validate(make_request(methods="ce", tasks="twitter[real=50,generated=200]", encoder="no/such-encoder"))
    )
    assert printed[1].startswith("  generated: 200 rows")
    assert printed[4].startswith("  small real set: 50 rows")
    assert any(line.startswith("  tokens: not counted; encoder 'no/such-encoder'") for line in printed)
    with pytest.raises(DataError, match="a small real set of 1,500 rows needs more than the 1,499 real rows"):
        lines(tiny_encoder, tasks="twitter[real=1500]")


def test_an_encoder_without_a_tokenizer_file(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "old")
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    assert any(line.endswith("has no tokenizer.json") for line in lines(folder))


def test_few_clusters_of_many_test_rows_are_few(tiny_encoder: Path, tmp_path: Path, places: dict[str, str]) -> None:
    rows = [(f"so {label} {i}", label, i % 20) for label in ("no", "yes") for i in range(300)]
    pd.DataFrame(rows, columns=["text", "label", "cluster"]).to_csv(tmp_path / "t.csv", index=False)
    printed = lines(tiny_encoder, **{**places, "test": str(tmp_path / "t.csv")})
    assert any(
        "with 600 test rows in 20 clusters, a measured accuracy of 80 % can be 17.5 points off" in line
        for line in printed
    )


def test_texts_without_words(
    tiny_encoder: Path, tmp_path: Path, places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON had a NaN, which is none, and the line said nan%."""
    places["real"] = write(
        tmp_path / "real.csv", [("!" * (i + 1), label) for i in range(30) for label in ("no", "yes")]
    )
    assert "  words: there are none in real rows" in lines(tiny_encoder, **places)
    words = [word for role, place in places.items() for word in (f"--{role}", place)]
    with pytest.raises(SystemExit) as stop:
        main(["validate", *words, "--encoder", str(tiny_encoder), "--json"])
    assert stop.value.code == 0
    assert '"covered": null' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("length", "advice"),
    [
        (8, "--max-length 32 reads more of them"),
        (16, "--max-length 32 reads more of them (the encoder reads no more than that)"),
        (32, "the encoder reads no more: shorten the texts, or name another one (--encoder)"),
    ],
)
def test_a_longer_limit_is_advised_only_where_the_encoder_has_it(
    tiny_encoder: Path, tmp_path: Path, places: dict[str, str], length: int, advice: str
) -> None:
    """It was twice the limit whatever the encoder reads, and more than a run takes was counted with."""
    encoder = str(edited(tiny_encoder, tmp_path / "short", max_position_embeddings=32))
    for role, rows in (("generated", 40), ("real", 60)):
        words = 12 if (role, length) == ("generated", 8) else 50
        texts = [(f"{role} {row} " + "day " * words, "no" if row % 2 else "yes") for row in range(rows)]
        places[role] = write(tmp_path / f"{role}.csv", texts)
    options = {"methods": "ce", "encoder": encoder, "preset": "smoke", **places}
    (task,) = validate_json(make_request(settings={"max_length": length}, **options))
    found = next(one for one in task["findings"] if (one["kind"], one["roles"]) == ("cut", ("generated",)))
    assert found["text"].endswith(f"are cut there; {advice}")
    with pytest.raises(UserError, match=r"max_length=33, but encoder .* has 32 positions"):
        validate_json(make_request(settings={"max_length": 33}, **options))


@pytest.mark.parametrize(
    ("test", "effect", "further"),
    [
        (75, "may lose by", ["no is 25 % of the real and 75 % of the test rows; are they of one source?"]),
        (25, "gains from", []),
    ],
)
def test_what_shifted_label_shares_do_depends_on_those_of_the_test(test: int, effect: str, further: list[str]) -> None:
    """Learning the real shares was said to gain, also where those of the test are others."""
    shares = {"generated": [0.5, 0.5], "real": [0.25, 0.75], "test": [test / 100, 1 - test / 100]}
    first, *others = (one.text.removeprefix("label shares shift: ") for one in of_shares(shares, ["no", "yes"]))
    assert first == (
        f"no is 50 % of the generated, 25 % of the real and {test} % of the test rows; a method that learns the real "
        f"shares {effect} that alone, so compare with ce-prior, which learns nothing else"
    )
    assert others == further
    (only,) = of_shares({role: shares[role] for role in ("generated", "real")}, ["no", "yes"])
    assert "50 % of the generated and 25 % of the real rows; a method that learns the real shares gains" in only.text


def test_of_many_classes_some_are_listed(tiny_encoder: Path, tmp_path: Path) -> None:
    rows = {role: [(f"{role} {i}", f"c{i % 30:02}") for i in range(120)] for role in ("generated", "real", "test")}
    printed = lines(tiny_encoder, **{role: write(tmp_path / f"{role}.csv", part) for role, part in rows.items()})
    assert printed[1].endswith("c10 3.3 %, c11 3.3 % and 18 more")


def test_encoders_of_one_name_are_told_apart(tiny_encoder: Path, tmp_path: Path, places: dict[str, str]) -> None:
    """Of several folders checkpoint-500, the lengths of the last alone were shown, under the name of all."""
    for run in ("one", "two"):
        shutil.copytree(tiny_encoder, tmp_path / run / "checkpoint-500")
    for file in (tmp_path / "one" / "checkpoint-500").glob("*.json"):
        if file.name.startswith("tokenizer"):
            file.unlink()
    encoders = [str(tmp_path / run / "checkpoint-500") for run in ("one", "two")]
    request = make_request(methods="ce", encoder=[*encoders, str(tiny_encoder)], preset="smoke", **places)
    tokens = validate_json(request)[0]["tokens"]
    assert list(tokens) == [*encoders, tiny_encoder.name]
