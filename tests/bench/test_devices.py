"""Devices: what `--device` makes visible, what is refused, and other systems as far as they can be simulated."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import devices
from bench.errors import UserError
from bench.execution.engines.local import Local
from bench.execution.engines.ray_slot import Slot
from bench.execution.engines.torchrun import Team
from bench.execution.limits import require_device, require_gpu
from bench.processes import cores
from tests.helpers import warm


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


@pytest.fixture
def without_cuda(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs that torch cannot use."""

    def refuse() -> None:
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", refuse)


@pytest.mark.usefixtures("without_cuda")
@pytest.mark.parametrize("choice", ["auto", "cuda"])
def test_a_gpu_that_torch_cannot_use_is_an_error(choice: devices.Device, tmp_path: Path) -> None:
    """Everything trained on the CPU, and nothing said so."""
    message = r"^GPU 0, 1 cannot be used by torch .* \(Torch not compiled with CUDA enabled\); --device cpu"
    with devices.using(choice):
        for use in (require_gpu, Team):
            with pytest.raises(UserError, match=message):
                use()
        reason = Slot({}, tmp_path).start()
        assert isinstance(reason, UserError)
        assert str(reason).startswith("GPU 0, 1 cannot be used by torch ")
    with devices.using("cpu"):
        require_gpu()


@pytest.mark.usefixtures("mac")
def test_a_mac_whose_torch_has_no_mps_is_an_error_if_mps_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with devices.using("mps"), pytest.raises(UserError, match="needs macOS 14"):
        require_gpu()
    with devices.using("auto"):
        require_gpu()


@pytest.mark.parametrize("choice", ["auto", "cuda"])
def test_a_number_that_no_gpu_has_stops_a_run_before_it_trains(choice: str, tiny_encoder: Path, tmp_path: Path) -> None:
    tiny = ("--methods", "ce", "--seeds", "1", "--preset", "smoke", "--encoder", str(tiny_encoder), "--no-figures")
    ran = warm.run(["run", *tiny, "--device", choice], tmp_path, {devices.GPUS: "99"})
    assert ran.returncode == 2, ran.stdout
    assert "GPU 99 cannot be used by torch" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not list(tmp_path.glob("runs/twitter"))
