"""The part of a step that lives on the loop: asks the model and plays its answer."""

from concurrent.futures import CancelledError
from dataclasses import dataclass

from shared.chats.moves.workers.begin import Begun
from shared.config.catalog import Model
from shared.failures.kinds import ErrorKind, Failure, Preclassified
from workers.leases.registry import Lease
from workers.steps.answer.collect import CollectedAnswer
from workers.steps.answer.read_stream import Streamed, stream_answer
from workers.steps.deps import StepDeps
from workers.steps.guard import Guard
from workers.steps.prompt.available_tools import available_tools
from workers.steps.prompt.build import prepare
from workers.streaming.writer import EpisodeWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A stream that ended, and the open end of its episode."""

    streamed: Streamed
    model: Model | None
    writer: EpisodeWriter

    @property
    def asked(self) -> Model | None:
        """The model that was asked; None = none was, so that there is no step to count."""
        return self.model if self.streamed.asked else None


def ask(deps: StepDeps, lease: Lease, begun: Begun) -> Asked | None:
    """Ask the model and wait for the end; None = the loop ended, and with it this process."""
    try:
        return deps.loop.run(_ask_on_loop(deps, lease, begun))
    except CancelledError:
        deps.log.warning("step.abandoned")
        return None


async def _ask_on_loop(deps: StepDeps, lease: Lease, begun: Begun) -> Asked:
    chat = begun.chat
    model = deps.catalog.models.get(chat.model)
    writer = deps.flusher.open(chat.id, chat.episode)
    if model is None:
        streamed = _never_opened(_not_declared(chat.model))
    else:
        streamed = await _ask(deps, lease, begun, model, writer)
    await writer.flush()
    return Asked(streamed=streamed, model=model, writer=writer)


async def _ask(
    deps: StepDeps, lease: Lease, begun: Begun, model: Model, writer: EpisodeWriter
) -> Streamed:
    chat = begun.chat
    deps.recorder.streaming(1)
    try:
        request = prepare(
            model=model,
            system=chat.system,
            history=begun.messages,
            tools=available_tools(deps.registry, chat).specs(),
            attempt=chat.failures,
        )
        deps.recorder.request(model, request)
        return await stream_answer(
            deps.providers.get(model.provider),
            request,
            lease=lease,
            writer=writer,
            guard=Guard(deps.timers, deps.patience, model.provider),
            timers=deps.timers,
            now=deps.now,
        )
    except Preclassified as error:
        return _never_opened(error)
    except Exception as error:
        # A defect of ours, in an adapter most likely: the turn must not hang on it.
        deps.log.exception("step.defect", chat_id=str(chat.id))
        failure = Failure(kind=ErrorKind.GENERIC, retryable=False)
        return _never_opened(Preclassified(failure).with_traceback(error.__traceback__))
    finally:
        deps.recorder.streaming(-1)


def _not_declared(name: str) -> Preclassified:
    message = f"The model {name!r} is not declared here: choose one of GET /v1/models."
    return Preclassified(Failure(kind=ErrorKind.CONFIG, retryable=False, message=message))


def _never_opened(error: Preclassified) -> Streamed:
    return Streamed(
        answer=CollectedAnswer(), asked=False, seconds=0.0, first_part_seconds=None, error=error
    )
