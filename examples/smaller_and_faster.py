# %% [markdown]
# # Smaller and faster
#
# A pipeline of tags and entities is made smaller by leaving out pieces of the vocabulary that its
# texts do not need, and faster by 16 bits. What that costs is measured on annotated text.

# %%
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import spacy
from spacy.tokens import DocBin
from spacy.training.converters import conllu_to_docs

import spacy_bertfamily

folder = Path(tempfile.mkdtemp())


def read_conllu(name):
    """Read annotated sentences of the bundled help pages."""
    text = Path("assets", name).read_text(encoding="utf8")
    return list(conllu_to_docs(text, n_sents=1, no_print=True))


train, dev = read_conllu("tagged_train.conllu"), read_conllu("tagged_dev.conllu")
DocBin(docs=dev).to_disk(folder / "dev.spacy")
messages = Path("assets/messages_train.jsonl").read_text(encoding="utf8").splitlines()
texts = [doc.text for doc in train] + [json.loads(line)["text"] for line in messages]
print(len(texts), "texts, such as", texts[0])

# %% [markdown]
# ## A vocabulary of one's own texts
#
# Every piece of these texts is kept, and single letters: other words are read in smaller pieces.
# Take as much text as you have; here it is very little, and so is what remains.

# %%
nlp = spacy_bertfamily.load("en_minilm_pos_ner")
nlp.to_disk(folder / "large")
pruned = spacy_bertfamily.prune_vocabulary(folder / "large", folder / "small", texts, coverage=1.0)
print(pruned)

# %% [markdown]
# What is read in the same pieces gets the same bits.

# %%
small = spacy.load(folder / "small")
for text in texts[:20]:
    assert [token.tag_ for token in nlp(text)] == [token.tag_ for token in small(text)]

# %% [markdown]
# ## Beside each other
#
# Sizes with and without the backbone, words per CPU second in batches and one text at a time, the
# score on the annotated sentences, and the share of equal decisions.

# %%
report = ["compress", "report", str(folder / "large"), str(folder / "small")]
command = [sys.executable, "-m", "spacy", "bertfamily", *report]
result = subprocess.run(
    [*command, "--corpus", str(folder / "dev.spacy")], capture_output=True, text=True, check=True
)
print(result.stdout)

# %% [markdown]
# ## 16 bits
#
# On processors with instructions for it, bfloat16 is about twice as fast, and the tags are nearly
# always the same. On others it is slower, and a warning says so.

# %%
setting = {"components": {"token_transformer": {"model": {"precision": "bfloat16"}}}}
brief = spacy.load(folder / "large", config=setting)
for name, pipeline in (("float32", nlp), ("bfloat16", brief)):
    list(pipeline.pipe(texts[:32]))
    start = time.process_time()
    docs = list(pipeline.pipe(texts))
    seconds = time.process_time() - start
    print(f"{name}: {sum(map(len, docs)) / seconds:.0f} words per CPU second")

equal = [
    token.tag_ == other.tag_
    for doc, same in zip(nlp.pipe(texts[:100]), brief.pipe(texts[:100]))
    for token, other in zip(doc, same)
]
print(f"equal tags: {100 * sum(equal) / len(equal):.1f} %")

# %% [markdown]
# More ways, with what they cost: fewer layers and narrower ones, distillation, int8 by OpenVINO.
# They are on the page docs/compress.md.
