"""The opaque provider data of a part: who may get it back, and what it holds."""

from shared.jsonvalue import JsonObject, JsonValue
from workers.providers.http.error_mapping import Origin


def stamp(origin: Origin, **fields: JsonValue) -> JsonObject:
    """Make metadata that goes back to `origin` only."""
    return {"provider": origin.provider, "dialect": origin.dialect, **fields}


def own(origin: Origin, metadata: JsonObject | None) -> JsonObject | None:
    """Return metadata that came from `origin` in the same dialect, None for any other."""
    if metadata is None:
        return None
    theirs = (metadata.get("provider"), metadata.get("dialect"))
    return metadata if theirs == (origin.provider, origin.dialect) else None
