"""The request side of the contract, drawn from the serializers that read the bodies."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from generation.api.serializers import (
    AskInBatchSerializer,
    AskSerializer,
    FromVideoSerializer,
    InputField,
    RemixSerializer,
)

BODIES: Final[dict[str, type[AskSerializer]]] = {
    "Ask": AskSerializer,
    "FromVideo": FromVideoSerializer,
    "Remix": RemixSerializer,
}
"""Name in the contract → what reads it. The same body with files is called …WithFiles."""
_TYPES: Final[list[tuple[type[serializers.Field[Any, Any, Any, Any]], list[str]]]] = [
    (serializers.BooleanField, ["boolean"]),
    (serializers.IntegerField, ["integer"]),
    (serializers.FloatField, ["number", "string"]),
    (serializers.CharField, ["string"]),
]
_LIMITS: Final = {"max_length": "maxLength", "min_value": "minimum", "max_value": "maximum"}
_OWN_CLIP: Final = {"$ref": "#/components/schemas/OwnVideo"}
_ADDRESS: Final = {"type": "string", "format": "uri", "pattern": "^(https://|data:)"}
_CHARACTER: Final = {"anyOf": [{"type": "string"}, {"$ref": "#/components/schemas/CharacterId"}]}
_FILE: Final = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}


def request_schemas() -> dict[str, Any]:
    """Every body that asks for a clip, as a JSON schema by its name; each with files too."""
    found = {}
    for name, serializer in BODIES.items():
        fields = serializer().fields
        found[name] = _schema(fields, with_files=False)
        found[f"{name}WithFiles"] = _schema(fields, with_files=True)
    return found | {"AskInBatch": _schema(AskInBatchSerializer().fields, with_files=False)}


def _schema(fields: Any, *, with_files: bool) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name, field in fields.items() if field.required],
        "properties": {name: _property(field, with_files=with_files) for name, field in fields.items()},
        "additionalProperties": False,
    }


def _property(field: Any, *, with_files: bool) -> dict[str, Any]:
    described = {"description": str(field.help_text)}
    if isinstance(field, InputField):
        if not with_files:
            return ({"anyOf": [_OWN_CLIP, _ADDRESS]} if field.takes_clips else _ADDRESS) | described
        return ({"oneOf": [_FILE, _OWN_CLIP]} if field.takes_clips else _FILE) | described
    if isinstance(field, serializers.ListField):
        return {"type": ["array", "null"], "maxItems": field.max_length, "items": _CHARACTER} | described
    types = next(types for kind, types in _TYPES if isinstance(field, kind))
    types = [*types, "null"] if field.allow_null else types
    limits = {said: limit for name, said in _LIMITS.items() if (limit := getattr(field, name, None)) is not None}
    if isinstance(field, serializers.CharField) and field.required:
        limits["minLength"] = 1  # an empty one is refused by whoever resolves the request
    return {"type": types[0] if len(types) == 1 else types} | limits | described
