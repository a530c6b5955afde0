# %% [markdown]
# # Pretraining on your own text
#
# From raw text to a backbone of your own: a tokenizer, masked language modelling by `spacy
# pretrain`, and a look at what it has learned. The text here is far too small for a good
# model, so that everything takes a minute; the steps are those of a large one.

# %%
import json
import tempfile
from pathlib import Path

from spacy.training.pretrain import pretrain
from spacy.util import load_config

from spacy_bertfamily import fill_mask, new_backbone, save_backbone

folder = Path(tempfile.mkdtemp())
sentences = [
    f"{name} {verb} {thing} in {place} ."
    for name in ("ann", "ben", "carl", "dora")
    for verb in ("sold", "bought", "found", "lost")
    for thing in ("a boat", "a lamp", "the old map", "two tents")
    for place in ("oslo", "leeds", "rome")
]
raw = folder / "raw.jsonl"
raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in sentences), encoding="utf8")
print(len(sentences), "texts, such as", sentences[0])

# %% [markdown]
# ## A backbone with random weights
#
# The same as `python -m spacy bertfamily new-backbone`. `model_type` is any of the family:
# bert, roberta, albert, electra, deberta-v2 ...

# %%
new_backbone(folder / "new", sentences, model_type="bert", layers=2, width=64, vocab_size=120)
print(sorted(file.name for file in (folder / "new").iterdir()))

# %% [markdown]
# ## Masked language modelling
#
# `configs/pretrain_mlm.cfg` has all settings. In the terminal this is `python -m spacy pretrain`.

# %%
changes = {
    "paths.raw_text": str(raw),
    "paths.raw_dev": str(raw),
    "paths.backbone": str(folder / "new"),
    "pretraining.max_epochs": 160,
    "pretraining.batcher.size": 1000,
    "pretraining.n_save_epoch": 50,
    "pretraining.optimizer.learn_rate.initial_rate": 0.003,
    "pretraining.optimizer.learn_rate.warmup_steps": 20,
    "pretraining.optimizer.learn_rate.total_steps": 300,
}
config = load_config("configs/pretrain_mlm.cfg", overrides=changes, interpolate=False)
(folder / "pretrained").mkdir()
pretrain(config.interpolate(), folder / "pretrained", silent=False)

# %% [markdown]
# ## What it knows

# %%
save_backbone(folder / "pretrained" / "model-last.bin", folder / "my_bert")
for text in ("ann [MASK] a boat in oslo .", "ben lost the old [MASK] in rome ."):
    (guesses,) = fill_mask(folder / "my_bert", text, top=4)
    print(text, [(piece, round(score, 2)) for piece, score in guesses])

# %% [markdown]
# `name = "…/my_bert"` in the block of a transformer makes it the backbone of a pipeline.
