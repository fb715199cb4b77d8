"""Processes: pools of reports do not run the script that started them; the fork server is started and ended."""

from pathlib import Path

import psutil
import pytest

from bench import system
from bench.processes import Here, pool_of_cells
from tests.helpers.background import script

forked = pytest.mark.skipif(system.START_METHOD != "forkserver", reason="this system has no fork server")


def test_a_script_without_a_main_guard_may_ask_for_processes(tmp_path: Path) -> None:
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


def test_a_pool_of_this_process_gives_results_and_errors_as_one_of_processes_does():
    with pool_of_cells(1) as here:
        futures = [here.submit(divmod, 7, 2), here.submit(divmod, 7, 0)]
        assert futures[0].result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            futures[1].result()
        assert isinstance(here, Here), "few cells are not worth processes"


def test_work_that_has_not_begun_is_left_out_after_an_error(tmp_path: Path) -> None:
    run = script(
        tmp_path,
        "import time\n"
        "from bench.processes import pool\n"
        "try:\n"
        "    with pool(1) as processes:\n"
        "        jobs = [processes.submit(time.sleep, 0.2) for _ in range(40)]\n"
        "        raise KeyError\n"
        "except KeyError:\n"
        "    print(sum(job.cancelled() for job in jobs) > 30)\n",
    )
    assert run.stdout == "True\n", run.stderr


def test_reports_multiply_matrices_in_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    run = script(
        tmp_path,
        "import numpy\n"
        "from threadpoolctl import threadpool_info\n"
        "import bench.processes\n"
        "bench.processes.cores = lambda: 2\n"
        "def threads(info):\n"
        "    return sorted({one['num_threads'] for one in info if one['user_api'] == 'blas'})\n"
        "print(threads(threadpool_info()))\n"
        "with bench.processes.pool_of_cells(bench.processes.MANY) as processes:\n"
        "    print(threads(threadpool_info()), threads(processes.submit(threadpool_info).result()))\n"
        "print(threads(threadpool_info()))\n",
    )
    assert run.returncode == 0, run.stderr
    before, within, after = run.stdout.split("\n")[:3]
    assert within == "[1] [1]"
    assert after == before


@forked
def test_the_fork_server_is_started_once_and_ended_while_it_imports(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    assert said(
        tmp_path,
        "start_server(['slow'])\n"
        "first = server()\n"
        "start_server(['slow'])\n"
        "print(first is not None, server() == first)\n"
        "end_server()\n"
        "print(first.status())\n"
        "CONTEXT.set_forkserver_preload([])\n"
        "process = CONTEXT.Process(target=print, args=('another one',))\n"
        "with without_main():\n"
        "    process.start()\n"
        "process.join()\n",
    ) == ["True True", psutil.STATUS_ZOMBIE, "another one"]


@forked
def test_a_fork_server_that_somebody_else_started_or_uses_is_left_alone(tmp_path: Path) -> None:
    other = (
        "from multiprocessing import forkserver\nforkserver.set_forkserver_preload([])\nforkserver.ensure_running()\n"
    )
    used = (
        "import time\n"
        "process = CONTEXT.Process(target=time.sleep, args=(600,), daemon=True)\n"
        "with without_main():\n"
        "    process.start()\n"
    )
    end = "end_server()\nprint(server().status() == 'zombie')\n"
    assert said(tmp_path, f"{other}start_server(['json'])\n{end}") == ["False"]
    assert said(tmp_path, f"start_server(['json'])\n{used}{end}") == ["False"]


def said(folder: Path, text: str) -> list[str]:
    """The lines that a script prints."""
    names = "CONTEXT, end_server, server, start_server, without_main"
    run = script(folder, f"from bench.processes import {names}\n{text}")
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()
