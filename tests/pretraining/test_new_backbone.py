"""New backbones load everywhere, have the size that was asked for, and can be pretrained."""

import warnings

import numpy as np
import pytest
import spacy
import torch
import transformers
from packaging.version import Version
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.lm_head import load_lm_head, masked_lm_class
from spacy_bertfamily.encoder.settings import max_positions
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types.table import spec_for
from spacy_bertfamily.pretraining.new_backbone import new_backbone

from ..util.backbones import MODEL_TYPES
from ..util.pipelines import add_transformer, vectors
from ..util.pretraining import RAW_TEXTS, pretrain_tiny

# transformers 4.45 cannot save a Funnel with new weights
OLD = Version(transformers.__version__) < Version("4.50")
MADE = [model_type for model_type in MODEL_TYPES if not (OLD and model_type == "funnel")]
TINY = {"layers": 2, "width": 32, "heads": 4, "vocab_size": 400, "max_pieces": 64}
CAUSAL = ["gemma", "gpt2", "llama", "mistral", "qwen2"]
WITHOUT_MASKED_LM = [*CAUSAL, "bart", "mt5", "prophetnet", "splinter", "t5", "xlnet"]
ALGORITHMS = ["wordpiece", "bpe", "unigram"]
TEXT = "The small dog wrote to Zürich in 1920"


@pytest.fixture
def make(tmp_path):
    """Make a tiny new backbone."""

    def new(name="new", texts=RAW_TEXTS, **settings):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*\[W410\]")
            return new_backbone(tmp_path / name, texts, **{**TINY, **settings})

    return new


@pytest.mark.parametrize("model_type", MADE)
def test_every_type_loads_here_and_in_transformers(model_type, make):
    folder = make(model_type=model_type)
    backbone = load_backbone(str(folder))
    spec = spec_for(model_type)
    assert backbone.config.model_type == model_type
    assert getattr(backbone.config, spec.depth) == 2
    assert backbone.config.hidden_size == 32
    assert max_positions(backbone.config) in (64, None)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    ids = tokenizer(TEXT)["input_ids"]
    assert ids == backbone.tokenizer(TEXT)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert len(tokenizer) == backbone.config.vocab_size
    model = AutoModel.from_pretrained(folder)
    own = backbone.model.state_dict()
    theirs = {key.removeprefix("encoder."): t for key, t in model.state_dict().items()}
    theirs.update(model.state_dict())
    assert all(torch.equal(own[key], theirs[key]) for key in own)


@pytest.mark.parametrize("model_type", MADE)
def test_every_type_encodes_docs(model_type, make):
    nlp = spacy.blank("en")
    add_transformer(nlp, str(make(model_type=model_type)), trainable=[], adapter=None)
    nlp.initialize()
    assert np.isfinite(vectors(nlp)).all()


@pytest.mark.parametrize("model_type", MADE)
def test_types_with_a_masked_language_model_have_its_head(model_type, make):
    folder = make(model_type=model_type)
    config = load_backbone(str(folder)).config
    if model_type in WITHOUT_MASKED_LM:
        with pytest.raises(BertFamilyError, match=r"\[B400\] "):
            masked_lm_class(config)
        return
    _, is_own = load_lm_head(str(folder), folder, config)
    assert is_own
    assert AutoModelForMaskedLM.from_pretrained(folder)


@pytest.mark.parametrize(
    "model_type", [t for t in ("bert", "roberta", "albert", "xlnet", "modernbert") if t in MADE]
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_fits_each_type(algorithm, model_type, make):
    folder = make(model_type=model_type, tokenizer=algorithm, lowercase=False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert type(tokenizer.backend_tokenizer.model).__name__.lower() == algorithm
    ids = tokenizer(TEXT)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == TEXT
    special = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(special) + 2
    assert {tokenizer.cls_token_id, tokenizer.sep_token_id} <= set(ids)
    # the mask is one piece, without the space before it
    masked = tokenizer(f"dog {tokenizer.mask_token} Ann", add_special_tokens=False)["input_ids"]
    assert masked.count(tokenizer.mask_token_id) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_text_and_seed_give_the_same_files(algorithm, make):
    one = make("one", tokenizer=algorithm)
    two = make("two", tokenizer=algorithm)
    other = make("other", tokenizer=algorithm, seed=1)
    names = sorted(path.name for path in one.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    weights = "model.safetensors"
    assert (one / weights).read_bytes() != (other / weights).read_bytes()
    assert (one / "tokenizer.json").read_bytes() == (other / "tokenizer.json").read_bytes()


def test_the_random_numbers_of_a_training_are_not_touched(make):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    make()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("lowercase", "expected"), [(None, ["zurich"]), (True, ["zurich"]), (False, ["Zürich"])]
)
def test_lower_case_is_the_types_usual_way_or_chosen(lowercase, expected, make):
    texts = ["Zürich zürich zurich Zurich"] * 3
    tokenizer = AutoTokenizer.from_pretrained(make(texts=texts, lowercase=lowercase))
    assert tokenizer.tokenize("Zürich") == expected


@pytest.mark.parametrize(
    ("model_type", "algorithm"), [("roberta", "bpe"), ("albert", "unigram"), ("bert", "wordpiece")]
)
def test_transformers_reads_lower_case_that_was_chosen(model_type, algorithm, make):
    folder = make(model_type=model_type, tokenizer=algorithm, lowercase=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("DOG Dog") == tokenizer.tokenize("dog dog")


def test_a_vocabulary_smaller_than_the_alphabet_is_refused_and_the_size_it_names_suffices(make):
    chinese = ["你好世界谁写了书安本吃饭在家", "书在家了谁写世界"]
    message = r"\[B412\] A vocabulary of 12 pieces is too small: .* alone are (\d+)"
    with pytest.raises(BertFamilyError, match=message) as error:
        make(texts=chinese, vocab_size=12)
    needed = int(str(error.value).split("alone are ")[1].split(".")[0])
    tokenizer = AutoTokenizer.from_pretrained(make(texts=chinese, vocab_size=needed))
    assert tokenizer.unk_token_id not in tokenizer("".join(chinese))["input_ids"]
    with pytest.raises(BertFamilyError, match=rf"vocabulary of {needed - 1} pieces is too small"):
        make("smaller", texts=chinese, vocab_size=needed - 1)


def test_rare_characters_can_be_left_out_on_purpose(make):
    texts = ["ab ab ab ba ba", "ab 書"]
    folder = make(texts=texts, vocab_size=12, max_letters=2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("ab 書") == ["ab", "[UNK]"]


def test_a_short_text_gives_fewer_pieces_and_says_so(tmp_path):
    with pytest.warns(UserWarning, match=r"\[W410\] The text yields a vocabulary of only \d+"):
        folder = new_backbone(tmp_path / "new", RAW_TEXTS, **TINY)
    config = load_backbone(str(folder)).config
    assert config.vocab_size == len(AutoTokenizer.from_pretrained(folder)) < 400


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texts": []}, r"\[B410\] There is no text"),
        ({"texts": ["", " \n"]}, r"\[B410\] There is no text"),
        ({"model_type": "bort"}, r"\[B411\] No new backbone of type 'bort'.*albert, .*xlnet"),
        ({"heads": 3}, r"\[B413\] The width 32 cannot be divided by 3 heads.*1, 2, 4, 8, 16, 32"),
        ({"layers": 0}, r"\[B402\] layers = 0 is not allowed. Allowed: 1 or more"),
        ({"width": 0}, r"\[B402\] width = 0 is not allowed"),
        ({"heads": 0}, r"\[B402\] heads = 0 is not allowed"),
        ({"max_pieces": 2}, r"\[B402\] max_pieces = 2 is not allowed. Allowed: 8 or more"),
        ({"vocab_size": 0}, r"\[B402\] vocab_size = 0 is not allowed"),
        ({"max_letters": 0}, r"\[B402\] max_letters = 0 is not allowed"),
        ({"tokenizer": "bpe", "max_letters": 9}, r"\[B402\] max_letters = 9 .* none with bpe"),
        ({"tokenizer": "words"}, r"\[B402\] tokenizer = 'words' .* auto, wordpiece, bpe, unigram"),
        ({"model_type": "squeezebert", "width": 30, "heads": 3}, r"\[B415\].*'squeezebert'"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(settings, message, make, tmp_path):
    with pytest.raises(BertFamilyError, match=message):
        make(**settings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_replaced_only_if_forced(make, tmp_path):
    (tmp_path / "new").mkdir()
    make()
    before = (tmp_path / "new" / "model.safetensors").read_bytes()
    with pytest.raises(BertFamilyError, match=r"\[B414\] .*new' is a file, or a folder that is"):
        make(seed=1)
    assert (tmp_path / "new" / "model.safetensors").read_bytes() == before
    make(seed=1, force=True)
    assert (tmp_path / "new" / "model.safetensors").read_bytes() != before


@pytest.mark.parametrize("model_type", ["bert", "roberta", "albert"])
def test_a_new_backbone_can_be_pretrained(model_type, make, tmp_path):
    folder = make(model_type=model_type)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the head is the backbone's own
        assert pretrain_tiny(str(folder), tmp_path / "run", trainable=["all"]).is_file()


def test_a_text_instead_of_a_list_is_refused(tmp_path):
    with pytest.raises(BertFamilyError, match="B402.*texts = 'Ann laughs'.*a list of texts"):
        new_backbone(tmp_path / "new", "Ann laughs")
