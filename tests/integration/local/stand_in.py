"""Tiny children in the places of ours, so that the supervisor is tested for itself.

The module is copied into a root of its own and imported there, without this project.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

FILES = {
    "api/__init__.py": "",
    "api/__main__.py": "import stand_in; stand_in.api()",
    "api/admin.py": "import stand_in; stand_in.note('KEY')",
    "shared/__init__.py": "",
    "shared/db/__init__.py": "",
    "shared/db/migrate.py": "import stand_in; stand_in.note('MIGRATE')",
    "workers/__init__.py": "",
    "workers/__main__.py": "import stand_in; stand_in.worker()",
}


def make_root(root: Path) -> Path:
    """Lay out an import root with stand-ins for every command the supervisor runs."""
    for name, text in {**FILES, "stand_in.py": Path(__file__).read_text()}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with 200, and what a worker's metrics say when it takes work."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"stepwell_worker_consuming 1.0\n")

    def log_message(self, format: str, *args: object) -> None:
        return


def api() -> None:
    """Stand in for the API."""
    serve("API", "STEPWELL_PORT")


def worker() -> None:
    """Stand in for a worker."""
    serve("WORKER", "STEPWELL_WORKER_METRICS_PORT")


def serve(name: str, port_variable: str) -> None:
    """Serve until a signal; `<NAME>_FAILS` ends it at once, `<NAME>_STAYS` ignores SIGTERM."""

    def leave(number: int, frame: FrameType | None) -> None:
        print(f"{name} got {signal.Signals(number).name}")
        if f"{name}_STAYS" not in os.environ:
            os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    database, redis = os.environ["STEPWELL_DATABASE_URL"], os.environ["STEPWELL_REDIS_URL"]
    print(f"{name} database={database[:10]} redis={redis[:5]}")
    if f"{name}_FAILS" in os.environ:
        sys.exit(3)
    ThreadingHTTPServer(("127.0.0.1", int(os.environ[port_variable])), Handler).serve_forever()


def note(name: str) -> None:
    """Say what this one-shot command was told; `<NAME>_FAILS` ends it with a status."""
    print(f"{name} {json.dumps([sys.argv[1:], sys.stdin.read()])}")
    if f"{name}_FAILS" in os.environ:
        sys.exit(4)
