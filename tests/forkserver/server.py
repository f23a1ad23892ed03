"""A process that has imported what an API and a worker import, and forks one at a word.

`python -m tests.forkserver.server SOCKET`. It has one thread, no loop and no connection, so that
there is nothing that a fork could break. What it forks is a process of its own with the main
function, environment, session and output that `python -m MODULE` would have; the imports, nine
tenths of the CPU of a start, are done. It ends when the other end of its socket does, and all with
it.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
from importlib import import_module
from typing import Final

from local.processes.launch import die_with

IMPORTED: Final = (
    "api.app",
    "workers.process.engine",
    "workers.process.frame",
    # What these import only when they start.
    "anyio._backends._asyncio",
    "billiard.pool",
    "celery.app.control",
    "celery.app.log",
    "celery.backends.base",
    "celery.concurrency.thread",
    "celery.events.receiver",
    "celery.fixups.django",
    "celery.worker.autoscale",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "encodings.idna",
    "shared.logs.setup",
    "shared.broker.redis_transport",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "workers.providers.anthropic.client",
    "workers.providers.openai_chat.client",
    "workers.providers.scripted.client",
)

LONGEST_REQUEST: Final = 1 << 20


def main(asked: socket.socket) -> None:
    """Fork until nobody can ask any more; a forked process leaves by running its module."""
    for name in IMPORTED:
        import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "an import started a thread"
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are nobody's to wait for
    server = os.getpid()
    while True:
        request, descriptors, _, _ = socket.recv_fds(asked, LONGEST_REQUEST, 2)
        if not request:
            return
        output, told = descriptors
        if os.fork() == 0:
            asked.close()
            _keep(server, output, told)
            return _become(output, **json.loads(request))
        os.close(output)
        os.close(told)


def _keep(server: int, output: int, told: int) -> None:
    """Fork the process, in which this returns, and tell its pid and, at its end, its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with(server, signal.SIGKILL)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.setsid()
        die_with(keeper, signal.SIGKILL)
        return
    os.close(output)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(output: int, *, module: str, arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.argv[1:] = arguments
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
