"""Let Lighthouse judge pages of the built site: accessibility and best practices.

python scripts/lighthouse.py [--site site] [--least 95]

It needs npm, which fetches Lighthouse, and Chromium. The pages are served by this process.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import typer

LIGHTHOUSE = "lighthouse@12.8.2"
CATEGORIES = ("accessibility", "best-practices")
# pages with what the others are made of: code, tables, pictures, generated references
PAGES = ("index", "first_hour", "how_it_works", "comparison", "api")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine.

    folder (Path): The folder.
    YIELDS (str): Its address.
    """
    handler = functools.partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def judge(address: str, browser: str) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): What Lighthouse writes about a page, as JSON.

    address (str): The page.
    browser (str): The program.
    """
    command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
    command += [f"--only-categories={','.join(CATEGORIES)}"]
    command += ["--chrome-flags=--headless=new --no-sandbox"]
    environment = {**os.environ, "CHROME_PATH": browser}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    if result.returncode:
        sys.exit(f"Lighthouse failed on {address}:\n{result.stderr}")
    return dict(json.loads(result.stdout))


def faults(report: dict[str, Any]) -> list[str]:
    """RETURNS (list[str]): What Lighthouse found fault with."""
    audits = report["audits"].values()
    return [f"{audit['id']}: {audit['title']}" for audit in audits if audit["score"] == 0]


def main(
    site: Path = typer.Option(Path("site"), help="The folder that `make docs` has built"),
    least: int = typer.Option(95, help="The lowest score that is good enough, of 100"),
) -> None:
    """Print the scores of some pages, and fail if one is too low."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None or shutil.which("npx") is None:
        sys.exit("Install npm and Chromium, such as Debian's packages npm and chromium.")
    if not (site / "index.html").is_file():
        sys.exit(f"There is no site in {site}. Build it with `make docs`.")
    low = False
    print(f"{'page':<16}", *(f"{name:>14}" for name in CATEGORIES))
    with serve(site) as address:
        for page in PAGES:
            report = judge(f"{address}/{page}.html", browser)
            scores = [round(100 * report["categories"][name]["score"]) for name in CATEGORIES]
            print(f"{page:<16}", *(f"{score:>14}" for score in scores), flush=True)
            for fault in faults(report):
                print("  ", fault)
            low |= min(scores) < least
    if low:
        sys.exit(f"Each score must be at least {least}.")


if __name__ == "__main__":
    typer.run(main)
