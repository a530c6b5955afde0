"""Train the tokenizer of a new backbone."""

import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, cast

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    CONFIG_MAPPING,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ..backbone.tokenizer import tokenizer_classes
from ..errors import BertFamilyError, Errors
from .special_pieces import SpecialPieces, special_pieces_of

ALGORITHMS = ("wordpiece", "bpe", "unigram")
# More than there are characters.
NO_LIMIT = 2**21
# Only pieces of so many characters; longer ones would be whole phrases.
MAX_PIECE_LENGTH = 16
# By how much the trainer of Unigram raises the score from one added character to the next.
SCORE_STEP = 0.0001
# What it takes to learn a piece.
MIN_FREQUENCY = 2


@dataclass(frozen=True)
class TokenizerSettings:
    """How a tokenizer is trained.

    model_type (str): The type of the backbone that it is for.
    vocab_size (int): The number of pieces, special ones included.
    algorithm (str): `wordpiece`, `bpe` (of bytes), `unigram`, or `auto` for the type's usual one.
    lowercase (bool | None): Whether all text is read in lower case; None for the type's usual way.
    max_letters (int | None): The most different characters to learn, the most frequent first.
        Others are unknown. None for all.
    max_pieces (int): The longest text in pieces.
    """

    model_type: str
    vocab_size: int
    algorithm: str = "auto"
    lowercase: bool | None = None
    max_letters: int | None = None
    max_pieces: int = 512

    def __post_init__(self) -> None:
        allowed = ("auto", *ALGORITHMS)
        if self.algorithm not in allowed:
            raise Errors.B402(setting="tokenizer", value=self.algorithm, allowed=", ".join(allowed))
        for setting in ("vocab_size", "max_letters"):
            value = getattr(self, setting)
            if value is not None and value < 1:
                raise Errors.B402(setting=setting, value=value, allowed="1 or more")


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings) -> PreTrainedTokenizerBase:
    """Train a tokenizer for a type of backbone.

    texts (Iterable[str]): The texts; they are read once.
    settings (TokenizerSettings): How.
    RETURNS (PreTrainedTokenizerBase): The tokenizer, of the type's own class where there is one
        that reads texts as it does in all versions of transformers.
    RAISES (BertFamilyError): If there is no text, or the vocabulary would be too small for its
        characters.
    """
    special = special_pieces_of(settings.model_type)
    algorithm = special.algorithm if settings.algorithm == "auto" else settings.algorithm
    if settings.max_letters is not None and algorithm != "wordpiece":
        allowed = f"none with {algorithm}; it is for WordPiece"
        raise Errors.B402(setting="max_letters", value=settings.max_letters, allowed=allowed)
    lowercase = special.lowercase if settings.lowercase is None else settings.lowercase
    with _NotBlank(texts) as counted:
        try:
            tokenizer = _TRAIN[algorithm](counted, special, settings, lowercase)
        except BertFamilyError:
            raise
        except Exception as e:  # tokenizers raises plain Exceptions
            if counted.is_empty:
                raise Errors.B410() from e
            reason = f"no {algorithm} vocabulary can be learned from this text ({e})"
            raise Errors.B415(model_type=settings.model_type, reason=reason) from e
    if counted.is_empty:
        raise Errors.B410()
    _check_size(tokenizer, settings)
    _add_template(tokenizer, special, algorithm)
    return _wrap(tokenizer, special, settings, algorithm, lowercase)


def _check_size(tokenizer: Tokenizer, settings: TokenizerSettings) -> None:
    """RAISES (BertFamilyError): If characters alone are more pieces than asked for."""
    needed = tokenizer.get_vocab_size()
    if needed > settings.vocab_size:
        raise Errors.B412(vocab_size=settings.vocab_size, needed=needed)


class _NotBlank:
    """Passes on the texts that are not blank, as often as they are asked for.

    What was read is kept in a temporary file.

    texts (Iterable[str]): The texts.
    """

    def __init__(self, texts: Iterable[str]):
        self.is_empty = True
        self._texts = iter(texts)
        self._file = TemporaryFile("w+", encoding="utf8")  # noqa: SIM115  closed by __exit__

    def __enter__(self) -> "_NotBlank":
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)
        for text in self._texts:
            if text.strip():
                self.is_empty = False
                self._file.write(json.dumps(text) + "\n")
                yield text


# Algorithms


def _train_wordpiece(
    texts: Iterable[str], special: SpecialPieces, settings: TokenizerSettings, lowercase: bool
) -> Tokenizer:
    """Train twice, so that the result does not change from one time to the next.

    The trainer numbers the characters inside words by chance, and what it learns of pairs that are
    equally frequent depends on that. So these are found first, and then given.
    """
    first = special.unique()
    characters = _new_wordpiece(special, lowercase)
    characters.train_from_iterator(texts, _wordpiece_trainer(first, 0, settings.max_letters))
    _check_size(characters, settings)
    names = {piece.content for piece in first}
    known = sorted(characters.get_vocab().keys() - names)
    inside = [piece for piece in known if piece.startswith("##") and len(piece) > 2]
    learned = _new_wordpiece(special, lowercase)
    learned.train_from_iterator(
        texts, _wordpiece_trainer([*first, *inside], settings.vocab_size, settings.max_letters)
    )
    tokenizer = _new_wordpiece(special, lowercase, learned.get_vocab())
    tokenizer.add_special_tokens(first)
    return tokenizer


def _new_wordpiece(
    special: SpecialPieces, lowercase: bool, vocabulary: dict[str, int] | None = None
) -> Tokenizer:
    model = models.WordPiece(vocabulary or {}, unk_token=special.pieces["unk"])
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _wordpiece_trainer(first: list[Any], size: int, max_letters: int | None) -> Any:
    return trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=MIN_FREQUENCY,
        # a limit that the trainer keeps by itself would drop characters silently
        limit_alphabet=max_letters or NO_LIMIT,
        special_tokens=first,
        show_progress=False,
    )


def _train_bpe(
    texts: Iterable[str], special: SpecialPieces, settings: TokenizerSettings, lowercase: bool
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        min_frequency=MIN_FREQUENCY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special.unique(lstrip=True),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _train_unigram(
    texts: Iterable[str], special: SpecialPieces, settings: TokenizerSettings, lowercase: bool
) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    if lowercase:
        steps.append(normalizers.Lowercase())
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    first = special.unique(lstrip=True)
    trainer = trainers.UnigramTrainer(
        vocab_size=settings.vocab_size,
        unk_token=special.pieces["unk"],
        max_piece_length=MAX_PIECE_LENGTH,
        special_tokens=first,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model = _in_fixed_order(tokenizer, [piece.content for piece in first], special)
    return tokenizer


_TRAIN = {"wordpiece": _train_wordpiece, "bpe": _train_bpe, "unigram": _train_unigram}


def _in_fixed_order(tokenizer: Tokenizer, first: list[str], special: SpecialPieces) -> Any:
    """Give the pieces of a Unigram an order that does not change from one training to the next.

    The trainer adds the characters that are not worth a piece of their own by chance, each with a
    score that is a little higher. Here all of them get the same, lowest score. Scores are rounded,
    since parallel sums differ in the last digits.

    tokenizer (Tokenizer): The tokenizer.
    first (list[str]): Its special pieces.
    special (SpecialPieces): The same by role.
    RETURNS (models.Unigram): Its model, with special pieces first, then by score.
    """
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    scores = {piece: score for piece, score in vocabulary if piece not in first}
    lowest = min(scores.values(), default=0.0)
    limit = lowest + SCORE_STEP * (len(scores) + 1)
    evened = {}
    for piece, score in scores.items():
        is_added = len(piece) == 1 and score <= limit
        evened[piece] = round(lowest if is_added else score, 6)
    ordered = sorted(evened.items(), key=lambda item: (-item[1], item[0]))
    pieces = [*((piece, 0.0) for piece in first), *ordered]
    return models.Unigram(pieces, first.index(special.pieces["unk"]))


def _add_template(tokenizer: Tokenizer, special: SpecialPieces, algorithm: str) -> None:
    """Have a tokenizer put special pieces around texts as the type does."""
    steps: list[Any] = []
    if algorithm == "bpe":  # the space before a word is no part of its offsets
        steps.append(processors.ByteLevel(trim_offsets=True))
    ids = [(piece.content, tokenizer.token_to_id(piece.content)) for piece in special.unique()]
    steps.append(
        processors.TemplateProcessing(single=special.single, pair=special.pair, special_tokens=ids)
    )
    tokenizer.post_processor = processors.Sequence(steps) if len(steps) > 1 else steps[0]


def _wrap(
    tokenizer: Tokenizer,
    special: SpecialPieces,
    settings: TokenizerSettings,
    algorithm: str,
    lowercase: bool,
) -> PreTrainedTokenizerBase:
    """RETURNS (PreTrainedTokenizerBase): The tokenizer in transformers' form."""
    pieces: dict[str, Any] = {f"{role}_token": piece for role, piece in special.pieces.items()}
    if "mask" in special.pieces and algorithm != "wordpiece":
        pieces["mask_token"] = AddedToken(special.pieces["mask"], lstrip=True, special=True)
    options: dict[str, Any] = {**pieces, "model_max_length": settings.max_pieces}
    own_class = _fast_class(settings.model_type)
    is_usual = own_class is not None and special.own_class and algorithm == special.algorithm
    # of these, the classes of transformers 5 keep the vocabulary only, and read texts in their way
    loses_rules = algorithm == "unigram" or (algorithm == "bpe" and lowercase)
    if is_usual and not loses_rules:
        known = inspect.signature(own_class.__init__).parameters
        extra = {"do_lower_case": lowercase, "add_prefix_space": False}
        options.update({key: value for key, value in extra.items() if key in known})
        own = own_class(tokenizer_object=tokenizer, **options)
        own._tokenizer = tokenizer  # classes of transformers 5 change some of it
        return cast(PreTrainedTokenizerBase, own)
    inputs = ["input_ids", "attention_mask"]
    if special.token_types:
        inputs.insert(1, "token_type_ids")
    side = "right" if own_class is None else own_class.padding_side
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=inputs, padding_side=side, **options
    )
    return cast(PreTrainedTokenizerBase, wrapped)


def _fast_class(model_type: str) -> Any:
    """RETURNS (type[PreTrainedTokenizerFast] | None): The type's own class, if it has one."""
    return tokenizer_classes(CONFIG_MAPPING[model_type])[1]
