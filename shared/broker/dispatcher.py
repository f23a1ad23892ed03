"""Sending deliveries: quick, once, and never waiting long for a broker that is gone."""

from contextlib import AbstractContextManager
from typing import Any, Final, cast

from kombu.exceptions import KombuError
from kombu.pools import ProducerPool

from shared.broker.celery_app import App
from shared.broker.errors import EnqueueFailed
from shared.broker.wakeup import BACKGROUND, INTERACTIVE, RUN_STEP, RunStep
from shared.chats.model.ids import ChatId

WAIT_SECONDS: Final = 0.5
"""For each of: a free connection, connecting, an answer."""

CONNECTIONS: Final = 32
"""More than the API has threads, so that a dead broker is waited for in parallel."""

QUICK: Final = {
    "max_retries": 0,
    "socket_connect_timeout": WAIT_SECONDS,
    "socket_timeout": WAIT_SECONDS,
    "read_timeout": WAIT_SECONDS,
    "write_timeout": WAIT_SECONDS,
}
"""Transport options: kombu's own make a caller wait 5 to 6 seconds for a dead Redis."""


_SHOWN: Final = "()"
"""What monitors are shown of the arguments, which nobody reads; Celery would write them anew."""


class Dispatcher:
    """Sends `chat.run_step`. One per process, shared by its threads; it keeps its connections."""

    def __init__(self, app: App) -> None:
        """Connects at the first send, not here."""
        self._app = cast(Any, app)
        connection = self._app.connection_for_write(
            transport_options=QUICK, connect_timeout=WAIT_SECONDS
        )
        self._pool = connection.Pool(CONNECTIONS)
        self._producers = cast(Any, ProducerPool)(self._pool, limit=CONNECTIONS)
        self._errors: tuple[type[BaseException], ...] = (
            KombuError,
            *connection.connection_errors,
            *connection.channel_errors,
        )

    def send(
        self, chat_id: ChatId, *, countdown_seconds: float = 0.0, background: bool = False
    ) -> None:
        """Wake a worker for the chat, in `countdown_seconds` or at once.

        Raises `EnqueueFailed`, within a second or so, when the broker does not take it.
        """
        payload = RunStep(chat_id=chat_id).model_dump(mode="json")
        try:
            with self._producer() as producer:
                self._app.send_task(
                    RUN_STEP,
                    args=(payload,),
                    countdown=countdown_seconds or None,
                    queue=BACKGROUND if background else INTERACTIVE,
                    producer=producer,
                    retry=False,
                    ignore_result=True,
                    argsrepr=_SHOWN,
                    kwargsrepr=_SHOWN,
                    timeout=WAIT_SECONDS,
                    confirm_timeout=WAIT_SECONDS,
                )
        except self._errors as error:
            raise EnqueueFailed(chat_id, str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Close the connections."""
        self._producers.force_close_all()
        self._pool.force_close_all()

    def _producer(self) -> AbstractContextManager[Any]:
        return self._producers.acquire(block=True, timeout=WAIT_SECONDS)
