"""``make demo``: a clip over HTTP, or the reason why not."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import c2pa
import pytest
from rich.console import Console
from rich.progress import Progress as Bar

from generation.api import events
from gpu_worker.contract import Progress, Stage
from loremotion.local.demo import demo, show
from loremotion.local.failure import CannotStart
from loremotion.local.stack import Stack
from tests.prepared_site import NewSite


def test_it_writes_the_clip_and_prints_the_receipt(
    tmp_path: Path, new_site: NewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new_site("demo")
    monkeypatch.setattr(
        "loremotion.local.demo.Stack", lambda scratch, processes: Stack(folder, is_prepared=True, processes=processes)
    )
    said, clip = io.StringIO(), tmp_path / "clip.mp4"
    status = demo("a red circle moving right on a black background", clip, Console(file=said, width=200, markup=False))
    assert status == 0, said.getvalue()
    assert "quoted 2, held 2, charged 2, given back 0" in said.getvalue()
    assert "Denoising" in said.getvalue()
    with av.open(str(clip)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in container.decode(video)) == 16
    with c2pa.Reader("video/mp4", io.BytesIO(clip.read_bytes())) as reader:
        assert reader.get_validation_state() == "Valid"
        assert "trainedAlgorithmicMedia" in reader.json()


def test_it_says_why_there_is_no_clip(tmp_path: Path, new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_site("demo")
    site = Stack(folder, is_prepared=True, processes=("web", "signing"))  # the others are of no account here
    monkeypatch.setattr("loremotion.local.demo.Stack", lambda scratch, processes: site)
    said, clip = io.StringIO(), tmp_path / "clip.mp4"
    assert demo("a very long story " * 100, clip, Console(file=said, width=200, markup=False)) == 1
    assert "No clip: " in said.getvalue()
    assert "500" in said.getvalue(), "it names the limit"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="OUT="):
        demo("a red circle", tmp_path / "missing" / "clip.mp4")


def test_the_bar_follows_what_the_site_sends() -> None:
    progress = Progress(kind="step", stage=Stage.DENOISING, step=6, steps_total=8, percent=52)
    sent = json.loads(events._in_words_of_the_api(json.dumps(progress.to_wire()), "en"))
    with Bar(console=Console(file=io.StringIO())) as bar:
        task = bar.add_task("Queued", total=None, count="")
        assert show(bar, task, "queue", {"in_words": "Ready in about 40 s.", "reason": ""}) == "Ready in about 40 s."
        assert show(bar, task, "step", sent) == "Denoising"
        assert show(bar, task, "step", sent) == "", "a log says it once"
        shown = bar.tasks[task]
        assert (shown.completed, shown.total, shown.fields["count"]) == (52, 100, "6/8")
