"""Test renders: staff try a version of a model on the fleet, the way a request goes, before anybody else can use it.

They belong to a workspace of their own, which is given each one's price beforehand: a trial has a hold and a receipt
like everything else, and its clip is measured like everybody's.
"""

from __future__ import annotations

import io
import uuid
import wave
from array import array
from dataclasses import replace
from math import pi, sin
from typing import Final

from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image, ImageDraw

from accounts import tenancy
from accounts.models import User, Workspace
from accounts.roles import Action
from billing import ledger
from catalog.models import ModelVersion
from catalog.offers import Offer
from catalog.pricing import quote
from catalog.requests import Ask, resolve
from generation.models import TRIALS_WORKSPACE, Clip, Generation, State
from generation.storage import files
from generation.submission import uploads
from generation.submission.submit import submit
from gpu_worker.families import ROLES, Kind
from loremotion.refusals import Invalid

PROMPT: Final = "a red circle moving right on a black background"
SETTINGS: Final = ("seed", "width", "height", "num_frames", "fps", "steps", "call")
"""What a clip was made with, beside mode and preset."""
PICTURE_SIDE: Final = 512
TONE_RATE: Final = 16_000


def of(version: ModelVersion) -> list[Generation]:
    """The latest trials of the same build, newest first."""
    same = Generation.objects.filter(workspace_id=TRIALS_WORKSPACE, version__build=version.build)
    return list(same.for_display().order_by("-created_at")[:5])


def start(version: ModelVersion, *, by: User, mode: str = "", like: Generation | None = None) -> Generation:
    """Queue a clip of the version's default size and length, whatever its status, licence gates and plan.

    Args:
        like: a clip of this version, of which mode, preset, size, length, steps and seed are taken. Its words, pictures
            and sounds are somebody's own: the trial has ours.

    Raises:
        Invalid: it has no such mode, or the mode starts from a clip and there is none yet.
    """
    assert like is None or like.version_id == version.pk
    mode = like.mode if like is not None else mode or version.modes[0]
    needs = version.family_facts.modes[mode].needs if mode in version.modes else ()
    inputs = [_input(role) for role in dict.fromkeys((*needs, *(like.inputs if like is not None else ())))]
    preset = like.preset if like is not None else None
    request = resolve(Ask(prompt=PROMPT, mode=mode, preset=preset, inputs=uploads.keys(inputs), seed=1), version)
    if like is not None:
        request = replace(request, **{name: getattr(like, name) for name in SETTINGS})
    offer = Offer(version, request, quote(version, request))
    with uploads.store(inputs), transaction.atomic():
        workspace, _ = Workspace.objects.get_or_create(
            id=TRIALS_WORKSPACE, defaults={"kind": Workspace.Kind.TEAM, "name": "Test renders"}
        )
        tenancy.lock_and_recheck(workspace, Action.GENERATE)  # before the account, as whoever submits
        ledger.grant(
            account=workspace.id,
            reference=f"trial:{uuid.uuid4()}",
            amount=offer.quote.credits,
            kind=ledger.LotKind.ADJUSTMENT,
            actor=by.email,
            reason=f"Test render of {version}",
        )
        return submit(workspace=workspace, offer=offer)


def _input(role: str) -> uploads.Input:
    """Something to start from: a drawing, a tone, or for a video the latest trial clip."""
    kind = ROLES[role].kind
    if kind == Kind.CLIP:
        finished = Clip.objects.filter(generation__workspace_id=TRIALS_WORKSPACE, generation__state=State.SUCCEEDED)
        clip = finished.order_by("-created_at").first()
        if clip is None:
            raise Invalid(
                "no_clip_yet",
                "This mode starts from a clip, and no test render has made one yet.",
                next_step="Run one of a model that makes clips from text first.",
            )
        return uploads.Input(role, clip.key)
    content = _tone() if kind == Kind.SOUND else _drawing(role)
    return uploads.Input(role, f"{files.INPUTS}{uuid.uuid4()}/{role}", ContentFile(content), kind)


def _drawing(role: str) -> bytes:
    """A disc, white on black for a mask and red on grey for a picture; at the right for the last of two."""
    ground, disc = ("black", "white") if role == "mask" else ("grey", "red")
    picture = Image.new("RGB", (PICTURE_SIDE, PICTURE_SIDE), ground)
    left = PICTURE_SIDE // 2 if role.startswith("last") else PICTURE_SIDE // 8
    ImageDraw.Draw(picture).ellipse((left, 160, left + 192, 352), fill=disc)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG")
    return encoded.getvalue()


def _tone() -> bytes:
    """Five seconds of an A, as a WAV."""
    samples = (int(12_000 * sin(2 * pi * 440 * n / TONE_RATE)) for n in range(5 * TONE_RATE))
    encoded = io.BytesIO()
    with wave.open(encoded, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(TONE_RATE)
        written.writeframes(array("h", samples).tobytes())
    return encoded.getvalue()
