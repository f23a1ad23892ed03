"""Tools of an operator. `[tools] modules = ["examples.tools"]` in `stepwell.toml` brings them in.

The three kinds there are: one without any effect, one with an effect that must not be there twice,
and one that takes long and can be stopped.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.tools.context import ToolContext
from shared.tools.spec import Policy, ToolError, tool

BOOKINGS = Path("bookings.txt")


@tool(policy=Policy.RERUN)
def count_words(text: str, unit: Literal["words", "characters"] = "words") -> int:
    """Count the words of a text, or its characters.

    Args:
        text: what to count in
        unit: what to count
    """
    return len(text.split()) if unit == "words" else len(text)


@tool(timeout_seconds=10)
def book_room(
    room: Annotated[str, Field(pattern=r"^[A-Z][0-9]{1,3}$", description="such as B12")],
    guests: Annotated[int, Field(ge=1, le=50)],
    context: ToolContext,
) -> str:
    """Book a room for today.

    It is never started a second time by itself: the policy is `ask`, the default. The booking has
    the call's key, so that whoever looks afterwards finds out whether it was made.
    """
    taken = BOOKINGS.read_text().splitlines() if BOOKINGS.exists() else []
    if any(line.startswith(f"{room} ") for line in taken):
        raise ToolError(f"Room {room} is taken: choose another.")
    with BOOKINGS.open("a") as file:
        file.write(f"{room} {guests} {context.owner} {context.idempotency_key}\n")
    return f"Room {room} is booked for {guests}."


@tool(timeout_seconds=600)
async def ring_bells(rooms: Sequence[str], seconds_between: float = 1.0) -> dict[str, object]:
    """Ring the bell in one room after the other, and say in which.

    An asynchronous tool is cancelled when its turn is stopped, wherever it waits.
    """
    for _ in rooms:
        await asyncio.sleep(seconds_between)
    return {"rung": list(rooms)}
