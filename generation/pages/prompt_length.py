"""How much of a prompt the chosen model reads, told while it is typed: only its own tokenizer knows."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from accounts import tenancy
from catalog.prompt_length import ignored_words, measure
from catalog.selection import choose
from generation.submission.audience import audience_of
from loremotion.refusals import Refusal


@require_POST
def prompt_length(request: HttpRequest) -> JsonResponse:
    """Answer with a prompt's tokens, the limit, the end that is not read, and the words that the model does not know.

    A POST: no access log holds prompts.
    """
    try:
        version = choose(request.POST.get("model", ""), audience_of(request, tenancy.caller_of(request).workspace))
    except Refusal as refusal:
        return JsonResponse({"error": str(refusal), "field": refusal.field}, status=refusal.status)
    preset = request.POST.get("preset", "")
    text = request.POST.get("prompt", "").strip()[: version.max_prompt_characters]
    length = measure(text, version, preset if preset in version.presets else version.default_preset)
    return JsonResponse(
        {
            "tokens": length.tokens,
            "limit": length.limit,
            "is_exact": length.is_exact,
            "unread": length.unread.strip(),
            "ignored": ignored_words(text, version),
        }
    )
