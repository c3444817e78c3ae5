"""One site over hosts for all of them: each test breaks something, heals it, and waits until the site is quiet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loremotion.local.visitor import Visitor
from tests.hosts import network
from tests.hosts.site import Site
from tests.object_store import swift
from tests.prepared_site import NewSite, new_site

__all__ = ["new_site"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark them ``hosts``, and leave them to the run that asks for it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.hosts)
            if "hosts" not in config.option.markexpr:
                item.add_marker(pytest.mark.skip(reason="'make hosts' runs it"))


@pytest.fixture(scope="session")
def running_site(new_site: NewSite) -> Iterator[Site]:
    if reason := network.reason_to_skip() or swift.reason_to_skip():
        pytest.skip(reason)
    site = Site(new_site("hosts"))
    try:
        site.start()
        yield site
    finally:
        site.stop()


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The site, whole and quiet; and so it has to be again, with nothing lost and nothing twice."""
    yield running_site
    running_site.wait_for_quiet()
    assert running_site.afterwards() == []


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    with site.visitor() as newcomer:
        yield newcomer
