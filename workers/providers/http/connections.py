"""The connections of a provider's client: how many, and how long they may take."""

import httpx2

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0  # silence on the wire; the step's own guards come before it

# For the aiohttp transport 0 means no limit, and None its default of 100: a worker with 200
# streams would wait for itself.
UNLIMITED = httpx2.Limits(max_connections=0, keepalive_expiry=30.0)


def timeouts(connect_seconds: float, read_seconds: float) -> httpx2.Timeout:
    """Bound name look-up, connect and TLS together (`pool`), and each read."""
    return httpx2.Timeout(
        connect=connect_seconds, pool=connect_seconds, read=read_seconds, write=None
    )
