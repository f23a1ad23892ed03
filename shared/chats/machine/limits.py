"""The numbers of the state machine that an operator may set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.chats.rules.result_room import room_of
from shared.config.catalog import Catalog
from shared.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers of the state machine that an operator may set; times in seconds."""

    max_queued: int = 20
    max_losses: int = 25
    max_failures: int = 25
    requires_action_seconds: float = 300.0
    interrupting_seconds: float = 15.0
    death_seconds: float = 7.0
    context_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    """The context of each declared model, in tokens; 0 = unknown."""

    @classmethod
    def of(cls, settings: Settings, catalog: Catalog) -> "Limits":
        """Take what the settings and the models say."""
        return cls(
            max_queued=settings.max_queued,
            max_losses=settings.max_losses,
            max_failures=settings.max_failures,
            requires_action_seconds=settings.requires_action_seconds,
            interrupting_seconds=settings.interrupting_seconds,
            death_seconds=settings.death_seconds,
            context_limits={name: one.context_limit for name, one in catalog.models.items()},
        )

    def result_room(self, model: str) -> int:
        """Return how many bytes of a tool's result a model gets."""
        return room_of(self.context_limits.get(model, 0))
