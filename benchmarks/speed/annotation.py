"""Measure the command `annotate`: texts per second, memory, and what a kill does to its output.

    python benchmarks/speed/annotation.py [--texts N] [--engines local ray spark] [--workers 1 2]
        [--kills N]

Texts are made of assets/messages_train.jsonl. Each row is a command of its own, and fails if its
files are not those of one process, the first row, byte by byte. Speed counts from when each worker
has written a shard, so without loading. Memory is the PSS of each process that annotates, and what
it would be without the backbone's weights. In the kill test of each engine, the driver or one of
its workers is killed with SIGKILL at random times, at most so many times, and the command is given
again until it ends.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the repository root

from benchmarks import options
from benchmarks.defaults import ROOT
from benchmarks.report import publish

PIPELINE = "en_minilm_pos_ner"
ONE_PROCESS = ("local", 1)
WEIGHTS = "model.safetensors"
SECONDS_BETWEEN_LOOKS = 2.0


def write_texts(path: Path, count: int) -> None:
    """Write so many different texts of one to three messages each."""
    lines = (ROOT / "assets" / "messages_train.jsonl").read_text(encoding="utf8").splitlines()
    messages = [json.loads(line)["text"] for line in lines]
    draw = random.Random(0)
    with path.open("w", encoding="utf8") as file:
        for number in range(count):
            text = " ".join(draw.choices(messages, k=draw.randint(1, 3)))
            file.write(json.dumps({"id": number, "text": text}) + "\n")


def start(source: Path, target: Path, engine: str, workers: int, size: int) -> subprocess.Popen:
    """Start the command in a session of its own, with one thread for each worker."""
    words = ["annotate", PIPELINE, source, target, "--annotation", "ents,pos", "--engine", engine]
    words += ["--workers", workers, "--shard-size", size, "--threads", 1]
    command = [sys.executable, "-m", "spacy", "bertfamily", *map(str, words)]
    log = (target.parent / "log.txt").open("ab")
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def finish(process: subprocess.Popen, log: Path) -> None:
    if process.wait():
        sys.exit(f"The command failed: {log.read_text(encoding='utf8', errors='replace')[-3000:]}")


def descendants(pid: int) -> Iterator[int]:
    """YIELDS (int): A process and those that it has started, as far as they are its children."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from descendants(int(child))


def read_memory(pid: int) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): A process's PSS, and that of the weights, in megabytes."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        mappings = Path(f"/proc/{pid}/smaps").read_text()
    except OSError:  # it has ended
        return 0.0, 0.0
    weights = 0
    is_of_weights = False
    for line in mappings.splitlines():
        if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
            is_of_weights = line.endswith(WEIGHTS)
        elif is_of_weights and line.startswith("Pss:"):
            weights += int(line.split()[1])
    return int(re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[0]) / 1024, weights / 1024


def is_worker(pid: int) -> bool:
    """RETURNS (bool): Whether a process has the pipeline: it has mapped torch's library."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False
    return "libtorch_cpu" in maps


Memory = list[tuple[float, float]]


def watch(process: subprocess.Popen, target: Path, workers: int) -> tuple[float, int, Memory]:
    """Wait for a command.

    RETURNS (tuple[float, int, Memory]): Seconds from when there was a shard for each worker; how
        many shards were there then; and the most memory of each process that annotates.
    """
    began, first = 0.0, 0
    peaks: dict[int, tuple[float, float]] = {}
    looked = 0.0
    while process.poll() is None:
        time.sleep(0.05)
        if not first:
            shards = len(list(target.glob("shard-*")))
            first = shards if shards >= workers else 0
            began = time.perf_counter()
        elif time.perf_counter() - looked > SECONDS_BETWEEN_LOOKS:
            looked = time.perf_counter()
            for pid in filter(is_worker, list(descendants(process.pid))):
                peaks[pid] = max(peaks.get(pid, (0.0, 0.0)), read_memory(pid))
    seconds = time.perf_counter() - began
    assert peaks, "there are too few texts to measure anything"
    # the driver has torch, but no pipeline, unless it is alone
    return seconds, first, [peaks[pid] for pid in peaks if pid != process.pid or len(peaks) == 1]


def read_shards(target: Path) -> dict[str, bytes]:
    """RETURNS (dict[str, bytes]): The files of an output folder, but for the manifest."""
    return {file.name: file.read_bytes() for file in target.iterdir() if file.name[0] in "sf"}


def measure(source: Path, target: Path, way: tuple[str, int], size: int) -> tuple[float, Memory]:
    """RETURNS (tuple[float, Memory]): Texts per second, and the memory of what annotates."""
    process = start(source, target, *way, size)
    seconds, first, memory = watch(process, target, way[1])
    finish(process, target.parent / "log.txt")
    done = json.loads((target / "_manifest.json").read_text())["done"]
    return (done["texts"] - first * size) / seconds, memory


def kill_at_random(source: Path, target: Path, engine: str, size: int, kills: int) -> list[str]:
    """Run the command, and kill it or one of its workers, until it has ended.

    RETURNS (list[str]): What was killed, at most so many times.
    """
    draw = random.Random(0)
    killed: list[str] = []
    while True:
        process = start(source, target, engine, 2, size)
        done = set(target.glob("shard-*"))
        while process.poll() is None:
            time.sleep(0.1)
            is_advanced = len(set(target.glob("shard-*")) - done) > 2
            if not is_advanced or len(killed) >= kills:
                continue
            time.sleep(draw.uniform(0, 3))
            done = set(target.glob("shard-*"))
            workers = [pid for pid in descendants(process.pid) if is_worker(pid)][1:]
            killed.append(draw.choice(["driver", "worker"]) if workers else "driver")
            victim = process.pid if killed[-1] == "driver" else draw.choice(workers)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            if victim == process.pid:
                process.wait()
        if process.returncode != -signal.SIGKILL:
            finish(process, target.parent / "log.txt")
            return killed


def main() -> None:
    parser = options.make_parser(__doc__)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--shard-size", type=int, default=100)
    parser.add_argument("--engines", nargs="+", default=["local", "ray", "spark"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kills", type=int, default=20, help="0 for no kill test")
    options.add_write_option(parser)
    args: argparse.Namespace = parser.parse_args()
    head = "| engine | workers | texts/s | times one | memory of each | without weights | ratio |"
    rows = [head, "|" + " --- |" * 7]
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "texts.jsonl"
        write_texts(source, args.texts)
        expected: dict[str, bytes] = {}
        one: dict[str, float] = {}
        ways = [(engine, workers) for engine in args.engines for workers in args.workers]
        for engine, workers in [ONE_PROCESS, *(way for way in ways if way != ONE_PROCESS)]:
            target = Path(name) / f"{engine}-{workers}"
            speed, memory = measure(source, target, (engine, workers), args.shard_size)
            found = read_shards(target)
            expected = expected or found
            assert found == expected, f"{engine} with {workers} workers gives other files"
            if workers == 1:
                one[engine] = speed
            mean = sum(all_of_it for all_of_it, _ in memory) / len(memory)
            without = mean - sum(weights for _, weights in memory) / len(memory)
            ratio = f"{speed / one[engine]:.2f}" if engine in one else ""
            cells = (engine, workers, f"{speed:.3g}", ratio, f"{mean:.0f} MB", f"{without:.0f} MB")
            row = f"| {' | '.join(map(str, cells))} | {mean / without:.2f} |"
            rows.append(row)
            print(row, flush=True)
        text = "\n".join(rows)
        if args.kills:
            text += "\n\nKilled with SIGKILL at random, and given again until it ended, the command"
            text += " with two workers gave the same files:"
        for engine in args.engines if args.kills else ():
            target = Path(name) / f"killed-{engine}"
            killed = kill_at_random(source, target, engine, args.shard_size, args.kills)
            assert read_shards(target) == expected, f"{engine}, killed, gives other files"
            drivers = killed.count("driver")
            text += f"\n- {engine}: driver {drivers} times, worker {len(killed) - drivers} times"
    publish("annotation", text, args.write)


if __name__ == "__main__":
    main()
