"""A hub of our own for the tests: a cache folder in the Hub's layout, and a server that speaks the few endpoints needed."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tinv_tui.models import bundled

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def bundled_files() -> dict[str, bytes]:
    """The bundled model as a repository: name to content."""
    files = (p for p in bundled.FOLDER.rglob("*") if p.is_file())
    return {p.relative_to(bundled.FOLDER).as_posix(): p.read_bytes() for p in files}


def etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put_in_cache(cache: Path, hub_id: str, files: dict[str, bytes], *, commit: str = COMMIT, main: bool = True) -> Path:
    """Lay a repository into a cache as the Hub's library does; the snapshot's folder."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for name, content in files.items():
        blob = repository / "blobs" / etag(content)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(blob)
    if main:
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
    return snapshot


class FakeHub:
    """``url`` is its address; ``asked`` the file names it was asked for; ``seconds`` how long it waits in a large file."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.asked: list[str] = []
        self.seconds = 0.0
        self.url = ""


@contextmanager
def serve(repositories: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    hub = FakeHub(repositories)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"] and (files := hub.repositories.get("/".join(parts[2:4]))) is not None:
                siblings = [
                    {
                        "rfilename": name,
                        "size": len(content),
                        "blobId": etag(content)[:40],
                        "lfs": {"sha256": etag(content), "size": len(content), "pointerSize": 130},
                    }
                    for name, content in files.items()
                ]
                facts = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings}
                self._answer(json.dumps(facts).encode(), {"Content-Type": "application/json"})
                return
            content = hub.repositories.get("/".join(parts[:2]), {}).get("/".join(parts[4:]))
            if content is None or parts[2] != "resolve":
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.command == "GET":
                hub.asked.append("/".join(parts[4:]))
            self._answer(content, {"ETag": f'"{etag(content)}"', "X-Repo-Commit": COMMIT})

        def _answer(self, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                half = len(content) // 2
                self.wfile.write(content[:half])
                if len(content) > 100_000:
                    self.wfile.flush()
                    time.sleep(hub.seconds)
                self.wfile.write(content[half:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
