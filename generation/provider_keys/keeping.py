"""What is done with a workspace's own keys: add, test, remove. The site seals, and can open none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, tenancy
from accounts.models import Workspace
from accounts.roles import Action
from catalog.models import Model, ModelVersion
from generation.attempt_secret import is_secret_of, secret_of
from generation.provider_keys.models import MOST_SAID, ProviderKey
from gpu_worker import commands
from gpu_worker.contract import KeyTest
from gpu_worker.liveness import live_workers
from gpu_worker.sealed_keys import Credentials, seal
from loremotion.refusals import Conflict, Invalid, Unavailable
from loremotion.valkey import connection

LONGEST: Final = 500
_KEY: Final = re.compile(rf"[\x21-\x7e]{{8,{LONGEST}}}")
"""What can stand in a header."""
_LEAST_HINTED: Final = 16
"""Of a shorter key the last four characters would say too much."""
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """An account of the remote workers, as enabled rows name it."""

    name: str
    title: str
    """Whose API it is."""
    models: tuple[str, ...]
    has_secret: bool
    """Whether its keys have two halves."""


def is_offered() -> bool:
    """Whether keys can be brought: there is a pair to seal them with."""
    return bool(settings.REMOTE_KEYS_PUBLIC)


def accounts_offered() -> list[RemoteAccount]:
    """The accounts that enabled rows name, by title."""
    found: dict[str, RemoteAccount] = {}
    for model in Model.objects.for_people():
        for version in filter(None, (model.current, model.canary)):
            if not version.family_facts.is_remote:
                continue
            name = version.account
            known = found.get(name)
            models = tuple(dict.fromkeys((*(known.models if known else ()), model.name)))
            found[name] = RemoteAccount(name, _title_of(version), models, version.family_facts.provider == "kling")
    return sorted(found.values(), key=lambda account: account.title)


def _title_of(version: ModelVersion) -> str:
    """Whose API a version's is: the provider's, or by the account's name where anybody may be behind it."""
    facts = version.family_facts
    title = facts.title.removeprefix("Remote (").removesuffix(")")
    return version.account if facts.provider == "openai" else title


def add(workspace: Workspace, account: RemoteAccount, *, key: str, secret: str = "", actor: str) -> ProviderKey:
    """Seal a key and keep it, in the place of the one that there is. What was begun with that one goes on with it.

    Raises:
        Conflict: the site has no pair to seal it with.
        Invalid: that is no key.
    """
    if not is_offered():
        raise Conflict(
            "keys_not_offered", _("Own keys are not set up on this site."), next_step=_("Ask whoever runs it.")
        )
    _verify("key", key)
    if account.has_secret:
        _verify("secret", secret)
    key_id = uuid4()
    credentials = Credentials(key, secret if account.has_secret else "")
    own = seal(credentials, public=settings.REMOTE_KEYS_PUBLIC, key_id=str(key_id), account=account.name)
    with transaction.atomic():
        tenancy.lock_and_recheck(workspace, Action.MANAGE_KEYS)
        before = ProviderKey.objects.of(workspace).filter(account=account.name)
        replaced = bool(before.update(removed_at=timezone.now()))
        made = ProviderKey.objects.create(
            id=key_id,
            workspace=workspace,
            account=account.name,
            title=account.title,
            pair=own.pair,
            sealed=own.sealed,
            hint=key[-4:] if len(key) >= _LEAST_HINTED else "",
        )
        audit.record(workspace, "provider_key.added", actor=actor, subject=str(made), in_place_of_another=replaced)
    return made


def _verify(field: str, text: str) -> None:
    if not _KEY.fullmatch(text):
        raise Invalid(
            f"invalid_{field}",
            _("A key has 8 to %(most)s letters, digits and signs, and no spaces.") % {"most": LONGEST},
            next_step=_("Copy it once more."),
            field=field,
        )


def remove(key: ProviderKey, *, actor: str) -> None:
    """Make nothing new with the key. What was begun with it goes on, and then it is deleted. Twice is once."""
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(id=key.workspace_id)
        if ProviderKey.objects.in_use().filter(id=key.id).update(removed_at=timezone.now()):
            audit.record(key.workspace, "provider_key.removed", actor=actor, subject=str(key))
        ProviderKey.objects.filter(id=key.id).removed_and_needed_no_more().delete()


def forget_removed() -> None:
    """Delete what was removed or replaced once nothing is made with it any more. For the beat."""
    gone = ProviderKey.objects.removed_and_needed_no_more().order_by("removed_at")[:BATCH]
    ProviderKey.objects.filter(id__in=list(gone.values_list("id", flat=True))).delete()


def ask_test(key: ProviderKey) -> None:
    """Have a remote worker ask the provider whether it takes the key. The answer is in the row some seconds later.

    Raises:
        Conflict: it is being tested.
        Unavailable: no remote worker that is on can open it.
    """
    able = [status.name for status in live_workers(connection()) if key.pair in status.pairs]
    if not able:
        raise Unavailable(
            "no_remote_worker",
            _("The key can't be tested right now: no remote worker that can open it is running."),
            next_step=_("Try again later."),
        )
    now = timezone.now()
    with transaction.atomic():
        present = ProviderKey.objects.select_for_update(no_key=True).get(id=key.id)
        if present.is_being_tested:
            raise Conflict("being_tested", _("The key is being tested."), next_step=_("Wait a moment."))
        ProviderKey.objects.filter(id=key.id).update(tests=F("tests") + 1, test_asked_at=now)
    number = present.tests + 1
    commands.test_key(
        connection(),
        able[number % len(able)],
        key.as_own_key(),
        account=key.account,
        number=number,
        secret=secret_of(_signed(str(key.id)), number),
    )


def note_test(key_id: str, number: int, secret: str, result: str, words: str) -> bool:
    """Write down what a remote worker says of a key. Returns whether that was news.

    Raises:
        ValueError: it was not asked, or says what it cannot.
    """
    if str(UUID(key_id)) != key_id or not is_secret_of(secret, _signed(key_id), number):
        raise ValueError("it was not asked for this test")
    came_of_it = KeyTest(result)
    said = str(words).replace("\x00", "")[:MOST_SAID]
    changes = {"said": said, "tested_at": timezone.now(), "test_asked_at": None}
    if came_of_it != KeyTest.UNTOLD:
        changes["state"] = _STATES[came_of_it]
    asked = ProviderKey.objects.filter(id=key_id, tests=number, test_asked_at__isnull=False)
    return bool(asked.update(**changes))


_STATES: Final = {KeyTest.WORKS: ProviderKey.State.WORKS, KeyTest.REFUSED: ProviderKey.State.REFUSED}


def _signed(key_id: str) -> str:
    """What the secret of a test is made of: no id of a clip."""
    return f"provider-key-{key_id}"


def unopened_pairs(pairs_held: Iterable[str]) -> dict[str, int]:
    """Return pairs that keys are sealed with and nobody holds, with how many keys that is."""
    held = set(pairs_held)
    found: dict[str, int] = {}
    for pair in ProviderKey.objects.in_use().exclude(pair__in=held).values_list("pair", flat=True):
        found[pair] = found.get(pair, 0) + 1
    return found
