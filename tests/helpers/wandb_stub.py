"""A W&B server on the loopback interface: what `wandb sweep`, `wandb agent`, `wandb sync`, runs and artifacts ask for.

It answers the real client. Sweeps are grids in the order of their file; runs and what they logged are kept in memory,
artifacts in a temporary folder.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml

from tests.helpers.wandb_artifacts import ENTITY, PROJECT, TIME, Artifacts

KEY = "0123456789abcdef" * 2 + "01234567"
NO_INFO = {"cliVersionInfo": {"max_cli_version": "9.9.9", "min_cli_version": "0.0.1"}, "latestLocalVersionInfo": None}
Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Stub:
    """The server's memory. Use as a context manager; `environment(folder)` points a client at it."""

    def __init__(self) -> None:
        self.sweeps: dict[str, dict[str, Any]] = {}
        self.agents: dict[str, str] = {}  # agent -> sweep
        self.trials: dict[str, dict[str, Any]] = {}  # run id -> arguments
        self.runs: dict[str, dict[str, Any]] = {}  # run id -> config, history, exit code
        self.scratch = tempfile.TemporaryDirectory()
        self.artifacts = Artifacts(Path(self.scratch.name))
        self.silent_after = ""  # the operation after whose answer nothing is answered any more
        self.silent, self.closed = threading.Event(), threading.Event()
        self.lock = threading.Lock()

    def __enter__(self) -> Stub:
        stub = self

        class Bound(Handler):
            server_state = stub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up as they please
        self.url = self.artifacts.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()
        self.scratch.cleanup()

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables under which a client talks to this server and keeps its files in `folder`."""
        own = {name: str(folder / name.lower()) for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR")}
        for path in own.values():
            Path(path).mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        fixed = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false", "NO_PROXY": "*"}
        return {**environment, **own, **fixed, "WANDB_DATA_DIR": str(folder), "WANDB_MODE": "online"}

    # The operations of the GraphQL interface, by what their text holds; the first that fits answers.

    def answer(self, operation: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of one GraphQL request."""
        named: dict[str, Answer] = {"SweepWithRuns": self.sweep, **self.artifacts.named}
        held: dict[str, Answer] = {
            "upsertSweep": self.new_sweep,
            "createAgent": self.new_agent,
            "agentHeartbeat": self.heartbeat,
            "upsertBucket": self.new_run,
            "createRunFiles": self.upload_urls,
            "useArtifact": self.artifacts.use,
            "viewer": lambda _: {"viewer": viewer(), "serverInfo": {**NO_INFO, "features": []}},
            "serverInfo": lambda _: {"serverInfo": {**NO_INFO, "features": []}},
            "RunStoppedStatus": lambda _: {"project": {"run": {"stopped": False}}},
            "RunResumeStatus": self.resume_status,
        }
        if operation in named:
            return named[operation](variables)
        return next((act(variables) for text, act in held.items() if text in query), {})

    def new_sweep(self, variables: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if variables.get("id"):  # a change of state of a known sweep
                name = next(name for name, sweep in self.sweeps.items() if sweep["id"] == variables["id"])
            else:
                name = f"sweep{len(self.sweeps)}"
                config = yaml.safe_load(variables["config"])
                self.sweeps[name] = {
                    "id": f"S{name}",
                    "text": variables["config"],
                    "config": config,
                    "todo": trials(config),
                }
        fields = {"name": name, "project": project()}
        return {"upsertSweep": {"sweep": fields, "configValidationWarnings": []}}

    def sweep(self, variables: dict[str, Any]) -> dict[str, Any]:
        result = self.sweeps.get(variables["sweep"])
        if result is None:
            return {"project": {"sweep": None}}
        times = {"createdAt": TIME, "heartbeatAt": TIME, "updatedAt": TIME}
        nothing = dict.fromkeys(("description", "bestLoss", "controller", "scheduler"))
        fields = {
            "id": result["id"],
            "name": variables["sweep"],
            "method": "grid",
            "state": "RUNNING",
            "config": result["text"],
        }
        return {
            "project": {"sweep": {**fields, **times, **nothing, "earlyStopJobRunning": False, "runs": {"edges": []}}}
        }

    def new_agent(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = f"agent{len(self.agents)}"
        self.agents[name] = variables["sweep"]
        return {"createAgent": {"agent": {"id": name}}}

    def heartbeat(self, variables: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps[self.agents[variables["id"]]]
        commands: list[dict[str, Any]] = []
        with self.lock:
            if not json.loads(variables.get("runState") or "{}"):
                if sweep["todo"]:
                    arguments, run = sweep["todo"].pop(0), f"run{len(self.trials)}"
                    self.trials[run] = arguments
                    values = {name: {"value": value} for name, value in arguments.items()}
                    program = sweep["config"].get("program")
                    commands = [{"type": "run", "run_id": run, "program": program, "args": values, "logs": []}]
                else:
                    commands = [{"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}}

    def new_run(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name") or f"own{len(self.runs)}"
        run = self.runs.setdefault(name, {"config": {}, "history": [], "summary": {}, "exitcode": None})
        if variables.get("config"):
            run["config"] = {key: entry.get("value") for key, entry in json.loads(variables["config"]).items()}
        shown = variables.get("displayName") or name
        fields = {"id": f"B{name}", "name": name, "displayName": shown, "description": None, "historyLineCount": 0}
        more = {"config": "{}", "sweepName": variables.get("sweep"), "project": project()}
        return {"upsertBucket": {"bucket": {**fields, **more}, "inserted": True}}

    def resume_status(self, variables: dict[str, Any]) -> dict[str, Any]:
        """What is known of a run that a client may go on with."""
        run, bucket = self.runs.get(variables["name"]), None
        if run is not None:
            tail = json.dumps([json.dumps(line) for line in run["history"][-1:]])
            counts = {"historyLineCount": len(run["history"]), "eventsLineCount": 0, "logLineCount": 0}
            config = json.dumps({key: {"value": value} for key, value in run["config"].items()})
            more = {
                "config": config,
                "tags": [],
                "notes": None,
                "wandbConfig": '{"t": 1}',
                "displayName": variables["name"],
            }
            bucket = {"id": f"B{variables['name']}", "name": variables["name"], "historyTail": tail, "eventsTail": "[]"}
            bucket |= {**counts, **more, "summaryMetrics": json.dumps(run["summary"])}
        return {"model": {"id": "m", "name": PROJECT, "entity": entity(), "bucket": bucket}}

    def upload_urls(self, variables: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables.get("files", [])]
        return {"createRunFiles": {"runID": "B", "uploadHeaders": [], "files": files}}

    def stream(self, run: str, body: dict[str, Any]) -> None:
        """What a run sends while it goes on: history lines, and at the end its exit code."""
        stored = self.runs[run]
        sent = {name: file.get("content", []) for name, file in body.get("files", {}).items()}
        stored["history"] += [json.loads(line) for line in sent.get("wandb-history.jsonl", ())]
        for line in sent.get("wandb-summary.json", ()):
            stored["summary"] = json.loads(line)
        if body.get("complete"):
            stored["exitcode"] = body.get("exitcode")


@contextlib.contextmanager
def logged_in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server, and a client in this process that is logged in to it; neither leaves anything behind."""

    def forget() -> None:
        wandb.teardown()
        os.environ.pop("WANDB_SERVICE", None)  # where the client's own process listened

    forget()
    with Stub() as stub:
        for name, value in {**stub.environment(folder), "BENCH_CACHE": str(folder / "kept")}.items():
            patch.setenv(name, value)
        yield stub
        stub.closed.set()
        forget()


class Handler(BaseHTTPRequestHandler):
    """Takes requests apart."""

    protocol_version = "HTTP/1.1"
    server_state: Stub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def body(self) -> bytes:
        """The request's body, however it was sent."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def respond(self) -> None:
        """Answer any request with JSON or with a stored file."""
        body, state = self.body(), self.server_state
        if state.silent.is_set():
            state.closed.wait()
            return
        reply: Any = {}
        if self.path.startswith("/graphql"):
            request = json.loads(body)
            query = request.get("query", "")
            result = re.search(r"(?:query|mutation)\s+(\w+)", query)
            operation = request.get("operationName") or (result.group(1) if result else "")
            reply = {"data": state.answer(operation, query, request.get("variables") or {})}
            if operation == state.silent_after:
                state.silent.set()
        elif "file_stream" in self.path:
            state.stream(self.path.rstrip("/").split("/")[-2], json.loads(body or b"{}"))
            reply = {"exitcode": None, "limits": {}}
        path = self.path.partition("?")[0]
        if self.command == "PUT":
            state.artifacts.take(path, body)
        data = state.artifacts.fetch(path)
        payload = json.dumps(reply).encode() if data is None else data
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_HEAD = respond  # noqa: N815 - the names that the server calls


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The trials of a grid."""
    parameters = config.get("parameters") or {}
    choices = [entry.get("values", [entry.get("value")]) for entry in parameters.values()]
    return [dict(zip(parameters, row, strict=True)) for row in itertools.product(*choices)]


def entity() -> dict[str, Any]:
    return {"id": "E", "name": ENTITY}


def project() -> dict[str, Any]:
    return {"id": "P", "name": PROJECT, "internalId": "1", "entity": entity()}


def viewer() -> dict[str, Any]:
    """The account that the key belongs to."""
    team = {"edges": [{"node": {"name": ENTITY, "id": "1"}}]}
    own = {"id": "V", "entity": ENTITY, "name": "stub", "username": ENTITY, "email": "a@b.c", "admin": False}
    return {**own, "flags": "{}", "teams": team, "apiKeys": {"edges": []}, "defaultEntity": entity()}
