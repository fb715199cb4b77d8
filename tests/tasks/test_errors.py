"""Messages: one printable line of bounded length; paths with `~`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UserError, unknown
from tasks.errors import MAX_MESSAGE, DataError, closest, in_a_line, printable, short_repr, user_path


@pytest.mark.parametrize("kind", [DataError, UserError])
def test_a_message_is_one_line_without_control_characters(kind: type[ValueError]) -> None:
    message = str(kind("a\x1b[31mb\nc\x07\u202e\ud800 d\x9b"))
    assert message == "a\\x1b[31mb c\\x07\\u202e\\ud800 d\\x9b"
    long = str(kind("start " + "x" * 10**6 + " end"))
    assert len(long) <= MAX_MESSAGE
    assert (long.startswith("start"), long.endswith("end")) == (True, True)


def test_ordinary_text_stays() -> None:
    text = "naïve\tκόσμε 日本 🎉\n"
    assert printable(text) == text


def test_a_value_is_no_longer_than_a_line() -> None:
    assert len(short_repr("x" * 10**7)) < 70
    assert len(str(unknown("method", "x" * 10**6, ["ce"]))) < 200
    assert closest("x" * 10**6, ["x"]) is closest("x", ["y" * 10**6]) is None


def test_the_home_of_an_unknown_user_is_one_line() -> None:
    with pytest.raises(DataError, match=r"~nosuchuser/x: no such user"):
        user_path("~nosuchuser/x")
    assert user_path("~") == Path.home()


def test_an_error_of_a_library_is_said_without_a_password() -> None:
    assert in_a_line(OSError("no answer\nfrom http://alice:s3cret@host:9")) == "no answer from http://host:9"


def test_what_an_error_says_to_set_is_said() -> None:
    """It was cut after 120 characters, before the name of the variable."""
    text = (
        f"Unable to write staging files to /home/{'long/' * 20}.local/share/wandb/artifacts/staging. To fix this "
        "problem, please set WANDB_DATA_DIR to a directory where you have the necessary write access."
    )
    assert in_a_line(OSError(text)) == text
    assert in_a_line(TimeoutError()) == "TimeoutError"
    assert in_a_line(OSError("x" * 400)) == f"{'x' * 300}..."
