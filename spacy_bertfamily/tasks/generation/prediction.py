"""Write texts for Docs, as the settings of `text_generator` say."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ...annotation.generated import Generated, set_generated
from ...errors import Warnings
from ...transformer.shim import EncoderShim
from ...transformer.upstream import connected_shim
from ..base.model import require_loaded_shim
from ..base.pipeline_aware import PipelineAware
from ..base.settings import ComponentSettings, setting
from .model import writer_shim_of
from .settings import GenerationSettings
from .shim import WriterShim
from .write import write_texts
from .writer import Source


class GeneratorPrediction(PipelineAware, ComponentSettings):
    """The methods of `text_generator` that write texts for Docs."""

    configured: GenerationSettings
    setting_names = tuple(field.name for field in fields(GenerationSettings))
    # the kinds of warnings that were given
    _warned: frozenset[str] = frozenset()

    max_length = setting(
        "max_length", "RETURNS (int): The longest text, in pieces with the closing one."
    )
    min_length = setting("min_length", "RETURNS (int): The shortest text, in pieces.")
    num_beams = setting("num_beams", "RETURNS (int): The number of beams; 1 for none.")
    length_penalty = setting(
        "length_penalty", "RETURNS (float): The power of the length that scores are divided by."
    )
    no_repeat_ngram = setting(
        "no_repeat_ngram", "RETURNS (int): The length of what is written once; 0 for no limit."
    )
    num_return = setting("num_return", "RETURNS (int): The number of texts for each source.")
    sample = setting("sample", "RETURNS (bool): Whether pieces are drawn.")
    temperature = setting("temperature", "RETURNS (float): The temperature of what is drawn.")
    top_k = setting("top_k", "RETURNS (int): How many pieces are drawn from; 0 for all.")
    top_p = setting("top_p", "RETURNS (float): The probability of all pieces that are drawn from.")
    seed = setting("seed", "RETURNS (int | None): The seed of what is drawn.")
    train_on = setting("train_on", "RETURNS (str): `first` or `random` gold text.")

    @property
    def settings(self) -> GenerationSettings:
        """RETURNS (GenerationSettings): The config's settings, updated in code."""
        changed = {name: self.cfg[name] for name in self.setting_names if name in self.cfg}
        return replace(self.configured, **changed)

    def configured_settings(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The settings as the config gives them."""
        return asdict(self.configured)

    def checked_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): Values of settings, checked, as they are to be stored."""
        checked = replace(self.settings, **values)
        # numpy's numbers have no JSON
        return {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in asdict(checked).items()
            if name in values
        }

    @property
    def writer_shim(self) -> WriterShim:
        """RETURNS (WriterShim): Holds the writer and its weights. Internals."""
        return writer_shim_of(self.model)

    def encoder_shim(self) -> EncoderShim:
        """RETURNS (EncoderShim): Holds the encoder of the source's transformer. Internals."""
        shim = connected_shim(self.model)
        if shim is not None and shim.loaded:
            return shim
        return require_loaded_shim(self.model, self.require_pipeline("predict"), self.name)

    def predict(self, docs: Iterable[Doc]) -> list[list[Generated]]:
        """Write texts without changing the Docs.

        docs (Iterable[Doc]): The Docs.
        RETURNS (list[list[Generated]]): The texts of each, best first; none without words.
        RAISES (BertFamilyError): If nothing was trained or loaded, or there is no transformer.
        """
        return self.write(list(docs), self.settings, self.encoder_shim())

    def write(
        self, docs: Sequence[Doc], settings: GenerationSettings, shim: EncoderShim
    ) -> list[list[Generated]]:
        """Write texts; see `predict`.

        docs (Sequence[Doc]): The Docs.
        settings (GenerationSettings): The settings.
        shim (EncoderShim): Holds the encoder.
        RETURNS (list[list[Generated]]): The texts of each.
        """
        modules = self.writer_shim.modules_on(shim)
        writer = self.writer_shim.writer
        sources = writer.read(shim, docs, settings.max_length)
        self.warn_of_cut(sources)
        return write_texts(writer, modules, shim, sources, settings)

    def set_annotations(self, docs: Iterable[Doc], texts: Iterable[list[Generated]]) -> None:
        """Set `doc._.generated`, best first.

        docs (Iterable[Doc]): The Docs.
        texts (Iterable[list[Generated]]): The texts of each.
        """
        for doc, generated in zip(docs, texts):
            set_generated(doc, generated)

    def warn_of_cut(self, sources: Sequence[Source | None], n_cut_targets: int = 0) -> None:
        """Warn once of sources, and once of targets, that are too long.

        sources (Sequence[Source | None]): The sources.
        n_cut_targets (int): How many targets are too long.
        """
        longest = self.settings.max_length
        if n_cut_targets and "targets" not in self._warned:
            self._warned |= {"targets"}
            warnings.warn(Warnings.W721.format(name=self.name, max_length=longest), stacklevel=3)
        is_cut = any(source is not None and source.is_cut for source in sources)
        if is_cut and "sources" not in self._warned:
            self._warned |= {"sources"}
            warnings.warn(Warnings.W720.format(name=self.name, max_length=longest), stacklevel=3)
