"""How much of the news of tasks one key is told at once. The page for developers says it too."""

from __future__ import annotations

from typing import Final

MOST_TASKS: Final = 20
"""That one listener is told of. Each costs a stream within the process."""
MOST_LISTENERS: Final = 10
"""Of one key at once, in one process."""
