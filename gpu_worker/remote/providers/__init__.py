"""The providers: one file each, by the name that accounts and families have for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import httpx

from gpu_worker.remote.accounts import Account
from gpu_worker.remote.provider import Provider
from gpu_worker.remote.providers.kling import Kling
from gpu_worker.remote.providers.ltx import Ltx
from gpu_worker.remote.providers.openai import OpenAIShaped
from gpu_worker.remote.providers.veo import Veo


def provider_of(account: Account, transport: httpx.BaseTransport | None = None) -> Provider:
    """Return what speaks to the account; ``transport`` sends for it."""
    return _KINDS[account.provider](account, transport)


_KINDS: Final[Mapping[str, Callable[[Account, httpx.BaseTransport | None], Provider]]] = {
    "openai": OpenAIShaped,
    "veo": Veo,
    "kling": Kling,
    "ltx": Ltx,
}
