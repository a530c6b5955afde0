"""The command `save-backbone`: what was pretrained, or a GGUF file, as a Hugging Face folder."""

from pathlib import Path

import typer
from wasabi import msg

from .shared import exit_on_error, load_pipeline


def save_backbone_command(
    source: str = typer.Argument(
        ...,
        help="File that spacy pretrain has saved (model3.bin); folder, package or released name "
        "of a pipeline; or a GGUF file (model.gguf)",
    ),
    folder: Path = typer.Argument(..., help="Folder to write", file_okay=False),
    component: str = typer.Option(
        "transformer", "--component", "-c", help="The transformer of the pipeline"
    ),
    generator: bool = typer.Option(
        False, "--generator", "-g", help="Write the generator of replaced tokens instead"
    ),
    force: bool = typer.Option(False, "--force", "-F", help="Replace a folder that is not empty"),
) -> None:
    """Write what was pretrained, or a GGUF file, as a Hugging Face folder.

    The head is written too if there is one. Weights are in float32, those of a GGUF file too.

    EXAMPLE: python -m spacy bertfamily save-backbone pretrained/model3.bin my_bert_pretrained
    """
    from ..exchange.gguf import convert_gguf, is_gguf
    from ..pretraining.save_backbone import is_weights, save_backbone

    if is_gguf(source):
        with exit_on_error(f"Cannot write {folder}"):
            model_class = convert_gguf(source, folder, force=force)
        msg.good(f"Wrote {folder}, which {model_class.__name__} opens")
        return
    pipeline = source if is_weights(source) else load_pipeline(source)
    with exit_on_error(f"Cannot write {folder}"):
        saved = save_backbone(
            pipeline, folder, component=component, generator=generator, force=force
        )
    what = "without a head"
    if saved.model_class is not None:
        what = f"which {saved.model_class.__name__} opens"
    msg.good(f"Wrote {folder}, {what}")
