"""What must be true of the site once it is quiet, whatever broke.

``python -m tests.hosts.afterwards``, with the site's settings, says what is wrong, in words, as a list in JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable

import django


def every_clip_has_ended() -> Iterable[str]:
    from generation.models import OPEN_STATES, Generation

    for clip in Generation.objects.filter(state__in=OPEN_STATES):
        yield f"{clip.id} is {clip.state} at attempt {clip.attempt}"


def no_clip_failed() -> Iterable[str]:
    from generation.models import Generation, State

    for clip in Generation.objects.filter(state__in=[State.FAILED, State.BLOCKED]):
        yield f"{clip.id} {clip.state} at attempt {clip.attempt}: {clip.error_code} {clip.error_message}"


def each_clip_is_charged_once_and_only_for_what_was_made() -> Iterable[str]:
    from billing.models import Hold
    from generation.models import Generation, State

    holds = {hold.id: hold for hold in Hold.objects.all()}
    for clip in Generation.objects.all():
        hold = holds.pop(clip.id, None)
        if hold is None:
            yield f"{clip.id} has no hold"
        elif clip.state == State.SUCCEEDED and hold.captured != clip.quote["credits"]:
            yield f"{clip.id} was quoted {clip.quote['credits']} and charged {hold.captured}"
        elif hold.captured + hold.released != hold.amount or hold.state == Hold.State.OPEN:
            yield f"{clip.id} {clip.state}: of {hold.amount} held {hold.captured} taken, {hold.released} given back"
    yield from (f"hold {key} is for no clip" for key in holds)


def the_ledger_is_sound() -> Iterable[str]:
    from billing import ledger

    for one in ledger.violations():
        yield f"{one.rule}: {one.subject} of {one.account} ({one.detail})"


def each_clip_is_there_as_its_row_says() -> Iterable[str]:
    from django.core.files.storage import default_storage

    from generation.models import Clip, Generation, State

    made = Generation.objects.filter(state=State.SUCCEEDED, deleted_at=None)
    yield from (f"{key} has no clip" for key in made.filter(clip=None).values_list("id", flat=True))
    for clip in Clip.objects.filter(generation__in=made):
        if not default_storage.exists(clip.key) or not default_storage.exists(clip.poster_key):
            yield f"{clip.key} or its poster is not there"
            continue
        with default_storage.open(clip.key) as file:
            if hashlib.sha256(file.read()).hexdigest() != clip.served_sha256:
                yield f"{clip.key} is another file than its row says"


def nothing_is_left_in_a_line() -> Iterable[str]:
    from django.conf import settings

    from loremotion import queues

    for name in (*settings.QUEUE_JOBS, "render"):
        queue = queues.queue(name)
        for line in (queue.key, queue.intermediate_queue.key):
            if left := queue.connection.lrange(line, 0, 2):
                yield f"{left} lie in {line}"


CHECKS = (
    every_clip_has_ended,
    no_clip_failed,
    each_clip_is_charged_once_and_only_for_what_was_made,
    the_ledger_is_sound,
    each_clip_is_there_as_its_row_says,
    nothing_is_left_in_a_line,
)


if __name__ == "__main__":
    django.setup()
    json.dump([fault for check in CHECKS for fault in check()], sys.stdout)
