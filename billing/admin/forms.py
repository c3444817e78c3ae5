"""What staff fills in. Each form carries a reference that is made with it, so that sending it twice does it once."""

from __future__ import annotations

from django import forms

from billing.ledger import Debt

MOST_CREDITS_AT_ONCE = 1_000_000


class MoveForm(forms.Form):
    """How many credits, and why; whether they are given or taken is said by the button that sends it."""

    amount = forms.IntegerField(
        min_value=1,
        max_value=MOST_CREDITS_AT_ONCE,
        error_messages={"min_value": "Write how many credits, 1 or more: whether to give or take them is a button."},
    )
    reason = forms.CharField(max_length=500, help_text="For whoever reads the history later, the workspace included.")
    reference = forms.UUIDField(widget=forms.HiddenInput)


class WriteOffForm(forms.Form):
    """Whose debt is given up, how much of it, and why."""

    grant = forms.ChoiceField(label="Owed for")
    amount = forms.IntegerField(min_value=1, max_value=MOST_CREDITS_AT_ONCE, help_text="Credits to give up.")
    reason = forms.CharField(max_length=500, help_text="For whoever reads the history later, the workspace included.")
    reference = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: object, debts: list[Debt], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # passed through
        choices = [(debt.grant, f"{debt.grant}: {debt.owed}") for debt in debts]
        self.fields["grant"] = forms.ChoiceField(label="Owed for", choices=choices)


class DecisionForm(forms.Form):
    """Yes or no, and why."""

    reason = forms.CharField(max_length=500, help_text="Kept beside the proposal; the workspace does not see it.")
