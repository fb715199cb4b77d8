"""A server on the loopback interface with the chat API of OpenAI, which misbehaves as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = ("small-writer", "large-writer")


@dataclass(eq=False)
class Reply:
    """What the server does with a request: a status with a body, after a wait; or it cuts the connection."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | str | None = None  # in place of a completion with `text`
    finish_reason: str = "stop"
    usage: bool = True
    wait: float = 0.0
    cut: bool = False
    message: dict[str, Any] = field(default_factory=dict)  # further fields of the message


Behaviour = Callable[[int, dict[str, Any]], Reply]


@dataclass
class ChatServer:
    """A running server: its address, and the requests for completions that it got."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answered: list[dict[str, Any]] = field(default_factory=list)  # requests that got a completion


def numbered(number: int, request: dict[str, Any]) -> Reply:
    """A text of its own for each prompt, the same whenever that prompt comes."""
    return Reply(f"a text about {request['seed']}")


def error(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> Reply:
    """An error as the API words it."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": param}}
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def chat_server(behaviour: Behaviour = numbered) -> Iterator[ChatServer]:
    """A server that answers the request with a number (from 0) by `behaviour(number, body)`."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Nothing is logged."""

        def do_GET(self) -> None:
            self.send({"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(server.requests)
                server.requests.append(request)
                server.keys.append(self.headers["authorization"])
            if request["model"] not in MODELS:
                reply = error(404, f"The model `{request['model']}` does not exist", "model_not_found")
            else:
                reply = behaviour(number, request)
            time.sleep(reply.wait)
            content = reply.body if reply.body is not None else completion(request, reply)
            if reply.status == 200 and not reply.cut:
                server.answered.append(request)
            self.send(content, reply)

        def send(self, content: dict[str, Any] | str, reply: Reply | None = None) -> None:
            reply = reply or Reply()
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            try:
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if reply.cut else data)
            except OSError:
                return  # the client has gone
            self.close_connection = reply.cut

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that were killed are no problem of the server."""

    with Server(("127.0.0.1", 0), Handler) as listening:
        server = ChatServer(f"http://127.0.0.1:{listening.server_port}/v1")
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            listening.shutdown()


def completion(request: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """A completion with 10 tokens read for each message and one written for each word."""
    usage = {"prompt_tokens": 10 * len(request["messages"]), "completion_tokens": len(reply.text.split())}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": f"{request['model']}-2026",
        "choices": [
            {
                "index": 0,
                "finish_reason": reply.finish_reason,
                "message": {"role": "assistant", "content": reply.text, **reply.message},
            }
        ],
        **({"usage": {**usage, "total_tokens": sum(usage.values())}} if reply.usage else {}),
    }
