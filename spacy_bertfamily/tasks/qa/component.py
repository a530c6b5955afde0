"""The component `span_qa`: extractive question answering."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model
from thinc.types import Floats3d

from ...annotation.answers import ANSWERS_KEY, accepted_texts, install_extension
from ...errors import Errors
from ...transformer.listener import name_component
from ...transformer.upstream import find_transformer, require_shim
from ..base.model import require_loaded_shim
from ..base.settings import check_attribute
from .calibrate import Calibration, calibrate
from .decode import NBest
from .examples import check_examples
from .head import WindowLogits
from .head_files import QAHeadFiles
from .loss import batch_loss
from .metrics import METRICS
from .scorer import Scorer, make_span_qa_scorer
from .settings import DEFAULT_CONFIG, SCORE_WEIGHTS, QASettings
from .text_methods import QATextMethods

QAModel = Model[list[Doc], list[WindowLogits]]
CALIBRATION_BATCH = 64


# When spaCy imports this module for its entry point: a process may read Docs without a component.
install_extension()


@Language.factory(
    "span_qa",
    assigns=["doc._.answers", "doc.spans"],
    requires=["doc._.trf_data"],
    default_config=Config().from_str(DEFAULT_CONFIG)["span_qa"],
    default_score_weights=SCORE_WEIGHTS,
)
def make_span_qa(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[WindowLogits]],
    n_best: int,
    max_answer_length: int,
    top_k: int,
    null_threshold: float | None,
    temperature: float,
    allow_overlap: bool,
    train_on: str,
    negative_rate: float,
    scorer: Callable[..., dict[str, Any]] | None,
) -> "SpanQA":
    """Construct a SpanQA component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], list[WindowLogits]]): A `spacy-bertfamily.SpanQA.v1`.
    n_best (int): How many starts, ends and spans decoding combines in each window, and how many
        spans it keeps of each Doc.
    max_answer_length (int): The longest answer, in pieces.
    top_k (int): The most answers of a Doc.
    null_threshold (float | None): There is no answer if 'no answer' scores more than this above the
        best span; None always answers.
    temperature (float): Divides the scores before they become probabilities.
    allow_overlap (bool): Whether a Doc's answers may overlap.
    train_on (str): `first` or `all` accepted answers.
    negative_rate (float): The part of the windows without an answer that is trained on.
    scorer (Callable | None): The scoring method.
    RETURNS (SpanQA): The component.
    """
    settings = QASettings(
        n_best=n_best,
        max_answer_length=max_answer_length,
        top_k=top_k,
        null_threshold=null_threshold,
        temperature=temperature,
        allow_overlap=allow_overlap,
        train_on=train_on,
        negative_rate=negative_rate,
    )
    component = SpanQA(nlp.vocab, model, name, settings=settings, scorer=scorer)
    component.attach_pipeline(nlp)
    return component


class SpanQA(QAHeadFiles, QATextMethods):
    """Finds the answer to a Doc's question in its context.

    It sets `doc.spans["answers"]`, from which `doc._.answers` is computed. Settings can be changed
    in code, as attributes or with `change_settings`; what was said last wins: config, calibration
    or code.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], list[WindowLogits]]): A `spacy-bertfamily.SpanQA.v1`.
    name (str): The component's name.
    settings (QASettings): How to train and decode.
    scorer (Callable | None): The scoring method.
    """

    # Its denominator is asked for with `batch_total`.
    loss_is_mean: ClassVar[bool] = True

    def __init__(
        self,
        vocab: Vocab,
        model: QAModel,
        name: str = "span_qa",
        *,
        settings: QASettings = QASettings(),
        scorer: Scorer | None = make_span_qa_scorer(),
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        name_component(model, name)
        self.scorer = scorer
        self.configured = settings
        # The settings that were calibrated or changed in code; see `ComponentSettings`.
        self.cfg = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. It is an error if there is none of that name, but for subclasses."""
        if type(self) is SpanQA:
            check_attribute(self, name)
        super().__setattr__(name, value)

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language | None = None
    ) -> None:
        """Check all examples, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Returns the training data.
        nlp (Language): The pipeline; its transformer is initialized already.
        RAISES (BertFamilyError): At the first example that cannot be trained on, saying why.
        """
        if nlp is not None:
            self.attach_pipeline(nlp)
        nlp = self.require_pipeline("initialize")
        shim = require_loaded_shim(self.model, nlp, self.name)
        sample = check_examples(self.name, get_examples(), shim)
        self.model.initialize(X=[example.predicted for example in sample])

    def get_loss(
        self, examples: Iterable[Example], scores: list[WindowLogits]
    ) -> tuple[float, list[Floats3d]]:
        """Compute the loss and its gradient.

        It is the cross-entropy over the positions of each window, averaged over start and end, and
        over all windows.

        examples (Iterable[Example]): The examples; those without `doc.spans["answers"]` are left
            out.
        scores (list[WindowLogits]): The model's output.
        RETURNS (tuple[float, list[Floats3d]]): The loss and the gradient of the logits.
        RAISES (BertFamilyError): If an example cannot be trained on.
        """
        examples = list(examples)
        validate_examples(examples, "SpanQA.get_loss")
        self._check_layouts([example.predicted for example in examples], scores)
        ops = self.model.ops
        logits = [ops.to_numpy(output.logits) for output in scores]
        layouts = [output.layout for output in scores]
        loss, gradients = batch_loss(self.name, examples, logits, layouts, self.settings)
        return loss, [ops.asarray3f(cast(Floats3d, gradient)) for gradient in gradients]

    def calibrate(
        self, examples: Iterable[Example], *, definition: str = "squad", nlp: Language | None = None
    ) -> Calibration:
        """Fit the temperature and the threshold for 'no answer', and use them from now on.

        With the temperature, scores are the probabilities of being right. With the threshold, F1 is
        best. Both are stored with the component, in `cfg`.

        examples (Iterable[Example]): Dev data, annotated with answers.
        definition (str): What is right: `squad` or `cmrc`.
        nlp (Language | None): As in `ask`.
        RETURNS (Calibration): What was fitted.
        RAISES (BertFamilyError): If there is no annotated example.
        """
        if definition not in METRICS:
            allowed = f"one of {', '.join(METRICS)}"
            raise Errors.B004(setting="definition", value=definition, allowed=allowed)
        nlp = self.require_pipeline("calibrate", nlp)
        require_shim(self.model, nlp, self.name)
        transformer = find_transformer(self.model, nlp)
        found: list[NBest] = []
        texts: list[str] = []
        golds: list[list[str]] = []
        annotated = (eg for eg in examples if ANSWERS_KEY in eg.reference.spans)
        for batch in minibatch(annotated, CALIBRATION_BATCH):
            docs = [example.predicted.copy() for example in batch]
            if transformer is not None:
                docs = list(transformer.pipe(docs))
            found += self.n_best(docs)
            texts += [doc.text for doc in docs]
            golds += [accepted_texts(example.reference) for example in batch]
        if not found:
            raise Errors.B204(action="calibrate", name=self.name)
        fitted = calibrate(found, texts, golds, METRICS[definition])
        self.change_settings(**fitted._asdict())
        return fitted
