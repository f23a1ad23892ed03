"""A simple model of one chat: what people and workers may do to it, and what comes of that.

Written from the state machine's page, without a look at the code, and kept as plain as can be:
lists and sets, no versions, no times. Messages and turns have names that the test gives them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from shared.chats.model.statuses import Status, TurnStatus


class Refusal(StrEnum):
    """Why nothing happened."""

    NOT_ALLOWED = "MoveNotAllowed"
    ARCHIVED = "ChatArchived"
    BUSY = "ChatBusy"
    FULL = "QueueFull"
    STALE = "StaleFence"
    NOTHING = "NothingToDo"
    NOT_DUE = "NotDue"


Row = tuple[str, str, str]
"""A message: role, the name of its turn, its text or the ids of its calls or results."""

IDLE = (Status.WAITING, Status.ERROR)
UNHELD = (Status.PENDING, Status.REQUIRES_ACTION)
HELD = (Status.RUNNING, Status.INTERRUPTING)
OPEN = (TurnStatus.QUEUED, TurnStatus.ACTIVE, TurnStatus.REQUIRES_ACTION)


class Refused(Exception):
    """The model refuses a move."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Model:
    """One chat. `queue` is in the order in which it will be promoted: name, interrupting."""

    first: str
    goes_on: bool
    max_queued: int
    max_failures: int
    max_losses: int
    status: Status = Status.PENDING
    archived: bool = False
    history: list[Row] = field(default_factory=list[Row])
    queue: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    turns: dict[str, TurnStatus] = field(default_factory=dict[str, TurnStatus])
    current: str | None = None
    failures: int = 0
    losses: int = 0
    due: bool = True
    lease: int | None = None
    committed: int | None = None
    calls: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._enter(self.first)

    def send(self, name: str, busy: str) -> None:
        if busy == "reject" and self.status not in IDLE:
            raise Refused(Refusal.BUSY)
        self._not_archived()
        if self.status in IDLE:
            if self.queue:
                self._promote_head()
                self._queue(name, interrupting=False)
            else:
                self._enter(name)
        elif busy == "interrupt" and self.status in UNHELD:
            self._stop()
            if any(interrupting for _, interrupting in self.queue):
                self._promote_head()
                self._queue(name, interrupting=True)
            else:
                self._enter(name)
        elif busy == "interrupt":
            self._queue(name, interrupting=True)
            self.status = Status.INTERRUPTING
        else:
            self._queue(name, interrupting=False)

    def edit(self, place: int, name: str) -> None:
        self._not_archived()
        self._drop_queue()
        self._end(TurnStatus.REPLACED)
        del self.history[place:]
        self.lease, self.calls = None, []
        self._enter(name)

    def delete_queued(self, place: int) -> None:
        self._not_archived()
        self.turns[self.queue.pop(place)[0]] = TurnStatus.REPLACED

    def promote_queued(self, place: int) -> None:
        self._not_archived()
        self._only_in(Status.ERROR, *UNHELD, *HELD)
        name, _ = self.queue.pop(place)
        if self.status in HELD:
            self.queue.insert(0, (name, True))
            self.status = Status.INTERRUPTING
            return
        if self.status is not Status.ERROR:
            self._stop()
        self._enter(name)

    def interrupt(self, *, clear: bool) -> None:
        self._not_archived()
        if clear:
            self._drop_queue()
        if self.status is Status.RUNNING:
            self.status = Status.INTERRUPTING
        elif self.status in UNHELD:
            self._stop()
            self._forget_counts()
            self._next(Status.WAITING)

    def retry(self) -> None:
        self._not_archived()
        self._only_in(Status.ERROR)
        assert self.current is not None
        self.turns[self.current] = TurnStatus.ACTIVE
        self._forget_counts()
        self.status = Status.PENDING

    def archive(self) -> None:
        if not self.archived:
            self._only_in(*IDLE)
            self.archived = True

    def unarchive(self) -> None:
        self.archived = False

    def set_fields(self) -> None:
        self._not_archived()

    def submit(self, ids: Iterable[str]) -> None:
        self._not_archived()
        self._only_in(Status.REQUIRES_ACTION)
        for call_id in ids:
            self._answer(call_id)
        self._go_on_if_answered()

    def expire(self) -> None:
        if self.status is Status.REQUIRES_ACTION:
            for call_id in list(self.calls):
                self._answer(call_id)
            self._go_on_if_answered()

    def begin(self, lease: int) -> bool:
        """Return whether a step begins; if not, the chat was given up."""
        if self.status is not Status.PENDING:
            raise Refused(Refusal.NOTHING)
        if not self.due:
            raise Refused(Refusal.NOT_DUE)
        if self.losses >= self.max_losses:
            self._fail()
            return False
        self.status, self.lease, self.committed = Status.RUNNING, lease, None
        return True

    def commit_calls(self, lease: int, following: int, said: Row, calls: list[str]) -> bool:
        """Return whether the calls are committed now; `following` is the number to go on under."""
        if lease == self.committed and self.lease is not None:
            return False
        if lease != self.lease:
            raise Refused(Refusal.STALE)
        if self.status is Status.INTERRUPTING:
            self.finish_interruption(said, calls)
            return False
        self._say(said)
        self.calls = calls
        self.committed, self.lease = lease, following
        return True

    def settle(self, lease: int, ending: str, said: Row | None, calls: list[str]) -> None:
        """End a step: `said` is what it has to say, or what is kept of it if it was stopped."""
        if lease != self.lease:
            raise Refused(Refusal.STALE)
        if self.status is Status.INTERRUPTING:
            self.finish_interruption(said, calls)
            return
        self.lease = None
        match ending:
            case "finish":
                self._say(said)
                self._end(TurnStatus.FINISHED)
                self._next(Status.WAITING)
            case "more":
                self._say(said)
                self.status = Status.PENDING
            case "results":
                self._say(said)
                self.calls = []
                self.status = Status.PENDING
            case "require_action":
                self._say(said)
                self.calls = calls
                self._end(TurnStatus.REQUIRES_ACTION)
                self.status = Status.REQUIRES_ACTION
            case "fail":
                self._fail()
            case "retry" if self.failures + 1 >= self.max_failures:
                self._fail()
            case "retry":
                self.failures, self.due = self.failures + 1, False
                self.status = Status.PENDING
            case _:
                self.status = Status.PENDING

    def recover(self, lease: int, said: Row | None) -> None:
        """Take a chat back from a dead worker, or finish its interruption."""
        if lease != self.lease:
            raise Refused(Refusal.STALE)
        if self.status is Status.INTERRUPTING:
            self.finish_interruption(said, self.calls)
            return
        self.lease = None
        self.losses += 1
        self.status = Status.PENDING

    def finish_interruption(self, said: Row | None, calls: list[str]) -> None:
        self.lease = None
        self._say(said)
        self.calls = calls
        self._stop()
        self._next(Status.WAITING)

    def _not_archived(self) -> None:
        if self.archived:
            raise Refused(Refusal.ARCHIVED)

    def _only_in(self, *statuses: Status) -> None:
        if self.status not in statuses:
            raise Refused(Refusal.NOT_ALLOWED)

    def _queue(self, name: str, *, interrupting: bool) -> None:
        if len(self.queue) >= self.max_queued:
            raise Refused(Refusal.FULL)
        ahead = sum(waits for _, waits in self.queue) if interrupting else len(self.queue)
        self.queue.insert(ahead, (name, interrupting))
        self.turns[name] = TurnStatus.QUEUED

    def _enter(self, name: str) -> None:
        self.history.append(("user", name, name))
        self.turns[name] = TurnStatus.ACTIVE
        self.current = name
        self._forget_counts()
        self.status = Status.PENDING

    def _promote_head(self) -> None:
        self._enter(self.queue.pop(0)[0])

    def _next(self, otherwise: Status) -> None:
        if self.queue:
            self._promote_head()
            return
        self.status = otherwise
        if otherwise is Status.WAITING:
            self.current = None

    def _drop_queue(self) -> None:
        for name, _ in self.queue:
            self.turns[name] = TurnStatus.REPLACED
        self.queue = []

    def _end(self, status: TurnStatus) -> None:
        if self.current is not None and self.turns[self.current] in OPEN:
            self.turns[self.current] = status

    def _stop(self) -> None:
        self._answer_the_rest()
        self._end(TurnStatus.INTERRUPTED)

    def _answer_the_rest(self) -> None:
        if self.calls:
            assert self.current is not None
            self._say(("tool", self.current, ",".join(self.calls)))
            self.calls = []

    def _fail(self) -> None:
        self._answer_the_rest()
        self._end(TurnStatus.FAILED)
        self.due = True
        if self.goes_on:
            self._next(Status.ERROR)
        else:
            self.status = Status.ERROR

    def _say(self, said: Row | None) -> None:
        if said is not None:
            self.history.append(said)
            self._forget_counts()

    def _answer(self, call_id: str) -> None:
        assert self.current is not None
        self.calls.remove(call_id)
        self.history.append(("tool", self.current, call_id))
        self._forget_counts()

    def _go_on_if_answered(self) -> None:
        if not self.calls:
            assert self.current is not None
            self.turns[self.current] = TurnStatus.ACTIVE
            self.status = Status.PENDING

    def _forget_counts(self) -> None:
        self.failures = self.losses = 0
        self.due = True
