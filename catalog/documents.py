"""YAML that people write: files of the catalogue, and fields of its form."""

from __future__ import annotations

from typing import Any

import yaml


class NotYAML(ValueError):
    """The text is not YAML; the message says where and why."""


def read(text: str) -> Any:
    """What the document says, as plain values; None where it is empty.

    Raises:
        NotYAML: also for a number of thousands of digits, a day that no month has, and nesting without end.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise NotYAML(f"This is not YAML, {where}{getattr(error, 'problem', None) or error}.") from error
    except RecursionError:
        raise NotYAML("This is not YAML that can be read: it is nested too deeply.") from None
    except ValueError as error:  # PyYAML leaves to Python what a number or a day may be
        raise NotYAML(f"This is not YAML, one of its values cannot be read: {error}.") from error
