"""The component `text_generator`: writes a text for each Doc."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from spacy.language import Language
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer, set_dropout_rate

from ...annotation.generated import install_extension
from ...shards import batch_total
from ...transformer.listener import name_component, skip_update, takes_gradients
from ...transformer.pending import AddedGradients
from ..base.model import require_loaded_shim
from ..base.settings import check_attribute
from .examples import Pairs, check_examples, read_pairs
from .model import WriterModel
from .scorer import Scorer, make_text_generator_scorer
from .settings import DEFAULT_CONFIG, SCORE_WEIGHTS, GenerationSettings
from .text_methods import GeneratorTextMethods

# When spaCy imports this module for its entry point: a process may read Docs without a component.
install_extension()


@Language.factory(
    "text_generator",
    assigns=["doc._.generated"],
    requires=["doc._.trf_data"],
    default_config=Config().from_str(DEFAULT_CONFIG)["text_generator"],
    default_score_weights=SCORE_WEIGHTS,
)
def make_text_generator(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    max_length: int,
    min_length: int,
    num_beams: int,
    length_penalty: float,
    no_repeat_ngram: int,
    num_return: int,
    sample: bool,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    train_on: str,
    scorer: Callable[..., dict[str, Any]] | None,
) -> "TextGenerator":
    """Construct a TextGenerator component.

    nlp (Language): The pipeline.
    name (str): The component's name.
    model (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.PrefixLM.v1`, or another
        architecture that writes.
    max_length (int): The longest text, in pieces, with the closing one. Longer gold texts are cut.
        A prefix-LM leaves so much room in each window.
    min_length (int): The shortest text, in pieces.
    num_beams (int): The number of beams of the search; 1 always takes the best piece.
    length_penalty (float): Scores are divided by the length to this power. The larger, the longer
        are the texts that a search with beams prefers.
    no_repeat_ngram (int): No sequence of so many pieces is written twice in a text; 0 for no limit.
    num_return (int): The number of texts for each Doc, at most `num_beams` unless they are drawn.
    sample (bool): Whether pieces are drawn by their probability, instead of searched.
    temperature (float): Divides scores before pieces are drawn.
    top_k (int): Pieces are drawn from so many of the most probable ones; 0 for all.
    top_p (float): Pieces are drawn from the most probable ones that together have this probability.
    seed (int | None): Makes what is drawn repeatable in each call; None for torch's own numbers.
    train_on (str): The `first` of several gold texts, or a `random` one in each epoch.
    scorer (Callable | None): The scoring method.
    RETURNS (TextGenerator): The component.
    """
    settings = GenerationSettings(
        max_length=max_length,
        min_length=min_length,
        num_beams=num_beams,
        length_penalty=length_penalty,
        no_repeat_ngram=no_repeat_ngram,
        num_return=num_return,
        sample=sample,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        train_on=train_on,
    )
    component = TextGenerator(nlp.vocab, model, name, settings=settings, scorer=scorer)
    component.attach_pipeline(nlp)
    return component


class TextGenerator(GeneratorTextMethods):
    """Writes texts for Docs, and sets `doc._.generated`.

    Gold texts are in `doc.user_data["generated"]` of the reference: a text, or a list of accepted
    texts. Settings can be changed in code, as attributes or with `change_settings`.

    vocab (Vocab): The shared vocabulary.
    model (Model[list[Doc], list[TransformerData]]): A `spacy-bertfamily.PrefixLM.v1`, or another
        architecture that writes.
    name (str): The component's name.
    settings (GenerationSettings): How to write.
    scorer (Callable | None): The scoring method.
    """

    # Its denominator is asked for with `batch_total`.
    loss_is_mean: ClassVar[bool] = True

    def __init__(
        self,
        vocab: Vocab,
        model: WriterModel,
        name: str = "text_generator",
        *,
        settings: GenerationSettings = GenerationSettings(),
        scorer: Scorer | None = make_text_generator_scorer(),
    ):
        self.vocab = vocab
        self.model = model
        self.name = name
        name_component(model, name)
        self.writer_shim.component = name
        self.scorer = scorer
        self.configured = settings
        # The settings that were changed in code; see `ComponentSettings`.
        self.cfg = {}

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. It is an error if there is none of that name, but for subclasses."""
        if type(self) is TextGenerator:
            check_attribute(self, name)
        super().__setattr__(name, value)

    def initialize(
        self, get_examples: Callable[[], Iterable[Example]], *, nlp: Language | None = None
    ) -> None:
        """Check all examples, and make the writer's weights.

        get_examples (Callable[[], Iterable[Example]]): Returns the training data.
        nlp (Language): The pipeline; its transformer is initialized already.
        RAISES (BertFamilyError): If the encoder cannot be used for this; or at the first example
            that cannot be trained on, saying why.
        """
        if nlp is not None:
            self.attach_pipeline(nlp)
        nlp = self.require_pipeline("initialize")
        shim = require_loaded_shim(self.model, nlp, self.name)
        writer = self.writer_shim.writer
        writer.check(shim)
        sample, texts = check_examples(self.name, get_examples(), writer, shim, self.settings)
        self.writer_shim.initialize(shim, texts)
        self.model.initialize(X=sample)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch of examples. The encoder is run on sources with targets behind them.

        examples (Iterable[Example]): The examples; those without gold texts are left out.
        drop (float): The dropout rate of thinc layers; the encoder has its own.
        sgd (Optimizer | None): Steps, if it is given.
        losses (dict[str, float] | None): Gets the mean loss of a piece.
        RETURNS (dict[str, float]): The updated losses.
        RAISES (BertFamilyError): If an example cannot be trained on.
        """
        examples = list(examples)
        validate_examples(examples, "TextGenerator.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        shim = self.encoder_shim()
        writer_shim = self.writer_shim
        pairs = read_pairs(self.name, examples, writer_shim.writer, shim, self.settings)
        set_dropout_rate(self.model, drop)
        losses[self.name] += self._learn(pairs)
        if sgd:  # spaCy passes False, too
            self.finish_update(sgd)
        return losses

    def _learn(self, pairs: Pairs) -> float:
        """Add to the gradients, and tell the transformer about it.

        RETURNS (float): The loss.
        """
        shim, writer_shim = self.encoder_shim(), self.writer_shim
        self.warn_of_cut(pairs.sources, pairs.n_cut)
        trains_encoder = takes_gradients(self.model) and shim.encoder.trains

        def total(part: int) -> float:
            return max(1.0, float(batch_total(self.name, part)))

        modules = writer_shim.modules_on(shim)
        modules.train()
        try:
            loss = writer_shim.writer.train_on(
                modules, shim, pairs.sources, pairs.targets, trains_encoder, total
            )
        finally:
            modules.eval()
        added = trains_encoder and bool(pairs.sources)
        skip_update(self.model, AddedGradients() if added else None)
        return loss
