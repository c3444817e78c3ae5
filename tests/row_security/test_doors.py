"""Where the code looks across workspaces. Each place was looked at for what it may show; a new one is to be as well."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
APPS = ("accounts", "billing", "catalog", "generation", "loremotion")

REVIEWED = {
    "accounts/bans.py": 2,
    "accounts/claims.py": 1,
    "accounts/device_login.py": 1,  # a key of the workspace of whoever agreed, for the program that they agreed to
    "accounts/erasure.py": 1,
    "accounts/invitations.py": 2,
    "accounts/members.py": 1,
    "accounts/sign_in_mail.py": 1,  # who asks for a code may be in no workspace
    "accounts/oauth/views.py": 3,  # a code or token names one connection; consent is for the person's own workspaces
    "accounts/tenancy.py": 1,
    "accounts/views/account.py": 1,  # the number of the person's own connections, as on their page
    "accounts/views/apps.py": 2,  # the person's own connections, where they are a member
    "accounts/visitors.py": 2,
    "accounts/workspaces.py": 6,
    "billing/shop/webhook.py": 1,
    "generation/api/listing.py": 1,  # only ids come out, of the caller's own; the rows are read behind the wall
    "generation/scheduling/dispatch.py": 1,
    "generation/scheduling/queue_trace.py": 1,  # numbers and times, for whoever runs the site
    "generation/scheduling/prospect.py": 2,
    "generation/scheduling/wait.py": 2,
    "generation/storage/arrivals.py": 2,  # a file and its announcement: the permit in the address names one attempt
    "generation/storage/retention.py": 3,
    "generation/moderation/totals.py": 2,  # sums that name nobody
    "generation/notices/likeness.py": 2,  # what looks like what was taken down; a report for staff comes out
    "generation/notices/notices.py": 1,  # whoever reports a clip is no member of its workspace
    "generation/legal/transparency.py": 1,  # sums that name nobody
    "generation/provenance/inspection.py": 3,  # by digest, label, picture; a model and a day come out, not whose it is
    "generation/sharing/removals.py": 2,  # a copy of what was taken down anywhere; yes or no, or its report comes out
    "generation/sharing/public.py": 4,  # a token is the permission, or staff picked it; public parts come out, or a yes
    "generation/live/polling.py": 1,
    "generation/pages/family.py": 1,
    "generation/characters/keeping.py": 1,  # keys of a row that was found behind the wall, or made just now
    "generation/submission/uploads.py": 1,  # as there; digests of what was sent come out
    "generation/submission/remote_ceilings.py": 1,  # credits of a day by all; only whether there is room comes out
    "loremotion/metrics.py": 1,  # figures of the whole site, which hold nobody's words
    "loremotion/row_security/middleware.py": 1,  # lift(), for staff on the admin's pages
}


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_each_place_that_looks_across_workspaces_is_reviewed() -> None:
    found: Counter[str] = Counter()
    for path in (path for app in APPS for path in (ROOT / app).rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        found[str(path.relative_to(ROOT))] += sum(called(call) in ("across_workspaces", "lift") for call in calls)
    assert dict(+found) == REVIEWED
