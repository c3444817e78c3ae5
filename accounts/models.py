"""Who is asking, and what is theirs: the workspace is the tenant, and everything that is made belongs to one."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Lower, Upper
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.email_addresses import is_address
from accounts.roles import Role, Scope


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(is_address(username or ""))


EMAIL_DOMAIN: Final = Func(F("email"), template="split_part(%(expressions)s, '@', 2)", output_field=models.TextField())
"""What stands behind the @ of an address; written out, as the index has it."""


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in, known by email address."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now)
    language = models.CharField(max_length=10, blank=True, default="", db_default="")
    """What they read in, mail and, where they chose it, pages: a code of ``settings.LANGUAGES``; empty of somebody who
    never signed in."""
    is_language_chosen = models.BooleanField(default=False, db_default=False)
    """Whether they said so themselves. Else it was noted when they signed in, and pages go by the browser."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique")]
        # As ``istartswith`` compares: staff looks for the beginning of an address, its domain or a name.
        indexes = [
            models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="user_by_email"),
            models.Index(OpClass(Upper(EMAIL_DOMAIN), "text_pattern_ops"), name="user_by_email_domain"),
            models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="user_by_name"),
        ]

    def __str__(self) -> str:
        return self.email


class Workspace(models.Model):
    """The tenant: clips, credits, keys and members hang on it."""

    class Kind(models.TextChoices):
        VISITOR = "visitor"
        PERSONAL = "personal"
        TEAM = "team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    suspended_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    makes_private_clips = models.BooleanField(default=False)
    """Of a team: whether a new clip is its maker's alone until they share it."""
    merged_into = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="merged")

    class Meta:
        permissions = [
            ("look_into_workspace", "Can look into a workspace, read only"),
            ("suspend_workspace", "Can suspend workspaces and lift the suspension"),
        ]
        indexes = [
            models.Index(fields=["closed_at"], name="workspace_closing", condition=Q(closed_at__isnull=False)),
            models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="workspace_by_name"),
            models.Index(fields=["-created_at", "-id"], name="workspace_newest"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.id}"

    @property
    def is_visitor(self) -> bool:
        return self.kind == self.Kind.VISITOR

    @property
    def is_personal(self) -> bool:
        return self.kind == self.Kind.PERSONAL

    @property
    def is_team(self) -> bool:
        return self.kind == self.Kind.TEAM

    @property
    def title(self) -> str:
        """What people call it."""
        return (
            self.name
            or {
                "visitor": _("This browser"),
                "personal": _("Personal"),
                "team": _("Team"),
            }[self.kind]
        )


class Membership(models.Model):
    """One user's membership of one workspace, with role and caps."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    daily_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    monthly_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_once"),
            models.UniqueConstraint(fields=["workspace"], condition=Q(role="owner"), name="membership_one_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace} as {self.role}"


class Visitor(models.Model):
    """Someone without an account: a signed cookie names this row, and this row owns a workspace."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="visitor")
    created_at = models.DateTimeField(default=timezone.now)
    network = models.CharField(max_length=32, blank=True)
    """Where they came from, as ``networks.lasting_fingerprint_of`` says it: for some days, in case of a ban."""

    class Meta:
        indexes = [
            models.Index(fields=["network"], name="visitor_of_network", condition=~Q(network="")),
            models.Index(fields=["created_at"], name="visitor_network_known", condition=~Q(network="")),
        ]

    def __str__(self) -> str:
        return f"visitor {self.id}"


class Ban(models.Model):
    """A ban on one visitor, or on whoever comes from one network without an account. See accounts.bans."""

    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, null=True, blank=True, related_name="bans")
    network = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=200, help_text="Whoever is banned reads it.")
    banned_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is lifted.")
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["network"], name="ban_of_network", condition=Q(lifted_at=None) & ~Q(network="")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(visitor__isnull=True) & ~Q(network="") | Q(visitor__isnull=False, network=""),
                name="ban_of_one",
            )
        ]

    def __str__(self) -> str:
        return f"ban of {self.visitor or 'a network'}: {self.reason}"

    @property
    def is_live(self) -> bool:
        return self.lifted_at is None and (self.until is None or self.until > timezone.now())


class Invitation(models.Model):
    """An invitation of an address into a team. The link's token is stored as its digest alone."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("workspace", Lower("email"), name="invitation_once")]

    def __str__(self) -> str:
        return f"{self.email} into {self.workspace} as {self.role}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> ApiKeyQuerySet:
        """Those that hold now: neither revoked nor expired."""
        unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at__isnull=True)


class ApiKey(models.Model):
    """A machine's way in. Of the secret only its digest is stored, and of a connection, which has none, nothing;
    ``prefix`` finds the row and names the key."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=24, unique=True)
    digest = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    daily_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    monthly_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    origin = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """The first key of its line, for one that a rotation made: caps and clips go on as if it were the same key."""
    origins = ArrayField(models.CharField(max_length=200), default=list, blank=True, db_default=[])
    """Of browser apps, from which alone it may be used; none: it is for programs. See ``accounts.origins``."""
    oauth_client = models.ForeignKey(
        "allauth_idp_oidc.Client", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    """Of a connection, the app whose it is. See ``accounts.oauth``."""
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["oauth_client"], name="key_of_oauth_client", condition=Q(oauth_client__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.prefix}…"

    @property
    def is_connection(self) -> bool:
        """Whether it has no text: an app's tokens stand for it."""
        return not self.digest

    @property
    def line_id(self) -> int:
        """Id of the first key of its line, which may be itself."""
        return self.origin_id or self.id

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class AuditEntry(models.Model):
    """Something that changed access or money: who, what, to what, when. Written once; after some days it forgets from
    which network, and that is all that ever changes."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="audit_entries")
    at = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=40)
    actor = models.CharField(max_length=254)
    subject = models.CharField(max_length=254, blank=True)
    detail = models.JSONField(default=dict)
    network = models.CharField(max_length=32, blank=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        permissions = [("view_staff_acts", "Can see what staff did on the pages that they may open")]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="audit_of_workspace"),
            # For staff, who finds the newest by who did it, to what, and what it was.
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["subject", "-id"], name="audit_by_subject"),
            models.Index(fields=["event", "-id"], name="audit_by_event"),
            models.Index(fields=["at"], name="audit_network_known", condition=~Q(network="")),
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["-id"], name="audit_of_staff", condition=Q(actor__startswith="staff ")),
            models.Index(fields=["event", "-id"], name="audit_of_staff_event", condition=Q(actor__startswith="staff ")),
        ]

    def __str__(self) -> str:
        return f"{self.at:%F %T} {self.actor} {self.event} {self.subject}"
