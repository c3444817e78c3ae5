"""``/from-sora/``: what a program that was written for OpenAI's Videos API changes to run here, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from catalog.models import Model
from catalog.selection import chosen_of

SAME: Final = gettext_noop("The same as Sora's.")


@dataclass(frozen=True, slots=True)
class Row:
    """One name of OpenAI's API, and what it is here."""

    name: str
    here: str
    is_same: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say of it."""
        return self.here == SAME


REQUEST: Final = (
    Row("prompt", SAME),
    Row(
        "model",
        gettext_noop("One of this site's names or aliases. sora-2 and sora-2-pro are refused by name."),
        is_same=False,
    ),
    Row(
        "seconds",
        gettext_noop("The same, as text or a number. Any length on the model's page works, not only 4, 8 and 12."),
    ),
    Row("size", gettext_noop("The same, such as 1280x720: one of the sizes on the model's page.")),
    Row(
        "input_reference",
        gettext_noop("A file, or image_url with an https:// address or a data URI. file_id is refused."),
        is_same=False,
    ),
)
ANSWER: Final = (
    *(Row(name, SAME) for name in ("id", "object", "status", "progress", "prompt", "seconds", "size")),
    *(Row(name, gettext_noop("The same, in Unix time.")) for name in ("created_at", "completed_at", "expires_at")),
    Row("model", gettext_noop("The name of the model that made it, also where an alias was asked for.")),
    Row("error", gettext_noop("The same: code and message.")),
    Row("remixed_from_video_id", gettext_noop("The same, for every clip made from one of yours.")),
)
METHODS: Final = (
    Row("create", gettext_noop("The same. An Idempotency-Key header works too.")),
    Row("create_and_poll", SAME),
    Row("retrieve", SAME),
    Row("poll", gettext_noop("The same: openai-poll-after-ms says when to look again.")),
    Row("list", gettext_noop("The same: limit, after, order.")),
    Row("delete", gettext_noop("The same. Cancel a clip that is still being made first.")),
    Row("download_content", gettext_noop("The same: video, thumbnail or spritesheet.")),
    Row("edit", gettext_noop("The same, if the model restyles clips.")),
    Row("remix", gettext_noop("The same, if the model restyles clips.")),
    Row("extend", gettext_noop("The same, if the model extends clips.")),
    Row(
        "create_character",
        gettext_noop(
            "Made from 1 to 3 pictures, sent as reference_image, reference_image_2 and _3, not from a video. A clip "
            "names it in characters, as with Sora, if the model takes reference pictures."
        ),
        is_same=False,
    ),
    Row("get_character", SAME),
)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    model = chosen_of(list(Model.objects.for_people()), "")
    parts = ((_("What you send"), REQUEST), (_("What you get"), ANSWER), (_("The client's methods"), METHODS))
    rows = [row for _title, part in parts for row in part]
    context = {
        "site": settings.SITE_URL,
        "model": model.slug if model is not None else "default",
        "same": [(title, [row for row in part if row.is_same]) for title, part in parts],
        "differing": [row for row in rows if not row.is_same],
        "noted": [(title, [row for row in part if row.is_same and not row.is_plain]) for title, part in parts],
    }
    return render(request, "generation/from_sora.html", context)
