"""Keys that workspaces brought: opened here, for one clip or one test, and sent to the account's own address alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gpu_worker.contract import OWN_ACCOUNT, KeyTest, OwnKey, RenderJob
from gpu_worker.error_codes import OWN_KEY_REFUSED, OWN_KEY_UNOPENED
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import AccountRefused, Busy, NoSuchJob, RemoteFailed, Unanswered
from gpu_worker.remote.provider import Provider
from gpu_worker.remote.providers import provider_of
from gpu_worker.sealed_keys import Credentials, PrivateKeys, Unopenable, texts_of

CONCEALED: Final = "…"
LEAST_CONCEALED: Final = 4
"""Characters: less than that stands in many a word."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An account as a workspace's own key has it."""

    provider: Provider
    _credentials: Credentials = field(repr=False)

    def conceal(self, words: str) -> str:
        """Return a provider's words without the key, which some repeat."""
        for text in texts_of(self._credentials):
            if len(text) >= LEAST_CONCEALED:
                words = words.replace(text, CONCEALED)
        return words

    def as_own(self, problem: RemoteFailed) -> RemoteFailed:
        """Return what went wrong, in the words of whoever brought the key."""
        if not isinstance(problem, AccountRefused):
            return RemoteFailed(problem.code, self.conceal(str(problem)), is_retryable=problem.is_retryable)
        words = f"{self.provider.title} does not take your workspace's own key ({problem.status})."
        return RemoteFailed(OWN_KEY_REFUSED, f"{words} Test or replace it under Provider keys.")


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """What this host can do with workspaces' own keys."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    private: PrivateKeys = field(default_factory=PrivateKeys)
    make: Callable[[Account], Provider] = provider_of

    @property
    def pairs(self) -> tuple[str, ...]:
        """What it can open."""
        return self.private.pairs

    def open(self, own_key: OwnKey, account: str) -> Opened:
        """Return ``account`` with the workspace's key in the place of the host's.

        Raises:
            RemoteFailed: the host cannot open it, or has no such account.
        """
        found = self.accounts.get(account)
        try:
            credentials = self.private.open(own_key, account)
        except Unopenable:
            raise RemoteFailed(
                OWN_KEY_UNOPENED, "We can't open your workspace's own key. Add it again under Provider keys."
            ) from None
        if found is None:
            raise RemoteFailed(OWN_KEY_UNOPENED, f"No account {account!r} is set up for your workspace's own key.")
        with_key = replace(found, key=credentials.key, secret=credentials.secret)
        return Opened(self.make(with_key), credentials)

    def test(self, own_key: OwnKey, account: str) -> tuple[KeyTest, str]:
        """Ask the provider for something that costs nothing. Returns what came of it, and in which words."""
        try:
            opened = self.open(own_key, account)
        except RemoteFailed as problem:
            return KeyTest.UNTOLD, str(problem)
        title = opened.provider.title
        try:
            return KeyTest.WORKS, f"{title} takes it: {opened.conceal(opened.provider.look_around())}"
        except AccountRefused as refusal:
            return KeyTest.REFUSED, f"{title} does not take it ({refusal.status})."
        except (Busy, NoSuchJob, RemoteFailed, Unanswered) as problem:
            return KeyTest.UNTOLD, opened.conceal(str(problem))


def account_of(job: RenderJob) -> tuple[str, str]:
    """Return the account that a job names, and the provider's name of the model."""
    account, _, model = job.model.source.partition("/")
    return (account.removeprefix(OWN_ACCOUNT) if job.own_key is not None else account), model
