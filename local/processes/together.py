"""Several coroutines at once, with the first failure as the only one."""

import asyncio
from collections.abc import Coroutine


async def together(*jobs: Coroutine[object, object, None]) -> None:
    """Run all until they end; one that fails ends the others first, and then speaks for all."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
