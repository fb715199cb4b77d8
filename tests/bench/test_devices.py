"""Devices: what `--device` makes visible, what is refused, and other systems as far as they can be simulated."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from bench import devices
from bench.errors import UserError
from bench.execution.engines.local import Local
from bench.execution.limits import require_device
from bench.processes import cores


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.GPUS, "0,1")
    monkeypatch.delenv(devices.CPU_ONLY, raising=False)


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.delattr(os, "sched_getaffinity")
    for name in (devices.GPUS, devices.CPU_ONLY):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_cpu_hides_the_gpus_and_gives_them_back() -> None:
    assert Local().count(None) == 2
    with devices.using("cpu"):
        assert devices.gpus() == []
        assert devices.available() == torch.device("cpu")
        assert Local().count(None) == cores()
    assert devices.gpus() == ["0", "1"]
    assert devices.CPU_ONLY not in os.environ


@pytest.mark.usefixtures("two_gpus")
def test_a_worker_has_one_gpu_or_what_the_run_has() -> None:
    assert devices.only("1") == {devices.GPUS: "1", devices.CPU_ONLY: None}
    with devices.using("cpu"):
        assert devices.only(None) == {devices.GPUS: "", devices.CPU_ONLY: "true"}


def test_a_run_restores_the_environment_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(devices.GPUS, raising=False)
    with pytest.raises(ZeroDivisionError), devices.using("cpu"):
        raise ZeroDivisionError
    assert devices.GPUS not in os.environ


def test_accelerate_follows_the_choice() -> None:
    code = "from accelerate import Accelerator; print(Accelerator().device)"
    with devices.using("cpu"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "cpu"


@pytest.mark.parametrize(("choice", "words"), [("cuda", "no NVIDIA GPU"), ("mps", "Apple silicon")])
def test_a_device_that_is_not_there_is_one_line(
    choice: devices.Device, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.GPUS, "")
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UserError, match=words):
        require_device(choice)


@pytest.mark.usefixtures("mac")
def test_on_a_mac_auto_is_the_cpu_and_mps_is_one_worker() -> None:
    with devices.using("auto"):
        assert os.environ[devices.CPU_ONLY] == "true"
        assert Local().count(None) == os.cpu_count()
    require_device("mps")
    with devices.using("mps"):
        assert not devices.cpu_only()
        assert Local().count(None) == 1
