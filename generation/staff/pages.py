"""The admin's pages that are no model's, and the permission of each."""

from __future__ import annotations

from typing import Final

from generation.staff import catalogue, clips, customers, fleet, money, system
from generation.staff.audit import page as audit_log
from loremotion.staff_pages import StaffPage, View

_OPERATE: Final = "generation.operate_fleet"
_CUSTOMER: Final = "accounts.view_workspace"
_AUDIT: Final = "accounts.view_auditentry"
_STAFF_ACTS: Final = "accounts.view_staff_acts"


def _action(name: str, route: str, view: View, permission: str) -> StaffPage:
    return StaffPage(name, route, view, permission, is_action=True)


def _of_customer(name: str, route: str, view: View, permission: str) -> StaffPage:
    return _action(name, f"customers/<uuid:workspace_id>/{route}/", view, permission)


PAGES: Final = (
    StaffPage("catalogue", "catalogue/", catalogue.page, "catalog.view_model", "Models", "Catalogue"),
    StaffPage("catalogue_add", "catalogue/add/", catalogue.add, "catalog.add_model"),
    StaffPage("make_default", "catalogue/<int:model_id>/default/", catalogue.make_default, "catalog.change_alias"),
    _action("enable_model", "catalogue/<int:model_id>/enable/", catalogue.enable, "catalog.change_model"),
    _action("disable_model", "catalogue/<int:model_id>/disable/", catalogue.disable, "catalog.change_model"),
    _action("suggest_prices", "catalogue/<int:model_id>/prices/", catalogue.suggest_prices, "catalog.change_model"),
    StaffPage("generation_fleet", "fleet/", fleet.page, "generation.view_fleet", "GPUs and queue", "Fleet"),
    _action("fleet_drain", "fleet/drain/", fleet.drain, _OPERATE),
    _action("fleet_resume", "fleet/resume/", fleet.resume, _OPERATE),
    _action("fleet_preload", "fleet/preload/", fleet.preload, _OPERATE),
    _action("fleet_evict", "fleet/evict/", fleet.evict, _OPERATE),
    _action("fleet_stop", "fleet/stop/", fleet.stop, _OPERATE),
    StaffPage("clip_poster", "clips/<uuid:generation_id>/poster.jpg", clips.poster, "generation.view_generation"),
    _action("clip_retry", "clips/<uuid:generation_id>/retry/", clips.retry_one, "generation.retry_generation"),
    _action("clip_cancel", "clips/<uuid:generation_id>/cancel/", clips.cancel_one, "generation.cancel_generation"),
    StaffPage("customers", "customers/", customers.search, _CUSTOMER, "Find a customer", "Customers"),
    StaffPage("customer", "customers/<uuid:workspace_id>/", customers.page, _CUSTOMER),
    StaffPage("customer_key", "customers/<uuid:workspace_id>/keys/<int:key_id>/", customers.key, _AUDIT),
    _of_customer(
        "customer_key_origins", "keys/<int:key_id>/origins", customers.set_key_origins, "accounts.suspend_workspace"
    ),
    _of_customer("customer_key_revoke", "keys/<int:key_id>/revoke", customers.revoke_key, "accounts.suspend_workspace"),
    _of_customer("customer_credits", "credits", customers.move_credits, "billing.adjust_credits"),
    _of_customer("customer_preview", "credits/preview", customers.preview_credits, "billing.adjust_credits"),
    _of_customer("customer_look", "look", customers.look_into, "accounts.look_into_workspace"),
    _of_customer("customer_suspend", "suspend", customers.suspend, "accounts.suspend_workspace"),
    _of_customer("customer_unsuspend", "unsuspend", customers.unsuspend, "accounts.suspend_workspace"),
    StaffPage("audit_log", "audit/", audit_log.page, _STAFF_ACTS, "Audit log", "People"),
    StaffPage("audit_export", "audit/log.csv", audit_log.export, _STAFF_ACTS),
    StaffPage("money", "money/", money.page, "shop.view_revenue", "Revenue and liability", "Money"),
    StaffPage("money_export", "money/payments.csv", money.export, "shop.view_revenue"),
    StaffPage("system", "system/", system.page, "generation.view_system", "Processes and queues", "System"),
    StaffPage("health", "health/", system.health_moved, "generation.view_system"),
)
