"""How many files one process looks into at a time: each may keep a processor busy for seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import networks
from loremotion.refusals import Unavailable

AT_ONCE: Final = 2
_lock = threading.Lock()
_looked_into_for: set[str] = set()


def slot_for(request: HttpRequest) -> AbstractContextManager[None]:
    """A slot for one file of whoever asks. No network has two, so that one alone keeps it from nobody else.

    Raises:
        Unavailable: this network has one already, or all are taken.
    """
    return slot_of(networks.prefix_of(request))


@contextmanager
def slot_of(network: str) -> Iterator[None]:
    """Do as ``slot_for``, by the prefix of the network."""
    with _lock:
        if network in _looked_into_for:
            said = _("We're looking into another file from your network right now.")
        elif len(_looked_into_for) >= AT_ONCE:
            said = _("We're looking into other files right now.")
        else:
            said = ""
            _looked_into_for.add(network)
    if said:
        raise Unavailable("busy", said, next_step=_("Try again in a minute."))
    try:
        yield
    finally:
        with _lock:
            _looked_into_for.remove(network)
