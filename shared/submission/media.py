"""Finds files that the model of a chat can't be shown, before anything of them is stored."""

from collections.abc import Sequence

from shared.chats.model.parts import FilePart, Part
from shared.config.catalog import Catalog
from shared.config.media import matches, takes
from shared.submission.errors import FieldFault, InvalidSubmission


def require_media(catalog: Catalog, model: str, content: Sequence[Part]) -> None:
    """Raise `InvalidSubmission` when the model's dialect can't take a file of the content.

    A model that is no longer declared takes everything here: its turn says what is wrong.
    """
    if model not in catalog.models:
        return
    taken = takes(catalog.providers[catalog.models[model].provider].dialect)
    faults = [
        FieldFault(
            field=f"content[{number}].media_type",
            detail=f"the model {model!r} can't be shown {part.media_type} files;"
            f" it takes {', '.join(taken)}",
        )
        for number, part in enumerate(content)
        if isinstance(part, FilePart) and not matches(part.media_type, taken)
    ]
    if faults:
        raise InvalidSubmission(faults)
