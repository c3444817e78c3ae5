"""Rows of a table as objects of its model, for the few statements that are asked by every request and written in SQL.

Django puts a query into words each time anew, which for these takes longer than PostgreSQL takes to answer; so do its
own raw queries, for which it looks up what each column is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, ForeignKey, Model
from django.db.models.base import ModelState

from loremotion.prepared import prepared_cursor

Row = TypeVar("Row", bound=Model)
_TAKEN_AS_THEY_ARE: Final[Mapping[str, type]] = MappingProxyType(
    {
        "CharField": str,
        "TextField": str,
        "BooleanField": bool,
        "BigAutoField": int,
        "BigIntegerField": int,
        "PositiveIntegerField": int,
        "PositiveSmallIntegerField": int,
        "FloatField": float,
        "UUIDField": UUID,
        "DateTimeField": datetime,
    }
)
"""Kinds of columns, and of their values those that Django hands on to PostgreSQL's driver as they are."""


class Columns(Generic[Row]):
    """The columns of a model's table, in SQL after SELECT, and as an object from what was selected.

    What is read is for columns whose values PostgreSQL's driver gives as Django would: no JSON.
    """

    def __init__(self, model: type[Row], alias: str) -> None:
        self._model = model
        self._fields = model._meta.concrete_fields
        self._names = tuple(str(field.attname) for field in self._fields)
        self._plain = [_plain_of(field) for field in self._fields]
        columns = [str(field.column) for field in self._fields]
        self.sql = ", ".join(f"{alias}.{column}" for column in columns)
        self.count = len(self._fields)
        names = ", ".join(columns)
        places = ", ".join(f"${place}" for place in range(1, self.count + 1))
        self._insert = f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({places})"  # noqa: S608 - a model's names

    def read(self, row: Sequence[Any], *, first: int = 0) -> Row:
        """The object whose columns begin with the ``first`` of the row, as ``Model.from_db`` makes it, without setting
        each field by itself and without the signals of a new object, for which nobody listens."""
        made = self._model.__new__(self._model)
        made._state = ModelState()
        made._state.adding = False
        made.__dict__.update(zip(self._names, row[first : first + self.count], strict=True))
        return made

    def insert(self, made: Row) -> None:
        """Write a new object, every column of which it knows itself."""
        database = connections[DEFAULT_DB_ALIAS]  # not the proxy, which looks for it anew at each attribute
        values = [
            value if value is None or type(value) is plain else field.get_db_prep_save(value, database)
            for field, plain in zip(self._fields, self._plain, strict=True)
            for value in (getattr(made, field.attname),)
        ]
        with prepared_cursor(is_numbered=True) as cursor:
            cursor.execute(self._insert, values)
        made._state.adding = False


def _plain_of(field: Field[Any, Any]) -> type | None:
    while isinstance(field, ForeignKey):
        field = field.target_field
    return _TAKEN_AS_THEY_ARE.get(field.get_internal_type())
