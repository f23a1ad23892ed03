"""Makes of a function's signature the schema that a model gets, and checks what it sends."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from shared.jsonvalue import JsonObject, JsonValue
from shared.tools.context import ToolContext
from shared.tools.docstring import read_docstring
from shared.tools.errors import BadArguments, BadTool

_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_DATA: Final = frozenset({"default", "const", "enum", "examples"})
_SHOWN_FAULTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a function takes. `context` is the parameter that wants the `ToolContext`."""

    description: str
    input_schema: JsonObject
    names: Mapping[str, str]
    arguments: type[BaseModel]
    context: str | None

    def read(self, args: JsonValue) -> dict[str, object]:
        """Return the arguments as the function takes them. Raise `BadArguments`."""
        if not isinstance(args, Mapping):
            raise BadArguments("The arguments are not a JSON object.")
        try:
            read = self.arguments.model_validate(dict(args))
        except ValidationError as error:
            raise BadArguments(_explain(error)) from None
        return {name: getattr(read, field) for field, name in self.names.items()}


def read_signature(name: str, function: Callable[..., object]) -> Signature:
    """Read a function's type hints and docstring. Raise `BadTool`."""
    docstring = read_docstring(function.__doc__)
    if not docstring.description:
        raise BadTool(name, "it has no docstring, and models choose tools by that")
    context: str | None = None
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for parameter in _parameters(name, function):
        if _is_context(name, parameter):
            if context is not None:
                raise BadTool(name, f"{context!r} and {parameter.name!r} are both its ToolContext")
            context = parameter.name
            continue
        # A name of its own for each field: a parameter may be called as a method of models is.
        field = f"argument_{len(names)}"
        names[field] = parameter.name
        fields[field] = _field(parameter, docstring.parameters.get(parameter.name))
    arguments = _model(name, fields)
    return Signature(
        description=docstring.description,
        input_schema=_schema(name, arguments),
        names=names,
        arguments=arguments,
        context=context,
    )


def _parameters(name: str, function: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except (NameError, TypeError, ValueError) as error:
        raise BadTool(name, f"its signature can't be read ({error})") from None
    for parameter in parameters:
        if parameter.kind not in _NAMED:
            raise BadTool(name, f"{parameter.name!r} can't be given by name")
        if parameter.annotation is inspect.Parameter.empty:
            raise BadTool(name, f"{parameter.name!r} has no type hint: give it one")
    return parameters


def _is_context(name: str, parameter: inspect.Parameter) -> bool:
    if ToolContext in get_args(parameter.annotation):
        raise BadTool(name, f"{parameter.name!r} must be a ToolContext and nothing else: it comes")
    return parameter.annotation is ToolContext


def _field(parameter: inspect.Parameter, description: str | None) -> tuple[Any, Any]:
    missing = parameter.default is inspect.Parameter.empty
    default: Any = ... if missing else parameter.default
    # A description in the hint itself stands: None would take it away.
    words: dict[str, Any] = {} if description is None else {"description": description}
    return parameter.annotation, Field(default, alias=parameter.name, **words)


def _model(name: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=False)
    try:
        return cast(Any, create_model)(name, __config__=config, **fields)
    except Exception as error:
        # Whatever pydantic makes of a type that it does not know, the operator has to hear it.
        raise BadTool(name, f"its type hints can't be used: {_first_words(error)}") from None


def _schema(name: str, arguments: type[BaseModel]) -> JsonObject:
    try:
        schema = cast(JsonObject, arguments.model_json_schema())
    except Exception as error:
        raise BadTool(name, f"its type hints have no JSON Schema: {_first_words(error)}") from None
    return cast(JsonObject, _without_titles(schema))


def _first_words(error: Exception) -> str:
    """Return the first sentence: those behind it tell how to change pydantic, not the tool."""
    return str(error).partition(". ")[0].partition("\n")[0]


def _without_titles(value: JsonValue) -> JsonValue:
    """Leave out the titles that pydantic makes of names: they say nothing new, and cost tokens."""
    match value:
        case Mapping():
            return {
                name: one if name in _DATA else _without_titles(one)
                for name, one in value.items()
                if name != "title" or not isinstance(one, str)
            }
        case list():
            return [_without_titles(one) for one in value]
        case _:
            return value


def _explain(error: ValidationError) -> str:
    rows = error.errors(include_url=False, include_input=False, include_context=False)
    faults = [f"{'.'.join(map(str, row['loc'])) or 'arguments'}: {row['msg']}" for row in rows]
    more = len(faults) - _SHOWN_FAULTS
    shown = [*faults[:_SHOWN_FAULTS], *([f"and {more} more"] if more > 0 else [])]
    return "The arguments are not valid: " + "; ".join(shown)
