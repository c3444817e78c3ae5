"""A class of keys, or a command of a GPU host, that appears in the code is decided on before it is used.

Whether a GPU host reaches them is tried in ``test_valkey_rights.py``, on the examples below among others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis
from redis.commands.core import CoreCommands

from gpu_worker.rq_seams import valkey_rights
from tests.gpu_worker.valkey_users import FOREIGN, refusal, user_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CLIP: Final = "5e0a4b68-5c55-4d0f-9c3b-0d4c57d1f7b1"

THE_WEBSITES: Final = {
    "alert": "alert:5f2b",
    "crowds": "crowds:newcomers:5f2b",
    "device-login": "device-login:5f2b",
    "forecast": "forecast:clips",
    "invitations": "invitations:7:2026-01-31",
    "limits": f"limits:change:workspace:{CLIP}",
    "popped": f"popped:render-{CLIP}-1",
    "queue": "queue:depth",
    "refused": f"refused:{CLIP}",
    "requests": "requests:5f2b",
    "retries": f"retries:{CLIP}",
    "seen": "seen:5f2b",
    "traces": "traces:again",
}
"""Class → a key of it, which no GPU host may touch."""
SHARED: Final = {
    "generation": "what a clip's watchers see, which a host writes, and the word that cancels it, which a host reads",
    "gpu": "workers, what they hold, and the key that drains one, which a host reads",
    "process": "when each process last did its work: a host writes that of the GPU alone",
    "rq": "RQ's: by queues and ids",
}
"""Class → who does what with it. ``test_valkey_rights.py`` tries each part."""
CACHED: Final = {"admin", "drain-asked", "ledger", "oauth", "outbox", "shop", "unconverted"}
"""Keys in Django's cache, which all begin with ``cache:``. What the admin's pages count is there: ``admin-today`` …"""
NO_KEYS: Final = {
    "folder": "an address of the storage",
    "http": "an address of the storage",
    "accounts": "a page",
    "cuda": "a card of this host, to torch",
    "data": "a source of the content security policy",
    "expandable_segments": "a setting of torch",
    **dict.fromkeys(("failed", "finished", "wip"), "the rest of a key that begins with rq:"),
    **dict.fromkeys(
        ("key", "network", "report", "workspace", "wrong-code"), "the rest of a key that begins with limits:"
    ),
    "own": "what comes before the account in a source, where a workspace brought the key",
    "refused_by": "a field of a job's record",
}

OF_OTHER_THINGS: Final = {"append", "info", "keys", "restore", "shutdown", "wait"}
"""Methods of lists, logs, dictionaries and events that are called as a command is."""
OF_THE_WEBSITE: Final = {"linsert", "lpos", "pttl", "script_load"}
"""Commands in modules of ``gpu_worker`` that the website alone sends."""
SENDS: Final = {"delete": "del", "register_script": "evalsha", "execute_command": "hello"}


def sources(*tops: str, having: str) -> Iterator[tuple[Path, str]]:
    """The modules in which the pattern is found."""
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text()
            if not {"migrations", "local"} & set(path.parts) and re.search(having, text):
                yield path, text


def beginnings(text: str) -> Iterator[str]:
    """What each string of a module begins with, documentation left out."""
    nodes = list(ast.walk(ast.parse(text)))
    left_out = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            node = node.values[0] if node.values else node
        elif id(node) in left_out:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def classes() -> dict[str, str]:
    """Class of keys → where in the code it stands."""
    found: dict[str, str] = {}
    rooms = ("accounts", "billing", "catalog", "generation", "gpu_worker", "loremotion")
    for path, text in sources(*rooms, having=r"redis|valkey|core\.cache"):
        for beginning in beginnings(text):
            if match := re.match(r"(admin(?=-[a-z-]+:)|[a-z][a-z0-9_-]*)[a-z-]*:(?![/\s])\S*$", beginning):
                found.setdefault(match[1], str(path.relative_to(ROOT)))
    return found


def test_every_class_of_keys_is_decided_on() -> None:
    found, decided = classes(), {*THE_WEBSITES, *SHARED, *CACHED, *NO_KEYS}
    assert {"rq", "limits", "generation"} <= set(found)
    for name, where in found.items():
        assert name in decided, f"{where} has keys {name}:… Say in this file whose they are."
    assert decided <= set(found), f"Nothing has the keys {decided - set(found)} any more."


@pytest.mark.parametrize("key", [*THE_WEBSITES.values(), f"cache:1:unconverted:{CLIP}"])
def test_a_gpu_host_reaches_no_class_of_the_website(valkey: redis.Redis, key: str) -> None:
    assert any(key.startswith("cache:") for key in FOREIGN)
    touches = (("GET",), ("SET", "1"), ("DEL",), ("EXISTS",), ("HGETALL",), ("ZADD", "1", "x"), ("RPUSH", "x"))
    with user_of(valkey, valkey_rights.ANY_WORKER):
        for command, *more in (*touches, ("XADD", "*", "event", "done")):
            assert "permission" in refusal(valkey, command, key, *more)


def test_every_command_of_a_gpu_host_is_granted_or_said_to_be_none() -> None:
    methods = {name for name in dir(CoreCommands) if not name.startswith("_")}
    granted = set(valkey_rights.WITHOUT_KEYS.split())
    granted |= {command for right in valkey_rights.rights() for command in right.commands.split()}
    sent = set()
    for path, text in sources("gpu_worker", having="redis|valkey"):
        called = {
            node.func.attr
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods
        }
        called |= {name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", text)}
        called = {SENDS.get(name, name) for name in called} - OF_OTHER_THINGS - OF_THE_WEBSITE
        assert called <= granted, f"{path.name} sends {called - granted}, which no right in valkey_rights.py grants."
        sent |= called
    assert {"blmove", "xadd", "zadd"} <= sent
