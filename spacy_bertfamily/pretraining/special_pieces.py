"""The special pieces of each model type, and its usual kind of vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tokenizers import AddedToken


@dataclass(frozen=True)
class SpecialPieces:
    """What a model type expects of its tokenizer.

    algorithm (str): Its usual kind of vocabulary.
    lowercase (bool): Whether it usually reads lower case only.
    pieces (Mapping[str, str]): Its special pieces by role: `pad`, `unk`, `cls`, `sep`, `mask`,
        `bos`, `eos`. Their ids are in this order, from 0.
    single, pair (str): The templates of one and of two texts, in the form of the `tokenizers`
        library.
    others (tuple[str, ...]): Special pieces without a role.
    token_types (bool): Whether the model takes token types.
    own_class (bool): Whether transformers' tokenizer class of the type can be made from a new
        vocabulary.
    """

    algorithm: str
    lowercase: bool
    pieces: Mapping[str, str]
    single: str
    pair: str
    others: tuple[str, ...] = ()
    token_types: bool = True
    own_class: bool = True

    def unique(self, lstrip: bool = False) -> list[AddedToken]:
        """List the special pieces.

        lstrip (bool): Whether the mask takes in the space before it.
        RETURNS (list[AddedToken]): Each piece once.
        """
        mask = self.pieces.get("mask")
        pieces = dict.fromkeys([*self.pieces.values(), *self.others])
        return [
            AddedToken(piece, lstrip=lstrip and piece == mask, special=True, normalized=False)
            for piece in pieces
        ]


BERT = SpecialPieces(
    "wordpiece",
    True,
    {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "[CLS] $A [SEP]",
    "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
)
ROBERTA = SpecialPieces(
    "bpe",
    False,
    {
        "bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>",
        "mask": "<mask>",
    },
    "<s> $A </s>",
    "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0",
    token_types=False,
)  # fmt: skip
XLM_ROBERTA = replace(ROBERTA, algorithm="unigram")
ALBERT = replace(
    BERT,
    algorithm="unigram",
    pieces={
        "pad": "<pad>", "unk": "<unk>", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]",
        "bos": "[CLS]", "eos": "[SEP]",
    },
)  # fmt: skip
BERT_BPE = replace(BERT, algorithm="bpe", lowercase=False)
FUNNEL = replace(
    BERT,
    pieces={
        "pad": "<pad>", "unk": "<unk>", "cls": "<cls>", "sep": "<sep>", "mask": "<mask>",
        "bos": "<s>", "eos": "</s>",
    },
    single="<cls>:2 $A:0 <sep>:0",
    pair="<cls>:2 $A:0 <sep>:0 $B:1 <sep>:1",
)  # fmt: skip
GPT2 = SpecialPieces(
    "bpe",
    False,
    {"unk": "<|endoftext|>", "bos": "<|endoftext|>", "eos": "<|endoftext|>"},
    "$A",
    "$A:0 $B:0",
    token_types=False,
)
LLAMA = SpecialPieces(
    "bpe",
    False,
    {"unk": "<unk>", "bos": "<s>", "eos": "</s>"},
    "<s> $A",
    "<s>:0 $A:0 <s>:0 $B:0",
    token_types=False,
    own_class=False,
)
GEMMA = replace(
    LLAMA,
    pieces={"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
    single="<bos> $A",
    pair="<bos>:0 $A:0 <bos>:0 $B:0",
)
MPNET = replace(
    ROBERTA,
    algorithm="wordpiece",
    lowercase=True,
    pieces={
        "bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "[UNK]", "cls": "<s>", "sep": "</s>",
        "mask": "<mask>",
    },
)  # fmt: skip
REFORMER = SpecialPieces(
    "unigram",
    False,
    {"unk": "<unk>", "eos": "</s>", "pad": "<pad>"},
    "$A",
    "$A:0 $B:0",
    token_types=False,
)
T5 = SpecialPieces(
    "unigram",
    False,
    {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
    "$A </s>",
    "$A:0 </s>:0 $B:0 </s>:0",
    token_types=False,
)
XLNET = SpecialPieces(
    "unigram",
    False,
    {
        "unk": "<unk>", "bos": "<s>", "eos": "</s>", "cls": "<cls>", "sep": "<sep>", "pad": "<pad>",
        "mask": "<mask>",
    },
    "$A:0 <sep>:0 <cls>:2",
    "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
    others=("<eop>", "<eod>"),
)  # fmt: skip

# The types that differ from BERT.
SPECIAL_PIECES: dict[str, SpecialPieces] = {
    "albert": ALBERT,
    "bart": ROBERTA,
    "big_bird": replace(ALBERT, lowercase=False),
    "camembert": replace(XLM_ROBERTA, own_class=False),
    "data2vec-text": ROBERTA,
    "deberta": BERT_BPE,
    "deberta-v2": replace(BERT, algorithm="unigram", lowercase=False),
    "distilbert": replace(BERT, token_types=False),
    "funnel": FUNNEL,
    "gemma": GEMMA,
    "gpt2": GPT2,
    "ibert": ROBERTA,
    "llama": LLAMA,
    "longformer": ROBERTA,
    "luke": replace(ROBERTA, own_class=False),
    "mistral": LLAMA,
    "modernbert": replace(BERT_BPE, token_types=False, own_class=False),
    "mpnet": MPNET,
    "mt5": replace(T5, own_class=False),
    "nystromformer": ALBERT,
    "prophetnet": replace(BERT, token_types=False, own_class=False),
    "qwen2": GPT2,
    "reformer": REFORMER,
    "rembert": replace(ALBERT, lowercase=False),
    "roberta": ROBERTA,
    "roc_bert": replace(BERT, own_class=False),
    "splinter": replace(BERT, own_class=False),
    "t5": replace(T5, own_class=False),
    "xlm-roberta": XLM_ROBERTA,
    "xlnet": XLNET,
}


def special_pieces_of(model_type: str) -> SpecialPieces:
    """Look up the special pieces of a type.

    model_type (str): As in the backbone's config.json.
    RETURNS (SpecialPieces): What it expects of its tokenizer, BERT's for types that are not listed.
    """
    return SPECIAL_PIECES.get(model_type, BERT)
