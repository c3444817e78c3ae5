"""People and workspaces for tests, as plain functions with defaults that work."""

from __future__ import annotations

import re
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.core import mail, signing
from django.test import Client
from django.utils import timezone

from accounts import workspaces
from accounts.models import Membership, User, Visitor, Workspace
from accounts.roles import Role
from billing.shop.models import Price, Subscription
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State

PASSWORD = "correct horse battery staple"


def person(email: str = "alice@example.org", *, password: str | None = PASSWORD, is_staff: bool = False) -> User:
    """Somebody who has signed up and proved the address."""
    user = User.objects.create_user(email, password, is_staff=is_staff, is_superuser=is_staff)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    workspaces.personal_of(user)
    return user


def team(owner: User, name: str = "Studio", *, plan: str = "studio", **members: User) -> Workspace:
    """A team that pays for ``plan``, "" for none; ``members`` by role: ``team(alice, viewer=bob)``."""
    made = workspaces.begin_team(name=name, owner=owner)
    if plan:
        subscribe(made, plan)
    for role, user in members.items():
        Membership.objects.create(workspace=made, user=user, role=Role(role))
    return made


def subscribe(workspace: Workspace, plan: str) -> Subscription:
    """What is left of paying for a plan once Stripe has told: the row that entitles to it."""
    return Subscription.objects.create(
        workspace=workspace.id,
        account=workspace.id,
        price=Price.objects.get(plan__slug=plan, interval="month", currency="usd"),
        stripe_subscription_id=f"sub_{workspace.id.hex}",
        status="active",
        period_start=timezone.now(),
        period_end=timezone.now() + timedelta(days=30),
    )


def visitor() -> Visitor:
    return Visitor.objects.create(workspace=Workspace.objects.create(kind=Workspace.Kind.VISITOR))


def browser_of(who: User | Visitor, workspace: Workspace | None = None) -> Client:
    """A browser in which ``who`` is known, acting in ``workspace``."""
    browser = Client()
    if isinstance(who, Visitor):
        browser.cookies["visitor"] = signing.dumps(str(who.id), salt="accounts.visitors")
        return browser
    browser.force_login(who)
    if workspace is not None:
        session = browser.session
        session["workspace"] = str(workspace.id)
        session.save()
    return browser


def sign_in(browser: Client, email: str = "alice@example.org", password: str = PASSWORD) -> int:
    """The real way in; the answer's status."""
    return browser.post("/account/login/", {"login": email, "password": password}).status_code


def post_mail() -> None:
    """Send what waits in the outbox, as its worker would."""
    for message_id in MailMessage.objects.filter(state=State.WAITING).order_by("id").values_list("id", flat=True):
        outbox_mail.send(message_id)


def code_mailed() -> str:
    """Send what waits; the code in the newest letter."""
    post_mail()
    found = re.search(r"^[A-Z0-9]{3,4}-[A-Z0-9]{3,4}$", str(mail.outbox[-1].body), flags=re.MULTILINE)
    assert found is not None, mail.outbox[-1].body
    return found[0]


def link_mailed_to(address: str) -> str:
    """Send what waits; the path of the invitation in the newest mail, which is to ``address``."""
    post_mail()
    assert mail.outbox[-1].to == [address]
    found = re.search(r"http://[^/]+(/invitation/\S+)", str(mail.outbox[-1].body))
    assert found is not None, mail.outbox[-1].body
    return found[1]


def prove_again(browser: Client, password: str = PASSWORD) -> None:
    """What sensitive changes ask for, however lately the sign-in was."""
    assert browser.post("/account/reauthenticate/", {"password": password}).status_code == 302
