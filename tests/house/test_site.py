"""The site of docs/ builds without warnings, has every page, and loads nothing from other hosts."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from ..util.docs import FILES
from ..util.extras import require
from ..util.files import ROOT

require("material")
require("mkdocs")

# What a browser fetches by itself; links that a reader follows may lead anywhere.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
PAGES = sorted(name for name in FILES if name != "README")


class Fetched(HTMLParser):
    """Collects what a page fetches, its headings, and pictures without a description."""

    def __init__(self):
        super().__init__()
        self.addresses = []
        self.titles = 0
        self.without_alt = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in FETCHED and attrs.get(FETCHED[tag]):
            self.addresses.append(attrs[FETCHED[tag]])
        if tag == "link" and attrs.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(attrs["href"])
        if tag == "img" and not attrs.get("alt"):
            self.without_alt.append(attrs["src"])
        self.titles += tag == "h1"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def read(site, page):
    parser = Fetched()
    html = (site / f"{page}.html").read_text(encoding="utf8")
    parser.feed(html)
    return html, parser


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there_and_needs_no_other_host(site, page):
    html, found = read(site, page)
    assert found.titles == (2 if page == "workflows" else 1)  # spaCy adds a part to that page
    assert found.without_alt == []
    assert found.addresses
    other = [address for address in found.addresses if re.match(r"(https?:)?//", address)]
    assert other == []
    # what the theme's script would fetch from others: numbers of a repository, diagrams
    assert 'data-md-component="source"' not in html
    assert 'class="mermaid"' not in html


def test_stylesheets_need_no_other_host(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert not re.search(r"url\(['\"]?(?:https?:)?//", sheet.read_text(encoding="utf8"))


def test_pages_can_be_searched(site):
    text = (site / "search" / "search_index.json").read_text(encoding="utf8")
    for page in PAGES:
        assert f'"{page}.html' in text


def test_links_out_of_the_docs_lead_to_the_repository(site):
    html, _ = read(site, "measured")
    assert re.search(r'href="https://[^"]*/blob/main/benchmarks/README\.md"', html)
    html, _ = read(site, "workflows")
    assert re.search(r'href="https://[^"]*/blob/main/project\.yml"', html)


def test_there_is_a_dark_mode(site):
    html, _ = read(site, "index")
    assert 'data-md-color-scheme="slate"' in html
