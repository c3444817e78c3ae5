"""The ledger's SQL, in the order in which it is installed.

Migrations read these files as they are today, and so do old ones: whoever begins now gets from 0001 what everybody else
got step by step. So a rule or a function changes here, and one migration more runs its part again. GUARDS, FUNCTIONS
and VIOLATIONS replace what is there and change no row, however often they run. TABLES says how a new database begins
and runs once; a table that is out changes there and by a migration's ALTER, which must also stand where it is done.
"""

from __future__ import annotations

from pathlib import Path


def _read(*names: str) -> str:
    return "\n".join((Path(__file__).parent / f"{name}.sql").read_text() for name in names)


TABLES = _read("tables")
GUARDS = _read("guards")
"""What the database refuses, whoever asks: unsound rows, and a past that changes."""
FUNCTIONS = _read("projection", "posting", "grants", "holds", "clawbacks", "mergers")
"""What posts. A function in SQL is checked when it is made, so those that it calls come before it."""
VIOLATIONS = _read("violations")
"""A view of what must never be."""
KERNEL = (TABLES, GUARDS, FUNCTIONS, VIOLATIONS)
