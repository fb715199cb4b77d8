"""A SLURM of one node here: a task is cancelled, slurmd restarts, the command is killed, the time limit is short."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil

from tests.faults.grid import Grid

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue", "scancel")
DAEMONS = ("ctld", "d", "munged")
OF_JOBS = ("srun", "slurmstepd")
ENDING = 20.0  # seconds that jobs may take to end
CONFIGURATION = """
ClusterName=faults
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/builtin
MpiDefault=none
SwitchType=switch/none
KillWait=5
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


class Node:
    """A SLURM of one node, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        sockets = [socket.create_server(("", 0)) for _ in range(2)]
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        text = CONFIGURATION.format(folder=folder, ports=ports, cpus=len(os.sched_getaffinity(0)))
        (folder / "slurm.conf").write_text(text)
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")

    def start(self) -> None:
        """Start the daemons. Raises SystemExit where the node does not become idle."""
        key = Path("/etc/munge/munge.key")
        Path("/run/munge").mkdir(exist_ok=True)
        if not key.exists():
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
        subprocess.run(["chown", "munge:", "/run/munge", str(key)], check=True)
        if subprocess.run(["munge", "-n"], capture_output=True).returncode:
            subprocess.run(
                ["runuser", "-u", "munge", "--", "munged", "--pid-file", "/run/munge/munged.pid"], check=True
            )
            shutil.copy("/run/munge/munged.pid", self.folder / "munged.pid")
        subprocess.run(["slurmctld"], check=True)
        time.sleep(1)
        self.start_slurmd()
        if not self.waits_for("idle"):
            raise SystemExit(f"no idle node: {(self.folder / 'ctld.log').read_text()[-500:]}")

    def start_slurmd(self) -> None:
        """Start the daemon of the node."""
        subprocess.run(["slurmd", "-N", "localhost"], check=True)

    def waits_for(self, word: str, seconds: float = 60) -> bool:
        """Wait until the node is in a state."""
        for _ in range(int(seconds * 2)):
            if word in subprocess.run(["sinfo", "-h"], capture_output=True, text=True).stdout:
                return True
            time.sleep(0.5)
        return False

    def kill(self, daemon: str, number: int = 15) -> None:
        """Send a signal to a daemon that was started here."""
        path = self.folder / f"{daemon}.pid"
        if path.exists():
            subprocess.run(["kill", f"-{number}", path.read_text().strip()])

    def restart_slurmd(self) -> None:
        """Kill the daemon of the node and start it again, as after a crash."""
        self.kill("d", 9)
        time.sleep(1)
        self.start_slurmd()

    def stop(self) -> None:
        """End the jobs, then the daemons, then what is left of the jobs: srun waits for a controller that is gone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--user", "root"], timeout=ENDING)
        gone = time.monotonic() + ENDING
        while left_of(self.folder) and time.monotonic() < gone:
            time.sleep(0.5)
        for daemon in DAEMONS:
            self.kill(daemon)
        for process in left_of(self.folder):
            with contextlib.suppress(psutil.Error):
                process.kill()


def left_of(folder: Path) -> list[psutil.Process]:
    """The processes that SLURM began for the jobs of the node in a folder, and that run still."""
    configured = str(folder / "slurm.conf")
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] in OF_JOBS and process.environ().get("SLURM_CONF") == configured:
                found.append(process)
    return found


def lacking() -> str:
    """What this machine lacks for a SLURM of its own; empty if nothing."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: apt-get install -y slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "only root may start the daemons"


def first_task() -> str:
    """The id of an array task that runs."""
    lines = subprocess.run(["squeue", "-h", "-r", "-t", "R", "-o", "%i"], capture_output=True, text=True).stdout.split()
    return lines[0] if lines else ""


def cancel() -> None:
    """Cancel an array task that runs."""
    for _ in range(240):
        if task := first_task():
            subprocess.run(["scancel", task], check=True)
            return
        time.sleep(0.5)
    raise SystemExit("no array task runs")


def run(grid: Grid) -> str:
    """Disturb a run. Returns why it cannot be done here; empty if it was done."""
    if reason := lacking():
        return reason
    node = Node(grid.folder / "slurm-node")
    engine = ("--engine", "slurm", "--workers", "2", "--engine-set", f"bundle={max(1, grid.size // 6)}")
    try:
        node.start()
        process = grid.start("slurm", *engine, "--engine-set", "time=1")
        grid.wait("slurm", 0.1, process)
        grid.disturb("an array task cancelled", cancel)
        grid.wait("slurm", 0.3, process)
        grid.disturb("slurmd killed and restarted", node.restart_slurmd)
        grid.wait("slurm", 0.5, process)
        grid.disturb("the command killed", lambda: grid.kill(process))
        grid.start("slurm", *engine, "--engine-set", "time=60").wait()
        log = grid.log("slurm")
        grid.disturbed.append(f"{log.count('(TIMEOUT')} tasks ended by a limit of one minute")
        grid.disturbed.append(f"{log.count('of an earlier command still run or wait')} arrays found again")
    finally:
        node.stop()
    return ""
