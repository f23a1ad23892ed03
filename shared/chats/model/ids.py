"""The ids of chats and of all that belongs to one."""

from typing import NewType
from uuid import UUID

ChatId = NewType("ChatId", UUID)
TurnId = NewType("TurnId", UUID)
MessageId = NewType("MessageId", int)
QueuedId = NewType("QueuedId", int)
LeaseId = NewType("LeaseId", UUID)
WorkerId = NewType("WorkerId", UUID)
