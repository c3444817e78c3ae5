"""The choice of the next job: a pure function, so its rules are tested as properties."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import Bounds, Waiting, choose
from tests.gpu_worker.waiting_lines import SLUGS, after, pick, waiting


def test_the_first_in_line_is_taken_when_nothing_is_resident() -> None:
    assert pick([waiting("a", "red"), waiting("b", "blue")]) == "a"


def test_a_resident_model_is_preferred_when_it_saves_enough() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "blue")]
    assert pick(line, resident={"blue": 5.0}) == "b"


def test_a_saving_below_the_fraction_of_the_service_time_changes_nothing() -> None:
    line = [waiting("a", "red"), waiting("b", "blue")]
    assert pick(line, resident={"blue": 0.9}, bounds=Bounds(affinity_fraction=0.1), service_seconds=10) == "a"
    assert pick(line, resident={"blue": 1.1}, bounds=Bounds(affinity_fraction=0.1), service_seconds=10) == "b"


def test_a_job_that_was_overtaken_often_enough_is_overtaken_no_more() -> None:
    line = [waiting("a", "red", skips=8), waiting("b", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_skips=8)) == "a"


def test_a_job_that_has_waited_too_long_is_overtaken_no_more() -> None:
    line = [waiting("a", "red"), waiting("b", "red", waited_seconds=121), waiting("c", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=120)) == "a"
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=122)) == "c"


def test_in_a_backlog_too_long_is_four_times_what_the_line_takes() -> None:
    """Or else everybody would have waited too long, and every job would load its model anew."""
    for waited_seconds, taken in ((1199.0, "c"), (1201.0, "a")):
        line = [waiting("a", "red", waited_seconds=waited_seconds), waiting("b", "red"), waiting("c", "blue")]
        assert pick(line, resident={"blue": 9.0}, bounds=Bounds(max_wait_seconds=120), service_seconds=100) == taken


def test_the_model_with_the_least_to_load_comes_next() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green"), waiting("d", "green")]
    assert pick(line, resident={"blue": 4.0, "green": 6.0}) == "c"
    assert pick(line, resident={"red": 3.0, "blue": 3.4, "green": 3.4}) == "a"


def test_of_models_to_load_the_one_that_more_wait_for_comes_next() -> None:
    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green"), waiting("d", "green")]
    assert pick(line, resident={"blue": 6.0, "green": 4.0}) == "c"  # 6 seconds for two jobs, not 4 for one
    assert pick(line, resident={"blue": 9.0, "green": 4.0}) == "b"
    assert pick(line, resident={"blue": 10.0, "green": 4.0}) == "b"  # nothing to load is less than anything


def test_a_model_that_more_wait_for_is_no_reason_to_load_more_than_the_first_in_line_does() -> None:
    line = [waiting("a", "red"), *(waiting(name, "blue") for name in "bcdef")]
    assert pick(line, resident={"red": 4.0, "blue": 3.0}) == "a"


def test_what_cannot_be_told_neither_overtakes_nor_is_overtaken() -> None:
    line = [waiting("a", "red"), waiting("b", "strange"), waiting("c", "blue")]

    def seconds(job: RenderJob) -> float | None:
        return {"red": 5.0, "strange": None, "blue": 0.0}[job.model.slug]

    for first, taken in ((0, "a"), (1, "b"), (2, "c")):
        choice = choose(
            line[first:],
            Bounds(),
            can_hold=lambda waiting: True,
            loading_seconds=seconds,
            service_seconds=lambda job: 1.0,
        )
        assert choice.taken is not None
        assert choice.taken.job_id == taken


def test_nothing_more_is_asked_once_a_job_needs_no_loading() -> None:
    asked: list[str] = []

    def seconds(job: RenderJob) -> float:
        asked.append(job.model.slug)
        return 0.0 if job.model.slug == "blue" else 5.0

    line = [waiting("a", "red"), waiting("b", "blue"), waiting("c", "green")]
    choose(line, Bounds(), can_hold=lambda waiting: True, loading_seconds=seconds, service_seconds=lambda job: 1.0)
    assert asked == ["red", "blue"]


def test_jobs_of_other_cards_are_passed_by() -> None:
    line = [waiting("a", "huge", skips=99, waited_seconds=999), waiting("b", "red")]
    assert pick(line, too_large={"huge"}) == "b"
    assert pick(line[:1], too_large={"huge"}) is None


def test_a_job_that_yields_does_so_no_more_once_one_that_does_not_is_behind_it() -> None:
    """The website lines nothing up behind a job that yields but what yields too; its message stays as it was."""
    promoted, free = waiting("p", "red", yields=True), waiting("f", "blue", yields=True)
    paid, hot = waiting("a", "red"), waiting("h", "blue")
    assert pick([promoted, paid, waiting("b", "red"), free], resident={"blue": 9.0}) == "p"
    assert pick([paid, promoted, hot], resident={"blue": 9.0}) == "h"
    assert pick([paid, replace(promoted, job=free.job), waiting("b", "red")], resident={"blue": 9.0}) == "p"
    assert pick([promoted, free], resident={"blue": 9.0}) == "f"
    assert pick([paid, free, waiting("x", "huge")], resident={"blue": 9.0}, too_large={"huge"}) == "f"
    assert pick([paid, free, Waiting("broken", None, 0.0, 0)], resident={"blue": 9.0}) == "a"


def test_a_job_that_cannot_be_read_is_served_in_its_turn() -> None:
    assert pick([Waiting("broken", None, 0.0, 0), waiting("b")], resident={"blue": 9.0}) == "broken"


def test_only_the_window_is_looked_at() -> None:
    line = [waiting("a", "red"), waiting("b", "red"), waiting("c", "blue")]
    assert pick(line, resident={"blue": 9.0}, bounds=Bounds(window=2)) == "a"


@given(
    line=st.lists(
        st.tuples(st.sampled_from(["red", "blue", "green"]), st.integers(0, 20), st.floats(0, 10_000)), min_size=1
    ),
    resident=st.dictionaries(st.sampled_from(["red", "blue", "green"]), st.floats(0, 10)),
)
def test_nobody_who_is_past_a_bound_is_ever_overtaken(
    line: list[tuple[str, int, float]], resident: dict[str, float]
) -> None:
    bounds, service_seconds = Bounds(), 10.0
    jobs = [waiting(str(n), slug, skips=skips, waited_seconds=age) for n, (slug, skips, age) in enumerate(line)]
    taken = int(pick(jobs, resident=resident, service_seconds=service_seconds) or "")
    patience_seconds = max(bounds.max_wait_seconds, 4 * service_seconds * min(len(jobs), bounds.window))
    for overtaken in jobs[:taken]:
        assert overtaken.skips < bounds.max_skips
        assert overtaken.waited_seconds <= patience_seconds


@given(
    arrivals=st.lists(st.lists(SLUGS, max_size=4), min_size=1, max_size=25),
    residents=st.lists(st.sampled_from(["red", "blue", "green"]), min_size=1, max_size=25),
    max_skips=st.integers(0, 5),
    window=st.integers(1, 8),
)
def test_nobody_starves(arrivals: list[list[str]], residents: list[str], max_skips: int, window: int) -> None:
    """Whatever arrives and whatever is resident, a job that fits is served after at most those before it plus
    ``max_skips`` others, and the line always moves while somebody in the window fits."""
    bounds = Bounds(window=window, max_skips=max_skips, max_wait_seconds=1e9)
    line: list[Waiting] = []
    latest: dict[str, int] = {}
    serial = takes = turn = 0
    while turn < len(arrivals) or any(w.job and w.job.model.slug != "huge" for w in line[:window]):
        for slug in arrivals[turn] if turn < len(arrivals) else []:
            serial += 1
            fitting_before = sum(1 for w in line if w.job and w.job.model.slug != "huge")
            latest[str(serial)] = takes + fitting_before + 1 + max_skips
            line.append(waiting(str(serial), slug))
        resident = residents[turn % len(residents)]
        taken = pick(line, resident={resident: 10.0}, too_large={"huge"}, bounds=bounds)
        has_fitting = any(w.job and w.job.model.slug != "huge" for w in line[:window])
        assert (taken is not None) == has_fitting
        if taken is not None:
            takes += 1
            assert takes <= latest[taken]
            line = after(line, taken)
            assert all(w.skips <= max_skips for w in line)
        turn += 1
