"""What is read of the user's files: examples are never test rows, and repeated texts are left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.errors import UserError
from bench.generate.answers import AnswerOutcome
from bench.generate.known_texts import Places, key_of, read_own_rows
from tasks import FILES, DataError, load
from tasks.sources import thinning
from tests.bench.generate.conftest import Done
from tests.helpers.chat_server import Reply, chat_server, numbered

Run = Callable[..., Done]


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """160 real rows in a CSV file with usual names of columns."""
    path = tmp_path / "real.csv"
    rows = [(f"real {word} {i}", word) for i in range(80) for word in ("pos", "neg")]
    pd.DataFrame(rows, columns=["Review", "Class"]).to_csv(path, index=False)
    return path


def table(path: Path, rows: list[tuple[str, str]]) -> str:
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return str(path)


def shown(request: dict[str, Any]) -> list[str]:
    """The examples in a prompt."""
    lines = request["messages"][1]["content"].splitlines()
    return [line.partition(". ")[2] for line in lines if line[:2] in ("1.", "2.", "3.")]


def test_examples_are_of_the_label_and_not_among_the_rows_that_test_a_run(run: Run, real: Path) -> None:
    with chat_server() as server:
        done = run(server, n=40, few_shot=str(real))
    other = table(real.with_name("other.csv"), [("a", "pos"), ("b", "neg")])
    data = load(FILES, places={"generated": other, "real": str(real)}, folds=0)
    asked = {request["seed"]: request for request in server.requests}
    texts = pd.read_csv(real)["Review"].tolist()
    seen = Counter[str]()
    for row in done.rows:
        examples = shown(asked[row["prompt_seed"]])
        assert [texts[number] for number in row["examples"]] == examples
        assert len(set(examples)) == 3
        assert all(f" {row['label']} " in example for example in examples)
        assert row["template"] == "few-shot/1"
        seen.update(examples)
    assert not set(seen) & set(data.test.texts)
    assert len(seen) > 40, "prompts draw their examples from all allowed rows"
    assert "prompts show no few-shot row that `bench run --real` holds out as the test" in done.said


def test_with_a_test_file_its_texts_are_no_examples(run: Run, real: Path, tmp_path: Path) -> None:
    test = table(tmp_path / "test.csv", [(f"REAL {word} {i}!", word) for i in range(75) for word in ("pos", "neg")])
    with chat_server() as server:
        done = run(server, n=20, few_shot=str(real), test=test)
    examples = {text for request in server.requests for text in shown(request)}
    assert examples == {f"real {word} {i}" for i in range(75, 80) for word in ("pos", "neg")}
    assert "150 of 160 few-shot rows are or may become test rows" in done.said


def test_few_rows_need_a_test_or_other_rows(run: Run, real: Path, tmp_path: Path) -> None:
    few = table(tmp_path / "few.csv", [(f"shot {word} {i}", word) for i in range(4) for word in ("pos", "neg")])
    with chat_server() as server:
        with pytest.raises(UserError, match=r"has 8 rows, and without --test any of them may test a run; give --test"):
            run(server, few_shot=few)
        assert run(server, few_shot=few, real=str(real)).complete


def test_a_label_without_examples_is_an_error(run: Run, real: Path) -> None:
    with chat_server() as server:
        with pytest.raises(UserError, match=r"no row of .*real.csv has the label 'posi'; it has neg, pos; did you"):
            run(server, labels="posi,neg", few_shot=str(real))
        assert server.requests == []


def test_other_labels_are_not_shown_and_said(run: Run, tmp_path: Path) -> None:
    rows = [(f"real {word} {i}", word) for i in range(60) for word in ("pos", "neg", "mixed")]
    path = table(tmp_path / "three.csv", rows)
    with chat_server() as server:
        done = run(server, few_shot=path)
    assert not any("mixed" in request["messages"][1]["content"] for request in server.requests)
    assert "few-shot rows of labels that are not in --labels are not shown" in done.said


def test_rows_that_repeat_real_or_test_rows_are_left_out(run: Run, real: Path, tmp_path: Path) -> None:
    test = table(tmp_path / "test.csv", [("A test row.", "pos"), ("Real pos 3", "neg")])
    copies = ["REAL  pos 1", "a test row", "real pos 3!", "real, neg 2"]
    with chat_server(
        lambda number, request: Reply(copies[number]) if number < len(copies) else numbered(number, request)
    ) as server:
        with pytest.raises(DataError, match="no column 'Review'"):
            run(server, n=10, real=str(real), test=test, text="Review")
        done = run(server, n=10, real=str(real), test=test, concurrency=1)
    assert done.complete
    assert "2 repeats a real row, 2 repeats a test row" in done.said
    assert not set(copies) & {row["text"] for row in done.rows}


def test_pairs(run: Run, tmp_path: Path) -> None:
    rows = [(f"one {i}", f"two {i}", label) for i in range(60) for label in ("pos", "neg")]
    path = tmp_path / "pairs.csv"
    pd.DataFrame(rows, columns=["sentence1", "sentence2", "label"]).to_csv(path, index=False)

    def pairs(number: int, request: dict[str, Any]) -> Reply:
        odd = {
            0: "no JSON",
            1: '{"text": "alone"}',
            2: '["a", "b"]',
            3: '```json\n{"text": "a", "text_pair": "b"}\n```',
        }
        seed = request["seed"]
        return Reply(odd.get(number) or json.dumps({"text": f"first {seed}", "text_pair": f"second {seed}"}))

    with chat_server(pairs) as server:
        done = run(server, n=8, pair=True, few_shot=str(path), concurrency=1)
        with pytest.raises(UserError, match=r"holds pairs of texts; --pair generates pairs"):
            run(server, few_shot=str(path), to=tmp_path / "other.jsonl")
    assert done.complete
    assert "3 malformed" in done.said
    assert {"text": "a", "text_pair": "b"}.items() <= done.rows[[row["text"] for row in done.rows].index("a")].items()
    assert all(row["text"].replace("first", "second") == row["text_pair"] for row in done.rows if row["text"] != "a")
    for example in shown(server.requests[0]):
        assert set(json.loads(example)) == {"text", "text_pair"}
    single = table(tmp_path / "single.csv", [("a", "pos"), ("b", "neg")])
    with chat_server() as server, pytest.raises(UserError, match="one column of texts, but --pair asks for pairs"):
        run(server, pair=True, real=single, to=tmp_path / "other.jsonl")


def test_a_run_takes_the_file_as_it_is(run: Run, real: Path, tmp_path: Path, bench: Callable[..., Any]) -> None:
    with chat_server() as server:
        run(server, n=40, few_shot=str(real), to=tmp_path / "generated.jsonl")
    done = bench("validate", "--generated", "generated.jsonl", "--real", str(real))
    assert done.returncode == 0, done.stderr
    assert "generated: 40 rows (generated.jsonl); neg 50.0 %, pos 50.0 %" in done.stdout
    (warning,) = (line.strip() for line in done.stdout.splitlines() if "warning" in line)
    assert warning.startswith("warning: with 80 test rows, a measured accuracy"), "the generated rows are sound"


def test_a_few_shot_text_that_is_no_string_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text('{"text": "fine", "label": "pos"}\n{"text": 2024, "label": "neg"}\n')
    test = table(tmp_path / "test.csv", [("a test row", "pos"), ("another", "neg")])
    with (
        chat_server() as server,
        pytest.raises(DataError, match=r"few\.jsonl, line 2: text is 2024 \(int\), not a str"),
    ):
        run(server, few_shot=str(path), test=test)


def test_every_row_of_a_large_file_is_known(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that repeated a test row which was not in the sample stayed. Examples may be of a sample, which is said."""
    monkeypatch.setattr(thinning, "BUDGET", 15_000)
    texts = [f"test {word} {n}" for n in range(100) for word in ("pos", "neg")]
    test = table(tmp_path / "test.csv", [(text, text.split()[1]) for text in texts])
    own = read_own_rows(Places(few_shot=str(real), test=test), ["pos", "neg"], pair=False)
    assert {own.known.check(key_of(text.upper(), None)) for text in texts} == {AnswerOutcome.TEST}
    assert (
        "generated rows that repeat one of 200 test rows are left out; the test rows serve for this alone" in own.notes
    )
    (note,) = [note for note in own.notes if "too large for memory" in note]
    assert f"a random {sum(map(len, own.examples.values()))} of the 160 rows of real.csv" in note


def test_the_same_file_as_test_and_as_examples_is_refused(real: Path) -> None:
    with pytest.raises(UserError, match=r"the test rows and the real rows are the same, those of \S+real\.csv;"):
        read_own_rows(Places(few_shot=str(real), test=str(real)), ["pos", "neg"], pair=False)
