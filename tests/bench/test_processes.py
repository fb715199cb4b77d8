"""Processes of a pool do not run the script that started the pool."""

from tests.helpers.background import script


def test_a_script_without_a_main_guard_may_ask_for_processes(tmp_path):
    run = script(
        tmp_path,
        "from bench.processes import pool\n"
        "with pool(2) as processes:\n"
        "    print(list(processes.map(abs, [-1, 2, -3])))\n"
        "print(__file__)\n",
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[0] == "[1, 2, 3]"
    assert run.stdout.count("script.py") == 1, "the script runs once, and knows its file again afterwards"
