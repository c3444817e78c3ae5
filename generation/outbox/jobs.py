"""The names that jobs of the last release bear, importable for one release more.

They go with the next one, once no queue holds a job of before: this package, and its names in the tables of
``loremotion.outbox.jobs`` and ``generation.webhooks.jobs``.
"""

from __future__ import annotations

from generation.webhooks.jobs import deliver
from loremotion.outbox.jobs import send_mail as mail

__all__ = ["deliver", "mail"]
