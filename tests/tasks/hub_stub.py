"""A local web server that answers `huggingface_hub` and `datasets` like the hub, from a folder of `ORG/NAME`."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

COMMIT = "0123456789abcdef0123456789abcdef01234567"  # of every data set


@contextmanager
def hub(root: Path) -> Iterator[str]:
    """The address of a hub that holds the data sets of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """/api/datasets/ORG/NAME[/revision/R | /paths-info/R | /tree/R/FOLDER] and /datasets/ORG/NAME/resolve/R/FILE."""

    def __init__(self, root, *arguments):
        self.root = root
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        api, *parts = self.path.split("?")[0].strip("/").split("/")
        org, name, kind, revision, *rest = [*parts[api == "api" :], "", "", "", ""]
        folder, path = self.root / org / name, "/".join(filter(None, rest))
        if not folder.is_dir():
            self.answer(404, x_error_code="RepoNotFound")
        elif revision not in ("", "main", COMMIT):
            self.answer(404, x_error_code="RevisionNotFound")
        elif not (folder / path).exists():
            self.answer(404, x_error_code="EntryNotFound", x_repo_commit=COMMIT)
        elif kind == "tree":
            result = (folder / path).rglob("*") if "recursive=" in self.path else (folder / path).iterdir()
            self.answer_json([entry(folder, str(file.relative_to(folder))) for file in result])
        elif kind == "resolve":
            content = (folder / path).read_bytes()
            self.answer(200, content, x_repo_commit=COMMIT, etag=f'"{hashlib.sha1(content).hexdigest()}"')
        else:
            self.answer_json({"id": f"{org}/{name}", "sha": COMMIT, "siblings": [], "tags": [], "private": False})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        paths = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
        folder = self.root.joinpath(*self.path.split("/")[3:5])
        self.answer_json([entry(folder, path) for path in paths if (folder / path).exists()])

    def answer_json(self, value):
        self.answer(200, json.dumps(value).encode(), content_type="application/json")

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in {**headers, "content_length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def entry(folder, path):
    """The hub's description of a file or a folder."""
    if (folder / path).is_dir():
        return {"type": "directory", "path": path, "oid": "0" * 40}
    content = (folder / path).read_bytes()
    return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
