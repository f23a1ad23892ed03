"""The registry of leases, and how a step is told to stop."""

from uuid_utils.compat import uuid7

from shared.chats.model.ids import ChatId, LeaseId
from workers.leases.registry import CancelReason, Lease, Leases


def _open(leases: Leases) -> Lease:
    return leases.open(ChatId(uuid7()), LeaseId(uuid7()))


def test_a_lease_is_found_from_its_opening_to_its_end() -> None:
    leases = Leases(slots=2)
    lease = _open(leases)
    assert leases.find(lease.id) is lease
    assert leases.all() == [lease]
    leases.close(lease)
    leases.close(lease)
    assert leases.find(lease.id) is None


def test_only_a_lease_whose_begin_has_committed_is_confirmed() -> None:
    leases = Leases(slots=2)
    tentative, confirmed = _open(leases), _open(leases)
    confirmed.confirmed = True
    assert leases.confirmed() == [confirmed]
    assert tentative in leases.all()


def test_slots_are_free_until_they_are_used_up() -> None:
    leases = Leases(slots=2)
    assert (leases.busy_slots(), leases.free_slots()) == (0, 2)
    first = _open(leases)
    _open(leases)
    _open(leases)
    assert (leases.busy_slots(), leases.free_slots()) == (3, 0)
    leases.close(first)
    assert (leases.busy_slots(), leases.free_slots()) == (2, 0)


def test_the_first_reason_stands_and_stops_once() -> None:
    lease = _open(Leases(slots=1))
    stops: list[int] = []
    assert lease.stoppable(lambda: stops.append(1)) is None
    assert lease.cancel(CancelReason.INTERRUPTED)
    assert not lease.cancel(CancelReason.FENCED)
    assert (lease.reason, stops) == (CancelReason.INTERRUPTED, [1])


def test_a_cancellation_before_the_step_can_be_stopped_is_told_then() -> None:
    lease = _open(Leases(slots=1))
    stops: list[int] = []
    lease.cancel(CancelReason.DRAIN)
    assert lease.stoppable(lambda: stops.append(1)) is CancelReason.DRAIN
    assert stops == []


def test_a_step_that_settles_is_not_stopped() -> None:
    lease = _open(Leases(slots=1))
    stops: list[int] = []
    lease.stoppable(lambda: stops.append(1))
    lease.unstoppable()
    assert lease.cancel(CancelReason.FENCED)
    assert (lease.reason, stops) == (CancelReason.FENCED, [])


def test_a_drain_stops_every_step_and_those_that_still_begin() -> None:
    leases = Leases(slots=2)
    running = _open(leases)
    leases.cancel_all(CancelReason.DRAIN)
    late = _open(leases)
    assert (running.reason, late.reason) == (CancelReason.DRAIN, CancelReason.DRAIN)
