"""The commands: their output as text and as JSON, and their errors."""

import json
import runpy

import pytest
import spacy
from spacy.tokens import DocBin
from typer.main import get_command
from typer.testing import CliRunner

from spacy_bertfamily import __version__, released
from spacy_bertfamily.cli import ask, bertfamily_cli, plots

CONLLU = (
    "# text = Eat ham!\n"
    "1\tEat\t_\tVERB\t_\t_\t_\t_\t_\t_\n"
    "2\tham\t_\tNOUN\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
)


def run(*args):
    return CliRunner().invoke(bertfamily_cli, [str(arg) for arg in args])


def said(result):
    """RETURNS (str): What was printed, without line breaks."""
    return " ".join(result.output.split())


def leaves(command, path=()):
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(leaves(get_command(bertfamily_cli)))


@pytest.fixture
def folder(make_tagger, tmp_path):
    nlp, _ = make_tagger(trainable=["adapter"])
    nlp.to_disk(tmp_path / "nlp")
    (tmp_path / "a.conllu").write_text(CONLLU)
    return tmp_path / "nlp"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_has_an_example(path):
    assert f"EXAMPLE: python -m spacy bertfamily {' '.join(path)} " in COMMANDS[path].help.replace(
        "\n", " "
    )
    assert all(parameter.help for parameter in COMMANDS[path].params if parameter.name != "ctx")


def test_info_as_text_and_as_json(folder):
    about = json.loads(run("info", folder, "--json").output)["transformer"]
    assert about["type"] == "bert"
    assert len(about["fingerprint"]) == 64
    assert about["adapters"] == ["default"]
    assert about["active_adapter"] == "default"
    assert (
        about["trained"]
        == sum(part["trained"] for part in about["parts"].values())
        == about["parts"]["adapter"]["total"]
    )
    assert about["stored_bytes"] == (folder / "transformer" / "delta.safetensors").stat().st_size
    shown = said(run("info", folder))
    assert about["fingerprint"] in shown
    assert "default (active)" in shown


def test_adapters_can_be_exported_and_imported(folder, tmp_path):
    exported = run("adapters", "export", folder, tmp_path / "adapter")
    assert exported.exit_code == 0, exported.output
    imported = run(
        "adapters",
        "import",
        folder,
        tmp_path / "adapter",
        tmp_path / "both",
        "--name",
        "second",
        "-a",
    )
    assert imported.exit_code == 0, imported.output
    rows = json.loads(run("adapters", "list", tmp_path / "both", "--json").output)
    assert [(row["adapter"], row["active"]) for row in rows] == [
        ("default", False),
        ("second", True),
    ]
    assert rows[0]["parameters"] == rows[1]["parameters"] > 0
    assert rows[0]["kind"] == "spacy-bertfamily.Bottleneck.v1"
    assert "second yes" in said(run("adapters", "list", tmp_path / "both"))
    # the imported adapter is a copy, so the predictions are the same
    text = "I like green eggs"
    one, other = spacy.load(folder)(text), spacy.load(tmp_path / "both")(text)
    assert (
        one._.trf_data.model_output.last_hidden_state
        == other._.trf_data.model_output.last_hidden_state
    ).all()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["info", "{tmp}/nothing"], "Cannot load"),
        (["layers", "{tmp}/nothing"], "Cannot load"),
        (["adapters", "list", "{tmp}/nothing"], "Cannot load"),
        (["adapters", "export", "{nlp}", "{tmp}/a", "--name", "other"], "B062"),
        (["adapters", "export", "{nlp}", "{tmp}/a", "--format", "other"], "B004"),
        (
            ["adapters", "export", "{nlp}", "{tmp}/a", "--transformer", "other"],
            "no such adapter_transformer",
        ),
        (["adapters", "import", "{nlp}", "{nlp}", "{tmp}/a"], "B068"),
        (["plot-log", "{tmp}/a.png", "{nlp}/meta.json"], "B313"),
        (["new-backbone", "{tmp}/a", "--text", "{nlp}/meta.json", "--type", "bort"], "B411"),
        (["new-backbone", "{nlp}", "--text", "{nlp}/meta.json"], "B414"),
        (["save-backbone", "{nlp}", "{tmp}/a"], "B417"),
        (["save-backbone", "{nlp}", "{tmp}/a", "--generator"], "B424"),
        (["save-backbone", "{nlp}", "{tmp}/a", "--component", "other"], "B420"),
        (["save-backbone", "{nlp}/meta.json", "{tmp}/a"], "B416"),
        (["fill-mask", "{nlp}/meta.json", "a [MASK]"], "B416"),
        (["fill-mask", "{tmp}/nothing", "a [MASK]"], "B020"),
        (["convert", "{nlp}/meta.json", "{tmp}/a.spacy", "--format", "bio"], "B314"),
        (["convert", "{nlp}/meta.json", "{tmp}/a.spacy", "--format", "poem"], "B121"),
        (
            [
                "convert",
                "{nlp}/transformer/delta.safetensors",
                "{tmp}/a.spacy",
                "--format",
                "conllu",
            ],
            "B321",
        ),
        (["convert", "{nlp}/../a.conllu", "{nlp}/meta.json/a.spacy"], "Cannot write"),
        (["init-config", "{nlp}/meta.json/a.cfg", "--task", "ner"], "Cannot write"),
        (["init-config", "{nlp}", "--task", "ner", "--force"], "Cannot write"),
        (["train", "{nlp}/config.cfg", "-o", "{nlp}/meta.json/a"], "Cannot train"),
        (["train", "{nlp}/config.cfg", "-o", "{tmp}/a"], "Cannot train"),
        (["train", "{nlp}/tokenizer", "-o", "{tmp}/a"], "Cannot train"),
        (["ask", "en_minilm_qa", "Who?", "--context", "{tmp}/nothing"], "Cannot read"),
        (["compare", "poetry", "{nlp}/meta.json", "{nlp}/meta.json", "-o", "{tmp}/a"], "B004"),
        (
            [
                "compare",
                "ner",
                "{nlp}/meta.json",
                "{nlp}/meta.json",
                "-o",
                "{tmp}/a",
                "--sizes",
                "big",
            ],
            "--sizes",
        ),
        (
            [
                "compare",
                "ner",
                "{nlp}/meta.json",
                "{nlp}/meta.json",
                "-o",
                "{tmp}/a",
                "--top-layers",
                "7",
            ],
            "B007",
        ),
        (
            [
                "compare",
                "ner",
                "{nlp}/meta.json",
                "{nlp}/meta.json",
                "-o",
                "{tmp}/a",
                "--tops",
                "7",
            ],
            "B007",
        ),
        (
            ["compare", "ner", "{nlp}/meta.json", "{nlp}/meta.json", "-o", "{nlp}/meta.json/a"],
            "Cannot compare",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_errors_have_no_traceback(folder, tmp_path, args, message):
    result = run(*(arg.format(tmp=tmp_path, nlp=folder) for arg in args))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in said(result)


@pytest.mark.parametrize(
    "command", [["train"], ["compare", "ner", "{corpus}"]], ids=lambda command: command[0]
)
def test_unknown_options_are_an_error(tmp_path, command):
    (tmp_path / "file").touch()
    args = [arg.format(corpus=tmp_path / "file") for arg in command]
    result = run(*args, tmp_path / "file", "-o", tmp_path / "out", "--max-steps", "5")
    assert result.exit_code == 2
    assert "No such option '--max-steps'" in said(result) or "No such option: --max-steps" in said(
        result
    )
    assert not (tmp_path / "out").exists()


def test_one_of_several_transformers_must_be_named(make_tagger, tmp_path):
    nlp, _ = make_tagger()
    config = nlp.get_pipe_config("transformer")
    nlp.add_pipe("adapter_transformer", name="second", config={"model": config["model"]})
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    result = run("adapters", "export", tmp_path / "nlp", tmp_path / "adapter")
    assert result.exit_code == 1
    assert "transformer, second" in said(result)
    assert (
        run("adapters", "export", tmp_path / "nlp", tmp_path / "adapter", "-t", "second").exit_code
        == 0
    )


QUESTION = {
    "id": "1",
    "question": "When did Kent meet Ann?",
    "answers": [{"text": "1911", "answer_start": 3}],
}
PARAGRAPH = {"context": "In 1911 Kent met Ann in Oslo.", "qas": [QUESTION]}
SQUAD = {"data": [{"paragraphs": [PARAGRAPH]}]}


@pytest.mark.parametrize("option", ["--entity-swaps", "--swaps"])
def test_convert_swaps_entities_under_the_new_name_of_the_option_and_the_old(tmp_path, option):
    (tmp_path / "a.json").write_text(json.dumps(SQUAD))
    result = run("convert", tmp_path / "a.json", tmp_path / "a.spacy", option, "1")
    assert "1 of the questions made, with another name or number" in said(result)
    assert "2 of 2 questions written, 1 of them unanswerable" in said(result)


def test_convert_warns_of_what_is_left_out_and_of_nothing_else(tmp_path):
    """The words of a label do not decide whether a line is a warning."""
    rows = [{"text": "a", "label": "one, skipped, left out"}, {"text": "", "label": "b"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    args = ["--text-a", "text", "--text-b", ""]
    result = run("convert", tmp_path / "a.jsonl", tmp_path / "a.spacy", *args)
    warnings = [line for line in result.output.splitlines() if "\N{WARNING SIGN}" in line]
    assert len(warnings) == 1
    assert "1 row(s) skipped, 'text' is empty: line 2" in warnings[0]
    assert "label one, skipped, left out: 1" in said(result)


BIO = '{"tokens": ["Ann", "eats", "Blue", "Ham"], "tags": ["B-PER", "O", "B-FOOD", "I-FOOD"]}\n'


def test_convert_tags(tmp_path):
    (tmp_path / "a.conllu").write_text(CONLLU + "3\t!\t_\tPUNCT\t_\t_\t_\t_\t_\t_\n\n" + CONLLU)
    result = run("convert", tmp_path / "a.conllu", tmp_path / "a.spacy")
    assert "2 sentences with 5 words written" in said(result)
    first, second = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert first.text == "Eat ham!"
    assert [token.tag_ for token in first] == ["VERB", "NOUN", "PUNCT"]
    assert second.text == "Eat ham"


@pytest.mark.parametrize(("limit", "written"), [(0, 3), (2, 2), (5, 3)])
def test_convert_stops_at_the_limit(tmp_path, limit, written):
    (tmp_path / "a.conllu").write_text(3 * (CONLLU + "\n"))
    result = run("convert", tmp_path / "a.conllu", tmp_path / "a.spacy", "--limit", limit)
    assert f"{written} sentences with {2 * written} words written" in said(result)
    assert len(DocBin().from_disk(tmp_path / "a.spacy")) == written


def test_convert_treebank_tags_and_morphology(tmp_path):
    rows = [
        "1\tEats\t_\tVERB\tVBZ\tNumber=Sing|Person=3\t_\t_\t_\t_",
        "2\tham\t_\tTHING\t_\t_\t_\t_\t_\t_",
    ]
    (tmp_path / "a.conllu").write_text("\n".join(rows) + "\n")
    assert run("convert", tmp_path / "a.conllu", tmp_path / "a.spacy", "--xpos").exit_code == 0
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert [(token.tag_, token.pos_, str(token.morph)) for token in doc] == [
        ("VBZ", "VERB", "Number=Sing|Person=3"),
        ("_", "", ""),
    ]


def test_convert_entities(tmp_path):
    (tmp_path / "a.jsonl").write_text(BIO)
    assert (
        run("convert", tmp_path / "a.jsonl", tmp_path / "a.spacy", "--format", "bio").exit_code == 0
    )
    (doc,) = DocBin().from_disk(tmp_path / "a.spacy").get_docs(spacy.blank("en").vocab)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann", "PER"), ("Blue Ham", "FOOD")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": "abc", "tags": ["O", "O", "O"]}, "'tokens' is 'abc', and not a list of texts"),
        ({"tokens": ["a", "b"], "tags": "OO"}, "'tags' is 'OO', and not a list of texts"),
        ({"tokens": ["a", 1], "tags": ["O", "O"]}, "and not a list of texts"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens, but 1 tags"),
    ],
)
def test_malformed_bio_lines_are_an_error(row, message, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    result = run("convert", tmp_path / "a.jsonl", tmp_path / "a.spacy", "--format", "bio")
    assert result.exit_code == 1
    output = " ".join(result.output.split())
    assert "B314" in output
    assert message in output


def test_plot_log(tmp_path):
    rows = [
        {"step": s, "score": s / 10, "losses": {"tagger": 3.0 - s}, "scores": {}} for s in range(3)
    ]
    (tmp_path / "run.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run("plot-log", tmp_path / "curves.png", tmp_path / "run.jsonl")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_plot_log_draws_each_of_two_logs_of_the_same_name(tmp_path, monkeypatch):
    row = json.dumps({"step": 1, "score": 0.5, "losses": {"tagger": 3.0}})
    logs = [tmp_path / name / "log.jsonl" for name in ("adapter", "full")]
    for log in logs:
        log.parent.mkdir()
        log.write_text(row)
    drawn = []
    monkeypatch.setattr(plots, "draw_log", lambda logs, title, path: drawn.append(list(logs)))
    assert run("plot-log", tmp_path / "curves.png", *logs).exit_code == 0
    assert drawn == [[str(log) for log in logs]]


def test_ask_says_which_file_of_a_folder_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_text("Ann wrote it.", encoding="utf8")
    (tmp_path / "b.txt").write_bytes("Jörg wrote it.".encode("latin-1"))
    result = run("ask", "en_minilm_qa", "Who?", "--context", tmp_path)
    assert result.exit_code == 1
    assert "B321" in result.output
    assert "b.txt" in result.output


def test_ask_reads_files_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_text("Ann wrote it.", encoding="utf-8-sig")
    assert ask._read_contexts([str(tmp_path)]) == {str(tmp_path / "a.txt"): "Ann wrote it."}


def test_a_backbone_is_made_filled_and_saved_from_a_pipeline(tmp_path):
    lines = tmp_path / "raw.txt"
    lines.write_text("Ann likes green eggs.\nThe dog likes blue ham.\n" * 5)
    size = ["--layers", 1, "--width", 16, "--vocab-size", 200, "--max-pieces", 64]
    made = run("new-backbone", tmp_path / "new", "--text", lines, "-t", lines, *size)
    assert made.exit_code == 0, made.output
    assert "W410" in said(made)
    text = "Ann [MASK] [MASK] eggs."
    guesses = json.loads(run("fill-mask", tmp_path / "new", text, "--json", "--top", 3).output)
    assert [len(guess) for guess in guesses] == [3, 3]
    shown = said(run("fill-mask", tmp_path / "new", text, "--top", 3))
    assert "Mask 2" in shown
    assert guesses[0][0][0] in shown
    nlp = spacy.blank("en")
    model = {"name": str(tmp_path / "new"), "trainable": ["all"], "adapter": None}
    windows = {"max_pieces": 64, "stride": 8}
    config = {"model": {**model, **windows}}
    nlp.add_pipe("adapter_transformer", name="transformer", config=config)
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    saved = run("save-backbone", tmp_path / "nlp", tmp_path / "saved")
    assert saved.exit_code == 0, saved.output
    assert "without a head" in said(saved)
    again = run("save-backbone", tmp_path / "nlp", tmp_path / "saved")
    assert again.exit_code == 1
    assert "B414" in said(again)
    forced = run("save-backbone", tmp_path / "nlp", tmp_path / "saved", "--force")
    assert forced.exit_code == 0, forced.output


def test_list_names_all_released_pipelines():
    found = json.loads(run("list", "--json").output)
    assert list(found) == released.list_released()
    assert "question answering" in found["en_minilm_qa"]
    printed = said(run("list"))
    assert all(name in printed and what in printed for name, what in found.items())


def test_the_version_is_printed():
    result = run("--version")
    assert (result.exit_code, result.output.strip()) == (0, __version__)


def test_the_module_says_where_the_commands_are(capsys):
    runpy.run_module("spacy_bertfamily", run_name="__main__")
    assert "python -m spacy bertfamily --help" in capsys.readouterr().out
