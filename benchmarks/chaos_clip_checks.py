"""What must be true of the clips of ``benchmarks.chaos`` and of their files."""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Iterable

from benchmarks.chaos_story import CANCELLED, SUCCEEDED, Story


def acknowledged_clips_are_there(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    there = {str(key) for key in Generation.objects.filter(id__in=list(story.said.clips)).values_list("id", flat=True)}
    return len(story.said.clips), [
        f"{one}, of {who}, is lost" for one, who in story.said.clips.items() if one not in there
    ]


def every_clip_has_ended(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    rows = Generation.objects.values_list("id", "state", "attempt", "error_code")
    ended = {SUCCEEDED, "failed", CANCELLED, "blocked"}
    return len(rows), [
        f"{key} is {state} after {attempt} attempts {code}" for key, state, attempt, code in rows if state not in ended
    ]


def what_was_asked_once_is_made_once(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    names = Counter(Generation.objects.exclude(user_ref="").values_list("user_ref", flat=True))
    return len(names), [f"{name} was made {count} times" for name, count in names.items() if count > 1]


def no_clip_fails_for_what_befell_the_site(story: Story) -> tuple[int, Iterable[str]]:
    """A clip may be given up after three attempts, and that is all."""
    from generation.models import Generation

    failed = Generation.objects.filter(state="failed").values_list("id", "error_code", "error_message", "attempt")
    return len(failed), [f"{key} failed: {code} {said}" for key, code, said, attempt in failed if attempt < 3]


def every_clip_has_its_file_and_plays(story: Story) -> tuple[int, Iterable[str]]:
    import hashlib

    import av
    from django.core.files.storage import default_storage

    from generation.models import Clip

    wrong, clips = [], list(Clip.objects.filter(generation__state=SUCCEEDED, generation__deleted_at=None))
    for clip in clips:
        if not default_storage.exists(clip.key):
            wrong.append(f"{clip.key} is not there")
            continue
        with default_storage.open(clip.key) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != clip.served_sha256 or len(content) != clip.size_bytes:
            wrong.append(f"{clip.key} is another file than its row says")
            continue
        with av.open(io.BytesIO(content)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        if frames != clip.num_frames:
            wrong.append(f"{clip.key} plays {frames} frames of {clip.num_frames}")
        if not default_storage.exists(clip.poster_key):
            wrong.append(f"{clip.poster_key} is not there")
    return len(clips), wrong


def every_succeeded_clip_has_a_row_of_its_file(story: Story) -> tuple[int, Iterable[str]]:
    from generation.models import Generation

    made = Generation.objects.filter(state=SUCCEEDED, deleted_at=None)
    return made.count(), [f"{key} has no clip" for key in made.filter(clip=None).values_list("id", flat=True)]


def no_file_is_left_that_nobody_knows(story: Story) -> tuple[int, Iterable[str]]:
    """After the sweeps have looked at each, as if it had lain there for a while."""
    from generation.models import Clip, Upload
    from generation.storage import leftovers, retention
    from generation.storage.store import LEFT_AFTER_SECONDS

    long_ago = time.time() - 2 * LEFT_AFTER_SECONDS
    files = [path for path in story.media.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, (long_ago, long_ago))
    for _ in range(2 + len(list((story.media / "clips").glob("*"))) // 25):
        leftovers.sweep_leftovers()
        retention.sweep_uploads()
    known = {key.partition("/")[2].partition("/")[0] for key in map(lambda clip: clip.key, Clip.objects.all())}
    uploads = set(Upload.objects.values_list("key", flat=True))
    left = [path.relative_to(story.media) for path in files if path.exists()]
    wrong = [
        f"{path} belongs to nothing"
        for path in left
        if not (path.parts[0] == "clips" and path.parts[1] in known) and str(path) not in uploads
    ]
    return len(files), wrong
