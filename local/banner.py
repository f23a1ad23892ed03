"""What a person reads when everything is ready."""

import json
import shlex

from local.state import Running


def banner(running: Running, seconds: float) -> str:
    """The address, the key and one request to begin with."""
    return "\n".join(
        [
            "",
            f"  Stepwell is ready after {seconds:.1f} s, with {_workers(running)}.",
            "",
            f"  API    {running.base_url}",
            f"  Key    {running.api_key}",
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


def _workers(running: Running) -> str:
    count = len(running.worker_metrics_urls)
    return f"{count} workers" if count > 1 else "one worker"
