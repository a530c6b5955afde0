"""The search, against transformers' `generate` and against all texts that there are."""

import itertools

import pytest
import torch
from transformers import (
    BertConfig,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    GenerationMixin,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from spacy_bertfamily.tasks.generation.beam import write_beams
from spacy_bertfamily.tasks.generation.search import SearchRules, write_rows
from spacy_bertfamily.tasks.generation.settings import GenerationSettings
from spacy_bertfamily.tasks.generation.writer import WritingState

VOCABULARY, START, END, PAD = 12, 1, 2, 0
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT = {**SMALL, "intermediate_size": 24, "vocab_size": VOCABULARY, "initializer_range": 0.6}


def make_gpt2():
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=64,
        initializer_range=0.6,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    return GPT2LMHeadModel(config)


def make_llama():
    config = LlamaConfig(
        **SMALL,
        vocab_size=VOCABULARY,
        intermediate_size=24,
        initializer_range=0.6,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    return LlamaForCausalLM(config)


def make_encoder_decoder():
    decoder = BertConfig(**BERT, is_decoder=True, add_cross_attention=True)
    config = EncoderDecoderConfig.from_encoder_decoder_configs(BertConfig(**BERT), decoder)
    config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = START, END, PAD
    model = EncoderDecoderModel(config=config)
    model.generation_config.decoder_start_token_id = START
    model.generation_config.eos_token_id = END
    model.generation_config.pad_token_id = PAD
    return model


MAKERS = {"gpt2": make_gpt2, "llama": make_llama, "encoder-decoder": make_encoder_decoder}


class ModelState(WritingState):
    """Texts that a model of transformers writes, without a cache."""

    def __init__(self, model, prompts):
        self.model = model
        self.prompts = prompts
        self.written = prompts.new_empty((len(prompts), 0))

    @property
    def rows(self):
        return len(self.prompts)

    def advance(self, pieces):
        if pieces is not None:
            self.written = torch.cat([self.written, pieces[:, None]], dim=1)
        if isinstance(self.model, EncoderDecoderModel):
            start = self.written.new_full((self.rows, 1), START)
            written = torch.cat([start, self.written], dim=1)
            logits = self.model(input_ids=self.prompts, decoder_input_ids=written).logits
        else:
            logits = self.model(torch.cat([self.prompts, self.written], dim=1)).logits
        return logits[:, -1].float()

    def select(self, rows):
        self.prompts, self.written = self.prompts[rows], self.written[rows]


def their_texts(model, prompts, **settings):
    """RETURNS (tuple): What transformers' `generate` writes, and its scores."""
    output = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        pad_token_id=PAD,
        eos_token_id=END,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        suppress_tokens=[START],
        **settings,
    )
    skipped = 1 if isinstance(model, EncoderDecoderModel) else prompts.shape[1]
    texts = []
    for row in output.sequences[:, skipped:].tolist():
        texts.append(row[: row.index(END)] if END in row else row)
    return texts, getattr(output, "sequences_scores", None)


def our_texts(model, prompts, **settings):
    """RETURNS (list[list[Written]]): What our search writes."""
    chosen = GenerationSettings(**settings)
    rules = SearchRules.of(chosen, END, forbidden_ids=[START])
    state = ModelState(model, prompts)
    with torch.inference_mode():
        if chosen.num_beams > 1:
            return write_beams(state, rules, chosen)
        return write_rows(state, rules, chosen, None)


def make_prompts(seed):
    torch.manual_seed(seed)
    return torch.randint(3, VOCABULARY, (6, 4))


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "rules", [{}, {"min_length": 3}, {"no_repeat_ngram": 2}], ids=["plain", "least", "ngrams"]
)
def test_greedy_texts_are_those_of_transformers(kind, rules):
    torch.manual_seed(3)
    model = MAKERS[kind]().eval()
    names = {"min_length": "min_new_tokens", "no_repeat_ngram": "no_repeat_ngram_size"}
    theirs = {names[name]: value for name, value in rules.items()}
    for seed in range(3):
        prompts = make_prompts(seed)
        if "no_repeat_ngram" in rules and kind != "encoder-decoder":
            continue  # there, transformers counts the prompt, too
        expected, _ = their_texts(model, prompts, max_new_tokens=12, **theirs)
        found = our_texts(model, prompts, max_length=12, **rules)
        assert [texts[0].ids for texts in found] == expected


@pytest.mark.skipif(
    not hasattr(GenerationMixin, "_get_top_k_continuations"),
    reason="older versions of transformers search on after a step in which the best text has ended",
)
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_beams_and_scores_are_those_of_transformers(kind, penalty):
    torch.manual_seed(3)
    model = MAKERS[kind]().eval()
    for seed in range(4):
        prompts = make_prompts(seed)
        found = our_texts(
            model, prompts, max_length=10, num_beams=4, num_return=2, length_penalty=penalty
        )
        for prompt, ours in zip(prompts, found):
            # one at a time: in a batch, some versions of transformers go on with all sources until
            # the last one is done
            expected, scores = their_texts(
                model,
                prompt[None],
                max_new_tokens=10,
                num_beams=4,
                num_return_sequences=2,
                length_penalty=penalty,
            )
            assert [written.ids for written in ours] == expected
            our_scores = torch.tensor([written.score(penalty) for written in ours])
            torch.testing.assert_close(our_scores, scores, rtol=1e-4, atol=1e-4)


class TableState(WritingState):
    """Texts whose next piece depends on the last one alone: `scores[source, last, next]`."""

    def __init__(self, scores):
        self.scores = scores
        self.last = torch.zeros(len(scores), dtype=torch.long)

    @property
    def rows(self):
        return len(self.scores)

    def advance(self, pieces):
        self.last = self.last if pieces is None else pieces
        return self.scores[torch.arange(self.rows), self.last]

    def select(self, rows):
        self.scores, self.last = self.scores[rows], self.last[rows]


def every_text(scores, end, longest):
    """RETURNS (list[tuple[float, list[int]]]): All texts with their log-probabilities."""
    log_probs = scores.log_softmax(-1)
    others = [piece for piece in range(scores.shape[-1]) if piece != end]
    found = []
    for length in range(longest + 1):
        for ids in itertools.product(others, repeat=length):
            chain = [0, *ids] + ([end] if length < longest else [])
            total = sum(float(log_probs[a, b]) for a, b in itertools.pairwise(chain))
            found.append((total, list(ids)))
    return found


def test_wide_beams_find_the_best_of_all_texts():
    torch.manual_seed(0)
    scores = 2 * torch.randn(5, 4, 4)
    settings = GenerationSettings(max_length=4, num_beams=64, num_return=3, length_penalty=0.0)
    # pieces that are never written, so that there are more candidates than beams
    padded = torch.full((5, 128, 128), -torch.inf)
    padded[:, 4:, 3] = 0.0
    padded[:, :4, :4] = scores
    found = write_beams(TableState(padded), SearchRules.of(settings, 3), settings)
    for source, texts in zip(scores, found):
        best = sorted(every_text(source, 3, 4), reverse=True)[:3]
        assert [written.ids for written in texts] == [ids for _, ids in best]
        assert [written.log_prob for written in texts] == pytest.approx(
            [total for total, _ in best], abs=1e-4
        )


def test_beams_that_all_end_at_once_end():
    scores = torch.full((2, 6, 6), -20.0)
    scores[:, :, 5] = 0.0
    settings = GenerationSettings(max_length=9, num_beams=2, num_return=2)
    found = write_beams(TableState(scores), SearchRules.of(settings, 5), settings)
    assert [texts[0].ids for texts in found] == [[], []]
    assert all(len(texts) == 2 for texts in found)
    greedy = GenerationSettings(max_length=9)
    found = write_rows(TableState(scores), SearchRules.of(greedy, 5), greedy, None)
    assert [texts[0].ids for texts in found] == [[], []]


def test_a_text_ends_where_nothing_is_allowed():
    scores = torch.zeros(1, 3, 3)
    settings = GenerationSettings(max_length=20, no_repeat_ngram=1)
    rules = SearchRules.of(settings, 2, forbidden_ids=[2])
    ((written,),) = write_rows(TableState(scores), rules, settings, None)
    assert sorted(written.ids) == [0, 1]


def test_draws_follow_the_probabilities_and_the_seed():
    torch.manual_seed(0)
    scores = torch.randn(1, 4, 4)
    settings = GenerationSettings(
        max_length=1, sample=True, num_return=4000, temperature=0.7, top_k=3
    )
    rules = SearchRules.of(settings, 3)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        (texts,) = write_rows(TableState(scores), rules, settings, generator)
        return [written.ids[0] if written.ids else 3 for written in texts]

    drawn = draw(1)
    assert drawn == draw(1) != draw(2)
    expected = scores[0, 0] / 0.7
    expected[expected.argmin()] = -torch.inf
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
    torch.testing.assert_close(shares, expected.softmax(-1), rtol=0, atol=0.03)


def test_nucleus_draws_from_the_most_probable_pieces():
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1, 4, 4)
    settings = GenerationSettings(max_length=1, sample=True, num_return=500, top_p=0.75, seed=1)
    (texts,) = write_rows(TableState(scores), SearchRules.of(settings, 3), settings, None)
    assert {written.ids[0] for written in texts} == {0, 1}
