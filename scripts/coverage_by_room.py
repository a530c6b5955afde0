"""Print the share of lines that the tests run, by room of the package and in total.

    make test COVERAGE=1
    python scripts/coverage_by_room.py [.coverage]

The file is what pytest-cov writes. What tests run in processes of their own is not in it.
"""

import sys
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spacy_bertfamily"
# the least covered files that are listed
LISTED = 5


def count_lines(data_file: str) -> dict[Path, tuple[int, int]]:
    """RETURNS (dict[Path, tuple[int, int]]): Lines that were run, and all lines, by file."""
    coverage = Coverage(data_file=data_file, config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    counts = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        _, lines, _, missing, _ = coverage.analysis2(str(file))
        counts[file.relative_to(PACKAGE)] = (len(lines) - len(missing), len(lines))
    return counts


def room_of(file: Path) -> str:
    """RETURNS (str): The folder that a file is filed under; tasks have one each."""
    parts = file.parts[:-1]
    depth = 2 if parts[:1] == ("tasks",) else 1
    return "/".join(parts[:depth]) or "."


def share(run: int, lines: int) -> str:
    return f"{run / lines:.1%}" if lines else ""


def print_table(title: str, counts: dict[str, tuple[int, int]]) -> None:
    width = max(len(title), *map(len, counts))
    print(f"{title:{width}}  lines  covered")
    for name, (run, lines) in counts.items():
        print(f"{name:{width}}  {lines:5,}  {share(run, lines):>7}")
    print()


def main(data_file: str) -> None:
    if not Path(data_file).is_file():
        sys.exit(f"There is no {data_file}. Run: make test COVERAGE=1")
    counts = count_lines(data_file)
    rooms: dict[str, tuple[int, int]] = {}
    for file, (run, lines) in counts.items():
        room_run, room_lines = rooms.get(room_of(file), (0, 0))
        rooms[room_of(file)] = (room_run + run, room_lines + lines)
    total_run, total_lines = (sum(column) for column in zip(*rooms.values()))
    print_table("room", {**dict(sorted(rooms.items())), "total": (total_run, total_lines)})
    partial = {str(file): found for file, found in counts.items() if found[0] < found[1]}
    least = sorted(partial, key=lambda file: partial[file][0] / partial[file][1])[:LISTED]
    if least:
        print_table("least covered", {file: partial[file] for file in least})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".coverage")
