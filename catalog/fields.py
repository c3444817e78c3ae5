"""Form fields for what does not fit into one line: lists of words, lines, and small YAML documents."""

from __future__ import annotations

from typing import Any

import yaml
from django import forms
from django.core.exceptions import ValidationError

from catalog import documents


class LinesField(forms.CharField):
    """A list, one entry to a line."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class WordsField(LinesField):
    """A list of words, separated by commas or spaces."""

    def __init__(self, *, upper: bool = False, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"size": 60}), **kwargs)
        self._upper = upper

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = (value or "").upper() if self._upper else value or ""
        return list(dict.fromkeys(text.replace(",", " ").split()))


class YAMLField(forms.CharField):
    """A small document that people can read: a mapping or a list."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 90, "spellcheck": "false"})

    def __init__(self, *, empty: Any, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self._empty = empty

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):  # what somebody typed, shown again beside its error
            return value
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None) if value else ""

    def to_python(self, value: Any) -> Any:
        try:
            document = documents.read(value or "")
        except documents.NotYAML as error:
            raise ValidationError(str(error)) from error
        return self._empty if document is None else document

    def validate(self, value: Any) -> None:
        if self.required and value in (None, "", {}, []):
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """CharField's are about text; ``catalog.validation`` checks the document."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or self._empty) != self.to_python(data))
        except ValidationError:
            return True
