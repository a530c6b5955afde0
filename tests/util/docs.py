"""The pages of the documentation, and the blocks of code in them."""

import re

from .files import ROOT

FILES = {
    str(path.relative_to(ROOT / "docs").with_suffix("")): path
    for path in sorted((ROOT / "docs").rglob("*.md"))
}
FILES["README"] = ROOT / "README.md"
PAGES = {name: path.read_text(encoding="utf8") for name, path in FILES.items()}


def blocks(page: str, language: str) -> list[str]:
    """RETURNS (list[str]): The blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def pages_with(language: str) -> list[str]:
    """RETURNS (list[str]): The pages that have blocks in a language."""
    return sorted(page for page in PAGES if blocks(page, language))
