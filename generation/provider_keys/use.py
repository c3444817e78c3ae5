"""Which clips are made with a workspace's own key: decided with the price, noted with the clip, told to the worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Workspace
from generation.models import Generation
from generation.provider_keys import letters
from generation.provider_keys.models import MADE_WITH_IT, MOST_SAID, KeyedClip, ProviderKey
from gpu_worker.contract import OWN_ACCOUNT, OwnKey, RenderError, RenderJob
from gpu_worker.error_codes import OWN_KEY_REFUSED
from loremotion.refusals import Conflict


def keys_of(workspace_id: UUID | None) -> Callable[[str], UUID | None]:
    """Return what tells, by the name of an account, the key that the workspace has for it. All are looked up at once,
    and not before somebody asks for one.

    What is returned raises:
        Conflict: the key is refused by its provider. Nothing is made with the house's in its place: that has another
            price.
    """
    found: dict[str, ProviderKey] | None = None

    def key_for(account: str) -> UUID | None:
        nonlocal found
        if found is None:
            kept = ProviderKey.objects.in_use().filter(workspace=workspace_id).defer("sealed")
            found = {key.account: key for key in kept} if workspace_id is not None else {}
        key = found.get(account)
        if key is None:
            return None
        if key.state == ProviderKey.State.REFUSED:
            raise Conflict(
                "own_key_refused",
                _("%(provider)s does not take your workspace's own key %(key)s.")
                % {"provider": key.title, "key": key.shown},
                next_step=_("Test, replace or remove it under Provider keys in your workspace."),
                field="model",
            )
        return key.id

    return key_for


def verify(workspace: Workspace, key_id: UUID) -> None:
    """See to it that a price that was made for a key still holds. Call it under the workspace's lock.

    Raises:
        Conflict: the key was replaced, removed or refused meanwhile.
    """
    good = ProviderKey.objects.of(workspace).exclude(state=ProviderKey.State.REFUSED)
    if not good.filter(id=key_id).exists():
        raise Conflict(
            "own_key_changed",
            _("Your workspace's own key for this model was changed a moment ago, and with it the price."),
            next_step=_("Look at the price and ask again."),
            field="model",
        )


def note(generation: Generation, key_id: UUID) -> None:
    """Write down with which key the clip is made, whatever becomes of the workspace's keys."""
    KeyedClip.objects.create(generation=generation, key_id=key_id)


def with_own_key(generation: Generation, job: RenderJob) -> RenderJob:
    """Return the job of a remote clip with the key that it is made with; without one as it is."""
    keyed = KeyedClip.objects.select_related("key").filter(generation=generation).first()
    if keyed is None:
        return job
    # Gone with its workspace's keys: then nobody makes the clip, and no other key stands in.
    own_key = keyed.key.as_own_key() if keyed.key is not None else OwnKey(id="", pair="", sealed="")
    return replace(job, own_key=own_key, model=replace(job.model, source=f"{OWN_ACCOUNT}{job.model.source}"))


def note_end(generation: Generation, error: RenderError | None) -> None:
    """Learn from how a remote clip ended whether its key is taken. In the transaction that ends it.

    Args:
        error: None where the clip was made.
    """
    if error is None:
        theirs = ProviderKey.objects.filter(clips__generation=generation).exclude(state=ProviderKey.State.WORKS)
        theirs.update(state=ProviderKey.State.WORKS, said=MADE_WITH_IT, tested_at=timezone.now())
    elif error.code == OWN_KEY_REFUSED:
        key = ProviderKey.objects.select_related("workspace").filter(clips__generation=generation).first()
        if key is not None:
            _note_refusal(key, error.message)


def _note_refusal(key: ProviderKey, words: str) -> None:
    """Mark a key as refused and tell the owner, once until it works again."""
    now = timezone.now()
    news = ProviderKey.objects.in_use().filter(id=key.id).exclude(state=ProviderKey.State.REFUSED)
    said = words.replace("\x00", "")[:MOST_SAID]
    if news.update(state=ProviderKey.State.REFUSED, said=said, tested_at=now):
        audit.record(key.workspace, "provider_key.refused", actor="LoreMotion", subject=str(key))
        letters.write_refused(key, occasion=f"{key.id}:{now.timestamp():.6f}")
