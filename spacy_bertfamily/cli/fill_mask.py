"""The command `fill-mask`: guess masked pieces."""

import json

import typer
from wasabi import msg

from .shared import exit_on_error


def fill_mask_command(
    backbone: str = typer.Argument(
        ...,
        help="Backbone (folder, package:folder or hub id), or file that spacy pretrain has saved",
    ),
    text: str = typer.Argument(..., help="Text with [MASK] in the place of what to guess"),
    top: int = typer.Option(5, "--top", "-k", min=1, help="Number of guesses for each mask"),
    as_json: bool = typer.Option(False, "--json", "-j", help="Print JSON instead of a table"),
) -> None:
    """Show which pieces a backbone guesses in the place of masks.

    EXAMPLE: python -m spacy bertfamily fill-mask my_bert_pretrained "The lighthouse was [MASK] in
    1874."
    """
    from ..pretraining.fill_mask import fill_mask

    with exit_on_error("Cannot fill the mask"):
        guesses = fill_mask(backbone, text, top)
    if as_json:
        print(json.dumps(guesses, ensure_ascii=False))
        return
    for number, guess in enumerate(guesses, 1):
        if len(guesses) > 1:
            msg.divider(f"Mask {number}")
        msg.table([(f"{chance:6.1%}", piece) for piece, chance in guess], aligns=("r", "l"))
