"""A W&B server on the loopback interface: what `wandb sweep`, `wandb agent`, runs and artifact downloads ask for.

It answers the real client. Sweeps are grids in the order of their file; runs and what they logged are kept in memory.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ENTITY, PROJECT, TIME = "ent", "bench", "2026-01-01T00:00:00"
KEY = "0123456789abcdef" * 2 + "01234567"
NO_INFO = {"cliVersionInfo": {"max_cli_version": "9.9.9", "min_cli_version": "0.0.1"}, "latestLocalVersionInfo": None}


class Stub:
    """The server's memory. Use as a context manager; `environment(folder)` points a client at it."""

    def __init__(self) -> None:
        self.sweeps: dict[str, dict[str, Any]] = {}
        self.agents: dict[str, str] = {}  # agent -> sweep
        self.trials: dict[str, dict[str, Any]] = {}  # run id -> arguments
        self.runs: dict[str, dict[str, Any]] = {}  # run id -> config, history, exit code
        self.artifacts: dict[str, Path] = {}  # "name:alias" -> folder
        self.damaged: set[str] = set()  # artifact files that arrive cut off
        self.lock = threading.Lock()

    def __enter__(self) -> Stub:
        stub = self

        class Bound(Handler):
            server_state = stub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients hang up as they please
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def environment(self, folder: Path) -> dict[str, str]:
        """Variables under which a client talks to this server and keeps its files in `folder`."""
        own = {name: str(folder / name.lower()) for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR")}
        for path in own.values():
            Path(path).mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        fixed = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false", "NO_PROXY": "*"}
        return {**kept, **own, **fixed, "WANDB_DATA_DIR": str(folder), "WANDB_MODE": "online"}

    # The operations of the GraphQL interface, by what their text holds; the first that fits answers.

    def answer(self, operation: str, query: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data of one GraphQL request."""
        named = {
            "SweepWithRuns": self.sweep,
            "ArtifactMembershipByName": self.membership,
            "GetArtifactMembershipFileUrls": self.file_urls,
            "FetchArtifactManifest": self.manifest_url,
        }
        held = {
            "upsertSweep": self.new_sweep,
            "createAgent": self.new_agent,
            "agentHeartbeat": self.heartbeat,
            "upsertBucket": self.new_run,
            "createRunFiles": self.upload_urls,
            "useArtifact": lambda _: {"useArtifact": {"artifact": {"id": "A", "digest": "", "state": "COMMITTED"}}},
            "viewer": lambda _: {"viewer": viewer(), "serverInfo": {**NO_INFO, "features": []}},
            "serverInfo": lambda _: {"serverInfo": {**NO_INFO, "features": []}},
            "RunStoppedStatus": lambda _: {"project": {"run": {"stopped": False}}},
            "RunResumeStatus": lambda _: {"model": {"id": "m", "name": PROJECT, "entity": entity(), "bucket": None}},
        }
        if operation in named:
            return named[operation](given)
        return next((act(given) for text, act in held.items() if text in query), {})

    def new_sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if given.get("id"):  # a change of state of a known sweep
                name = next(name for name, sweep in self.sweeps.items() if sweep["id"] == given["id"])
            else:
                name = f"sweep{len(self.sweeps)}"
                config = yaml.safe_load(given["config"])
                self.sweeps[name] = {
                    "id": f"S{name}",
                    "text": given["config"],
                    "config": config,
                    "todo": trials(config),
                }
        told = {"name": name, "project": project()}
        return {"upsertSweep": {"sweep": told, "configValidationWarnings": []}}

    def sweep(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self.sweeps.get(given["sweep"])
        if found is None:
            return {"project": {"sweep": None}}
        times = {"createdAt": TIME, "heartbeatAt": TIME, "updatedAt": TIME}
        nothing = dict.fromkeys(("description", "bestLoss", "controller", "scheduler"))
        told = {
            "id": found["id"],
            "name": given["sweep"],
            "method": "grid",
            "state": "RUNNING",
            "config": found["text"],
        }
        return {"project": {"sweep": {**told, **times, **nothing, "earlyStopJobRunning": False, "runs": {"edges": []}}}}

    def new_agent(self, given: dict[str, Any]) -> dict[str, Any]:
        name = f"agent{len(self.agents)}"
        self.agents[name] = given["sweep"]
        return {"createAgent": {"agent": {"id": name}}}

    def heartbeat(self, given: dict[str, Any]) -> dict[str, Any]:
        sweep = self.sweeps[self.agents[given["id"]]]
        commands: list[dict[str, Any]] = []
        with self.lock:
            if not json.loads(given.get("runState") or "{}"):
                if sweep["todo"]:
                    arguments, run = sweep["todo"].pop(0), f"run{len(self.trials)}"
                    self.trials[run] = arguments
                    values = {name: {"value": value} for name, value in arguments.items()}
                    program = sweep["config"].get("program")
                    commands = [{"type": "run", "run_id": run, "program": program, "args": values, "logs": []}]
                else:
                    commands = [{"type": "exit"}]
        return {"agentHeartbeat": {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}}

    def new_run(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("name") or f"own{len(self.runs)}"
        run = self.runs.setdefault(name, {"config": {}, "history": [], "exitcode": None})
        if given.get("config"):
            run["config"] = {key: entry.get("value") for key, entry in json.loads(given["config"]).items()}
        shown = given.get("displayName") or name
        told = {"id": f"B{name}", "name": name, "displayName": shown, "description": None, "historyLineCount": 0}
        more = {"config": "{}", "sweepName": given.get("sweep"), "project": project()}
        return {"upsertBucket": {"bucket": {**told, **more}, "inserted": True}}

    def upload_urls(self, given: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in given.get("files", [])]
        return {"createRunFiles": {"runID": "B", "uploadHeaders": [], "files": files}}

    def stream(self, run: str, body: dict[str, Any]) -> None:
        """What a run sends while it goes on: history lines, and at the end its exit code."""
        kept = self.runs.setdefault(run, {"config": {}, "history": [], "exitcode": None})
        lines = body.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
        kept["history"] += [json.loads(line) for line in lines]
        if body.get("complete"):
            kept["exitcode"] = body.get("exitcode")

    # Artifacts: folders under a name, with the manifest and digests that the client checks.

    def membership(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given["name"]
        if name not in self.artifacts:
            return {"project": {"artifactCollectionMembership": None}}
        owner = {"id": "P", "internalId": "1", "name": PROJECT, "entity": {"name": ENTITY}}
        kind = {"__typename": "ArtifactSequence", "name": name.partition(":")[0], "project": owner}
        empty = {"description": None, "ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "historyStep": None}
        files = self.files(name)
        artifact = {
            "__typename": "Artifact",
            "id": name,
            "artifactSequence": kind,
            "versionIndex": 0,
            "artifactType": {"name": "model"},
            "metadata": "{}",
            **empty,
            "state": "COMMITTED",
            "size": sum(map(len, files.values())),
            "digest": manifest_digest(files),
            "digestAlgorithm": "MANIFEST_MD5",
            "commitHash": "c",
            "fileCount": len(files),
            "createdAt": TIME,
            "updatedAt": TIME,
        }
        alias = [{"__typename": "ArtifactAlias", "id": "A", "alias": "latest"}]
        told = {"__typename": "ArtifactCollectionMembership", "id": "M", "versionIndex": 0, "createdAt": TIME}
        return {
            "project": {
                "artifactCollectionMembership": {
                    **told,
                    "aliases": alias,
                    "artifactCollection": kind,
                    "artifact": artifact,
                }
            }
        }

    def files(self, name: str) -> dict[str, bytes]:
        folder = self.artifacts[name]
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    def manifest_url(self, given: dict[str, Any]) -> dict[str, Any]:
        name = next(str(value) for value in given.values() if str(value) in self.artifacts)
        place = {"id": "F", "directUrl": f"{self.url}/manifest/{name}"}
        return {
            "artifact": {"__typename": "Artifact", "id": name, "currentManifest": {"id": "C", "file": place}},
        }

    def file_urls(self, given: dict[str, Any]) -> dict[str, Any]:
        name = next(str(value) for value in given.values() if str(value).partition(":")[0] in self.names())
        full = next(known for known in self.artifacts if known.partition(":")[0] == name.partition(":")[0])
        edges = [
            {"node": {"__typename": "File", "name": file, "directUrl": f"{self.url}/file/{full}/{file}"}}
            for file in self.files(full)
        ]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {
            "project": {
                "artifactCollection": {
                    "__typename": "ArtifactSequence",
                    "artifactMembership": {"files": {"pageInfo": page, "edges": edges}},
                }
            }
        }

    def names(self) -> set[str]:
        return {name.partition(":")[0] for name in self.artifacts}

    def fetch(self, path: str) -> bytes | None:
        """The bytes of a manifest or of an artifact's file."""
        kind, _, rest = path.lstrip("/").partition("/")
        name, _, file = rest.partition("/")
        if kind not in ("manifest", "file"):
            return None
        files = self.files(name)
        if kind == "file":
            return files[file][: len(files[file]) // 2] if file in self.damaged else files[file]
        contents = {
            name: {"digest": digest(data), "birthArtifactID": "ART", "size": len(data)} for name, data in files.items()
        }
        policy = {"storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}
        return json.dumps({"version": 1, **policy, "contents": contents}).encode()


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
        reply: Any = {}
        if self.path.startswith("/graphql"):
            asked = json.loads(body)
            query = asked.get("query", "")
            found = re.search(r"(?:query|mutation)\s+(\w+)", query)
            operation = asked.get("operationName") or (found.group(1) if found else "")
            reply = {"data": state.answer(operation, query, asked.get("variables") or {})}
        elif "file_stream" in self.path:
            state.stream(self.path.rstrip("/").split("/")[-2], json.loads(body or b"{}"))
            reply = {"exitcode": None, "limits": {}}
        data = state.fetch(self.path.partition("?")[0])
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


def digest(data: bytes) -> str:
    """A file's digest as the client computes it."""
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def manifest_digest(files: dict[str, bytes]) -> str:
    """An artifact's digest as the client computes it."""
    lines = "".join(f"{name}:{digest(data)}\n" for name, data in sorted(files.items()))
    return hashlib.md5(b"wandb-artifact-manifest-v1\n" + lines.encode()).hexdigest()


def entity() -> dict[str, Any]:
    return {"id": "E", "name": ENTITY}


def project() -> dict[str, Any]:
    return {"id": "P", "name": PROJECT, "internalId": "1", "entity": entity()}


def viewer() -> dict[str, Any]:
    """The account that the key belongs to."""
    team = {"edges": [{"node": {"name": ENTITY, "id": "1"}}]}
    own = {"id": "V", "entity": ENTITY, "name": "stub", "username": ENTITY, "email": "a@b.c", "admin": False}
    return {**own, "flags": "{}", "teams": team, "apiKeys": {"edges": []}, "defaultEntity": entity()}
