"""Write the tables of benchmarks into pages of the documentation."""

import re
from pathlib import Path


def publish(name: str, text: str, page: Path | None) -> None:
    """Print a text, and put it between the comments `<!-- name -->` and `<!-- /name -->` of a page.

    name (str): The name in the comments.
    text (str): What is printed and written.
    page (Path | None): The page; None to print only.
    """
    print(text, flush=True)
    if page is None:
        return
    content = page.read_text(encoding="utf8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    assert 0 <= content.find(start) < content.find(end), f"{page} has no place for {name}"
    place = re.compile(rf"{start}.*?{end}", re.DOTALL)
    block = f"{start}\n{text.strip()}\n{end}"
    page.write_text(place.sub(lambda _: block, content), encoding="utf8")
