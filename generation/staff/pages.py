"""The admin's pages that are no model's, and the permission of each."""

from __future__ import annotations

from typing import Final

from generation.staff import fleet, system
from loremotion.staff_pages import StaffPage, View

_OPERATE: Final = "generation.operate_fleet"


def _action(name: str, route: str, view: View, permission: str) -> StaffPage:
    return StaffPage(name, route, view, permission, is_action=True)


PAGES: Final = (
    StaffPage("generation_fleet", "fleet/", fleet.page, "generation.view_fleet", "GPUs and queue", "Fleet"),
    _action("fleet_drain", "fleet/drain/", fleet.drain, _OPERATE),
    _action("fleet_resume", "fleet/resume/", fleet.resume, _OPERATE),
    _action("fleet_preload", "fleet/preload/", fleet.preload, _OPERATE),
    _action("fleet_evict", "fleet/evict/", fleet.evict, _OPERATE),
    _action("fleet_stop", "fleet/stop/", fleet.stop, _OPERATE),
    StaffPage("system", "system/", system.page, "generation.view_system", "Processes and queues", "System"),
)
