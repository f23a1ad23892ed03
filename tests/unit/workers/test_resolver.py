"""Names are looked up beside each other, none twice at a time, and never for ever."""

import asyncio
import socket
from threading import Event
from typing import Final

import pytest

from workers.resolver import Addresses, Resolver

HERE: Final[Addresses] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
NEVER_SECONDS: Final = 60.0


class Names:
    """A name server: `dead` names are answered once `awake` is set, others at once."""

    def __init__(self) -> None:
        self.awake = Event()
        self.asked: list[object] = []

    def look_up(self, host: object, port: object, **hints: int) -> Addresses:
        self.asked.append((host, port, hints))
        if str(host).startswith("dead"):
            assert self.awake.wait(NEVER_SECONDS)
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HERE


def test_a_dead_name_holds_up_nobody_else() -> None:
    async def main() -> None:
        names = Names()
        resolver = Resolver(look_up=names.look_up)
        dead = [asyncio.ensure_future(resolver.resolve(f"dead{n}", 80)) for n in range(100)]
        assert await resolver.resolve("localhost", 80) == HERE
        assert not any(one.done() for one in dead)
        names.awake.set()
        assert await asyncio.gather(*dead) == [HERE] * 100

    asyncio.run(main())


def test_the_same_question_is_asked_once_at_a_time() -> None:
    async def main() -> None:
        names = Names()
        resolver = Resolver(look_up=names.look_up)
        first = asyncio.ensure_future(resolver.resolve("dead", 80, family=socket.AF_INET))
        others = [
            asyncio.ensure_future(resolver.resolve("dead", 80, family=socket.AF_INET))
            for _ in range(9)
        ]
        other = asyncio.ensure_future(resolver.resolve("dead", 443))
        await asyncio.sleep(0)
        first.cancel()  # who leaves takes nothing from the others
        names.awake.set()
        assert await asyncio.gather(*others, other) == [HERE] * 10
        assert len(names.asked) == 2
        await resolver.resolve("dead", 443)
        assert len(names.asked) == 3

    asyncio.run(main())


def test_a_look_up_that_takes_too_long_is_given_up() -> None:
    async def main() -> None:
        names = Names()
        resolver = Resolver(look_up=names.look_up, limit_seconds=0.01)
        with pytest.raises(socket.gaierror, match=r"no name server answered in 0\.01 s") as error:
            await resolver.resolve("dead", 80)
        assert error.value.errno == socket.EAI_AGAIN
        names.awake.set()

    asyncio.run(main())


def test_dead_names_can_not_take_more_threads_than_there_may_be() -> None:
    async def main() -> None:
        names = Names()
        resolver = Resolver(look_up=names.look_up, most=2)
        dead = [asyncio.ensure_future(resolver.resolve(f"dead{n}", 80)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(socket.gaierror, match="2 other names"):
            await resolver.resolve("localhost", 80)
        names.awake.set()
        await asyncio.gather(*dead)
        assert await resolver.resolve("localhost", 80) == HERE

    asyncio.run(main())


def test_a_name_that_is_not_known_is_said_to_be() -> None:
    resolver = Resolver(look_up=Names().look_up)
    with pytest.raises(socket.gaierror, match="not known"):
        asyncio.run(resolver.resolve("unknown", 80))
