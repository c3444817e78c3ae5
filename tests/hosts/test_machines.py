"""Hosts that go dark, whose disk is full, or whose clock is off."""

from __future__ import annotations

import shutil

import pytest

from loremotion.local.visitor import Visitor
from tests.hosts.site import GPUS, Site, ended
from tests.patience import wait_until


def test_a_gpu_host_goes_dark_in_the_middle_of_a_render(site: Site, visitor: Visitor) -> None:
    video_id = visitor.create("a red circle moving right", steps=50)["id"]
    lost = site.renderer_of(video_id)
    site.go_dark(lost)
    made = ended(visitor, video_id)
    site.come_back(lost)
    wait_until(lambda: site.workers() == set(GPUS), what=lambda: site.last_words(lost))
    assert made["status"] == "completed"


def test_a_web_host_goes_dark_and_the_other_serves(site: Site) -> None:
    site.go_dark("web1")
    with site.visitor() as one:
        video_id = one.create("a red circle moving right", steps=20)["id"]
        assert [event for event, _ in one.events(video_id)][-1] == "done"
    site.come_back("web1")


def test_the_host_of_all_queues_goes_dark_and_nothing_of_a_render_is_lost(site: Site, visitor: Visitor) -> None:
    video_id = visitor.create("a red circle moving right", steps=20)["id"]
    site.renderer_of(video_id)
    site.go_dark("queues")
    wait_until(lambda: all(each and not each.in_hand for each in map(site.status_of, GPUS)))
    assert visitor.video(video_id)["status"] != "completed"
    site.come_back("queues")
    assert ended(visitor, video_id)["status"] == "completed"


def test_a_gpu_host_whose_disk_is_full_costs_no_clip(site: Site) -> None:
    with site.full_disk("gpu1"), site.visitor() as one, site.visitor() as other:
        asked = [(who, who.create("a red circle", steps=4)["id"]) for who in (one, one, other, other)]
        assert [ended(who, each)["status"] for who, each in asked] == ["completed"] * 4


@pytest.mark.parametrize("shift", ["+7m", "-7m"])
def test_a_gpu_host_whose_clock_is_minutes_off_makes_clips(site: Site, visitor: Visitor, shift: str) -> None:
    if (program := shutil.which("faketime")) is None:
        pytest.skip("faketime is not installed: 'apt-get install faketime' brings it")
    for name in GPUS:
        site.end(name)
    site.launch("gpu1", prefix=("env", "FAKETIME_DONT_FAKE_MONOTONIC=1", program, "-f", shift))
    video_id = visitor.create("a red circle moving right", steps=4)["id"]
    made = ended(visitor, video_id)
    status = site.status_of("gpu1")
    site.end("gpu1")
    for name in GPUS:
        site.launch(name)
    wait_until(lambda: site.workers() == set(GPUS), what=lambda: site.last_words("gpu1"))
    assert made["status"] == "completed"
    assert status is not None
    assert abs(status.clock_ahead_seconds) > 6 * 60
