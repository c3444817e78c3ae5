"""What the labels of a guard model mean: label → category, and the scores from which a prompt is held or refused."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError

from generation.moderation.verdict import Category

Label = dict[str, Any]
"""``category``, and ``held``, ``refused`` or both: scores from 0 to 1."""

_SEXUAL: Final = {"category": "sexual", "held": 0.8}
_MINORS: Final = {"category": "sexual_minors", "held": 0.3, "refused": 0.8}
_HATE: Final = {"category": "hate", "held": 0.8, "refused": 0.95}
_SELF_HARM: Final = {"category": "self_harm", "held": 0.8, "refused": 0.95}
_VIOLENCE: Final = {"category": "violence", "held": 0.9}


def usual() -> dict[str, Label]:
    """The labels of OpenAI's moderation, of classifiers trained on its data, and of those of toxic comments."""
    return {
        **dict.fromkeys(("sexual", "S"), _SEXUAL),
        **dict.fromkeys(("sexual/minors", "S3"), _MINORS),
        **dict.fromkeys(("hate", "hate/threatening", "H", "H2", "identity_hate"), _HATE),
        **dict.fromkeys(("self-harm/instructions", "self-harm/intent", "SH"), _SELF_HARM),
        **dict.fromkeys(("violence/graphic", "V2"), _VIOLENCE),
        "illicit/violent": {"category": "weapons", "held": 0.8, "refused": 0.95},
    }


def validate(labels: Any) -> None:
    """
    Raises:
        ValidationError: what is wrong with which label.
    """
    if not isinstance(labels, dict) or not labels:
        raise ValidationError("Name at least one label.")
    categories = {category.value for category in Category} - {Category.UNJUDGED.value}
    for name, said in labels.items():
        if not isinstance(said, dict) or said.get("category") not in categories:
            raise ValidationError(f"The category of “{name}” has to be one of {', '.join(sorted(categories))}.")
        scores = {key: value for key, value in said.items() if key != "category"}
        if not scores or not scores.keys() <= {"held", "refused"} or not all(map(_is_score, scores.values())):
            raise ValidationError(f"“{name}” needs “held”, “refused” or both, each a score above 0 and at most 1.")


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
