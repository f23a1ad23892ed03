"""The numbers of the state machine that an operator may set."""

from dataclasses import dataclass

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

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take what the settings say."""
        return cls(
            max_queued=settings.max_queued,
            max_losses=settings.max_losses,
            max_failures=settings.max_failures,
            requires_action_seconds=settings.requires_action_seconds,
            interrupting_seconds=settings.interrupting_seconds,
            death_seconds=settings.death_seconds,
        )
