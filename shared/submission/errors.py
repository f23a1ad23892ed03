"""Why a submission is refused, with the field and the words for it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFault:
    """What is wrong with one field, named as `content[0].text`."""

    field: str
    detail: str


class SubmissionError(Exception):
    """The submission can't be accepted."""


class InvalidSubmission(SubmissionError):
    """A field asks for what this installation does not have, or can't do."""

    def __init__(self, faults: Sequence[FieldFault]) -> None:
        """Keep every field at fault."""
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)


class KeyContended(SubmissionError):
    """The chat with this key came and went while it was looked for: try again."""
