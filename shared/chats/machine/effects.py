"""What a move causes outside of its transaction: sent after the commit, and allowed to get lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from structlog.stdlib import BoundLogger

from shared.chats.model.ids import ChatId, LeaseId, WorkerId
from shared.chats.model.parts import ToolResultPart
from shared.chats.model.statuses import TurnStatus
from shared.chats.rules.result_room import result_size
from shared.metrics.metrics import Metrics

INTERRUPTED: Final = "interrupted"
"""Why a step is cancelled: a person stopped it, and what was said is kept."""

FENCED: Final = "fenced"
"""Why a step is cancelled: its chat was taken away from it, and nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Wake a worker for the chat, `countdown_seconds` from now."""

    chat_id: ChatId
    countdown_seconds: float = 0.0
    background: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Tell the watchers that the chat is now at this snapshot."""

    chat_id: ChatId
    snapshot_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Tell the worker that the step that it runs under this lease is no longer wanted, and why."""

    worker_id: WorkerId
    chat_id: ChatId
    lease_id: LeaseId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Count a turn that ended or paused."""

    status: TurnStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """Count an attempt that failed and will be repeated, under the configured names."""

    provider: str
    model: str
    kind: str
    chain_broken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResulted:
    """Count a result that a model is about to get; `model` is the configured name of the model.

    `tool` is a built-in tool's name, or one of `DYNAMIC_TOOL` and `UNKNOWN_TOOL`: names that
    clients and models choose are without number.
    """

    model: str
    tool: str
    result: ToolResultPart
    truncated: bool = False


Effect = Enqueue | Changed | Cancel | Counted | Retried | ToolResulted
Hint = Changed | Cancel


_OUTCOMES: Final = {
    TurnStatus.FINISHED: "finished",
    TurnStatus.FAILED: "error",
    TurnStatus.INTERRUPTED: "interrupted",
    TurnStatus.REQUIRES_ACTION: "requires_action",
}


class EffectFailed(Exception):
    """A message or a hint could not be sent; the sweeper and the rounds make up for it."""


class WakeupSender(Protocol):
    """Puts work on the queue. Raises `EffectFailed`, quickly, when the broker is away."""

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        """Send one wake-up."""
        ...


class Notifier(Protocol):
    """Publishes hints. Raises `EffectFailed`, quickly, when Redis is away."""

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish hints in one round trip."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The way out: everything a committed move has to tell the world.

    `providers` has the provider of each declared model, for the metrics.
    """

    dispatcher: WakeupSender
    notifier: Notifier
    metrics: Metrics
    providers: Mapping[str, str]
    log: BoundLogger

    def flush(self, effects: Sequence[Effect]) -> None:
        """Send what a commit caused. Never raises for a dead broker: Postgres has the truth."""
        hints = [effect for effect in effects if isinstance(effect, Changed | Cancel)]
        # Here and not in the step: whoever ends a turn counts it, a person's request included. And
        # first: who was told of it finds it counted.
        for effect in effects:
            self._count(effect)
        try:
            for effect in effects:
                if isinstance(effect, Enqueue):
                    self.dispatcher.send(
                        effect.chat_id,
                        countdown_seconds=effect.countdown_seconds,
                        background=effect.background,
                    )
        except EffectFailed as error:
            self.log.warning("effects.enqueue_failed", error=str(error))
        try:
            if hints:
                self.notifier.publish(hints)
        except EffectFailed as error:
            self.log.warning("effects.publish_failed", error=str(error))

    def _count(self, effect: Effect) -> None:
        match effect:
            case Counted(status=status) if status in _OUTCOMES:
                self.metrics.turns_total.labels(outcome=_OUTCOMES[status]).inc()
            case Retried():
                self.metrics.stream_retries_total.labels(
                    provider=effect.provider,
                    model=effect.model,
                    kind=effect.kind,
                    chain_broken="true" if effect.chain_broken else "false",
                ).inc()
            case ToolResulted():
                self._count_result(effect)
            case _:
                pass

    def _count_result(self, effect: ToolResulted) -> None:
        known = effect.model in self.providers
        labels = {
            "provider": self.providers.get(effect.model, ""),
            "model": effect.model if known else "",
            "tool_name": effect.tool,
        }
        self.metrics.tool_result_size_bytes.labels(**labels).observe(result_size(effect.result))
        if effect.result.is_error:
            self.metrics.tool_errors_total.labels(**labels).inc()
        if effect.truncated:
            self.metrics.tool_result_truncated_total.labels(**labels).inc()
