"""Small documents of a version that staff fill in cell by cell: prices, and the speed that they come from.

Without JavaScript. Whoever would rather writes the whole document as YAML, which then stands in the place of the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from catalog import documents
from catalog.costs import PACE
from catalog.pricing import TIERS
from gpu_worker.families.numbers import number_in


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form says of a document: the text of each cell by its name, and the YAML in their place, or nothing."""

    cells: Mapping[str, str] = field(default_factory=dict)
    yaml: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One input of a document, as its template shows it."""

    name: str
    id: str
    label: str
    value: str
    problem: str


class CellsWidget(forms.Widget):
    """Inputs called ``name.cell``, and a text area called ``name`` for YAML in their place."""

    template = ""

    def __init__(self) -> None:
        super().__init__()
        self.problems: Mapping[str, str] = {}
        """Cell → what is wrong with it, for the one who reads the form again."""
        self.note = ""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Typed:
        prefix = f"{name}."
        cells = {key.removeprefix(prefix): str(data[key]).strip() for key in data if key.startswith(prefix)}
        return Typed(cells, data.get(name) or "")

    def id_for_label(self, id_: str) -> str:
        """Nothing: there are as many inputs as there are cells, each with a label of its own."""
        return ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        typed = value if isinstance(value, Typed) else Typed()
        id_ = (attrs or {}).get("id", name)

        def cell(of: str, label: str) -> Cell:
            return Cell(f"{name}.{of}", f"{id_}.{of}", label, typed.cells.get(of, ""), self.problems.get(of, ""))

        shown = {"name": name, "id": id_, "yaml": typed.yaml, "note": self.note, **self.shown(cell)}
        return render_to_string(self.template, shown)

    def shown(self, cell: Callable[[str, str], Cell]) -> dict[str, Any]:
        """Return what the template lays out. ``cell`` makes one of its name within the document and its label."""
        raise NotImplementedError


class PriceTable(CellsWidget):
    """A row for each preset, a column for each size tier."""

    template = "admin/catalog/model/prices.html"

    def __init__(self) -> None:
        super().__init__()
        self.presets: list[str] = []
        self.tiers: list[str] = []

    def shown(self, cell: Callable[[str, str], Cell]) -> dict[str, Any]:
        rows = [
            (preset, [(tier, cell(f"{preset}.{tier}", f"{preset}, {tier}")) for tier in self.tiers])
            for preset in self.presets
        ]
        return {"tiers": self.tiers, "rows": rows}


class SpeedInputs(CellsWidget):
    """One input for each part of a reference speed."""

    template = "admin/catalog/model/reference_speed.html"
    PARTS: Final = (
        ("gpu_seconds", "GPU seconds", "390"),
        ("card", "Card", ""),
        ("size", "Size in pixels", "832x480"),
        ("frames", "Frames", "81"),
        ("steps", "Steps", "40"),
        ("source", "Who says so", "Its README"),
    )

    def shown(self, cell: Callable[[str, str], Cell]) -> dict[str, Any]:
        return {
            "parts": [(name, cell(name, label), example) for name, label, example in self.PARTS],
            "cards": list(PACE),
        }


class CellsField(forms.Field):
    """A document whose values stand in cells, or that is written as YAML."""

    def prepare_value(self, value: Any) -> Typed:
        if isinstance(value, Typed):  # what somebody typed, shown again beside its error
            return value
        return Typed(self.cells_of(value)) if isinstance(value, Mapping) else Typed(yaml=value or "")

    def to_python(self, value: Any) -> Any:
        assert isinstance(value, Typed)
        if not value.yaml.strip():
            return self.document_of(value.cells)
        try:
            document = documents.read(value.yaml)
        except documents.NotYAML as error:
            raise ValidationError(str(error)) from error
        return {} if document is None else document

    def validate(self, value: Any) -> None:
        if self.required and value in (None, "", {}, []):
            raise ValidationError(self.error_messages["required"], code="required")

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True

    def cells_of(self, document: Mapping[str, Any]) -> dict[str, str]:
        raise NotImplementedError

    def document_of(self, cells: Mapping[str, str]) -> dict[str, Any]:
        """Return the document that the cells make up. What is no number stays as it was typed, to be complained of."""
        raise NotImplementedError


class PricesField(CellsField):
    """``{preset: {tier: millicredits}}``; an empty cell is no price."""

    widget = PriceTable

    def cells_of(self, document: Mapping[str, Any]) -> dict[str, str]:
        rows = ((preset, row) for preset, row in document.items() if isinstance(row, Mapping))
        return {f"{preset}.{tier}": str(price) for preset, row in rows for tier, price in row.items()}

    def document_of(self, cells: Mapping[str, str]) -> dict[str, Any]:
        prices: dict[str, Any] = {}
        for name, text in cells.items():
            preset, _, tier = name.rpartition(".")
            if text and preset:
                prices.setdefault(preset, {})[tier] = number_in(text)
        return prices

    def lay_out(self, presets: Any, tiers: Iterable[str], prices: Any, *, default: str) -> None:
        """Give the table its rows, from the quickest preset to the most thorough, and its columns.

        What has a price already keeps its place, so that nothing is lost unseen; a new model begins with its default
        preset, and with every tier.
        """
        assert isinstance(self.widget, PriceTable)
        presets = presets if isinstance(presets, Mapping) else {}
        priced = {preset: row for preset, row in prices.items() if isinstance(row, Mapping)} if prices else {}
        names = [str(name) for name in (presets or priced or [default])]
        steps = {name: number_in(str(preset.get("steps"))) for name, preset in presets.items() if preset}
        wanted = {*tiers} | {tier for row in priced.values() for tier in row}
        self.widget.presets = sorted(names, key=lambda name: (_rank(steps.get(name)), name))
        self.widget.tiers = [tier for tier in TIERS if tier in wanted] or list(TIERS)


class SpeedField(CellsField):
    """``{gpu_seconds, card, size, frames, steps, source}``, or nothing."""

    widget = SpeedInputs
    NUMBERS: Final = {"gpu_seconds", "frames", "steps"}

    def cells_of(self, document: Mapping[str, Any]) -> dict[str, str]:
        return {name: str(value) for name, value in document.items()}

    def document_of(self, cells: Mapping[str, str]) -> dict[str, Any]:
        return {name: number_in(text) if name in self.NUMBERS else text for name, text in cells.items() if text}


def _rank(steps: Any) -> float:
    return float(steps) if isinstance(steps, int | float) else 0.0
