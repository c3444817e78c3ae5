"""A stranger's module on the path of this process, and the proof that it ran."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queues import records


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there as soon as anything of the stranger's has run in this process."""
    monkeypatch.syspath_prepend(tmp_path)
    proof = tmp_path / "proof"
    records.lay_module(tmp_path, proof)
    return proof


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """RQ takes these two over for good."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
