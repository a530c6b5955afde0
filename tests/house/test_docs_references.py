"""What the documentation refers to exists: files, headings, folders of the package."""

import re

import pytest

from ..util.files import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILE = re.compile(
    r"(?<![\w/])(?:benchmarks|configs|docs|scripts|spacy_bertfamily|tests)/[\w./-]*\w"
)
LINK = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def headings(path):
    """RETURNS (set[str]): The anchors of a page's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf8"), flags=re.DOTALL | re.M)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pages
def test_files_exist(page):
    text = page.read_text(encoding="utf8")
    missing = {name for name in FILE.findall(text) if not (ROOT / name).exists()}
    assert missing == set()


@pages
def test_headings_exist(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf8")):
        path = page.parent / target if target else page
        if path.suffix == ".md":
            assert anchor in headings(path), f"{target}#{anchor}"


def test_the_architecture_page_names_every_folder():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
    package = ROOT / "spacy_bertfamily"
    folders = [path.parent for path in package.rglob("__init__.py") if path.parent != package]
    names = {str(folder.relative_to(package)) for folder in folders} - {"tasks"}
    assert {name for name in names if f"`{name}`" not in page} == set()
