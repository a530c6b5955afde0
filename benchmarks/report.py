"""Tables of benchmarks in the documentation: each is written by the script that measures it."""

import argparse
import re
from pathlib import Path


def add_write_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write", type=Path, help="page that the tables are put in, such as docs/performance.md"
    )


def publish(name: str, text: str, page: Path | None) -> None:
    """Print a text, and put it in the place on a page that is marked `<!-- name -->` to `<!-- /name
    -->`.
    """
    print(text, flush=True)
    if page is not None:
        content = page.read_text(encoding="utf8")
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        assert 0 <= content.find(start) < content.find(end), f"{page} has no place for {name}"
        place = re.compile(rf"{start}.*?{end}", re.DOTALL)
        page.write_text(
            place.sub(lambda _: f"{start}\n{text.strip()}\n{end}", content), encoding="utf8"
        )
