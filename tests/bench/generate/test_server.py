"""The backend `openai` against a real server that misbehaves: nothing is lost, nothing is there twice."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UserError
from bench.generate.backends import openai_server
from tests.bench.generate.conftest import KEY, Done, rows_of
from tests.helpers.background import default_interrupts, wait_for
from tests.helpers.chat_server import Reply, chat_server, completion, error, numbered

Run = Callable[..., Done]


def test_every_row_says_where_it_comes_from(run: Run, tmp_path: Path) -> None:
    with chat_server() as server:
        done = run(server, n=11, shares="pos=3,neg=1", price_in=2.0, price_out=8.0)
    assert done.complete
    assert Counter(row["label"] for row in done.rows) == {"pos": 8, "neg": 3}
    asked = {request["seed"]: request for request in server.requests}
    assert len(asked) == len(server.requests) == 11
    for row in done.rows:
        request = asked[row["prompt_seed"]]
        assert row["text"] == f"a text about {row['prompt_seed']}"
        assert (row["model"], row["backend"], row["finish_reason"]) == ("small-writer-2026", "openai", "stop")
        assert (row["tokens_in"], row["tokens_out"]) == (20, 4)
        assert f'belongs to the class "{row["label"]}"' in request["messages"][1]["content"]
        for name, value in row["attributes"].items():
            assert f"- {name}: {value}" in request["messages"][1]["content"]
        assert request["max_tokens"] == 256
    assert len({row["prompt_id"] for row in done.rows}) == 11
    assert "220 tokens read and 44 written, cost 0.0008 at the given prices" in done.said
    assert all(key == f"Bearer {KEY}" for key in server.keys)
    assert not any(KEY in path.read_text() for path in tmp_path.iterdir())


def test_rate_limits_errors_and_broken_connections_are_asked_again(run: Run) -> None:
    troubles = {
        0: error(429, "slow down", retry_after="0.01"),
        1: error(500, "oh", retry_after="0.01"),
        2: Reply("half an answer", cut=True),
        3: Reply("late", wait=1.5),
        4: error(503, "busy", retry_after="0.01"),
    }
    with chat_server(lambda number, request: troubles.get(number) or numbered(number, request)) as server:
        done = run(server, n=12, timeout=0.7)
    assert done.complete
    assert len(done.rows) == len({row["text"] for row in done.rows}) == 12
    assert {row["text"] for row in done.rows} == {f"a text about {row['prompt_seed']}" for row in done.rows}
    assert "5 requests sent again" in done.said
    assert "0 without an answer in the end" in done.said
    assert len(server.requests) == 12 + len(troubles)


def test_a_long_wait_that_the_server_asks_for_stops_the_run(run: Run) -> None:
    with chat_server(lambda *_: error(429, "come back tomorrow", retry_after="3600")) as server:
        done = run(server)
    assert (done.complete, done.rows) == (False, [])
    assert "the server asks to wait 3600 s; the same command continues from here" in done.said


def test_answers_that_are_no_rows_are_counted_and_replaced(run: Run, tmp_path: Path) -> None:
    odd = [
        Reply("I'm sorry, but I can't help with that request."),
        Reply(message={"refusal": "I will not."}),
        Reply("", finish_reason="content_filter"),
        Reply("A text that is", finish_reason="length"),
        Reply("   "),
        Reply("  A TEXT, about the same!"),
        Reply("a text about the same"),
        Reply('"In quotation marks"'),
        Reply("<think>hm</think>After a thought"),
        Reply("```\nIn a fence\n```"),
    ]
    with chat_server(lambda number, request: odd[number] if number < len(odd) else numbered(number, request)) as server:
        done = run(server, n=10, concurrency=1)
    assert done.complete
    assert Counter(row["label"] for row in done.rows) == {"pos": 5, "neg": 5}
    texts = [row["text"] for row in done.rows]
    assert {"A TEXT, about the same!", "In quotation marks", "After a thought", "In a fence"} <= set(texts)
    assert "3 refused, 1 cut at the token limit, 1 malformed, 1 repeats a generated row" in done.said
    assert "taken off 3 answers" in done.said
    journal = (tmp_path / "out.jsonl.journal").read_text()
    assert "help with that request" in journal, "every answer is kept there"


@pytest.mark.parametrize("body", ["not json", '{"choices": []}', '{"object": "other"}', "[1, 2]", '{"choices": [{}]}'])
def test_a_server_of_another_kind_stops_the_run(run: Run, body: str) -> None:
    with chat_server(lambda *_: Reply(body=body)) as server:
        done = run(server)
    assert (done.complete, done.rows) == (False, [])
    assert "5 requests in a row failed" in done.said
    assert "not of the chat API" in done.said


def test_one_malformed_response_is_no_loss(run: Run) -> None:
    with chat_server(lambda number, request: Reply(body="{") if number == 3 else numbered(number, request)) as server:
        done = run(server)
    assert done.complete
    assert len({row["text"] for row in done.rows}) == 10
    assert "1 without an answer in the end" in done.said


def test_half_a_character_is_a_malformed_answer(run: Run) -> None:
    """A server may send one of the two surrogates of an emoji that it cut; the journal could not be written."""
    half = Reply("great \ud83d")
    with chat_server(lambda number, request: half if number == 3 else numbered(number, request)) as server:
        done = run(server)
    assert done.complete
    assert "1 malformed" in done.said
    assert run(server).complete, "the journal can be read"


@pytest.mark.parametrize("count", [None, -1000, float("inf"), "many", ...])
def test_a_count_that_is_none_is_the_most_possible(run: Run, tmp_path: Path, count: Any) -> None:
    """Answers with `usage: {}` were thrown away, and a negative count lifted every budget."""
    usage = {} if count is ... else {"prompt_tokens": count, "completion_tokens": count}

    def answer(number: int, request: dict[str, Any]) -> Reply:
        return Reply(body={**completion(request, numbered(number, request)), "usage": usage})

    with chat_server(answer) as server:
        done = run(server, n=4)
    assert done.complete
    assert len(server.requests) == 4
    records = [json.loads(line)["record"] for line in (tmp_path / "out.jsonl.journal").read_text().splitlines()[1:5]]
    assert all(record["estimated"] and record["tokens_in"] > 20 for record in records)


def test_of_an_answer_in_parts_the_text_is_the_row(run: Run) -> None:
    def answer(number: int, request: dict[str, Any]) -> Reply:
        parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A nice day"}]
        return Reply(message={"content": [*parts, {"type": "text", "text": f" {number}"}]})

    with chat_server(answer) as server:
        done = run(server, n=4)
    assert {row["text"] for row in done.rows} == {f"A nice day {number}" for number in range(4)}


def test_an_answer_of_another_kind_is_none(run: Run) -> None:
    with chat_server(lambda *_: Reply(message={"content": {"text": "x"}})) as server:
        done = run(server, n=4)
    assert (done.complete, done.rows) == (False, [])
    assert "not of the chat API (the content of the message is a dict)" in done.said


@pytest.mark.parametrize("key", ["sk-FIRST\nsk-SECOND", "sk-FIRST sk-SECOND", "\u201csk-SECOND\u201d"])
def test_a_key_that_is_none_is_not_shown(run: Run, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with chat_server() as server, pytest.raises(UserError, match="OPENAI_API_KEY holds a line end") as caught:
        run(server)
    assert "SECOND" not in str(caught.value)
    assert not server.keys


@pytest.mark.parametrize("proxy", ["socks://ann:s3cret@127.0.0.1:1080/", "socks5://ann:s3cret@127.0.0.1:1080"])
def test_a_proxy_that_the_client_cannot_use_is_one_line(run: Run, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if proxy.startswith("socks5") and importlib.util.find_spec("socksio"):
        pytest.skip("the client has what it needs for this proxy")
    monkeypatch.setenv("ALL_PROXY", proxy)
    with chat_server() as server, pytest.raises(UserError, match=r"no client for the server .* ALL_PROXY") as caught:
        run(server)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://localhost:port/v1", "http://a:70000/v1", "x", "ftp://a/v1"])
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    with pytest.raises(UserError, match="is no address such as"):
        openai_server.check_url(url)


def test_newer_servers_name_the_limit_differently(run: Run) -> None:
    def newer(number: int, request: dict[str, Any]) -> Reply:
        if "max_tokens" in request:
            return error(400, "Use 'max_completion_tokens' instead.", "unsupported_parameter", "max_tokens")
        return numbered(number, request)

    with chat_server(newer) as server:
        assert run(server, n=6, max_tokens=77).complete
    assert {request["max_completion_tokens"] for request in server.answered} == {77}


def test_what_a_server_does_not_take_is_left_out_and_said(run: Run) -> None:
    def strict(number: int, request: dict[str, Any]) -> Reply:
        if "seed" in request:
            return error(422, "Extra inputs are not permitted: seed")
        return Reply(f"text {number}")

    with chat_server(strict) as server:
        done = run(server, n=20, temperature=0.7)
    assert done.complete
    assert done.said.count("the server takes no seed, which was left out") == 1
    assert all(request["temperature"] == 0.7 for request in server.answered)
    refusing = chat_server(lambda *_: error(400, "no", param="temperature"))
    with refusing as server, pytest.raises(UserError, match="refuses the request"):
        run(server, n=30, temperature=0.7)


@pytest.mark.parametrize("budget", ["6000 tokens", "0.012"])
def test_no_request_is_sent_that_could_exceed_the_budget(run: Run, budget: str) -> None:
    prices = {"price_in": 2.0, "price_out": 2.0}
    with chat_server(lambda number, request: Reply("word " * 200 + str(number))) as server:
        done = run(server, n=100, budget=budget, **prices)
        assert not done.complete
        assert "stopped: the budget is reached" in done.said
        used = sum(20 + 201 for _ in server.answered)
        assert 4000 < used <= 6000
        assert len(done.rows) == len(server.answered)
        again = run(server, n=100, budget=budget, **prices)
        assert again.rows == done.rows, "what earlier runs used counts"
        more = run(server, n=100, budget="12000 tokens", **prices)
        assert len(more.rows) > len(done.rows)
        assert 221 * len(server.answered) <= 12000


def test_answers_without_token_counts_cost_the_most_possible(run: Run) -> None:
    with chat_server(lambda number, request: Reply(f"text {number}", usage=False)) as server:
        done = run(server, n=100, budget="6000 tokens")
    prompt = sum(len(message["content"]) for message in server.requests[0]["messages"])
    assert len(done.rows) <= 6000 / (256 + 0.8 * prompt)
    assert f"the most possible was counted for {len(done.rows)} answers" in done.said


def test_a_model_that_repeats_itself_is_given_up(run: Run) -> None:
    with chat_server(lambda number, request: Reply(f"text {number % 2}")) as server:
        done = run(server, n=20)
    assert not done.complete
    assert len(done.rows) == 2
    assert "gave no new row; the rows so far can be used" in done.said
    assert len(server.requests) < 150


def test_a_label_that_is_given_up_does_not_stop_the_others(run: Run) -> None:
    def one_sided(number: int, request: dict[str, Any]) -> Reply:
        barren = 'belongs to the class "neg"' in request["messages"][1]["content"]
        return Reply("the same text") if barren else numbered(number, request)

    with chat_server(one_sided) as server:
        done = run(server, n=80)
    assert Counter(row["label"] for row in done.rows) == {"pos": 40, "neg": 1}
    assert "stopped: the last 50 answers for 'neg' gave no new row; the rows so far can be used" in done.said


def test_a_killed_run_continues(tmp_path: Path, run: Run) -> None:
    """SIGKILL, then Ctrl-C: the file in the end has every prompt once, and equals that of a run without a kill."""

    def slow(number: int, request: dict[str, Any]) -> Reply:
        return Reply(f"a text about {request['seed']}", wait=0.05)

    with chat_server(slow) as server:
        command = [sys.executable, "-m", "bench", "generate", "--labels", "pos,neg", "--domain", "tweets", "--n", "60"]
        command += ["--model", "small-writer", "--base-url", server.url, "--to", "out.jsonl", "--concurrency", "4"]
        environment = {**os.environ, "OPENAI_API_KEY": KEY}
        for end, least in ((signal.SIGKILL, 15), (signal.SIGINT, 30)):
            with default_interrupts():
                process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
            assert wait_for(lambda least=least: len(server.answered) >= least)
            process.send_signal(end)
            said = process.communicate()[0].decode()
            assert process.returncode == (130 if end is signal.SIGINT else -end)
            assert (tmp_path / "out.jsonl").exists() == (end is signal.SIGINT)
            with (tmp_path / "out.jsonl.journal").open("ab") as journal:
                journal.write(b'{"record": {"label": "pos", "num')  # as a kill in the middle of a write leaves it
        assert "in work dropped; the next run asks again" in said
        recorded = rows_of_journal(tmp_path / "out.jsonl.journal")
        assert 0 < len(recorded) < 60
        sent = len(server.requests)
        done = run(server, n=60)
    assert "a line that was cut off (32 bytes) is dropped" in done.said
    assert done.complete
    assert [row for row in done.rows if row["prompt_id"] in recorded] == list(recorded.values()), "nothing is lost"
    assert (
        len(done.rows) == len({row["prompt_id"] for row in done.rows}) == len({row["text"] for row in done.rows}) == 60
    )
    assert len(server.requests) - sent == 60 - len(recorded), "nothing is asked twice that was answered"
    with chat_server() as server:
        whole = run(server, n=60, to=tmp_path / "whole.jsonl")
    assert whole.complete
    texts = [(row["prompt_id"], row["text"]) for row in rows_of(tmp_path / "whole.jsonl")]
    assert texts == [(row["prompt_id"], row["text"]) for row in done.rows]


def rows_of_journal(path: Path) -> dict[str, dict[str, Any]]:
    """The rows in the whole lines of a journal, in the order of the output."""
    lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    rows = [line["record"] for line in lines if line.get("record", {}).get("row")]
    rows.sort(key=lambda record: (record["number"], ["pos", "neg"].index(record["label"])))
    return {record["row"]["prompt_id"]: record["row"] for record in rows}


def test_a_finished_file_can_grow_and_asks_nothing_twice(run: Run) -> None:
    with chat_server() as server:
        first = run(server, n=7)
        assert run(server, n=7).rows == first.rows
        assert len(server.requests) == 7
        more = run(server, n=12)
        assert len(server.requests) == 12
        assert [row for row in more.rows if row in first.rows] == first.rows
        with pytest.raises(UserError, match=r"has 6 rows of 'pos' already, and --n 5 asks for 3"):
            run(server, n=5)


def test_other_settings_are_named(run: Run, tmp_path: Path) -> None:
    with chat_server() as server:
        run(server)
        with pytest.raises(UserError, match=r"other settings: model 'small-writer' there and 'large-writer' now, temp"):
            run(server, temperature=0.5, model="large-writer")
        with (tmp_path / "out.jsonl").open("a") as file:
            file.write('{"text": "mine", "label": "pos"}\n')
        with pytest.raises(UserError, match="was changed after bench generate wrote it"):
            run(server, n=20)
        (tmp_path / "out.jsonl.journal").unlink()
        with pytest.raises(UserError, match="exists and was not written by bench generate"):
            run(server)
        assert len(server.requests) == 10


def test_a_damaged_line_is_named(run: Run, tmp_path: Path) -> None:
    journal = tmp_path / "out.jsonl.journal"
    with chat_server() as server:
        run(server)
        lines = journal.read_bytes().splitlines(keepends=True)
        for line in (b"\n", b"{}}\n", b'{"record": {"label": 1}}\n', b'{"other": 1}\n'):
            journal.write_bytes(b"".join([*lines[:3], line, *lines[4:]]))
            with pytest.raises(UserError, match=r"out\.jsonl\.journal, line 4 is damaged \(.+\); choose another --to"):
                run(server)


def test_two_runs_do_not_write_one_file(run: Run, tmp_path: Path) -> None:
    with chat_server() as server:
        run(server, n=2)
        lock = "from bench import system; f = open('out.jsonl.journal', 'ab'); system.lock(f.fileno(), wait=False)"
        code = f"{lock}; print(1, flush=True); input()"
        holder = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError, match="another bench generate writes"):
            run(server, n=4)
        holder.communicate(b"\n")
        assert run(server, n=4).complete


def test_a_disk_without_locks_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was said that another run writes the file, and to wait for it."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("bench.system.lock", refuse)
    with chat_server() as server, pytest.raises(UserError, match=r"journal cannot be locked \(No locks .*\); --to"):
        run(server)


def test_what_no_repetition_would_mend_is_one_error(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with chat_server() as server:
        with pytest.raises(UserError, match=r"does not know the model 'smal-writer'.*did you mean 'small-writer'"):
            run(server, model="smal-writer")
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(UserError, match="export OPENAI_API_KEY="):
            run(server)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for reply, message in {
        error(401, f"Incorrect API key provided: {KEY}"): r"refuses the key in .*provided: <OPENAI_API_KEY>",
        error(400, "too long", "context_length_exceeded"): r"refuses the request .*too long",
        error(429, "pay", "insufficient_quota", x_should_retry="false"): r"no credit left .*pay",
    }.items():
        with chat_server(lambda *_, reply=reply: reply) as server, pytest.raises(UserError, match=message):
            run(server)
    monkeypatch.setattr(openai_server, "START_RETRIES", 0)
    with pytest.raises(UserError, match=r"no answer from the server at 127\.0\.0\.1:\d+ \(.+\); --base-url sets it"):
        run(server)
    for url in ("http://me:secret@localhost/v1", "http://localhost/v1?key=secret"):
        with pytest.raises(UserError, match="must not hold a user name, password or query") as refused:
            run(server, base_url=url)
        assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [], "nothing is written before there is an answer"
