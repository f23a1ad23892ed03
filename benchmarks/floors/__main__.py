"""`python -m benchmarks.floors`: one job a line on stdin, the spread of its times on stdout."""

import socket
import sys
import time
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import psycopg
import redis

from benchmarks.floors.jobs import JOB, Commits, Job, Noops, PubSub
from benchmarks.floors.noop import QUEUE, REPLIES, TASK, make_noop_app
from benchmarks.spread import Spread

_SECONDS = 30
_MESSAGE = b"x" * 200  # about a streamed delta


def main() -> None:
    """Do job after job until stdin closes."""
    for line in sys.stdin:
        print(Spread.of(_run(JOB.validate_json(line))).model_dump_json(), flush=True)


def _run(job: Job) -> list[int]:
    match job:
        case Commits():
            return _commits(job)
        case PubSub():
            return _pubsub(job)
        case Noops():
            return _noops(job)


def _commits(job: Commits) -> list[int]:
    times: list[int] = []
    with psycopg.connect(job.database_url) as connection:
        connection.execute(
            "CREATE TABLE benchmark (id bigint GENERATED ALWAYS AS IDENTITY, said text)"
        )
        connection.commit()
        try:
            for _ in range(job.count):
                started = time.monotonic_ns()
                connection.execute("INSERT INTO benchmark (said) VALUES (%s)", ["x" * 200])
                connection.commit()
                times.append(time.monotonic_ns() - started)
        finally:
            connection.rollback()
            connection.execute("DROP TABLE benchmark")
    return times


def _pubsub(job: PubSub) -> list[int]:
    times: list[int] = []
    with _connect(job.redis_url) as publisher, _connect(job.redis_url) as subscriber:
        subscriber.sendall(b"SUBSCRIBE benchmark\r\n")
        subscriber.recv(4096)
        command = b"*3\r\n$7\r\nPUBLISH\r\n$9\r\nbenchmark\r\n$%d\r\n%s\r\n"
        for _ in range(job.count):
            started = time.monotonic_ns()
            publisher.sendall(command % (len(_MESSAGE), _MESSAGE))
            subscriber.recv(4096)
            times.append(time.monotonic_ns() - started)
            publisher.recv(4096)
    return times


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection(("127.0.0.1", parts.port or 6379), timeout=_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"AUTH %s\r\n" % unquote(parts.password or "").encode())
    connection.recv(4096)
    return connection


def _noops(job: Noops) -> list[int]:
    app = cast(Any, make_noop_app(job.redis_url))
    times: list[int] = []
    replies = cast(Any, redis.Redis).from_url(job.redis_url)
    with replies, app.connection_for_write() as connection, app.amqp.Producer(connection) as out:
        for _ in range(job.count):
            started = time.monotonic_ns()
            app.send_task(TASK, args=(None,), queue=QUEUE, producer=out, retry=False)
            answer = replies.blpop(REPLIES, timeout=_SECONDS)
            if answer is None:
                raise TimeoutError("the worker of the no-ops does not answer")
            times.append(int(answer[1]) - started)
    return times


if __name__ == "__main__":
    main()
