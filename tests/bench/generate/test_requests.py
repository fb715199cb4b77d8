"""The options of `bench generate`: what is refused in one line, and what the prompts are made of."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.commands.data.generate import shown
from bench.errors import UserError
from bench.generate.arguments import GenerateArguments
from bench.generate.journal import Journal, Line
from bench.generate.request import divided, make_request
from bench.generate.spending import Prices, most_tokens, parsed_budget
from tasks import DataError

USUAL = {"labels": "pos,neg", "domain": "tweets", "model": "m", "n": 10}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": None}, "--labels needs at least 2 labels, as in --labels pos,neg; given: none"),
        ({"labels": ","}, "--labels needs at least 2 labels"),
        ({"labels": "pos"}, "given: pos"),
        ({"labels": "pos,neg,pos"}, "--labels names 'pos' twice"),
        ({"labels": "pos,neg,Pos"}, r"--labels names 'Pos' twice \(also as 'pos'\)"),
        ({"n": 1}, "--n 1 rows leave none for neg; 2 labels with these shares need more rows"),
        ({"n": 10, "shares": "pos=99,neg=1"}, "--n 10 rows leave none for neg"),
        ({"domain": " "}, "--domain is missing"),
        ({"model": None}, "--model is missing"),
        ({"backend": "transformer"}, "unknown backend 'transformer'; did you mean 'transformers'"),
        ({"backend": "x"}, "unknown backend 'x'; known: openai, transformers"),
        ({"to": Path("out.csv")}, r"--to out.csv: the file is JSON lines; give it the ending .jsonl"),
        ({"shares": "pos=1"}, "--shares names pos, but --labels are pos, neg"),
        ({"shares": "pos=much,neg=1"}, "shares are numbers"),
        ({"shares": "pos=0,neg=1"}, "every share must be above 0"),
        ({"shares": "pos=nan,neg=1"}, "every share must be above 0"),
        ({"describe": "poss=happy"}, "'poss' is not one of --labels pos,neg; did you mean 'pos'"),
        ({"budget": "5"}, '--budget 5 is money, which needs --price-in and --price-out .*"5 tokens" needs no prices'),
        ({"budget": "lots"}, "neither money .5 or 0.5, with a point. nor tokens"),
        ({"budget": "0 tokens"}, "neither money .5 or 0.5, with a point. nor tokens"),
        ({"budget": "0,5"}, "neither money .5 or 0.5, with a point. nor tokens"),
        ({"budget": "5,50"}, "neither money .5 or 0.5, with a point. nor tokens"),
        ({"price_in": 1.0}, "--price-in and --price-out belong together"),
        ({"few_shot": "nowhere.csv"}, "nowhere.csv: no such file"),
    ],
)
def test_what_cannot_be_met_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises((UserError, DataError), match=message):
        make_request(GenerateArguments(**{**USUAL, **options}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[a, b]", "attributes are a YAML mapping of names to lists"),
        ("topic: travel", "topic needs a list of values"),
        ("topic: []", "topic needs a list of values"),
        ("topic: [a, null]", "topic needs a list of values"),
        ("topic: {poss: [a], neg: [b]}", "topic: 'poss' is not a label; did you mean 'pos'"),
        ("topic: {pos: [a]}", "topic has no values for neg"),
    ],
)
def test_attributes_that_are_none_are_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "attributes.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        make_request(GenerateArguments(**{**USUAL, "attributes": str(path)}))


def test_the_command_ends_with_exit_code_2_and_one_line(bench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = bench("generate", "--labels", "pos,neg", "--domain", "tweets", "--model", "m", "--backend", "opnai")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown backend 'opnai'; did you mean 'openai'?\n"


def test_prompts_follow_from_seed_label_and_number(tmp_path: Path) -> None:
    path = tmp_path / "attributes.yaml"
    path.write_text("topic: {pos: [sun, beach], neg: [rain, fog]}\nyear: [1999, 2020, 2021]\n")
    options = {**USUAL, "attributes": str(path), "describe": "pos=a happy mood"}
    prompts, same, other = (make_request(GenerateArguments(**options, seed=seed)).prompts for seed in (0, 0, 1))
    asked = [prompts.make(label, number) for label in ("pos", "neg") for number in range(60)]
    assert asked == [same.make(one.label, one.number) for one in asked]
    assert [one.prompt for one in asked] != [other.make(one.label, one.number).prompt for one in asked]
    assert len({one.prompt.seed for one in asked}) == len({one.id for one in asked}) == 120
    drawn = Counter((one.label, one.attributes["topic"]) for one in asked)
    assert set(drawn) == {("pos", "sun"), ("pos", "beach"), ("neg", "rain"), ("neg", "fog")}
    assert min(drawn.values()) > 15
    text = asked[60].prompt.messages[1].content
    assert 'belongs to the class "neg", and not to: "pos" (a happy mood).' in text
    assert f"- year: {asked[60].attributes['year']}" in text


def test_attributes_are_text_as_it_is_written(tmp_path: Path) -> None:
    """YAML alone reads True, 1.1 and 750; labels such as `yes` were unknown."""
    path = tmp_path / "attributes.yaml"
    path.write_text("answer: {yes: [on], no: [off]}\nversion: [1.10]\ntime: [12:30]\n")
    asked = make_request(GenerateArguments(**{**USUAL, "labels": "yes,no", "attributes": str(path)})).prompts
    assert asked.make("yes", 0).attributes == {"answer": "on", "version": "1.10", "time": "12:30"}
    assert asked.make("no", 0).attributes["answer"] == "off"


def test_attributes_can_be_left_out() -> None:
    asked = make_request(GenerateArguments(**USUAL, attributes="none")).prompts.make("pos", 0)
    assert asked.attributes == {}
    assert "\n- " not in asked.prompt.messages[1].content


def test_labels_that_say_nothing_are_a_warning() -> None:
    bare = {**USUAL, "labels": "0,1"}
    assert "--describe says it" in make_request(GenerateArguments(**bare)).notes[0]
    assert make_request(GenerateArguments(**bare, describe="0=bad,1=good")).notes == ()


def test_no_label_loses_a_row_when_a_file_grows() -> None:
    shares = {"a": 0.61, "b": 0.27, "c": 0.12}
    before = divided(0, shares)
    for n in range(1, 300):
        quotas = divided(n, shares)
        assert sum(quotas.values()) == n
        assert all(quotas[label] >= before[label] for label in shares)
        assert all(abs(quotas[label] - n * shares[label]) < 1 for label in shares)
        before = quotas


def test_a_journal_whose_first_line_was_cut_off_begins_again(tmp_path: Path) -> None:
    output, settings = tmp_path / "rows.jsonl", {"labels": ["pos"]}
    (tmp_path / "rows.jsonl.journal").write_text('{"journal": 1, "sett')
    with Journal(output, settings) as journal:
        assert journal.dropped == 20
        journal._append(Line(written="a"))
    with Journal(output, settings) as journal:
        assert journal.dropped == 0
    assert len((tmp_path / "rows.jsonl.journal").read_text().splitlines()) == 2, "the settings, and the line"


def test_prices_and_budgets() -> None:
    prices = Prices(2.0, 8.0)
    prompt = make_request(GenerateArguments(**USUAL)).prompts.make("pos", 0).prompt
    most = most_tokens(prompt, 100)
    assert most.written == 100
    assert most.read > sum(len(message.content) for message in prompt.messages)
    assert prices.cost(most) == pytest.approx((2 * most.read + 800) / 1e6)
    assert Prices(None, None).cost(most) is None
    for text in ("200000 tokens", "200,000tokens", "200_000 Tokens", "2e5 tokens"):
        budget = parsed_budget(text, Prices(None, None))
        assert budget is not None
        assert (budget.amount, budget.in_tokens) == (200_000, True)


def test_a_dry_run_shows_the_prompts_and_writes_nothing(
    bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    options = ("--labels", "pos,neg", "--domain", "tweets", "--model", "m", "--dry-run", "--n", "10")
    done = bench("generate", *options, "--price-in", "1", "--price-out", "2")
    assert done.returncode == 0, done.stderr
    assert "--- prompt pos-0 (zero-shot/1), one of 5" in done.stdout
    assert 'It clearly belongs to the class "neg", and not to: "pos".' in done.stdout
    assert "cost 0.01 at the given prices" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_every_prompt_with_its_own_examples(tmp_path: Path) -> None:
    """The examples of the first prompt of a label stood for those of all: a third of the tokens were missing."""
    rows = [f"{'long ' * (200 if row % 3 == 0 else 1)}{row},{'neg' if row % 2 else 'pos'}" for row in range(120)]
    (tmp_path / "real.csv").write_text("\n".join(["text,label", *rows]))
    request = make_request(GenerateArguments(**{**USUAL, "n": 40, "few_shot": str(tmp_path / "real.csv")}))
    prompts = [request.prompts.make(label, number).prompt for label in ("pos", "neg") for number in range(20)]
    read = sum(most_tokens(prompt, 256).read for prompt in prompts)
    assert (
        f"--- at most about {read:,} tokens read and {40 * 256:,} written, if every answer" in list(shown(request))[-1]
    )
