"""Asks the model of a chat: the request, the stream, and what ended before there was one."""

from dataclasses import dataclass

from shared.chats.moves.workers.begin import Begun
from shared.config.catalog import Model
from shared.failures.kinds import ErrorKind, Failure, Preclassified
from workers.leases.registry import Lease
from workers.providers.protocol import Request
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.answer.read_stream import Streamed, read_stream
from workers.steps.deps import StepDeps
from workers.steps.guard import Guard
from workers.steps.prompt.available_tools import available_tools
from workers.steps.prompt.build import prepare
from workers.steps.prompt.size import prompt_size
from workers.streaming.writer import EpisodeWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A stream that ended, and the open end of its episode."""

    streamed: Streamed
    model: Model | None
    writer: EpisodeWriter

    @property
    def counted(self) -> Model | None:
        """The model that was asked; None = none was, so that there is no step to count."""
        return self.model if self.streamed.asked else None


async def ask(deps: StepDeps, lease: Lease, begun: Begun) -> Asked:
    """Ask the model and read its answer to the end. Raises nothing that a provider can cause."""
    chat = begun.chat
    model = deps.catalog.models.get(chat.model)
    writer = deps.flusher.open(chat.id, chat.episode)
    deps.metrics.streaming(1)
    try:
        if model is None:
            raise _not_declared(chat.model)
        streamed = await read_stream(
            deps.providers.get(model.provider),
            _request(deps, begun, model),
            lease=lease,
            writer=writer,
            guard=Guard(deps.timers, deps.patience, model.provider),
            timers=deps.timers,
            now=deps.now,
        )
    except Preclassified as error:
        streamed = _never_opened(error)
    except Exception as error:
        # A defect of ours, in an adapter most likely: the turn must not hang on it.
        deps.log.exception("step.defect", chat_id=str(chat.id))
        failure = Failure(kind=ErrorKind.GENERIC, retryable=False)
        streamed = _never_opened(Preclassified(failure).with_traceback(error.__traceback__))
    finally:
        deps.metrics.streaming(-1)
    await writer.flush()
    return Asked(streamed=streamed, model=model, writer=writer)


def _request(deps: StepDeps, begun: Begun, model: Model) -> Request:
    chat = begun.chat
    request = prepare(
        model=model,
        system=chat.system,
        history=begun.messages,
        tools=available_tools(deps.registry, chat).specs(),
        attempt=chat.failures,
    )
    deps.metrics.request(model, messages=len(request.messages), size_bytes=prompt_size(request))
    return request


def _not_declared(name: str) -> Preclassified:
    message = f"The model {name!r} is not declared here: choose one of GET /v1/models."
    return Preclassified(Failure(kind=ErrorKind.CONFIG, retryable=False, message=message))


def _never_opened(error: Preclassified) -> Streamed:
    return Streamed(
        answer=CollectedAnswer(), asked=False, seconds=0.0, first_part_seconds=None, error=error
    )
