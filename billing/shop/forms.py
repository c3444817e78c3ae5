from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from billing.shop.models import Budget


class BudgetForm(forms.ModelForm[Budget]):
    """What a workspace may spend in a month, and when to warn it. Empty is no limit and no mail."""

    class Meta:
        model = Budget
        fields = ["daily_cap_credits", "monthly_cap_credits", "warn_below_credits", "warn_address"]
        labels = {
            "daily_cap_credits": gettext_lazy("Daily limit in credits"),
            "monthly_cap_credits": gettext_lazy("Monthly limit in credits"),
            "warn_below_credits": gettext_lazy("Email me when fewer credits are left than"),
            "warn_address": gettext_lazy("Send to"),
        }

    @property
    def for_audit(self) -> dict[str, Any]:
        return {
            "daily_cap": self.instance.daily_cap_credits,
            "cap": self.instance.monthly_cap_credits,
            "warn_below": self.instance.warn_below_credits,
        }
