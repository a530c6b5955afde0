"""What mkdocs does beside its own steps: links to the repository, names for dialogs."""

import posixpath
import re
from typing import Any

LINK = re.compile(r"\]\((\.\./[^)\s]+|project\.yml)\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Replace links to files outside of docs/, which the site does not have.

    markdown (str): The text of a page.
    page (Any): The page.
    config (Any): The settings in mkdocs.yml; `extra.source` is the repository's address.
    RETURNS (str): The text, with addresses in the repository.
    """
    folder = posixpath.dirname(posixpath.join("docs", page.file.src_uri))

    def replace(match: re.Match[str]) -> str:
        if match[1] == "project.yml":  # spaCy writes workflows.md as if it were beside this file
            return f"]({config.extra['source']}/project.yml)"
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        inside = path.startswith("docs/")
        return match[0] if inside else f"]({config.extra['source']}/{path})"

    return LINK.sub(replace, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Name the dialog of the search for readers that do not see it; the theme does not.

    output (str): The HTML of a page.
    RETURNS (str): The HTML.
    """
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
