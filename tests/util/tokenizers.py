"""Tokenizers with a small vocabulary, of every kind that model types use."""

import json
import string
from pathlib import Path

import transformers
from tokenizers import (
    ByteLevelBPETokenizer,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast, RobertaTokenizerFast

SENTENCE = (
    "i like green eggs eat blue ham the small dog likes un ##able ##s ##ing who wrote it ann in "
    "19 ##20 ?"
)
WORDS = SENTENCE.split()
CHARACTERS = [
    *string.ascii_lowercase,
    *string.digits,
    *string.punctuation,
    *"äöüé你好世界谁写了书安本吃饭在家😀",
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# by kind: special pieces, and the templates of one and of two texts
UNIGRAM = {
    "albert": (
        ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
        "[CLS] $A [SEP]",
        "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
    ),
    "reformer": (["<unk>", "</s>", "<pad>"], "$A", "$A:0 $B:0"),
    "t5": (["<pad>", "</s>", "<unk>"], "$A </s>", "$A:0 </s>:0 $B:0 </s>:0"),
    "unigram": (ROBERTA, "<s> $A </s>", "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0"),
    "xlnet": (
        ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eop>", "<eod>"],
        "$A <sep> <cls>:2",
        "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
    ),
}
# by kind: special pieces, and transformers' class, which puts one before each text
SENTENCEPIECE_BPE = {
    "gemma": (["<pad>", "<eos>", "<bos>", "<unk>"], "GemmaTokenizerFast"),
    "llama": (["<unk>", "<s>", "</s>"], "LlamaTokenizerFast"),
}
CLASSES = {
    "albert": "AlbertTokenizerFast", "reformer": "ReformerTokenizerFast", "t5": "T5TokenizerFast",
    "unigram": "XLMRobertaTokenizerFast", "xlnet": "XLNetTokenizerFast",
}  # fmt: skip


def make_tokenizer(kind: str, folder: Path) -> None:
    """Write the files of a tokenizer to a folder."""
    if kind in UNIGRAM:
        make_unigram(kind, folder)
    elif kind in SENTENCEPIECE_BPE:
        make_sentencepiece_bpe(kind, folder)
    elif kind in ("bytes", "gpt2", "luke", "modernbert", "qwen2"):
        make_byte_level(kind, folder)
    else:
        make_wordpiece(kind, folder)


def wordpiece_vocabulary(special):
    """RETURNS (list[str]): Special pieces, words, and characters as first and later pieces."""
    return list(
        dict.fromkeys(
            [*special, *WORDS, *CHARACTERS, *(f"##{character}" for character in CHARACTERS)]
        )
    )


def make_wordpiece(kind: str, folder: Path) -> None:
    """Write a vocabulary of word pieces, and for most kinds the settings of a fast tokenizer."""
    vocabulary = folder / ("prophetnet.tokenizer" if kind == "prophetnet" else "vocab.txt")
    special = {
        "mpnet": ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"],
        "prophetnet": ["[PAD]", *BERT[1:], "[X_SEP]"],
    }
    pieces = wordpiece_vocabulary(special.get(kind, BERT))
    if kind == "funnel":
        pieces = wordpiece_vocabulary(["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>"])
    vocabulary.write_text("\n".join(pieces), encoding="utf8")
    if kind == "roc_bert":
        for name, step in (("word_shape", 3), ("word_pronunciation", 5)):
            ids = {piece: i * step % 256 for i, piece in enumerate(pieces)}
            (folder / f"{name}.json").write_text(json.dumps(ids), encoding="utf8")
    classes = {
        "funnel": "FunnelTokenizerFast",
        "mpnet": "MPNetTokenizerFast",
        "wordpiece": "BertTokenizerFast",
    }
    if kind in classes:
        getattr(transformers, classes[kind])(str(vocabulary)).save_pretrained(folder)


def make_byte_level(kind: str, folder: Path) -> None:
    """Write a byte-level BPE, trained on a few words."""
    bpe = ByteLevelBPETokenizer()
    end = ["<|endoftext|>"]
    special = {"gpt2": end, "modernbert": BERT, "qwen2": end}.get(kind, ROBERTA)
    bpe.train_from_iterator(
        [" ".join(WORDS)] * 3, vocab_size=300, special_tokens=special, show_progress=False
    )
    bpe.save_model(str(folder))
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    if kind == "gpt2":
        transformers.GPT2TokenizerFast(*files).save_pretrained(folder)
    elif kind == "qwen2":
        transformers.Qwen2TokenizerFast(*files).save_pretrained(folder)
    elif kind == "bytes":
        RobertaTokenizerFast(*files).save_pretrained(folder)
    elif kind == "luke":  # has no fast tokenizer
        (folder / "entity_vocab.json").write_text(
            '{"[PAD]": 0, "[UNK]": 1, "[MASK]": 2, "[MASK2]": 3}'
        )
    else:
        bpe._tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), BERT))
        inputs = ["input_ids", "attention_mask"]
        PreTrainedTokenizerFast(
            tokenizer_object=bpe._tokenizer, model_input_names=inputs, **names
        ).save_pretrained(folder)  # fmt: skip


def split_before_bytes(folder: Path, before: str, trim: bool = True, prefix: bool = True) -> None:
    """Put another pre-tokenizer before that of a byte-level tokenizer, as RobBERT has it.

    folder (Path): The folder of the tokenizer.
    before (str): The class of the other pre-tokenizer.
    trim (bool): Whether offsets leave out the space that a piece begins with.
    prefix (bool): Whether each part gets a space in front.
    """
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf8"))
    other = json.loads(getattr(pre_tokenizers, before)().__getstate__())
    by_byte = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim}
    by_byte["use_regex"] = True
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [other, by_byte]}
    content["post_processor"]["trim_offsets"] = trim
    path.write_text(json.dumps(content), encoding="utf8")
    # the classes of single models would put their own pre-tokenizer in its place
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf8")


def make_unigram(kind: str, folder: Path) -> None:
    """Write a tokenizer like those of SentencePiece, where words start with a mark."""
    special, single, pair = UNIGRAM[kind]
    words = [f"▁{word}" for word in WORDS if not word.startswith("##")]
    pieces = list(dict.fromkeys([*special, "▁", *words, "able", "s", "ing", *CHARACTERS]))
    scores = [(piece, 0.0 if piece in special else -2.0 - (len(piece) == 1)) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=special.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(piece, i) for i, piece in enumerate(special)]
    )
    tokenizer.save(str(folder / "unigram.json"))
    extra = {"extra_ids": 0} if kind == "t5" else {}
    fast = getattr(transformers, CLASSES[kind])(
        tokenizer_file=str(folder / "unigram.json"), **extra
    )
    (folder / "unigram.json").unlink()
    fast.save_pretrained(folder)


def make_sentencepiece_bpe(kind: str, folder: Path) -> None:
    """Write a BPE over whole texts, where spaces are marks and unknown characters are bytes."""
    special, class_name = SENTENCEPIECE_BPE[kind]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    mark = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = mark
    octets = [f"<0x{octet:02X}>" for octet in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[*special, *octets],
        initial_alphabet=list(string.ascii_letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f" {word}" for word in WORDS] * 3, trainer)
    if kind == "llama":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), mark])
    content = json.loads(tokenizer.to_str())
    # the bytes are ordinary pieces
    content["added_tokens"] = content["added_tokens"][: len(special)]
    (folder / "bpe.json").write_text(json.dumps(content), encoding="utf8")
    tokenizer = getattr(transformers, class_name)(tokenizer_file=str(folder / "bpe.json"))
    (folder / "bpe.json").unlink()
    tokenizer.save_pretrained(folder)
