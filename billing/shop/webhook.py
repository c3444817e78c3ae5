"""The address that Stripe calls."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.shop import inbox
from loremotion.row_security import across_workspaces


@csrf_exempt
@require_POST
@across_workspaces("what Stripe says is for the site, not for a workspace")
def receive(request: HttpRequest) -> HttpResponse:
    """Store what Stripe sent and answer at once; the process ``stripe`` does the work. A wrong signature is a 400."""
    try:
        is_new = inbox.receive(request.body, request.headers.get("Stripe-Signature", ""))
    except inbox.BadSignature as refusal:
        return JsonResponse({"error": str(refusal)}, status=refusal.status)
    except (ValueError, KeyError, TypeError, AttributeError):
        return JsonResponse({"error": "This is no event of Stripe's."}, status=400)
    return JsonResponse({"received": True, "new": is_new})
