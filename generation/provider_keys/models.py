"""A workspace's own key for a provider, sealed, and the clips that are made with it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.models import Workspace
from generation.models import OPEN_STATES, Generation
from generation.provider_keys import remote_words
from gpu_worker.contract import OwnKey
from loremotion.stored_words import StoredWords

MADE_WITH_IT: Final = gettext_noop("A clip was made with it.")
_SAID: Final = StoredWords(
    MADE_WITH_IT,
    gettext_noop("%(provider)s takes it: it lists %(count)s model."),
    gettext_noop("%(provider)s takes it: it lists %(count)s models."),
    gettext_noop("%(provider)s takes it: it shows its list of tasks."),
    gettext_noop("%(provider)s takes it: it answers with it."),
    gettext_noop("%(provider)s does not take it (%(status)s)."),
    *remote_words.PATTERNS,
)
"""What remote workers and this site say of a key."""
TEST_LASTS: Final = timedelta(seconds=75)
"""After that no answer is awaited: a provider has a minute, and a report a moment."""
MOST_SAID: Final = 300


class ProviderKeyQuerySet(models.QuerySet["ProviderKey"]):
    def of(self, workspace: Workspace | None) -> ProviderKeyQuerySet:
        """The tenant's own that clips are made with: the only way in which pages reach one."""
        return self.in_use().filter(workspace=workspace).order_by("account") if workspace is not None else self.none()

    def in_use(self) -> ProviderKeyQuerySet:
        return self.filter(removed_at=None)

    def removed_and_needed_no_more(self) -> ProviderKeyQuerySet:
        """Those that were removed or replaced, and no open clip is made with."""
        open_clips = KeyedClip.objects.filter(key=models.OuterRef("id"), generation__state__in=OPEN_STATES)
        return self.filter(~models.Exists(open_clips), removed_at__isnull=False)


class ProviderKey(models.Model):
    """What a workspace brought for an account of the remote workers. Nothing here opens it: see
    ``gpu_worker.sealed_keys``.

    A row is never given another key: a replaced one stays until the last clip has ended that was begun with it, so that
    each attempt at a clip goes to the same customer of the provider.
    """

    class State(models.TextChoices):
        NEW = "new", "Not tested"
        WORKS = "works", "Works"
        REFUSED = "refused", "Refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The database deletes keys with their workspace: processes of the release before know none, and erase workspaces.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    account = models.CharField(max_length=60)
    """By the name that the sources of rows have for it."""
    title = models.CharField(max_length=120)
    """Whose API it is for, in people's words."""
    pair = models.CharField(max_length=8)
    """Of the remote workers' keys: by its private half it is opened."""
    sealed = models.TextField()
    hint = models.CharField(max_length=4, blank=True)
    """Its last characters, for people who have several; none of a short one."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    said = models.CharField(max_length=MOST_SAID, blank=True)
    """What came of the last test, or why it was refused."""
    tests = models.PositiveIntegerField(default=0)
    """How many were asked for: an answer to an older one is none."""
    test_asked_at = models.DateTimeField(null=True)
    """None: no answer is awaited."""
    tested_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)
    """By people, staff, or a key in its place; from then on nothing new is made with it."""

    objects = ProviderKeyQuerySet.as_manager()

    class Meta:
        permissions = [("remove_providerkey", "Can remove keys that workspaces brought")]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "account"], condition=Q(removed_at=None), name="provider_key_once"
            )
        ]
        indexes = [
            models.Index(fields=["removed_at"], name="provider_key_removed", condition=Q(removed_at__isnull=False)),
            # For staff: the newest.
            models.Index(fields=["-created_at", "-id"], name="provider_key_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.shown}"

    @property
    def shown(self) -> str:
        """All that anybody sees of it."""
        return f"…{self.hint}"

    @property
    def said_in_words(self) -> str:
        """``said`` in the language in use."""
        return _SAID.say(self.said)

    @property
    def is_being_tested(self) -> bool:
        return self.test_asked_at is not None and self.test_asked_at > timezone.now() - TEST_LASTS

    @property
    def is_unanswered(self) -> bool:
        """Whether a test was asked for that nobody answered."""
        return self.test_asked_at is not None and not self.is_being_tested

    def as_own_key(self) -> OwnKey:
        """As remote workers get it."""
        return OwnKey(id=str(self.id), pair=self.pair, sealed=self.sealed)


class KeyedClip(models.Model):
    """That a clip is made with a workspace's own key, and with no other. The note outlives the key: what the clip cost
    the provider's customer was no bill of the house's."""

    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    key = models.ForeignKey(
        ProviderKey, on_delete=models.SET_NULL, null=True, related_name="clips", db_constraint=False
    )

    def __str__(self) -> str:
        return f"{self.generation_id} by {self.key_id}"
