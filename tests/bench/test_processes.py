"""Pools of reports: their processes do not run the script that started the pool, and have one thread each."""

import pytest

from bench.processes import Here, pool_of_cells
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


def test_a_pool_of_this_process_gives_results_and_errors_as_one_of_processes_does():
    with pool_of_cells(1) as here:
        futures = [here.submit(divmod, 7, 2), here.submit(divmod, 7, 0)]
        assert futures[0].result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            futures[1].result()
        assert isinstance(here, Here), "few cells are not worth processes"


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
