"""Test renders: staff try a version before anybody else can use it, the way every request goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing import ledger
from catalog import measurements
from catalog.models import Model, ModelVersion
from generation.models import TRIALS_WORKSPACE, Generation, State
from generation.settlement import settle
from generation.submission import trials
from gpu_worker import media_input
from gpu_worker.contract import Progress
from gpu_worker.media_input import Wanted
from gpu_worker.valkey_names import progress_key
from loremotion.refusals import Invalid
from tests.generation import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff@example.com", "a password")


def draft(**changes: object) -> ModelVersion:
    model = factories.model(**changes)  # type: ignore[arg-type]
    Model.objects.filter(pk=model.pk).update(status="draft")
    version = model.versions.get()
    version.model = model
    return version


def finish(trial: Generation, **facts: Any) -> None:
    """The fleet makes the clip and reports it."""
    trial.refresh_from_db()
    settle.start(generation_id=trial.id, attempt=trial.attempt, worker="w")
    factories.deliver_clip(trial)
    settle.settle(factories.report(trial, peak_bytes=123_000_000, **facts))


def test_a_draft_is_rendered_paid_for_and_measured(staff: User) -> None:
    version = draft(blocked_territories=["US"], least_plan="paid")
    assert not measurements.was_rendered(version)
    trial = trials.start(version, by=staff)
    assert (trial.workspace_id, trial.width, trial.height, trial.seconds) == (TRIALS_WORKSPACE, 96, 64, 2.125)
    finish(trial)
    trial.refresh_from_db()
    assert trial.state == State.SUCCEEDED
    assert measurements.was_rendered(version)
    receipt = ledger.receipt(reference=trial.id)
    assert receipt.captured == trial.credits_quoted
    assert ledger.balance(account=TRIALS_WORKSPACE).available == 0


def test_a_mode_that_starts_from_pictures_gets_drawings(staff: User) -> None:
    trial = trials.start(draft(modes=["frames"]), by=staff)
    assert set(trial.inputs) == {"image", "last_image"}


def test_a_mode_that_follows_a_sound_gets_a_tone(staff: User, tmp_path: Path) -> None:
    sung = {"family": "ltx2_sound", "modes": ["sound"], "fps": 24, "presets": {"standard": {"steps": 8}}}
    trial = trials.start(draft(**sung), by=staff)
    assert set(trial.inputs) == {"audio"}
    sent = tmp_path / "sent"
    sent.write_bytes(default_storage.open(trial.inputs["audio"]).read())
    heard = media_input.sound(sent, Wanted(width=64, height=64, fps=24, first=48))
    assert heard.seconds == pytest.approx(2)
    assert abs(heard.samples).max() > 0.3


def test_a_mode_that_starts_from_a_clip_gets_the_latest_of_the_house(staff: User) -> None:
    version = draft(modes=["text", "extend"])
    with pytest.raises(Invalid, match="no test render has made one yet"):
        trials.start(version, by=staff, mode="extend")
    assert not Generation.objects.exists()
    first = trials.start(version, by=staff)
    finish(first)
    assert trials.start(version, by=staff, mode="extend").inputs == {"video": f"clips/{first.id}/clip.mp4"}


def test_the_admin_starts_one_and_shows_what_it_took(client: Client, staff: User) -> None:
    client.force_login(staff)
    version = draft()
    history = reverse("admin:catalog_model_versions", args=[version.model_id])
    assert "It has never finished a clip" in client.get(history).content.decode()
    answer = client.post(reverse("generation:trial-start", args=[version.pk]), {"mode": "text"})
    trial = Generation.objects.get()
    assert answer.headers["Location"] == reverse("generation:trial", args=[trial.id])
    waiting = client.get(answer.headers["Location"]).content.decode()
    assert 'http-equiv="refresh"' in waiting
    assert f'href="{history}">Versions of' in waiting
    assert answer.headers["Location"] in client.get(reverse("admin:audit_log")).content.decode()
    finish(trial)
    done = client.get(answer.headers["Location"]).content.decode()
    assert reverse("generation:trial-clip", args=[trial.id]) in done
    assert "117.3\xa0MB" in done
    clip = client.get(reverse("generation:trial-clip", args=[trial.id]))
    assert (clip.status_code, clip.headers["Content-Type"]) == (200, "video/mp4")
    assert "It has never finished a clip" not in client.get(history).content.decode()


def test_one_with_a_clips_own_settings_has_them_all_and_none_of_its_words(client: Client, staff: User) -> None:
    client.force_login(staff)
    alice = factories.visitor(credits=100).workspace
    factories.model(modes=["text", "image"])
    clip = factories.submitted(alice, prompt="somebody's own words", size="192x128", seed=77, steps=3, seconds=1.0)
    version = clip.version
    page = client.get(reverse("admin:generation_generation_change", args=[clip.id])).content.decode()
    assert f'name="like" value="{clip.id}"' in page
    start = reverse("generation:trial-start", args=[version.pk])
    client.post(start, {"mode": clip.mode, "like": str(clip.id)})
    trial = Generation.objects.get(workspace_id=TRIALS_WORKSPACE)
    asked = ("version_id", "mode", "preset", "width", "height", "num_frames", "fps", "steps", "seed", "call")
    assert {name: getattr(trial, name) for name in asked} == {name: getattr(clip, name) for name in asked}
    assert trial.prompt == trials.PROMPT
    assert trial.credits_quoted == clip.credits_quoted
    finish(trial)


def test_one_like_a_clip_with_a_picture_begins_with_a_drawing(staff: User) -> None:
    factories.model(modes=["text", "image"])
    clip = factories.submitted(factories.visitor(credits=100).workspace)
    Generation.objects.filter(id=clip.id).update(mode="image", inputs={"image": "inputs/theirs/image"})
    clip.refresh_from_db()
    trial = trials.start(clip.version, by=staff, like=clip)
    assert set(trial.inputs) == {"image"}
    assert trial.inputs["image"] != "inputs/theirs/image"


@pytest.mark.parametrize("named", ["of another version", "nonsense"])
def test_one_like_a_clip_that_the_version_never_made_is_not_found(client: Client, staff: User, named: str) -> None:
    client.force_login(staff)
    factories.model()
    clip = factories.submitted(factories.visitor(credits=100).workspace)
    other = factories.model("other", is_default=False).versions.get()
    like = str(clip.id) if named == "of another version" else named
    answer = client.post(reverse("generation:trial-start", args=[other.pk]), {"like": like})
    assert (answer.status_code, Generation.objects.count()) == (404, 1)


def test_a_refusal_leads_back_to_the_model_with_its_reason(client: Client, staff: User) -> None:
    client.force_login(staff)
    version = draft()
    answer = client.post(reverse("generation:trial-start", args=[version.pk]), {"mode": "control"}, follow=True)
    assert "Toy doesn&#x27;t offer" in answer.content.decode()


def test_trials_are_for_staff_who_may_change_models(client: Client, staff: User) -> None:
    version = draft()
    trial = trials.start(version, by=staff)
    looker = User.objects.create_user("looker@example.com", "x", is_staff=True)
    routes = [("trial-start", version.pk), ("trial", trial.id), ("trial-clip", trial.id)]
    for name, argument in routes:
        url = reverse(f"generation:{name}", args=[argument])
        ask = client.post if name == "trial-start" else client.get
        assert ask(url).status_code == 302, "a stranger is sent to sign in"
    client.force_login(looker)
    for name, argument in routes:
        url = reverse(f"generation:{name}", args=[argument])
        ask = client.post if name == "trial-start" else client.get
        assert ask(url).status_code == 403
    assert Generation.objects.count() == 1


def test_another_workspaces_clip_is_not_shown_as_a_trial(client: Client, staff: User) -> None:
    factories.model()
    generation = factories.submitted(factories.visitor().workspace)
    client.force_login(staff)
    assert client.get(reverse("generation:trial", args=[generation.id])).status_code == 404


def test_what_quantisation_changes_is_kept_with_the_trial_and_shown(client: Client, staff: User) -> None:
    client.force_login(staff)
    version = draft(quantisation="int8")
    trial = trials.start(version, by=staff)
    job = trial.render_job(inputs={}, outputs={})
    assert job.is_compared
    finish(trial, similarity=0.99951)
    assert measurements.similarity(version) == 0.99951
    shown = client.get(reverse("generation:trial", args=[trial.id])).content.decode()
    assert "0.9995" in shown
    assert "Too low" not in shown
    history = reverse("admin:catalog_model_versions", args=[version.model_id])
    assert "a cosine of 0.9995" in client.get(history).content.decode()


def test_a_trial_that_quantisation_has_spoilt_says_so(client: Client, staff: User) -> None:
    client.force_login(staff)
    version = draft(quantisation="nf4")
    trial = trials.start(version, by=staff)
    finish(trial, similarity=0.91)
    assert "Too low: below 0.98" in client.get(reverse("generation:trial", args=[trial.id])).content.decode()
    history = reverse("admin:catalog_model_versions", args=[version.model_id])
    assert "That is too little" in client.get(history).content.decode()


def test_only_trials_are_compared() -> None:
    factories.model()
    request = factories.submitted(factories.visitor(credits=99).workspace)
    assert not request.render_job(inputs={}, outputs={}).is_compared


def test_a_trial_shows_how_far_it_is_and_what_is_to_come(client: Client, staff: User, valkey: redis.Redis) -> None:
    client.force_login(staff)
    version = draft()
    trial = trials.start(version, by=staff)
    page = client.get(reverse("generation:trial", args=[trial.id]))
    assert page.context["progress"].percent is None
    assert 'data-refreshed="2"' in page.text
    assert {each.state for each in page.context["stages"]} == {"next"}
    trial.refresh_from_db()
    settle.start(generation_id=trial.id, attempt=trial.attempt, worker="gpu-7")
    stage = Progress(kind="step", stage="denoising", step=3, steps_total=8, percent=40, seconds_per_step=0.5)
    valkey.xadd(progress_key(str(trial.id)), {"event": "step", "data": json.dumps(stage.to_wire())})
    page = client.get(reverse("generation:trial", args=[trial.id]))
    said = page.context["progress"].said.replace("\N{NO-BREAK SPACE}", " ")
    assert said == "Denoising on gpu-7, step 3 of 8, 0.5 s a step."
    assert 'value="40"' in page.text
    assert [each.state for each in page.context["stages"]] == ["done", "done", "now", "next", "next", "next"]


def test_a_finished_trial_is_compared_with_what_its_row_let_expect(client: Client, staff: User) -> None:
    client.force_login(staff)
    speed = {"gpu_seconds": 2.0, "card": "H100", "size": "96x64", "frames": 17, "steps": 8, "source": "a README"}
    trial = trials.start(draft(reference_speed=speed, component_bytes={"transformer": 10**9}), by=staff)
    finish(trial, stage_seconds={"loading": 1.0, "denoising": 3.0, "uploading": 9.0})
    page = client.get(reverse("generation:trial", args=[trial.id]))
    time, memory, price = page.context["compared"]
    assert time.measured.startswith("3.0"), "loading and saving are no part of it"
    assert "by its reference speed, on one H100" in time.expected
    assert (time.is_worse, time.difference[0]) == (True, "+")
    assert "computed with everything on the card" in memory.expected
    assert (memory.is_worse, memory.difference[0]) == (False, "\N{MINUS SIGN}")
    assert price.measured.startswith(f"{trial.credits_quoted} credits, $")
    assert "margin" in price.difference
    assert [each.title for each in page.context["stages"]] == ["Loading", "Denoising", "Saving"]
    assert "Enable Toy" in page.text


def test_a_trial_that_failed_says_what_to_do(client: Client, staff: User) -> None:
    client.force_login(staff)
    trial = trials.start(draft(), by=staff)
    settle.start(generation_id=trial.id, attempt=trial.attempt, worker="w")
    Generation.objects.filter(id=trial.id).update(state=State.FAILED, finished_at=timezone.now(), error_message="Full.")
    page = client.get(reverse("generation:trial", args=[trial.id])).text
    assert "It did not make a clip" in page
    assert "Enable Toy" not in page


def test_what_is_not_known_of_a_draft_is_left_out(client: Client, staff: User) -> None:
    client.force_login(staff)
    page = client.get(reverse("admin:catalog_model_versions", args=[draft().model_id])).text
    assert page.count("Nobody knows yet what it takes") == 1
    assert "unknown" not in page
    assert "Margin of version" not in page
    assert "Compare the two" not in page


def test_the_picture_of_a_trial_is_for_whoever_may_look_at_the_catalogue(client: Client, staff: User) -> None:
    trial = trials.start(draft(), by=staff)
    finish(trial)
    address = reverse("generation:trial-poster", args=[trial.id])
    looker = User.objects.create_user("looker@example.com", "x", is_staff=True)
    client.force_login(looker)
    assert client.get(address).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="view_model"))
    client.force_login(User.objects.get(pk=looker.pk))
    picture = client.get(address)
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/jpeg")
