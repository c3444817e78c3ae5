"""Many who watch at once leave room for those who come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor

WATCHERS = 25


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A site with two database connections and nobody who renders, so that everybody waits."""
    folder: Path = tmp_path_factory.mktemp("crowd")
    with Stack(folder, processes=("web",), settings={"DATABASE_POOL_SIZE": "2"}) as running:
        yield running


def test_watchers_hold_no_database_connection(small_site: Stack) -> None:
    with Visitor(small_site.url) as visitor, ExitStack() as open_streams:
        video = visitor.create("a red circle")
        address = f"/v1/videos/{video['id']}/events"
        for _ in range(WATCHERS):
            stream = open_streams.enter_context(
                httpx.stream("GET", small_site.url + address, cookies=visitor.client.cookies, timeout=20)
            )
            assert stream.status_code == 200
            lines = stream.iter_lines()
            assert any(line == "event: queue" for line in lines)
        assert httpx.get(small_site.url, timeout=10).status_code == 200
        assert visitor.video(video["id"])["status"] == "queued"
