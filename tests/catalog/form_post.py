"""What a browser would send for a form as it stands: the values of its controls."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class _Controls(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self._textarea: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name = given.get("name") or ""
        if tag == "input" and name:
            self._input(name, given)
        elif tag == "textarea":
            self._textarea, self.values[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.values):
            self.values[self._select] = given.get("value") or ""

    def _input(self, name: str, given: dict[str, str | None]) -> None:
        kind, value = given.get("type", "text"), given.get("value") or ""
        if kind in ("submit", "button", "reset", "image", "radio") and "checked" not in given:
            return
        if kind == "checkbox":
            if "checked" in given:
                self.values[name] = [*self.values.get(name, []), value or "on"]
        else:
            self.values[name] = value

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.values[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._textarea is not None:
            self.values[self._textarea] = self.values[self._textarea].removeprefix("\n")
            self._textarea = None
        elif tag == "select":
            self._select = None


def post_of(page: str) -> dict[str, Any]:
    """Name → value, lists for groups of checkboxes."""
    controls = _Controls()
    controls.feed(page)
    controls.close()
    return controls.values
