"""What is done with several clips of the library at once: take them along, delete them, compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.defaultfilters import floatformat
from django.utils.formats import number_format
from django.utils.text import slugify
from django.utils.translation import gettext, gettext_lazy, gettext_noop, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import exports, tenancy
from accounts.roles import Action
from accounts.workspace_data import ExportedFile
from billing.shop.templatetags.shop import credits as in_credits
from catalog import sizes
from catalog.titles import title_of
from generation.models import Generation
from generation.pages.chosen import chosen_clips
from generation.settlement import deletion
from loremotion.refusals import Conflict, Invalid
from loremotion.stream_limits import LimitedStream, StreamLimit

LEAST_COMPARED, MOST_COMPARED = 2, 4
MOST_ZIPS_AT_ONCE: Final = 4
_zips = StreamLimit(gettext_lazy("zips"))

FACTS: Final[dict[str, Callable[[Generation], str]]] = {
    gettext_noop("Prompt"): lambda clip: clip.prompt,
    gettext_noop("Negative prompt"): lambda clip: clip.negative_prompt,
    gettext_noop("Model"): lambda clip: clip.version.model.name,
    gettext_noop("Version of the model"): lambda clip: str(clip.version.number),
    gettext_noop("Start from"): lambda clip: title_of(clip.version.family_facts.modes[clip.mode].title),
    gettext_noop("Seed"): lambda clip: str(clip.seed),
    gettext_noop("Size"): lambda clip: sizes.in_words(f"{clip.delivered_width}x{clip.delivered_height}"),
    gettext_noop("Length"): lambda clip: f"{floatformat(clip.total_seconds, '-2')} s",
    gettext_noop("Frames a second"): lambda clip: number_format(f"{clip.fps:g}"),
    gettext_noop("Quality"): lambda clip: clip.preset.capitalize(),
    gettext_noop("Steps"): lambda clip: str(clip.steps),
    gettext_noop("Made by"): lambda clip: _maker_of(clip),
    gettext_noop("Licence"): lambda clip: clip.version.licence,
    gettext_noop("Waited"): lambda clip: _between(clip.created_at, clip.started_at),
    gettext_noop("Made in"): lambda clip: _between(clip.started_at, clip.finished_at),
    gettext_noop("Price"): lambda clip: in_credits(clip.credits_quoted),
}


def _maker_of(clip: Generation) -> str:
    family = clip.version.family_facts
    if not family.is_remote:
        return _("this site")
    return _("another company") if family.provider == "openai" else family.title.removeprefix("Remote (").rstrip(")")


def _between(began: datetime | None, ended: datetime | None) -> str:
    """How long something took; empty of what is not known, as of clips from before it was noted."""
    if began is None or ended is None:
        return ""
    seconds = round((ended - began).total_seconds())
    return f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the table: what it is about, and what each clip says."""

    name: str
    values: list[str]

    @property
    def is_same(self) -> bool:
        return len(set(self.values)) == 1


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Two to four finished clips side by side, and in what they differ."""
    clips = _finished(request, _("Choose 1 to %(most)s clips to compare."))
    if not LEAST_COMPARED <= len(clips) <= MOST_COMPARED:
        raise Invalid(
            "wrong_number",
            _("%(least)s to %(most)s clips can be compared at once.")
            % {"least": LEAST_COMPARED, "most": MOST_COMPARED},
            next_step=_("Go back and change your selection."),
        )
    facts = [Fact(gettext(name), [say(clip) for clip in clips]) for name, say in FACTS.items()]
    context = {
        "clips": clips,
        "different": [fact for fact in facts if not fact.is_same],
        "same": [fact for fact in facts if fact.is_same and fact.values[0]],
    }
    return render(request, "generation/compare.html", context)


@require_safe
def zip_clips(request: HttpRequest) -> HttpResponseBase:
    """The chosen clips as one zip, written while it is sent."""
    clips = _finished(request, _("Choose 1 to %(most)s clips to download."))
    slot = _zips.take(clips[0].workspace_id, most=MOST_ZIPS_AT_ONCE)
    parts = exports.stream(exports.zip_of(_files(clips)))
    response = LimitedStream(parts, slot=slot, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="clips.zip"'
    response["Cache-Control"] = "no-store"
    return response


def _files(clips: Sequence[Generation]) -> Iterator[ExportedFile]:
    for clip in clips:
        if default_storage.exists(clip.clip.key):
            name = slugify(clip.prompt)[:60] or "clip"
            yield ExportedFile(f"{name}-{str(clip.id)[:8]}.mp4", default_storage.open(clip.clip.key))


@require_safe
def ask_before_deleting(request: HttpRequest) -> HttpResponse:
    """The chosen clips once more, with the button that deletes them."""
    clips = chosen_clips(
        tenancy.caller_for(request, Action.GENERATE), request.GET, _("Choose 1 to %(most)s clips to delete.")
    )
    return render(request, "generation/delete.html", {"clips": clips})


@require_POST
def delete(request: HttpRequest) -> HttpResponse:
    """Delete the chosen clips, all but those that are still being made."""
    clips = chosen_clips(
        tenancy.caller_for(request, Action.GENERATE), request.POST, _("Choose 1 to %(most)s clips to delete.")
    )
    still_made = 0
    for clip in clips:
        try:
            deletion.delete(clip)
        except Conflict:
            still_made += 1
    deleted = len(clips) - still_made
    if deleted:
        words = ngettext(
            "%(count)s clip is deleted. Receipts stay with your credits.",
            "%(count)s clips are deleted. Receipts stay with your credits.",
            deleted,
        )
        messages.success(request, words % {"count": deleted})
    if still_made:
        words = ngettext(
            "%(count)s clip is still being made: cancel first, then delete.",
            "%(count)s clips are still being made: cancel first, then delete.",
            still_made,
        )
        messages.warning(request, words % {"count": still_made})
    return redirect("generation:history")


def _finished(request: HttpRequest, choose: str) -> list[Generation]:
    """The chosen clips that have a file."""
    chosen = chosen_clips(tenancy.caller_for(request, Action.READ_CLIPS), request.GET, choose)
    clips = [clip for clip in chosen if hasattr(clip, "clip")]
    if not clips:
        raise Invalid(
            "not_made", _("None of these clips is finished."), next_step=_("Go back and choose finished ones.")
        )
    return clips
