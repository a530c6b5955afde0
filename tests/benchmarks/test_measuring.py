"""Timing, peak memory, reports and workloads of the benchmarks."""

from types import SimpleNamespace

import numpy as np
import pytest
from thinc.types import Ragged

from benchmarks import process_memory, report, timing, workloads
from benchmarks.peers import vectors


class Adder:
    def add(self, number, more=0):
        return number + more


def test_time_calls_counts_calls_and_restores_the_method():
    adder = Adder()
    original = Adder.add
    with timing.time_calls([Adder], "add") as of_class, timing.time_calls([adder], "add") as of_one:
        assert adder.add(1, more=2) == 3
        assert Adder().add(4) == 4
    assert (len(of_class.cpu), len(of_one.wall)) == (2, 1)
    assert Adder.add is original
    assert not vars(adder)


def test_time_in_turn_alternates_between_the_candidates():
    calls = []
    times = timing.time_in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3  # the first call of each is a warm-up
    assert [len(taken.cpu) for taken in times.values()] == [2, 2]


def test_the_peak_can_be_reset():
    block = bytearray(64 * 2**20)
    high = process_memory.peak_megabytes()
    del block
    assert process_memory.reset_peak() < high - 32


def test_publish_replaces_only_its_own_section(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- /one -->\n<!-- two -->\n<!-- /two -->\nb\n")
    report.publish("one", r"new \1", page)
    assert (
        page.read_text()
        == "a\n<!-- one -->\nnew \\1\n<!-- /one -->\n<!-- two -->\n<!-- /two -->\nb\n"
    )
    with pytest.raises(AssertionError, match="has no place for three"):
        report.publish("three", "", page)


def test_workloads_are_laid_out():
    mixed = workloads.workload_lengths("mixed", 1)
    assert len(mixed) == 80
    assert (
        min(mixed) >= 20,
        max(mixed) <= 800,
        mixed == workloads.workload_lengths("mixed", 1),
    ) == (True,) * 3
    assert workloads.make_texts(["a", "b", "c", "d"], [1, 3]) == ["a", "b c d"]


@pytest.mark.parametrize("curated", [False, True])
def test_token_vectors_are_means_of_pieces(curated):
    states = np.asarray([[1, 2], [3, 4], [5, 8]], dtype="float32")
    lengths = np.asarray([1, 0, 2])
    if curated:
        data = SimpleNamespace(last_hidden_layer_state=Ragged(states, lengths))
    else:
        align = Ragged(np.asarray([[0], [1], [2]]), lengths)
        data = SimpleNamespace(
            model_output=SimpleNamespace(last_hidden_state=states[None]), align=align
        )
    doc = type("Doc", (list,), {"_": SimpleNamespace(trf_data=data)})([0, 1, 2])
    found = vectors.token_vectors(doc)
    np.testing.assert_allclose(found, [[1, 2], [0, 0], [4, 6]])
    assert vectors.cosine(found, 2 * found) == pytest.approx(1)
