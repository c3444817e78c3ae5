"""YAML that people write: files of the catalogue, and fields of its form."""

from __future__ import annotations

from typing import Any

import yaml


class NotYAML(ValueError):
    """The text is not YAML; the message says where and why."""


DEEPEST = 100
"""Levels of a document. libyaml's reader calls itself for each, and ends the process where the stack ends."""


def read(text: str) -> Any:
    """What the document says, as plain values; None where it is empty.

    Raises:
        NotYAML: also for a number of thousands of digits, a day that no month has, and nesting without end.
    """
    try:
        _refuse_nesting(text)
        return yaml.load(text, yaml.CSafeLoader)  # nine times as quick as the same in Python
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise NotYAML(f"This is not YAML, {where}{getattr(error, 'problem', None) or error}.") from error
    except NotYAML:
        raise
    except ValueError as error:  # PyYAML leaves to Python what a number or a day may be
        raise NotYAML(f"This is not YAML, one of its values cannot be read: {error}.") from error


def _refuse_nesting(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise NotYAML(f"This is nested too deeply: {DEEPEST} levels are read.")
