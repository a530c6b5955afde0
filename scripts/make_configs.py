"""Write the configs of one task in `configs/`, as `python -m spacy bertfamily init-config` does.

python scripts/make_configs.py
"""

from pathlib import Path

from spacy_bertfamily.init_config.make import make_config

ROOT = Path(__file__).parents[1]
# by name: task, mode, language
CONFIGS: dict[str, tuple[str, str, str]] = {
    "generate_prefix_lm": ("generate", "adapter", "en"),
    "generate_prefix_lm_full": ("generate", "full", "en"),
    "ner_adapter": ("ner", "adapter", "en"),
    "ner_full": ("ner", "full", "en"),
    "pair_adapter": ("pair", "adapter", "en"),
    "pair_full": ("pair", "full", "en"),
    "pair_regression": ("pair_regression", "adapter", "en"),
    "qa_adapter": ("qa", "adapter", "en"),
    "qa_adapter_zh": ("qa", "adapter", "zh"),
    "qa_full": ("qa", "full", "en"),
    "tagger_adapter": ("tagger", "adapter", "en"),
    "tagger_full": ("tagger", "full", "en"),
    "textcat_adapter": ("textcat", "adapter", "en"),
    "textcat_full": ("textcat", "full", "en"),
}
# written by hand: several tasks, pretraining, ELMo, static vectors, characters, encoder-decoders,
# and the pipelines that come with the package
WRITTEN = {
    "multitask_pal",
    "tagger_elmo",
    "ner_zh_components",
    "ner_zh_glyphs",
    "tagger_vectors",
    "ner_vectors",
    "textcat_vectors",
    "generate_encoder_decoder",
    "generate_encoder_decoder_joint",
    "pretrain_mlm",
    "pretrain_ernie",
    "pretrain_electra",
    "pretrain_distill",
    "en_minilm_qa",
    "en_minilm_nli",
    "en_minilm_similarity",
    "en_minilm_pos_ner",
}


def make(name: str) -> str:
    """RETURNS (str): The text of `configs/NAME.cfg`."""
    path = f"configs/{name}.cfg"
    task, mode, lang = CONFIGS[name]
    return make_config(task, mode, lang, path=path)


if __name__ == "__main__":
    for name in CONFIGS:
        (ROOT / "configs" / f"{name}.cfg").write_text(make(name), encoding="utf8")
