"""Asking a server once whether it answers; never raises, never waits long, never tells a password."""

import psycopg
import redis

CONNECT_SECONDS = 2


def postgres_refusal(url: str) -> str | None:
    """Why PostgreSQL takes no connection; None if it does."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS):
            return None
    except psycopg.Error as error:
        return _sentence(error)


def redis_refusal(url: str) -> str | None:
    """Why Redis or Valkey takes no command, loading its data included; None if it does."""
    # redis-py leaves its keyword arguments untyped.
    client: redis.Redis = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
    )
    with client:
        try:
            client.ping()  # pyright: ignore[reportUnknownMemberType]
        except redis.RedisError as error:
            return _sentence(error)
    return None


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
