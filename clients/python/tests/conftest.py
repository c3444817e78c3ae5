"""These tests ask a real site: its address in ``SITE``, a key in ``KEY``, a finished clip of the workspace in ``MADE``.
The repository's own tests start one and run them (``tests/clients/test_python_client.py``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from loremotion import Client

collect_ignore = [] if find_spec("mcp") else ["test_agent_tools.py"]  # of an extra, which a user need not install


@pytest.fixture
def site() -> str:
    if "SITE" not in os.environ:
        pytest.skip("No site to ask: set SITE, KEY and MADE")
    return os.environ["SITE"]


@pytest.fixture
def key(site: str) -> str:
    return os.environ["KEY"]


@pytest.fixture
def made(site: str) -> str:
    return os.environ["MADE"]


@pytest.fixture
def client(site: str, key: str) -> Iterator[Client]:
    with Client(key, site) as client:
        yield client
