"""What a workspace may spend on each model in a day and in a month, as whoever pays there sets it."""

from __future__ import annotations

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import Workspace
from billing.plans import entitlements
from billing.shop.budgets import Period
from catalog.models import Model

MOST_CREDITS = 2**31 - 1


class ModelLimitsForm(forms.Form):
    """Two numbers a model. Empty is no limit."""

    def __init__(self, sent: QueryDict | None = None, *, workspace: Workspace) -> None:
        caps = entitlements(workspace.id).caps_by_item
        self.models = [model for model in Model.objects.for_people() if model.is_enabled or str(model.id) in caps]
        known = {f"{period}-{model}": credits for model, limits in caps.items() for period, credits in limits.items()}
        super().__init__(sent, initial=known)
        for model in self.models:
            for period in Period:
                words = _("Credits a day on %(model)s") if period == Period.DAY else _("Credits a month on %(model)s")
                label = words % {"model": model.name}
                attributes = {"aria-label": label, "min": 0, "placeholder": _("no limit")}
                self.fields[f"{period}-{model.id}"] = forms.IntegerField(
                    required=False,
                    min_value=0,
                    max_value=MOST_CREDITS,
                    label=label,
                    widget=forms.NumberInput(attrs=attributes),
                )

    def rows(self) -> list[tuple[Model, list[forms.BoundField]]]:
        """Each model with its fields, that of the day first."""
        return [(model, [self[f"{period}-{model.id}"] for period in Period]) for model in self.models]

    def caps(self) -> dict[str, dict[str, int]]:
        """The valid form as ``budgets.set_caps_by_item`` takes it."""
        said = {
            str(model.id): {
                period.value: credits
                for period in Period
                if (credits := self.cleaned_data[f"{period}-{model.id}"]) is not None
            }
            for model in self.models
        }
        return {model: limits for model, limits in said.items() if limits}
