"""Which tools a chat's model may call, and how they are shown to it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.chats.model.chat import Chat, DynamicTool
from shared.tools.registry import Registry
from shared.tools.spec import Tool
from workers.providers.protocol import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableTools:
    """The tools of one chat: built-in ones that it may use, and the client's own.

    `registered` has all built-in tools: those that this chat may not use are no unknown names.
    """

    builtin: Mapping[str, Tool]
    dynamic: Mapping[str, DynamicTool]
    registered: Registry

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return what the model gets to see, built-in tools first."""
        tools = (*self.builtin.values(), *self.dynamic.values())
        return tuple(
            ToolSpec(name=tool.name, description=tool.description, input_schema=tool.input_schema)
            for tool in tools
        )


def available_tools(registry: Registry, chat: Chat) -> AvailableTools:
    """Return the tools of a chat.

    A built-in tool that came later with the name of one of the client's own stays hidden here.
    """
    dynamic = {tool.name: tool for tool in chat.dynamic_tools}
    builtin = {
        name: tool
        for name, tool in registry.items()
        if name not in dynamic and (chat.tools is None or name in chat.tools)
    }
    return AvailableTools(builtin=builtin, dynamic=dynamic, registered=registry)
