"""Puts a release's files back into stores of this run, as if they had been written a moment ago."""

from __future__ import annotations

import base64
import json
import shutil
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import redis

from loremotion.row_security import ROLE

RELEASE = Path(__file__).parent / "release"
STRIPE_TIMES = range(1_700_000_000, 2_500_000_000)
"""Whole numbers in Stripe's objects that are seconds since 1970."""

_SHIFT = """
DO $$
DECLARE field record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- triggers let nobody change what was written once
    FOR field IN
        SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables
            USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'
            AND table_name NOT LIKE 'ledger%%'  -- whose moments are in its chain of digests
    LOOP
        EXECUTE format('UPDATE %%I SET %%I = %%2$I + interval ''%s seconds''', field.table_name, field.column_name);
    END LOOP;
END $$
"""


def written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RELEASE / "written.json").read_text())
    return found


def age_seconds() -> float:
    return time.time() - float(written()["written_at"])


def text_of(name: str, places: Mapping[str, str]) -> str:
    text = (RELEASE / name).read_text()
    for mark, place in places.items():
        text = text.replace(mark, place)
    return text


def restore_database(url: str, places: Mapping[str, str]) -> None:
    """Fill an empty database. Every moment in it is moved on by what has passed since it was written."""
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
            connection.execute(f"CREATE ROLE {ROLE} NOLOGIN")
        connection.execute(text_of("database.sql", places).encode())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((_SHIFT % int(age_seconds())).encode())


def restore_valkey(connection: redis.Redis, places: Mapping[str, str]) -> None:
    """Fill an empty Valkey."""
    for key, value in json.loads(text_of("valkey.json", places)).items():
        holds = value["holds"]
        match value["kind"]:
            case "string":
                connection.set(key, _bytes(holds))
            case "list":
                connection.rpush(key, *map(_bytes, holds))
            case "set":
                connection.sadd(key, *map(_bytes, holds))
            case "zset":
                connection.zadd(key, {_bytes(one): score for one, score in holds})
            case "hash":
                connection.hset(key, mapping={name: _bytes(one) for name, one in holds.items()})
            case "stream":
                for at, fields in holds:
                    connection.xadd(key, {name: _bytes(one) for name, one in fields.items()}, id=at)


def restore_clips(media: Path) -> None:
    """Lay out the clips whose reports still wait."""
    shutil.copytree(RELEASE / "clips", media / "clips")


def restore_stripe(path: Path, places: Mapping[str, str]) -> None:
    """Write the imitation's state, its moments moved on as the database's are."""
    shift = int(age_seconds())

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(one) for name, one in value.items()}
        if isinstance(value, list):
            return [moved(one) for one in value]
        return value + shift if isinstance(value, int) and value in STRIPE_TIMES else value

    path.write_text(json.dumps(moved(json.loads(text_of("stripe.json", places)))))


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if "deflated" in value:
        return zlib.compress(value["deflated"].encode())
    return base64.b64decode(value["base64"])
