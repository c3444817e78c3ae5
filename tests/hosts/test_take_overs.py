"""A store's host goes dark, and its second takes over."""

from __future__ import annotations

from loremotion.local.visitor import Visitor
from tests.hosts.site import GPUS, VALKEYS, Site, ended
from tests.patience import wait_until


def test_valkeys_primary_goes_dark_in_the_middle_of_a_render_and_comes_back(site: Site, visitor: Visitor) -> None:
    video_id = visitor.create("a red circle moving right", steps=50)["id"]
    site.renderer_of(video_id)
    old = site.valkey_primary()
    site.go_dark(old)
    new = wait_until(lambda: next((name for name in VALKEYS if name != old and site.valkey_primary() == name), None))
    made = ended(visitor, video_id)
    site.come_back(old)
    site.start_valkey(old)  # it still takes itself for the primary, until a Sentinel tells it otherwise
    wait_until(lambda: site.follows(old, new))
    assert made["status"] == "completed"
    assert ended(visitor, visitor.create("a red circle", steps=4)["id"])["status"] == "completed"


def test_postgresqls_primary_goes_dark_in_the_middle_of_a_render_and_its_replica_is_promoted(
    site: Site, visitor: Visitor
) -> None:
    video_id = visitor.create("a red circle moving right", steps=50)["id"]
    site.renderer_of(video_id)
    site.promote_replica()
    assert ended(visitor, video_id)["status"] == "completed"
    with site.visitor() as newcomer:
        assert ended(newcomer, newcomer.create("a red circle", steps=4)["id"])["status"] == "completed"
    wait_until(lambda: site.workers() == set(GPUS))
