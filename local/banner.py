"""What a person reads when everything is ready."""

import json
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from local.state import Running


def banner(running: Running, seconds: float, *, named: Mapping[str, str] | None = None) -> str:
    """The address, the key and one request to begin with; `named` are servers that are not ours."""
    return "\n".join(
        [
            "",
            f"  Stepwell is ready after {seconds:.1f} s, with {_workers(running)}.",
            "",
            f"  API    {running.base_url}",
            f"  Key    {running.api_key}",
            *(f"  Uses   {_server(url)}, named by {name}" for name, url in (named or {}).items()),
            "",
            "  Try it:",
            "",
            first_request(running),
            "",
            "  Ctrl-C stops everything; chats that are not finished go on at the next start.",
            "",
        ]
    )


def first_request(running: Running) -> str:
    """A curl command that creates a chat and shows its answer as it comes."""
    arguments = ["curl", "-N", f"{running.base_url}/v1/chats"]
    headers = {
        "Authorization": f"Bearer {running.api_key}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
    }
    for name, value in headers.items():
        arguments += ["-H", f"{name}: {value}"]
    return shlex.join([*arguments, "-d", json.dumps({"content": "Hello!"})])


def _server(url: str) -> str:
    """Where a server is, without who may use it: a URL holds a password."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"


def _workers(running: Running) -> str:
    count = len(running.worker_metrics_urls)
    return f"{count} workers" if count > 1 else "one worker"
