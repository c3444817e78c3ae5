"""One form for a model and the version that it is at: what staff edit together is saved together."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from catalog import at_a_look, catalogue_fieldsets, costs, gates, price_list, versions
from catalog.cells import PricesField
from catalog.columns import FIELDS
from catalog.fields import WordsField
from catalog.models import Model, ModelVersion, is_slug
from catalog.pricing import tier_of
from catalog.sizes import Size
from catalog.validation import problems
from catalog.version_fields import version_fields
from gpu_worker.families import EVERY_FAMILY

LONG_TEXT = 120
"""Characters from which a field gets the admin's wide input."""
SUGGEST = "_suggest"
"""The name of the button that fills in the suggested prices."""
NOT_YET = {"prices", "source", "licence", "modes"}
"""What a form that asks for suggestions may lack."""
STEP = "_step"
"""The name of the buttons that lead to another step of adding a model."""
OF_COSTS = {"prices", "reference_speed", "surcharges"}
"""What is looked at once the step of what a model costs is done."""
MODEL_FIELDS = ["name", "slug", "summary", "status", "status_reason", "position", "canary_percent"]


def _tiers(sizes: Any) -> list[str]:
    """The price tiers of those sizes that can be read."""
    found = []
    for size in sizes or ():
        with suppress(ValueError):
            found.append(tier_of(Size.parse(str(size))))
    return found


class CatalogueForm(forms.ModelForm[Model]):
    """A model, its aliases and its current version. ``version`` is what the valid form describes, unsaved."""

    aliases = WordsField(
        required=False, help_text="Other names: default, fast … A name that another model has moves over to this one."
    )
    is_canary = forms.BooleanField(
        required=False,
        label="Only for the canary share",
        help_text="Save the changes below as the canary version; everybody else stays on the current one.",
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)
    note = forms.CharField(max_length=200, required=False, help_text="What you changed and why, for the history.")

    class Meta:
        model = Model
        fields = MODEL_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(version_fields())
        self.fields["canary_percent"].required = False  # the form for a new one does not ask for it
        current = self.instance.current
        if current is not None:
            self.initial = {**versions.state(current), **self.initial}
            self.initial["based_on"] = current.number
        if self.instance.is_enabled:
            self.initial["status_reason"] = ""  # it says why a model is not
        if self.instance.pk is not None:
            self.initial.setdefault("aliases", [alias.name for alias in self.instance.aliases.all()])
        for field in self.fields.values():
            if isinstance(field, forms.CharField) and (field.max_length or 0) >= LONG_TEXT:
                field.widget.attrs["class"] = "vLargeTextField"
        self.fields["licence"].widget.attrs["list"] = "known-licences"
        self.version: ModelVersion | None = None
        if (family := EVERY_FAMILY.get(str(self._value_in("family")))) is not None:
            shown = cast(forms.CheckboxSelectMultiple, self.fields["modes"].widget)  # the rest is refused in words
            shown.choices = [(name, f"{name}: {mode.title}") for name, mode in family.modes.items()]
        current = self.instance.current
        if current is not None and (credits := at_a_look.default_credits(current)) is not None:
            unit = "credit" if credits == 1 else "credits"
            self._prices.help_text += f" As saved, the default clip costs {credits} {unit}."
        self._prices.lay_out(
            self._value_in("presets"),
            _tiers(self._value_in("sizes")),
            self._value_in("prices"),
            default=str(self._value_in("default_preset") or "standard"),
        )

    @property
    def _prices(self) -> PricesField:
        return cast(PricesField, self.fields["prices"])

    def _value_in(self, name: str) -> Any:
        """Return what stands in a field, typed or from before; None where that cannot be read."""
        field = self.fields[name]
        if not self.is_bound:
            return self.get_initial_for_field(field, name)
        try:
            return field.clean(field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name)))
        except ValidationError:
            return None

    def is_valid(self) -> bool:
        """Whether it can be saved. Who asks for suggestions wants to see them, who is on the way has more to say."""
        return super().is_valid() and not self.asks_for_prices and self.leads_to is None

    @property
    def asks_for_prices(self) -> bool:
        """Whether it was sent to have its table filled with what the reference speed suggests."""
        return self.is_bound and SUGGEST in self.data

    @property
    def leads_to(self) -> int | None:
        """The step of adding a model that it was sent to see; None where it was sent to be saved."""
        if not self.is_bound or STEP not in self.data:
            return None
        return (
            catalogue_fieldsets.ASKS if self.data[STEP] == str(catalogue_fieldsets.ASKS) else catalogue_fieldsets.COSTS
        )

    @property
    def step(self) -> int:
        """The step to show of a new model: the first that there is a complaint about, or else where it leads."""
        wrong = [catalogue_fieldsets.step_of(name) for name in self.errors] if self.is_bound else []
        asked = self.leads_to or (catalogue_fieldsets.COSTS if self.is_bound else catalogue_fieldsets.ASKS)
        return min([*wrong, asked])

    @property
    def complaints(self) -> list[forms.BoundField]:
        """The fields that are wrong; of a new model those of the step that is shown."""
        is_new = self.instance.pk is None
        return [
            field
            for field in self
            if field.errors and not (is_new and catalogue_fieldsets.step_of(field.name) > self.step)
        ]

    @property
    def is_version_changed(self) -> bool:
        """Whether saving has to write a new version."""
        return self.instance.current is None or any(name in FIELDS for name in self.changed_data)

    def clean_canary_percent(self) -> int:
        return self.cleaned_data["canary_percent"] or 0

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.asks_for_prices or self.leads_to is not None:
            return cleaned
        if isinstance(presets := cleaned.get("presets"), dict) and isinstance(prices := cleaned.get("prices"), dict):
            gone = set() if self.data.get("prices") else prices.keys() - presets.keys()
            cleaned["prices"] = {name: row for name, row in prices.items() if name not in gone}
        if not any(name in self.errors for name in FIELDS):
            values = {name: cleaned[name] for name in FIELDS}
            self.version = versions.draft(self.instance, values)
            for field, texts in problems(self.version).items():
                for text in texts:
                    self.add_error(field, text)
            self._mark_cells(self.version)
        self._check_nobody_was_quicker(cleaned)
        self._check_status(cleaned)
        self._check_aliases(cleaned)
        if cleaned.get("is_canary") and self.instance.current is None:
            self.add_error("is_canary", "The first version is for everybody.")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # ModelForm has it, its stubs do not
        if self.asks_for_prices:
            self._suggest_prices()
        elif self.leads_to is not None:
            self._look_at_what_it_is(is_done=self.leads_to > catalogue_fieldsets.ASKS)

    def _look_at_what_it_is(self, *, is_done: bool) -> None:
        """Complain of the second step alone, once it is done; what comes later was not filled in yet."""
        kept = {
            name: errors
            for name, errors in self.errors.items()
            if is_done and catalogue_fieldsets.step_of(name) == catalogue_fieldsets.ASKS
        }
        self.errors.clear()
        self.errors.update(kept)
        if kept or not is_done:
            return
        values = {name: self.cleaned_data[name] for name in FIELDS if name in self.cleaned_data}
        version = versions.draft(self.instance, {**values, **{name: {} for name in OF_COSTS}})
        for field, texts in problems(version).items():
            if catalogue_fieldsets.step_of(field) == catalogue_fieldsets.ASKS:
                self.add_error(field, ValidationError(texts))

    def _suggest_prices(self) -> None:
        """Fill the table with what the reference speed suggests, or complain of what keeps that from being known.

        What else is missing is not complained of yet: the form is not done.
        """
        kept = {name: errors for name, errors in self.errors.items() if name in FIELDS and name not in NOT_YET}
        self.errors.clear()
        self.errors.update(kept)
        if kept:
            return
        values = {name: self.cleaned_data[name] for name in FIELDS if name not in NOT_YET}
        modes = self.cleaned_data.get("modes") or [*EVERY_FAMILY[values["family"]].modes][:1]
        version = versions.draft(self.instance, {**values, "modes": modes, "source": "-", "licence": "-", "prices": {}})
        found = {field: texts for field, texts in problems(version).items() if field not in NOT_YET}
        if not found and not version.reference_speed:
            found = {"reference_speed": ["Prices are suggested from it: fill it in first."]}
        for field, texts in found.items():
            self.add_error(field, ValidationError(texts))
        self._mark_cells(version)
        if not found:
            self._fill_in(costs.suggested_prices(version))

    def _fill_in(self, prices: dict[str, dict[str, int]]) -> None:
        name = self.add_prefix("prices")
        data = cast(QueryDict, self.data).copy()
        data[name] = ""
        for cell, text in self._prices.cells_of(prices).items():
            data[f"{name}.{cell}"] = text
        self.data = data
        self._prices.widget.note = "Filled in as the reference speed suggests. Nothing is saved yet."

    def _mark_cells(self, version: ModelVersion) -> None:
        """Have each cell say what is wrong with it."""
        prices, speed = version.prices, version.reference_speed
        is_table = isinstance(prices, dict) and all(isinstance(row, dict) for row in prices.values())
        if "prices" in self.errors and is_table and not {"presets", "sizes"} & self.errors.keys():
            cells = price_list.cell_problems(version).items()
            self._prices.widget.problems = {f"{preset}.{tier}": problem for (preset, tier), problem in cells}
        if "reference_speed" in self.errors and isinstance(speed, dict):
            self.fields["reference_speed"].widget.problems = costs.reference_part_problems(speed)

    def _check_nobody_was_quicker(self, cleaned: dict[str, Any]) -> None:
        """Refuse to save over a version that somebody else has saved meanwhile."""
        current = self.instance.current
        if current is not None and cleaned.get("based_on") != current.number:
            who = current.created_by or "somebody"
            self.add_error(
                None, f"Meanwhile {who} has saved version {current.number}. Load the page again and repeat your change."
            )

    def _check_status(self, cleaned: dict[str, Any]) -> None:
        if "status" in self.errors:  # nobody knows what it is to be, and the field says so
            return
        if cleaned.get("status") == Model.Status.ENABLED:
            if "status" in self.changed_data and "status_reason" not in self.changed_data:
                cleaned["status_reason"] = ""  # it said why the model was not
            if self.version is not None and (problem := gates.revenue_problem(self.version)):
                self.add_error("status", problem)
        elif "default" in cleaned.get("aliases", []):
            self.add_error("status", "It is the default model: give that name to another one first.")

    def _check_aliases(self, cleaned: dict[str, Any]) -> None:
        names = cleaned.get("aliases", [])
        for name in names:
            try:
                is_slug(name)
            except ValidationError:
                self.add_error("aliases", f"{name} is not a name: small letters, digits, dots and hyphens.")
        for slug in Model.objects.filter(slug__in=names).exclude(pk=self.instance.pk).values_list("slug", flat=True):
            self.add_error("aliases", f"{slug} is the name of a model.")
        if "default" in self.initial.get("aliases", []) and "default" not in names:
            self.add_error("aliases", "The name default cannot be dropped: give it to another model instead.")
