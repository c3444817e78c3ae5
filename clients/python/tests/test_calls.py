"""What is taken for a clip's id, and how what is wrong is said."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import loremotion
from loremotion import Client, NotConfigured
from loremotion.calls import clip_id, finish
from loremotion.objects import Video
from tests.test_retries import VIDEO

ID = "5e0b5b1e-0000-4000-8000-00000000000a"


@pytest.mark.parametrize("text", [ID, ID.upper()])
def test_a_uuid_is_the_id_of_a_clip(text: str) -> None:
    assert clip_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        "a" * 36,
        "-" * 36,
        "",
    ],
)
def test_what_only_looks_like_one_is_a_path(text: str) -> None:
    assert clip_id(text) is None
    assert clip_id(Path(ID)) is None


def test_no_key_and_no_site_have_an_error_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOREMOTION_API_KEY", "LOREMOTION_KEY", "LOREMOTION_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotConfigured, match="LOREMOTION_API_KEY"):
        Client(base_url="https://clips.example")
    with pytest.raises(NotConfigured, match="LOREMOTION_BASE_URL"):
        Client("lm_key")


def test_a_key_under_its_former_name_is_taken_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOREMOTION_API_KEY", raising=False)
    monkeypatch.setenv("LOREMOTION_KEY", "lm_former")
    with pytest.warns(FutureWarning, match="is called LOREMOTION_API_KEY now"):
        Client(base_url="https://clips.example").close()
    monkeypatch.setenv("LOREMOTION_API_KEY", "lm_key")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client(base_url="https://clips.example").close()


def test_why_there_is_no_clip_is_the_videos_error() -> None:
    failed = Video.from_json({**VIDEO, "status": "failed", "error": {"code": "oom", "message": "Too large."}})
    assert failed.error == loremotion.VideoError(code="oom", message="Too large.")


def test_a_draft_is_finished_for_no_more_than_is_said() -> None:
    call = finish(ID, 7)
    assert (call.method, call.path, dict(call.body)) == ("POST", f"/v1/videos/{ID}/finish", {"max_credits": 7})
    assert dict(finish(ID, None).body) == {}
    assert call.headers["Idempotency-Key"], "so that a try whose answer is lost is repeated"
