"""Links that are cut or slow in the middle of something, and healed."""

from __future__ import annotations

from loremotion.local.visitor import Visitor
from tests.hosts.site import GPUS, SENTINELS, Site, ended
from tests.patience import wait_until


def test_two_gpu_hosts_make_clips_for_two_web_hosts(site: Site, visitor: Visitor) -> None:
    asked = [visitor.create(f"a red circle moving right, {number}", steps=4)["id"] for number in range(3)]
    assert [ended(visitor, each)["status"] for each in asked] == ["completed"] * 3


def test_a_web_host_that_cannot_reach_valkey_takes_clips_that_are_made(site: Site) -> None:
    with site.visitor() as one, site.visitor() as other:  # the proxy gives each web host every second request
        with site.cut("web1", *SENTINELS):
            asked = [(who, who.create("a red circle", steps=4)["id"]) for who in (one, other)]
        assert [ended(who, each)["status"] for who, each in asked] == ["completed"] * 2


def test_what_a_gpu_host_renders_that_lost_valkey_another_makes_and_the_late_report_changes_nothing(
    site: Site, visitor: Visitor
) -> None:
    video_id = visitor.create("a red circle moving right", steps=50)["id"]
    lost = site.renderer_of(video_id)
    with site.cut(lost, *SENTINELS):
        made = ended(visitor, video_id)
    wait_until(lambda: site.workers() == set(GPUS), what=lambda: site.last_words(lost))
    assert made["status"] == "completed"
    assert site.rows("SELECT attempt, worker <> %s FROM generation_generation WHERE id = %s", lost, video_id) == [
        (2, True)
    ]


def test_a_store_that_gpu_hosts_cannot_reach_for_a_while_costs_no_clip(site: Site, visitor: Visitor) -> None:
    with site.cut("store", *GPUS):
        video_id = visitor.create("a red circle moving right", steps=4)["id"]
        renderer = site.renderer_of(video_id)
        wait_until(lambda: is_delivering(site, renderer, video_id), what=lambda: site.status_of(renderer))
    assert ended(visitor, video_id)["status"] == "completed"


def is_delivering(site: Site, worker: str, video_id: str) -> bool:
    """Whether the clip has left the card, and the host is at its file."""
    status = site.status_of(worker)
    return status is not None and status.delivering_id == video_id


def test_a_gpu_host_behind_a_slow_line_makes_clips(site: Site) -> None:
    with site.slow("gpu2", kilobits=256), site.visitor() as one, site.visitor() as other:
        asked = [(who, who.create("a red circle", steps=4)["id"]) for who in (one, one, other, other)]
        assert [ended(who, each)["status"] for who, each in asked] == ["completed"] * 4
