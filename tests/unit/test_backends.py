"""The choice of a backend: right answers first, then speed, and a word for everything that was tried in vain."""

import asyncio
import time

import numpy as np
import pytest

from app import backends, network
from app.errors import UserError

STORED = network.Stored(np.zeros((32, 64, 3), np.uint8), np.linspace(0, 1, 32 * 64, dtype=np.float32).reshape(32, 64))
FAST_ENOUGH, SLOW = 0.05, 0.06  # seconds; shorter than in earnest, so that the tests are


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    monkeypatch.setattr(backends, "FAST_ENOUGH", FAST_ENOUGH)


class FakeNetwork:
    """Answers as stored, `off` by something, after some seconds; the first run takes `warming` longer."""

    def __init__(self, name, off=0.0, seconds=0.0, warming=0.0):
        self.name, self.off, self.seconds, self.warming = name, off, seconds, warming

    async def run(self, inputs):
        time.sleep(self.seconds + self.warming)
        self.warming = 0
        return STORED.log_disparity + np.float32(self.off)


def choose(offered, forced=backends.AUTO):
    """The Trial, the notes, and the backends that were opened."""
    opened = []

    async def open_on(backend):
        opened.append(backend)
        if isinstance(offered.get(backend, "is not there"), str):
            raise backends.Unsound(offered.get(backend, "is not there"))
        return offered[backend]

    return *asyncio.run(backends.choose(open_on, STORED, forced)), opened


def test_takes_threads_first_and_loads_nothing_else():
    trial, notes, opened = choose({name: FakeNetwork(name) for name in backends.LABELS})
    assert (trial.backend, trial.network.name, notes, opened) == ("wasm-threads", "wasm-threads", [], ["wasm-threads"])


def test_without_threads_one_thread_and_a_word():
    trial, notes, opened = choose({"wasm-threads": "the page is not isolated", "wasm": FakeNetwork("wasm")})
    assert trial.backend == "wasm"
    assert notes == ["WASM with threads was not used: the page is not isolated."]
    assert opened == ["wasm-threads", "wasm"]


def test_a_wrong_answer_is_refused():
    wrong = FakeNetwork("wasm-threads", off=2 * network.CHECK_TOLERANCE)
    trial, notes, _ = choose({"wasm-threads": wrong, "wasm": FakeNetwork("wasm", off=network.CHECK_TOLERANCE / 2)})
    assert trial.backend == "wasm"
    assert trial.deviation == pytest.approx(network.CHECK_TOLERANCE / 2, rel=1e-3)
    assert "off by 0.04" in notes[0]


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_no_number_is_no_answer(answer):
    trial, _, _ = choose({"wasm-threads": FakeNetwork("wasm-threads", off=answer), "wasm": FakeNetwork("wasm")})
    assert trial.backend == "wasm"


def test_where_wasm_is_slow_a_quicker_accelerator_wins():
    trial, _, opened = choose({"wasm": FakeNetwork("wasm", seconds=SLOW), "webgpu": FakeNetwork("webgpu")})
    assert trial.backend == "webgpu"
    assert opened == ["wasm-threads", "wasm", "webgpu"]


def test_where_wasm_is_slow_a_slower_accelerator_loses():
    offered = {"wasm": FakeNetwork("wasm", seconds=SLOW), "webgpu": FakeNetwork("webgpu", seconds=3 * SLOW)}
    trial, _, opened = choose(offered)
    assert trial.backend == "wasm"
    assert opened == ["wasm-threads", "wasm", "webgpu"]


def test_warming_up_is_not_slow():
    _, _, opened = choose({"wasm-threads": FakeNetwork("wasm-threads", warming=SLOW), "webgpu": FakeNetwork("webgpu")})
    assert opened == ["wasm-threads"]


def test_a_forced_backend_is_taken_even_when_it_is_slow():
    offered = {name: FakeNetwork(name) for name in backends.LABELS} | {"webgpu": FakeNetwork("webgpu", seconds=SLOW)}
    trial, notes, opened = choose(offered, forced="webgpu")
    assert (trial.backend, notes, opened) == ("webgpu", [], ["webgpu"])


def test_a_forced_backend_that_fails_is_replaced_with_a_word():
    trial, notes, opened = choose({"wasm-threads": FakeNetwork("wasm-threads")}, forced="webgpu")
    assert trial.backend == "wasm-threads"
    assert notes == ["WebGPU was not used: is not there."]
    assert opened == ["webgpu", "wasm-threads"]


def test_nothing_runs():
    with pytest.raises(UserError) as caught:
        choose({})
    assert caught.value.code == "no-network"
