"""The tool that is always there: what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.tools.spec import FunctionTool, Policy, ToolError, tool


def make_current_time(now: Callable[[], datetime]) -> FunctionTool:
    """Return the tool that reads this clock."""

    @tool(policy=Policy.RERUN)
    def current_time(timezone: str = "UTC") -> dict[str, str]:
        """Return the current date and time.

        Args:
            timezone: a name of the IANA database such as Europe/Berlin
        """
        try:
            there = now().astimezone(ZoneInfo(timezone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ToolError(f"There is no time zone {timezone[:80]!r}.") from None
        return {"time": there.isoformat(timespec="seconds"), "weekday": there.strftime("%A")}

    return current_time


current_time = make_current_time(lambda: datetime.now(UTC))
