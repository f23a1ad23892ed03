"""A client that does not read is cut off, and nobody else notices."""

import socket
import time

from sqlalchemy import Engine

from shared.chats.machine.machine import ChatMachine
from shared.config.settings import Settings
from tests.integration.api.served import Client, serve
from tests.integration.stream.driving import Driven, drive
from tests.integration.stream.following import PATIENCE_SECONDS, Speaker, following

BIG = "x" * 60_000
"""So much at once that the buffers of the kernel are full after some of it."""


def ask(client: Client, chat: Driven) -> socket.socket:
    """Ask for the stream, and read nothing of it."""
    deaf = socket.create_connection((client.host, client.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = f"GET /v1/chats/{chat.id}/stream HTTP/1.1\r\nHost: x\r\n"
    deaf.sendall(f"{request}Authorization: Bearer {client.key}\r\n\r\n".encode())
    return deaf


def cut_offs(client: Client) -> float:
    for line in client.get("/metrics").body.decode().splitlines():
        if line.startswith("stepwell_stream_cut_off_total "):
            return float(line.split()[1])
    return 0.0


def test_a_reader_that_does_not_read_is_cut_off_and_slows_nobody(
    stream_settings: Settings, engine: Engine, machine: ChatMachine, speaker: Speaker
) -> None:
    settings = stream_settings.model_copy(update={"stream_client_buffer": 20})
    with serve(settings, engine) as api:
        alice, chat = api.caller("alice"), drive(engine, machine)
        with ask(alice, chat), following(alice, chat.id) as follower:
            follower.until(lambda one: one.status == "pending")
            writer = speaker.open(chat.id, chat.begin())
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not cut_offs(alice):
                assert time.monotonic() < deadline
                before = len(follower.events)
                assert speaker.say(writer, BIG)
                while len(follower.events) == before:
                    follower.next()
            chat.finish("done")
            follower.until(lambda one: one.status == "waiting")
            assert "preview_reset" not in follower.names
