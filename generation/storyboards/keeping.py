"""What people do with storyboards: begin them, write their scenes and put these in order. No clip is lost here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.models import Workspace
from accounts.roles import Action
from generation.models import Generation
from generation.storyboards.models import MOST_TITLE_CHARACTERS, Scene, Storyboard
from loremotion.refusals import Conflict, Invalid

MOST_STORYBOARDS: Final = 50
MOST_SCENES: Final = 12
_MOST_PROMPT_CHARACTERS: Final = 5000
"""More than any model reads: what a model takes is said when its clip is asked for."""


@transaction.atomic
def begin(workspace: Workspace, *, title: str, model: str, clip: Generation | None = None) -> Storyboard:
    """Make a storyboard with one scene: an empty card, or ``clip`` with its settings.

    Raises:
        Conflict: there are as many storyboards as there may be.
        Invalid: the title says nothing, or too much.
    """
    title = _sound(title)
    tenancy.lock_and_recheck(workspace, Action.GENERATE)  # of two at once, the second counts the first
    if Storyboard.objects.of(workspace).count() >= MOST_STORYBOARDS:
        raise Conflict(
            "too_many_storyboards",
            _("You have %(most)s storyboards, the limit.") % {"most": MOST_STORYBOARDS},
            next_step=_("Delete one you don't need."),
        )
    board = Storyboard.objects.create(workspace=workspace, title=title, model=model)
    Scene.objects.create(storyboard=board, position=1, prompt=clip.prompt if clip is not None else "", clip=clip)
    return board


def write(board: Storyboard, *, title: str, prompts: Mapping[str, str], **settings: Any) -> None:
    """Save what was typed: the title, ``prompts`` by the scenes' ids, and ``settings``, fields of the storyboard.

    Raises:
        Invalid: the title says nothing, or too much.
    """
    Storyboard.objects.filter(id=board.id).update(title=_sound(title), **settings)
    for scene in board.scenes.all():
        prompt = _readable(prompts.get(str(scene.id), scene.prompt))
        if prompt != scene.prompt:
            Scene.objects.filter(id=scene.id).update(prompt=prompt)


@transaction.atomic
def add(board: Storyboard) -> None:
    """Put an empty card behind the last.

    Raises:
        Conflict: there are as many as there may be.
    """
    count = _lock(board).scenes.count()
    if count >= MOST_SCENES:
        raise Conflict(
            "storyboard_is_full",
            _("A storyboard has up to %(most)s scenes.") % {"most": MOST_SCENES},
            next_step=_("Start another one."),
        )
    Scene.objects.create(storyboard=board, position=count + 1)


@transaction.atomic
def arrange(board: Storyboard, wanted: Sequence[tuple[str | None, str | None]]) -> None:
    """Put the scenes in this order: those of an id as they are, with their clips, and others new. What is not among
    them is taken off.

    Args:
        wanted: of each its id, None for a new one, and its prompt, None for what it has.

    Raises:
        Invalid: there are none or too many, an id is none of them, or comes twice.
    """
    if not 0 < len(wanted) <= MOST_SCENES:
        raise Invalid(
            "wrong_number",
            _("A storyboard has 1 to %(most)s scenes.") % {"most": MOST_SCENES},
            next_step=_("Send these."),
            field="scenes",
        )
    there = {str(scene.id): scene for scene in _lock(board).scenes.all()}
    named = [scene_id for scene_id, _said in wanted if scene_id is not None]
    if len(set(named)) < len(named) or not set(named) <= set(there):
        raise Invalid(
            "no_such_scene",
            _("The ids are not those of its scenes, each once."),
            next_step=_("Ask for the storyboard, and leave the id of a new scene out."),
            field="scenes",
        )
    board.scenes.exclude(id__in=named).delete()
    for position, (scene_id, prompt) in enumerate(wanted, 1):
        scene = there[scene_id] if scene_id is not None else Scene(storyboard=board)
        scene.position, scene.prompt = position, scene.prompt if prompt is None else _readable(prompt)
        scene.save()


@transaction.atomic
def move(board: Storyboard, scene_id: str, *, by: int) -> None:
    """Let a scene change places with the one before (``by`` -1) or after it (1), where there is one."""
    scenes = list(_lock(board).scenes.all())
    at = next((n for n, scene in enumerate(scenes) if str(scene.id) == scene_id), None)
    if at is not None and 0 <= at + by < len(scenes):
        scenes[at], scenes[at + by] = scenes[at + by], scenes[at]
        _number(scenes)


@transaction.atomic
def remove(board: Storyboard, scene_id: str) -> None:
    """Take a card off. Its clips stay in the library."""
    scenes = list(_lock(board).scenes.all())
    kept = [scene for scene in scenes if str(scene.id) != scene_id]
    if kept and len(kept) < len(scenes):
        board.scenes.exclude(id__in=[scene.id for scene in kept]).delete()
        _number(kept)


def delete(board: Storyboard) -> None:
    """Delete the storyboard. Its clips stay."""
    Storyboard.objects.filter(id=board.id).delete()


def are_as_read(board: Storyboard, scenes: Sequence[Scene]) -> bool:
    """Whether these scenes, with these clips, are still there in this order. Certain until the transaction ends, as the
    storyboard is locked."""
    Storyboard.objects.select_for_update(no_key=True).filter(id=board.id).first()  # without it there are no scenes
    now = Scene.objects.filter(storyboard=board, id__in=[scene.id for scene in scenes])
    return [(scene.id, scene.clip_id) for scene in now] == [(scene.id, scene.clip_id) for scene in scenes]


def show_clips(scenes: Sequence[Scene], clips: Sequence[Generation]) -> None:
    """Make each clip the one of its scene."""
    for scene, clip in zip(scenes, clips, strict=True):
        Scene.objects.filter(id=scene.id).update(clip=clip)


def _lock(board: Storyboard) -> Storyboard:
    return Storyboard.objects.select_for_update(no_key=True).get(id=board.id)


def _number(scenes: Sequence[Scene]) -> None:
    for number, scene in enumerate(scenes, 1):
        scene.position = number
    Scene.objects.bulk_update(scenes, ["position"])


def _readable(prompt: str) -> str:
    return prompt.replace("\x00", "").strip()[:_MOST_PROMPT_CHARACTERS]


def _sound(title: str) -> str:
    title = " ".join(title.replace("\x00", "").split())
    if not 0 < len(title) <= MOST_TITLE_CHARACTERS:
        raise Invalid(
            "invalid_title",
            _("A storyboard's title has 1 to %(most)s characters.") % {"most": MOST_TITLE_CHARACTERS},
            next_step=_("Choose another title."),
            field="title",
        )
    return title
