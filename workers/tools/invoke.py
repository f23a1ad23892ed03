"""Calls a tool's function and takes whatever it does: nothing of it reaches its worker."""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from inspect import iscoroutine
from typing import Any, cast

from structlog.stdlib import BoundLogger

from shared.tools.context import ToolContext
from shared.tools.spec import Tool, ToolError
from workers.tools.output import Output, failure, output_of


def invoke(
    tool: Tool, arguments: Mapping[str, object], context: ToolContext, log: BoundLogger
) -> Output | None:
    """Run the function in this thread; None = it was cancelled, and did not end by itself."""
    pid = os.getpid()
    try:
        return _run(tool, arguments, context, log)
    finally:
        if os.getpid() != pid:
            # A child that the tool forked came back here. It has our connections and locks, and
            # none of our threads: it must not live on as a second worker.
            os._exit(0)


def _run(
    tool: Tool, arguments: Mapping[str, object], context: ToolContext, log: BoundLogger
) -> Output | None:
    try:
        # What it returned may do its work only when it is read.
        return output_of(_call(tool, arguments, context))
    except ToolError as error:
        return failure(str(error) or "The tool failed.")
    except BaseException as error:
        # SystemExit and its like end a process, not this one.
        if context.cancelled:
            return None
        log.warning("tool.failed", tool=tool.name, exc_info=error)
        # The text of an error that nobody wrote for a model may hold what it must not see.
        return failure(f"The tool failed: {type(error).__name__}.")


def _call(tool: Tool, arguments: Mapping[str, object], context: ToolContext) -> object:
    value = tool.run(arguments, context)
    if iscoroutine(value):
        return _await(cast(Coroutine[Any, Any, object], value), context)
    return value


def _await(coroutine: Coroutine[Any, Any, object], context: ToolContext) -> object:
    """Run it on a loop of its own: one that blocks blocks nobody else."""

    async def cancellable() -> object:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            with suppress(RuntimeError):  # it ended meanwhile, and its loop with it
                loop.call_soon_threadsafe(task.cancel)

        context.cancellation.on_cancel(cancel)
        return await coroutine

    with asyncio.Runner() as runner:
        return runner.run(cancellable())
