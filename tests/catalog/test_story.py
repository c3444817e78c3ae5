"""The promise that the model is a row: added and swapped by staff over HTTP, while everything runs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
import redis
from PIL import Image

from gpu_worker.valkey_names import drain_key, worker_key
from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.catalog.form_post import post_of
from tests.media_files import write_video
from tests.patience import wait_until
from tests.prepared_site import NewSite
from tests.tiny import ltx


@pytest.fixture(scope="module")
def stack(new_site: NewSite) -> Iterator[Stack]:
    with Stack(
        new_site("story"),
        is_prepared=True,
        processes=("web", "reports", "beat", "gpu"),
        settings={"FREE_DAILY_CREDITS": "500"},
    ) as running:
        running.wait_for_worker()
        yield running


@pytest.fixture(scope="module")
def staff(stack: Stack) -> Iterator[httpx.Client]:
    """A member of staff at the admin, signed in through the form."""
    with httpx.Client(base_url=stack.url, follow_redirects=True, timeout=30.0) as client:
        page = client.get("/admin/login/")
        answer = submit(client, page, login=STAFF_EMAIL, password=staff_password(stack.folder))
        assert client.get("/admin/").status_code == 200, answer.text
        yield client


def submit(client: httpx.Client, page: httpx.Response, **changes: Any) -> httpx.Response:
    """Send the page's form back with ``changes``."""
    assert page.status_code == 200
    headers = {"Referer": str(page.url)}
    answer = client.post(str(page.url), data=post_of(page.text) | changes, headers=headers)
    assert "errorlist" not in answer.text, re.findall(r"errorlist.*?</ul>", answer.text, re.DOTALL)
    return answer


def finished(visitor: Visitor, video_id: str) -> dict[str, Any]:
    def is_over() -> bool:
        return visitor.video(video_id)["status"] not in ("queued", "in_progress")

    wait_until(is_over, what=lambda: visitor.video(video_id))
    video = visitor.video(video_id)
    assert video["status"] == "completed", video["error"]
    return video


@pytest.fixture(scope="module")
def tiny_ltx(stack: Stack, staff: httpx.Client) -> None:
    """A model that staff added while the site ran. A fixture, since any of these tests may be the first or the only
    one that a process runs.
    """
    ltx.build(Path(stack.environment["GPU_WORKER_MODELS"]) / "tiny-ltx")
    submit(
        staff,
        staff.get("/admin/catalog/model/add/"),
        name="Tiny LTX",
        slug="tiny-ltx",
        summary="Noise, at once.",
        status="enabled",
        aliases="quick",
        family="ltx",
        source="tiny-ltx",
        dtype="float32",
        modes=["text", "image", "frames", "extend"],
        sizes="96x64",
        fps="8",
        min_seconds="1",
        default_seconds="2",
        max_seconds="4",
        presets="standard: {steps: 2, guidance_scale: 1.0}",
        prices="standard: {360p: 700}",
        licence="Apache-2.0",
        note="The story",
    )


@pytest.mark.usefixtures("tiny_ltx")
def test_a_new_model_makes_a_visitors_clip_seconds_after_it_was_saved(stack: Stack) -> None:
    with Visitor(stack.url) as visitor:
        assert "Tiny LTX" in visitor.client.get("/models/").text
        listed = visitor.client.get("/v1/models/quick").json()
        assert listed["lm"]["capabilities"]["sizes"] == ["96x64"]
        made = finished(visitor, visitor.create("a red fox", model="quick")["id"])
        assert (made["model"], made["size"], made["lm"]["num_frames"]) == ("tiny-ltx", "96x64", 17)
        assert (made["lm"]["cost"]["quoted"], made["lm"]["cost"]["charged"]) == (2, 2)
        clip = visitor.client.get(f"/v1/videos/{made['id']}/content")
        assert clip.content[4:8] == b"ftyp"


def drawing(colour: str) -> tuple[str, bytes, str]:
    encoded = io.BytesIO()
    Image.new("RGB", (120, 90), colour).save(encoded, "PNG")
    return f"{colour}.png", encoded.getvalue(), "image/png"


@pytest.mark.usefixtures("tiny_ltx")
def test_it_starts_from_pictures_and_goes_on_from_its_own_clip(stack: Stack) -> None:
    with Visitor(stack.url) as visitor:
        visitor.arrive()
        headers = {"X-CSRFToken": visitor.client.cookies["csrftoken"]}

        def ask(files: dict[str, Any] | None = None, **fields: str) -> dict[str, Any]:
            form = {"prompt": "a red fox", "model": "quick", **fields}
            answer = visitor.client.post("/v1/videos", data=form, files=files, headers=headers)
            assert answer.status_code == 200, answer.text
            return finished(visitor, answer.json()["id"])

        from_picture = ask({"image": drawing("red")})
        between_two = ask({"image": drawing("red"), "last_image": drawing("blue")})
        continued = ask(video=from_picture["id"])
        whole = visitor.client.get(f"/v1/videos/{continued['id']}/content").content
    made = [from_picture, between_two, continued]
    assert [video["lm"]["mode"] for video in made] == ["image", "frames", "extend"]
    assert {video["lm"]["num_frames"] for video in made} == {17}
    with av.open(io.BytesIO(whole)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert (frames, continued["seconds"]) == (17 + 17 - 9, "3.125")  # the last 9 of the first begin the second


@pytest.mark.usefixtures("tiny_ltx")
def test_it_goes_on_from_a_video_that_was_sent_and_refuses_what_is_none(stack: Stack, tmp_path: Path) -> None:
    good = write_video(tmp_path / "good.mp4", codec="libx264", size=(640, 360), frames=60, fps=30)
    endless = write_video(tmp_path / "endless.mp4", frames=5, seconds_apart=7_200.0)
    hollow = tmp_path / "hollow.mp4"  # its headers are in order, and nothing is behind them
    before, pictures, after = good.read_bytes().partition(b"mdat")
    hollow.write_bytes(before + pictures + bytes(len(after) // 2) + after[len(after) // 2 :])
    with Visitor(stack.url) as visitor:
        visitor.arrive()
        headers = {"X-CSRFToken": visitor.client.cookies["csrftoken"]}

        def send(path: Path) -> httpx.Response:
            form, files = {"prompt": "and on it runs", "model": "quick"}, {"video": (path.name, path.read_bytes())}
            return visitor.client.post("/v1/videos", data=form, files=files, headers=headers)

        answer = send(good)
        assert answer.status_code == 200, answer.text
        made = finished(visitor, answer.json()["id"])
        assert (made["lm"]["mode"], made["lm"]["num_frames"]) == ("extend", 17)
        assert made["seconds"] == "3"  # of two seconds, 16 frames at this rate, the last 9 come once
        told_by_its_header = send(endless)
        assert told_by_its_header.status_code == 422
        assert "seconds long, and 60 are the most" in told_by_its_header.text
        refused = send(hollow).json()["id"]
        wait_until(lambda: visitor.video(refused)["status"] == "failed")
        video = visitor.video(refused)
    assert video["error"]["code"] == "input_unreadable"
    assert "damaged or cut off" in video["error"]["message"]
    assert (video["lm"]["cost"]["charged"], video["lm"]["cost"]["given_back"]) == (0, 2)
    sent = Path(stack.environment["MEDIA_DIR"], "inputs")
    wait_until(lambda: hollow.read_bytes() not in [path.read_bytes() for path in sent.glob("*/video.sent")])


@pytest.mark.usefixtures("tiny_ltx")
def test_swapping_the_default_leaves_what_is_queued_as_it_was_quoted(stack: Stack, staff: httpx.Client) -> None:
    worker = stack.wait_for_worker()
    valkey = redis.Redis.from_url(stack.environment["REDIS_URL"])
    valkey.set(drain_key(worker), "1")
    wait_until(lambda: json.loads(valkey.get(worker_key(worker)) or "{}").get("state") == "draining")
    with Visitor(stack.url) as visitor:
        before = [visitor.create("a red circle moving right on a black background")["id"] for _ in range(2)]
        models = staff.get("/admin/catalogue/?q=tiny-ltx").text
        (link,) = set(re.findall(r"/admin/catalog/model/\d+/change/", models))
        answer = submit(staff, staff.get(link), aliases="default, quick")
        assert "Default was Preview and is Tiny LTX now" in answer.text
        after = visitor.create("a red fox")["id"]
        assert {visitor.video(video_id)["status"] for video_id in (*before, after)} == {"queued"}
        valkey.delete(drain_key(worker))
        old = [finished(visitor, video_id) for video_id in before]
        new = finished(visitor, after)
    assert [(video["model"], video["size"]) for video in old] == [("preview", "384x384")] * 2
    assert (new["model"], new["size"]) == ("tiny-ltx", "96x64")
