"""What happens in ``benchmarks.chaos``, and when: all of it follows from the seed.

How it ends does not: who is quicker, a request or a SIGKILL, is the machine's to say. So a seed names a story, and a
fault that hangs on a moment may need it told more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

PEOPLE: Final = {"visitor": 4, "member": 2, "program": 2}
"""Kind → how many. Each member and each program has a workspace of their own."""
MEAN_GAP_SECONDS: Final = 0.7
"""Between two things that somebody does: somewhat more than one worker on two cores makes."""
MEAN_GAP_OF_DEATHS_SECONDS: Final = 4.0
QUIET_AT_FIRST_SECONDS: Final = 5.0
STEPS: Final = (2, 4, 8, 16, 40)
STEP_WEIGHTS: Final = (8, 6, 4, 2, 2)
MODELS: Final = ("preview", "steady")
PROCESSES: Final = ("web", "reports", "signing", "stripe", "webhooks", "mail", "beat", "gpu")
LONGEST_STOP_SECONDS: Final = 22.0
"""Longer than a heartbeat lives: whoever is stopped for so long is taken for dead, and wakes up."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody does, or that befalls a process."""

    at_seconds: float
    is_death: bool
    what: str
    """The name of a method of ``chaos_people.People``, or of ``chaos_deaths.Deaths``."""
    said: dict[str, Any]

    def __str__(self) -> str:
        return " ".join([self.what, *(f"{name}={value}" for name, value in self.said.items())])


def plan(seed: int, seconds: float) -> list[Step]:
    """The story of ``seed``, in order. A longer one begins as the shorter one does."""
    doing, dying = Random(f"acts of {seed}"), Random(f"deaths of {seed}")
    acts = _steps(doing, seconds, MEAN_GAP_SECONDS, ACTS, is_death=False, begins_at=0.0)
    deaths = _steps(dying, seconds, MEAN_GAP_OF_DEATHS_SECONDS, DEATHS, is_death=True, begins_at=QUIET_AT_FIRST_SECONDS)
    return sorted([*acts, *deaths], key=lambda step: step.at_seconds)


Said = Callable[[Random], dict[str, Any]]


def _steps(
    random: Random,
    seconds: float,
    mean_gap_seconds: float,
    choices: dict[str, tuple[int, Said]],
    *,
    is_death: bool,
    begins_at: float,
) -> Iterator[Step]:
    names, weights = list(choices), [weight for weight, _ in choices.values()]
    at = begins_at
    while (at := at + random.expovariate(1 / mean_gap_seconds)) < seconds:
        [what] = random.choices(names, weights)
        yield Step(round(at, 2), is_death, what, choices[what][1](random))


# --- what people do -------------------------------------------------------------------------------------------------


def _somebody(random: Random) -> str:
    kind = random.choice(list(PEOPLE))
    return f"{kind}-{random.randrange(PEOPLE[kind])}"


def _of(kind: str, random: Random) -> str:
    return f"{kind}-{random.randrange(PEOPLE[kind])}"


def _clip(random: Random) -> dict[str, Any]:
    [steps] = random.choices(STEPS, STEP_WEIGHTS)
    model = random.choice([None, None, *MODELS])
    return {"steps": steps, "seed": random.randrange(2**31), **({"model": model} if model else {})}


def _asks(random: Random) -> dict[str, Any]:
    return {"who": _somebody(random), **_clip(random)}


def _asks_by_page(random: Random) -> dict[str, Any]:
    twice, begins_with_picture = random.random() < 0.2, random.random() < 0.4
    return {"who": _of("member", random), **_clip(random), "sends_twice": twice, "has_picture": begins_with_picture}


def _asks_for_many(random: Random) -> dict[str, Any]:
    return {"who": _of("program", random), "clips": [_clip(random) for _ in range(random.randint(2, 5))]}


def _to_one_of_theirs(random: Random) -> dict[str, Any]:
    return {"who": _somebody(random), "which": random.random()}


def _buys(random: Random) -> dict[str, Any]:
    return {
        "who": _of("member", random),
        "which": random.random(),
        "sends_twice": random.random() < 0.3,
        "pays": random.random() < 0.9,
        "comes_back": random.random() < 0.5,
    }


def _at_the_counter(random: Random) -> dict[str, Any]:
    return {"which": random.random(), "share": round(random.uniform(0.05, 1.0), 2), "is_won": random.random() < 0.5}


def _disturbs_stripe(random: Random) -> dict[str, Any]:
    asked = random.choice(["POST checkout", "GET checkout", "GET refunds", "GET payment_intents", "GET invoices"])
    return {"request": asked, "when": random.choice(["before", "after"])}


def _disturbs_events(random: Random) -> dict[str, Any]:
    return {
        "duplicate_share": round(random.uniform(0, 0.5), 2),
        "drop_share": round(random.choice([0.0, 0.0, random.uniform(0, 0.3)]), 2),
        "delay_seconds": round(random.uniform(0, 3), 1),
        "is_shuffled": random.random() < 0.7,
        "is_thin": random.random() < 0.3,
        "seed": random.randrange(1000),
    }


def _model(random: Random) -> dict[str, Any]:
    return {"model": random.choice(MODELS)}


def _prices(random: Random) -> dict[str, Any]:
    return {"model": random.choice(MODELS), "millicredits": random.choice([500, 1000, 1500, 2500])}


def _gives(random: Random) -> dict[str, Any]:
    return {"who": _somebody(random), "credits": random.randint(1, 50), "sends_twice": random.random() < 0.5}


def _somebody_said(random: Random) -> dict[str, Any]:
    return {"who": _somebody(random)}


def _receiver(random: Random) -> dict[str, Any]:
    return {"status": random.choice([500, 503, 404]), "times": random.randint(1, 3)}


ACTS: Final[dict[str, tuple[int, Said]]] = {
    "ask": (30, _asks),
    "ask_by_page": (12, _asks_by_page),
    "ask_for_many": (4, _asks_for_many),
    "ask_for_mail": (3, lambda random: {"who": _of("member", random), "which": random.random()}),
    "look": (10, _somebody_said),
    "watch": (4, _to_one_of_theirs),
    "cancel": (8, _to_one_of_theirs),
    "delete": (4, _to_one_of_theirs),
    "buy": (8, _buys),
    "subscribe": (2, _buys),
    "refund": (3, _at_the_counter),
    "dispute": (1, _at_the_counter),
    "disturb_stripe": (2, _disturbs_stripe),
    "disturb_events": (2, _disturbs_events),
    "give_credits": (4, _gives),
    "price": (3, _prices),
    "make_default": (2, _model),
    "switch_model": (2, _model),
    "staff_cancels": (2, _to_one_of_theirs),
    "staff_retries": (2, _to_one_of_theirs),
    "suspend": (1, lambda random: {"who": _of("visitor", random)}),
    "drain": (1, lambda random: {}),
    "disturb_receiver": (2, _receiver),
}
"""Name → weight, and what is said."""


# --- what befalls processes -------------------------------------------------------------------------------------------


def _process(random: Random) -> dict[str, Any]:
    return {"process": random.choice(PROCESSES), "seconds": round(random.uniform(0, 8), 1)}


def _stopped(random: Random) -> dict[str, Any]:
    return {"process": random.choice(PROCESSES), "seconds": round(random.uniform(1, LONGEST_STOP_SECONDS), 1)}


def _away(random: Random) -> dict[str, Any]:
    return {"seconds": round(random.uniform(0, 5), 1)}


def _valkey(random: Random) -> dict[str, Any]:
    return {**_away(random), "forgets": random.random() < 0.7}


DEATHS: Final[dict[str, tuple[int, Said]]] = {
    "kill": (12, _process),
    "kill_render": (4, lambda random: {}),
    "end": (3, _process),
    "stop": (4, _stopped),
    "kill_valkey": (3, _valkey),
    "kill_postgres": (2, _away),
    "stop_postgres": (1, _away),
}
