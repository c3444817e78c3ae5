"""A month in the life of a site, in rows: customers, clips, payments, what waits for staff, and GPU workers that beat.

For looking at the admin with something in it (``tests.staff_site``, ``make screens``). Written through the services
where one does it; afterwards the clips' times are moved into the past.
"""

from __future__ import annotations

import random
from typing import Final

PEOPLE: Final = (
    ("ada@example.org", "Ada Lovelace", "studio"),
    ("grace@example.org", "Grace Hopper", "creator"),
    ("wolfeschlegelsteinhausenbergerdorff@a-very-long-domain-name.example.org", "Hubert Wolfeschlegelstein", ""),
    ("edsger@example.org", "Edsger Dijkstra", ""),
)
WORKERS: Final = (
    ("gpu-east-1", "NVIDIA L40S", 48, "busy"),
    ("gpu-east-2", "NVIDIA RTX 4090", 24, "busy"),
    ("gpu-west-rented-by-the-hour-7", "NVIDIA H100 80GB HBM3", 80, "draining"),
)
PROMPTS: Final = ("a red circle moving right", "a green star spinning", "a paper boat on a river", "rain on a window")
GB: Final = 10**9
chance: Final = random.Random(7)
