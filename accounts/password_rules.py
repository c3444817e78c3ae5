"""What a new password must be: Django's rules, told in one line before and in full where one is broken."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    UserAttributeSimilarityValidator,
)
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class PasswordRules:
    """Long enough, unlike what is known of its owner, and none that everybody uses."""

    def __init__(self, min_length: int) -> None:
        self.min_length = min_length
        self._rules = (
            UserAttributeSimilarityValidator(),
            MinimumLengthValidator(min_length),
            CommonPasswordValidator(),
        )

    def validate(self, password: str, user: Any = None) -> None:
        """Check a password.

        Raises:
            ValidationError: of every rule that it breaks.
        """
        broken = []
        for rule in self._rules:
            try:
                rule.validate(password, user)
            except ValidationError as error:
                broken.append(error)
        if broken:
            raise ValidationError(broken)

    def get_help_text(self) -> str:
        return _("At least %(number)s characters.") % {"number": self.min_length}
