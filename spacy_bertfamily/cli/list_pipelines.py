"""The command `list`: the trained pipelines that come with this package."""

import json

import typer
from wasabi import msg


def list_command(
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of a table"),
) -> None:
    """List the trained pipelines that come with this package.

    EXAMPLE: python -m spacy bertfamily list --json
    """
    from .. import released

    described = {name: released.describe(name) for name in released.NAMES}
    if as_json:
        print(json.dumps(described, indent=2))
        return
    msg.table(described, header=("name", "what it does"), divider=True)
    msg.info('Load one with spacy_bertfamily.load("NAME"), or give its name to a command')
