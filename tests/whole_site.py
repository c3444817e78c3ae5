"""A site that the tests of a module share, whole again before each: whatever the one before ended, or left undone."""

from __future__ import annotations

from loremotion.local.stack import Stack


def make_whole(site: Stack) -> Stack:
    """Start each store and process of ``site`` that does not run, and return the site once it answers."""
    for store in (site.stores.postgres, site.stores.valkey):
        if store is not None and (store.process is None or store.process.poll() is not None):
            store.start()
    for name in site.processes:
        if not site.is_running(name):
            site.launch(name)
    if "web" in site.processes:
        site.wait_for_site()
    return site
