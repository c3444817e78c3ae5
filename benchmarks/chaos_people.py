"""Who uses the site of ``benchmarks.chaos``, and does what its plan names."""

from __future__ import annotations

from benchmarks.chaos_crowd import GaveUp
from benchmarks.chaos_customers import Customers
from benchmarks.chaos_plan import Step
from benchmarks.chaos_staff import Staff


class People(Customers, Staff):
    """Customers and staff, by their acts' names."""

    def do(self, step: Step, number: int) -> str:
        """Have somebody do it. Returns how it went."""
        try:
            return str(getattr(self, step.what)(number, **step.said))
        except GaveUp as problem:
            return f"gave up: {problem}"

    def close(self) -> None:
        for person in (*self.everybody.values(), self.staff):
            person.client.close()
