"""project.yml: its workflows fit together, its commands exist, and one of them runs."""

import re
import shutil

import pytest
from typer.main import get_command
from weasel.cli.run import project_run
from weasel.util.config import load_project_config

from spacy_bertfamily.cli import bertfamily_cli
from spacy_bertfamily.init_config.tasks import TASKS

from ..util.files import ROOT

PROJECT = load_project_config(ROOT)
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}
LINES = [line for command in COMMANDS.values() for line in command["script"]]


def test_all_commands_belong_to_a_workflow():
    used = [name for names in PROJECT["workflows"].values() for name in names]
    assert set(used) == set(COMMANDS)


@pytest.mark.parametrize("workflow", PROJECT["workflows"])
def test_dependencies_of_commands_exist_or_are_made_by_earlier_commands(workflow):
    data = PROJECT["vars"]["data"] + "/"
    made = set()
    if workflow == "package":  # packages the pipeline that the demo trains
        made.add(PROJECT["vars"]["pipeline"])
        assert any(
            PROJECT["vars"]["pipeline"] in command["outputs"]
            for command in COMMANDS.values()
            if "outputs" in command
        )
    for name in PROJECT["workflows"][workflow]:
        command = COMMANDS[name]
        assert command["help"]
        for path in command["deps"]:
            assert path in made or path.startswith(data) or (ROOT / path).exists(), (
                f"{name} needs {path}"
            )
        made.update(command.get("outputs", []))


@pytest.mark.parametrize(
    "line", [line for line in LINES if "bertfamily" in line], ids=lambda line: line[27:60]
)
def test_options_of_our_commands_exist(line):
    name, *rest = line.split("spacy bertfamily ")[1].split(" ")
    known = {option for p in get_command(bertfamily_cli).commands[name].params for option in p.opts}
    assert {option for option in rest if re.fullmatch(r"--[a-z-]+", option)} <= known


def test_workflows_train_known_tasks():
    tasks = [re.search(r"--task (\S+)", line)[1] for line in LINES if "init-config" in line]
    assert len(tasks) == 8
    assert set(tasks) <= set(TASKS)


# Commands that run or train a pipeline.
ON_THE_GPU = (
    "spacy train ",
    "spacy evaluate ",
    "bertfamily compare ",
    "scripts/ask_released.py",
    "scripts/help_desk.py",
)


@pytest.mark.parametrize(
    "line", [line for line in LINES if any(part in line for part in ON_THE_GPU)]
)
def test_commands_that_run_pipelines_take_a_gpu(line):
    assert line.count("--gpu-id -1") == 1


@pytest.mark.slow
def test_a_command_runs_and_is_skipped_the_second_time(tmp_path, capfd):
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    shutil.copy(ROOT / "project.yml", tmp_path)
    for folder in ("corpus", "scripts"):
        (tmp_path / folder).mkdir()
    project_run(tmp_path, "convert-messages")
    first = capfd.readouterr().out
    assert "330 of 330 rows written" in " ".join(first.split())
    project_run(tmp_path, "convert-messages")
    assert "nothing changed" in capfd.readouterr().out
