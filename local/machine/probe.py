"""Asking once whether something answers; never raises, never waits long, never tells a password."""

import asyncio
from urllib.request import urlopen

import psycopg
import redis

SECONDS = 2

NOT_A_URL = "the URL is malformed"
"""Said instead of the library's own words, which quote the URL and so the password."""


def postgres_refusal(url: str) -> str | None:
    """Why PostgreSQL takes no connection; None if it does."""
    try:
        with psycopg.connect(url, connect_timeout=SECONDS):
            return None
    except psycopg.OperationalError as error:
        return _sentence(error)
    except (psycopg.Error, ValueError):
        return NOT_A_URL


def redis_refusal(url: str) -> str | None:
    """Why Redis or Valkey takes no command, loading its data included; None if it does."""
    try:
        # redis-py leaves its keyword arguments untyped.
        client: redis.Redis = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        )
    except ValueError:
        return NOT_A_URL
    with client:
        try:
            client.ping()  # pyright: ignore[reportUnknownMemberType]
        except redis.RedisError as error:
            return _sentence(error)
    return None


async def http_ok(host: str, port: int, path: str) -> bool:
    """Whether a GET is answered with status 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode("ascii"))
                status_line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status_line.split()[1:2] == [b"200"]


async def has_sample(url: str, sample: str) -> bool:
    """Whether a page of metrics has this line."""
    return await asyncio.to_thread(_has_line, url, sample)


def _has_line(url: str, line: str) -> bool:
    try:
        with urlopen(url, timeout=SECONDS) as page:
            return line.encode() in page.read().splitlines()
    except OSError:
        return False


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
