"""Dotted names of what apps call that lies above them."""

from __future__ import annotations

# What billing shows without knowing it: what a clip costs with each model, and with the one that a request gets which
# names none; the page that a hold is for, and what that is called to those who see it.
CLIP_PRICES = "catalog.samples.clip_prices"
DEFAULT_CLIP_PRICE = "catalog.samples.default_clip_price"
HOLD_PAGE = "generation:detail"
HOLD_TITLES = "generation.access.titles"
# Says what an account's requests of the present day and month cost: see billing.shop.budgets.
ACCOUNT_SPENDING = "generation.spending.credits_by_period"
# Says what each of a workspace's API keys spent lately: see accounts.views.keys.
KEY_SPENDING = "generation.spending.spending_by_key"
# Modules that keep something for a workspace and move, stop, export and erase it: see accounts.workspace_data.
WORKSPACE_DATA = [
    "generation.workspace_data",
    "generation.boards.workspace_data",
    "generation.storyboards.workspace_data",
    "generation.characters.workspace_data",
    "generation.webhooks.workspace_data",
    "generation.provider_keys.workspace_data",
    "generation.moderation.workspace_data",
    "generation.notices.workspace_data",
    "accounts.mail_data",
    "billing.shop.workspace_data",
]
# Says what Prometheus is told of the site as a whole: see loremotion.metrics.
SITE_FIGURES = "generation.site_figures.collect"
# What a process does before it serves: see loremotion.asgi.
BEFORE_SERVING = ["accounts.request_log.write_behind"]
# Says what the admin's first page shows: see loremotion.staff_site.
STAFF_HOME = "generation.staff.today.figures_of"
# Says how much waits for staff, page by page, for the admin's list of pages: see loremotion.staff_sections.
STAFF_WAITING = "generation.staff.needs.by_page"
# The admin's pages that are no model's: see loremotion.staff_pages.
STAFF_PAGES = "generation.staff.pages.PAGES"
# Says what a right is called where superusers give it: see loremotion.staff_refusals.
STAFF_RIGHT = "accounts.rights.name_of_right"
# Says what staff calls a customer, by the id of the workspace: see loremotion.outbox.admin.
CUSTOMER_TITLE = "accounts.whose.title_by_id"
# Says whose own account it is, which nobody gives credits to alone: see billing.proposals.
ACCOUNT_MEMBERSHIP = "accounts.members.is_active_member"
# Says how many members the plan of a workspace has room for: see accounts.seats.
WORKSPACE_SEATS = "billing.plans.seats"
