"""The command `demo`: a page in the browser to try a pipeline in."""

import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error, load_pipeline

LOCAL = "127.0.0.1"


def demo_command(
    pipeline: str = typer.Argument(
        "en_minilm_all", help="Folder, package or released name of a trained pipeline"
    ),
    port: int = typer.Option(8501, "--port", "-p", help="Port of the page", min=1, max=65535),
    host: str = typer.Option(LOCAL, "--host", help="Address that the page is served at"),
) -> None:
    """Open a page in which a pipeline can be tried: questions, two texts, words, layers.

    It needs the extra `demo`, and no network. Ctrl-C ends it.

    EXAMPLE: python -m spacy bertfamily demo en_minilm_qa --port 8600
    """
    from ..demo import views
    from ..errors import Errors

    with exit_on_error("Cannot show the page"):
        if find_spec("streamlit") is None:
            raise Errors.B795()
        check_port(host, port)
        views.find_abilities(load_pipeline(pipeline))
    msg.info(f"http://{host}:{port} shows {pipeline}; Ctrl-C ends it")
    page = Path(views.__file__).parent / "page.py"
    settings = {
        "server.port": port,
        "server.address": host,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(page), *options, "--", pipeline]
    try:
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def check_port(host: str, port: int) -> None:
    """Find out whether a page can be served.

    host (str): The address.
    port (int): The port.
    RAISES (BertFamilyError): If something else is served there, or the address is none of this
        machine.
    """
    from ..errors import Errors

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            raise Errors.B797(host=host, port=port, reason=e.strerror or str(e)) from e
