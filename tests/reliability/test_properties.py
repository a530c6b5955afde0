"""Properties that hold for any text, tokenizer and window settings."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_bertfamily import join_segments, split_segments
from spacy_bertfamily.annotation.answers import get_answers, install_extension, set_answers
from spacy_bertfamily.annotation.segments import escape_separator
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.windows.cut import make_windows
from spacy_bertfamily.windows.layout import make_layout
from spacy_bertfamily.windows.pieces import PieceTokenizer

from ..util.encoders import encode, make_encoder, token_vectors

# Any Unicode but surrogates, which spaCy cannot store, and frequent parts of texts
FREQUENT = "I like green eggs unable 1920 . , ? [SEP] [CLS] </s> <pad> 你好 世界 😀 é"
WORDS = st.sampled_from([*FREQUENT.split(), "\u200b", "\n", "\t"])
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
TEXTS = st.builds(
    lambda joint, parts: joint.join(parts),
    st.sampled_from(["", " "]),
    st.lists(WORDS | ANY, max_size=25),
)
LANGUAGES = {lang: spacy.blank(lang) for lang in ("en", "zh", "xx")}
MODELS = ["bert", "roberta", "mpnet"]
install_extension()


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("model_type", MODELS)
@given(text=TEXTS, max_pieces=st.integers(6, 40), data=st.data())
def test_each_piece_has_one_max_context_window(backbones, model_type, lang, text, max_pieces, data):
    """The pieces are those of the text, and no window is too long."""
    stride = data.draw(st.integers(0, max_pieces - 5))
    tokenizer = PieceTokenizer(load_backbone(backbones(model_type)).tokenizer)
    doc = LANGUAGES[lang].make_doc(text)
    (pieces,) = tokenizer([doc], None)
    # compare with the tokenizer of the backbone, with special tokens as text
    own = tokenizer.tokenizer(
        doc.text,
        add_special_tokens=False,
        return_offsets_mapping=True,
        split_special_tokens=True,
        verbose=False,
    )
    assert pieces.ids.tolist() == own["input_ids"]
    assert list(zip(pieces.starts, pieces.ends)) == own["offset_mapping"]
    windows = make_windows(pieces, tokenizer, max_pieces, stride)
    assert all(len(window) <= max_pieces for window in windows)
    layout = make_layout(pieces, windows, tokenizer)
    max_context = layout.index[layout.is_max_context]
    assert sorted(max_context.tolist()) == list(range(len(pieces)))


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("model_type", MODELS)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_tokens_get_the_pieces_that_overlap_them_in_any_batch(backbones, model_type, lang, texts):
    """Alignment omits no piece, and vectors do not depend on the batch."""
    encoder, tokenizer = make_encoder(backbones(model_type))
    docs = [LANGUAGES[lang].make_doc(text) for text in texts]
    together, _ = encode(encoder, tokenizer, docs, [], False)
    for doc, found in zip(docs, together):
        if not len(doc):
            continue
        (pieces,) = tokenizer([doc], "[SEP]")
        for token, length in zip(doc, found.align.lengths):
            touching = (pieces.starts < token.idx + len(token)) & (pieces.ends > token.idx)
            assert length == touching.sum(), token
        alone = encode(encoder, tokenizer, [doc], [], False)[0][0]
        np.testing.assert_allclose(token_vectors(alone), token_vectors(found), atol=1e-4)


@pytest.mark.parametrize("lang", LANGUAGES)
@given(first=TEXTS, second=TEXTS)
def test_joined_texts_split_into_the_same_texts(lang, first, second):
    nlp = LANGUAGES[lang]
    a, b = nlp.make_doc(first), nlp.make_doc(second)
    found = split_segments(join_segments(a, b))
    assert [span.text for span in found] == [a[:].text, b[:].text]


@pytest.mark.parametrize("lang", LANGUAGES)
@given(first=TEXTS, second=TEXTS)
def test_escaped_texts_split_at_the_separator_only(lang, first, second):
    parts = [escape_separator(text)[0] for text in (first, second)]
    found = split_segments(LANGUAGES[lang].make_doc(" [SEP] ".join(parts)))
    assert [span.text.strip() for span in found] == [part.strip() for part in parts]


@given(text=TEXTS, data=st.data())
def test_answers_keep_their_characters_when_stored(text, data):
    doc = LANGUAGES["en"].make_doc(text)
    drawn = []
    if doc.text:
        inside = st.tuples(st.integers(0, len(doc.text) - 1), st.integers(1, 9))
        drawn = data.draw(st.lists(inside, max_size=4))
    chars = [(start, min(len(doc.text), start + length)) for start, length in drawn]
    set_answers(doc, chars, [0.5] * len(chars))
    answers = get_answers(doc)
    assert [(answer.start_char, answer.end_char) for answer in answers] == chars
    assert all(answer.text == doc.text[answer.start_char : answer.end_char] for answer in answers)
    # stripped, since whitespace after a token is in no token
    assert all(answer.text.strip() in answer.span.text for answer in answers)
    for user_data in (True, False):
        stored = DocBin(docs=[doc], store_user_data=user_data).to_bytes()
        (again,) = DocBin().from_bytes(stored).get_docs(doc.vocab)
        assert [answer[:4] for answer in get_answers(again)] == [answer[:4] for answer in answers]
    assert [answer[:4] for answer in get_answers(Doc(doc.vocab).from_bytes(doc.to_bytes()))] == [
        a[:4] for a in answers
    ]
