"""The content of a message as clients send it: a text, or a list of text and file parts."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Final, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)
from pydantic_core import PydanticCustomError

from shared.chats.model.parts import FilePart, Part, TextPart

TAG: Final = "~"
"""Begins the names of alternatives, which stand in the places of errors and are no fields."""


class Strict(BaseModel):
    """A shape that refuses unknown fields and values of another type."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, protected_namespaces=()
    )


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must hold more than blanks")
    return text


def _base64(data: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "must be base64, padding included") from None
    return data


SpokenText = Annotated[str, AfterValidator(_not_blank), Field(min_length=1)]


class NewTextPart(Strict):
    """Something said."""

    type: Literal["text"]
    text: SpokenText


class NewFilePart(Strict):
    """A file that the model shall see."""

    type: Literal["file"]
    media_type: Annotated[
        str, Field(max_length=255, pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$")
    ]
    data: Annotated[
        str,
        AfterValidator(_base64),
        Field(min_length=1, description="base64", json_schema_extra={"contentEncoding": "base64"}),
    ]
    name: Annotated[str, Field(min_length=1, max_length=255)] | None = None


def _kind_of_part(value: object) -> str | None:
    match value:
        case Mapping():
            kind = cast(Mapping[str, object], value).get("type")
            return f"{TAG}{kind}" if kind in ("text", "file") else None
        case NewTextPart() | NewFilePart():
            return f"{TAG}{value.type}"
        case _:
            return None


def _kind_of_content(value: object) -> str | None:
    match value:
        case str():
            return f"{TAG}string"
        case list():
            return f"{TAG}parts"
        case _:
            return None


NewPart = Annotated[
    Annotated[NewTextPart, Tag("~text")] | Annotated[NewFilePart, Tag("~file")],
    Discriminator(
        _kind_of_part,
        custom_error_type="part_type",
        custom_error_message="must be an object with the type 'text' or 'file'",
    ),
]

Content = Annotated[
    Annotated[SpokenText, Tag("~string")]
    | Annotated[list[NewPart], Field(min_length=1), Tag("~parts")],
    Discriminator(
        _kind_of_content,
        custom_error_type="content_type",
        custom_error_message="must be a text or a list of parts",
    ),
]


def parts_of(content: str | list[NewTextPart | NewFilePart]) -> tuple[Part, ...]:
    """Return content as it is stored."""
    if isinstance(content, str):
        return (TextPart(text=content),)
    return tuple(_part(part) for part in content)


def _part(part: NewTextPart | NewFilePart) -> Part:
    match part:
        case NewTextPart():
            return TextPart(text=part.text)
        case NewFilePart():
            return FilePart(media_type=part.media_type, data=part.data, name=part.name)
