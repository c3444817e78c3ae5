"""``/from-sora/``: what a program that was written for OpenAI's Videos API changes to run here, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.models import Model
from catalog.selection import chosen_of


@dataclass(frozen=True, slots=True)
class Row:
    """One name of OpenAI's API, and what it is here."""

    name: str
    here: str
    is_same: bool = True


REQUEST: Final = (
    Row("prompt", "As there."),
    Row("model", "One of this site's names or aliases. sora-2 and sora-2-pro are refused by name.", is_same=False),
    Row("seconds", "As there, as text or a number; any length that the model's page says, not 4, 8 and 12 alone."),
    Row("size", "As there, such as 1280x720: one of the sizes on the model's page."),
    Row("input_reference", "As there: a file, or image_url with an https:// address or a data URI. No file_id."),
)
ANSWER: Final = (
    *(Row(name, "As there.") for name in ("id", "object", "status", "progress", "prompt", "seconds", "size")),
    *(Row(name, "As there, in Unix time.") for name in ("created_at", "completed_at", "expires_at")),
    Row("model", "The name of the model that made it, also where an alias was asked for."),
    Row("error", "As there: code and message."),
    Row("remixed_from_video_id", "As there, for every clip that was made from one of yours."),
)
METHODS: Final = (
    Row("create", "As there. An Idempotency-Key of yours is heeded."),
    Row("create_and_poll", "As there."),
    Row("retrieve", "As there."),
    Row("poll", "As there: openai-poll-after-ms says when to look again."),
    Row("list", "As there: limit, after, order."),
    Row("delete", "As there; a clip that is being made has to be cancelled first."),
    Row("download_content", "As there, as video, thumbnail or spritesheet."),
    Row("edit", "As there, where the model restyles clips."),
    Row("remix", "As there, where the model restyles clips."),
    Row("extend", "As there, where the model continues clips."),
    Row("create_character", "Not here: send reference_image to models that take one.", is_same=False),
    Row("get_character", "Not here.", is_same=False),
)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    model = chosen_of(list(Model.objects.for_people()), "")
    context = {
        "site": settings.SITE_URL,
        "model": model.slug if model is not None else "default",
        "tables": (("What you send", REQUEST), ("What you get", ANSWER), ("The client's methods", METHODS)),
    }
    return render(request, "generation/from_sora.html", context)
