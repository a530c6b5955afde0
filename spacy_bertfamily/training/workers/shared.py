"""A training that several processes share: what differs from one process' training."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from spacy.language import Language
from thinc.api import to_numpy

from ...errors import Errors, Warnings
from ..checkpoint import CHANGEABLE, config_sections
from ..optimizer_keys import parameters_by_name
from ..random_state import get_random_state, set_random_state
from .group import WorkerGroup
from .optimizer import WorkersOptimizer
from .updates import ShardedUpdates

PACKAGES = ("spacy-bertfamily", "spacy", "thinc", "torch", "transformers", "spacy-transformers")
# The settings that may differ: only worker 0 logs, and data are compared by their content.
FREE = ("logger", "corpora")


class SharedTraining:
    """What several workers do otherwise than one process.

    group (WorkerGroup): The workers.
    nlp (Language): The pipeline.
    settings (dict[str, Any]): The section [training], resolved.
    """

    def __init__(self, group: WorkerGroup, nlp: Language, settings: dict[str, Any]):
        self.group = group
        self.nlp = nlp
        self.updates = ShardedUpdates(
            group, nlp, settings["seed"] or 0, settings["frozen_components"]
        )
        self.optimizer = WorkersOptimizer(settings["optimizer"], group, nlp, self.updates)

    def check(self, digests: Mapping[str, str], size: int, start: int) -> None:
        """Check before the first step that all workers are about to do the same.

        digests (Mapping[str, str]): The digests of the data.
        size (int): The number of training examples.
        start (int): The step of the checkpoint that is resumed from; -1 for a new training.
        RAISES (BertFamilyError): If they are not, saying what differs, and on which workers.
        """
        facts = {
            **describe_versions(),
            **describe_config(self.nlp),
            **digests,
            "the checkpoint": str(start),
            "the initial weights": digest_weights(self.nlp),
        }
        everyone = self.group.gather(facts)
        for name in facts:
            values = [worker.get(name) for worker in everyone]
            others = [str(rank) for rank, value in enumerate(values) if value != values[0]]
            if others:
                raise Errors.B523(name=name, workers=", ".join(others))
        if size < self.group.size and self.group.is_first:
            warnings.warn(Warnings.W520.format(size=self.group.size, examples=size), stacklevel=2)

    def evaluate(self, callback: Callable[[], tuple[float, dict[str, Any]]]) -> Any:
        """Evaluate on worker 0, and let all know the score.

        callback (Callable[[], tuple[float, dict[str, Any]]]): Evaluates.
        RETURNS (tuple[float, dict[str, Any]]): The main score, and on worker 0 the others.
        """
        score, state = 0.0, None
        others: dict[str, Any] = {}
        if self.group.is_first:
            score, others = callback()
            state = get_random_state()  # a reader of the corpus may have drawn some
        score, state = self.group.broadcast((score, state))
        if not self.group.is_first:
            set_random_state(*state)
        return score, others

    def total_losses(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Add up the losses of all workers.

        losses (Mapping[str, float]): The losses of this worker, by component.
        RETURNS (dict[str, float]): Those of the whole batches.
        """
        totals: dict[str, float] = {}
        for worker in self.group.gather(dict(losses)):
            for name, loss in worker.items():
                totals[name] = totals.get(name, 0.0) + loss
        return totals

    def report(self) -> str:
        """RETURNS (str): How much the workers have sent."""
        steps = max(1, self.optimizer.steps)
        gradients = self.optimizer.gradient_bytes / steps / 1e6
        everything = self.group.bytes_added / steps / 1e6
        return (
            f"{self.group.size} workers made {self.optimizer.steps} steps. Each added up "
            f"{gradients:.3g} MB of gradients a step, {everything:.3g} MB with all messages."
        )


def describe_versions() -> dict[str, str]:
    """RETURNS (dict[str, str]): The versions of what computes, by package."""
    found = {}
    for package in PACKAGES:
        try:
            found[f"the version of {package}"] = version(package)
        except PackageNotFoundError:  # not installed, but on the path
            continue
    return found


def describe_config(nlp: Language) -> dict[str, str]:
    """RETURNS (dict[str, str]): The sections of the config that must be the same on all workers."""
    sections = {name: text for name, text in config_sections(nlp).items() if name not in FREE}
    training = nlp.config.interpolate()["training"]
    limits = {name: training.get(name) for name in CHANGEABLE if name not in FREE}
    sections["training"] += json.dumps(limits, sort_keys=True, default=str)
    return {f"the section [{name}] of the config": text for name, text in sections.items()}


def digest_weights(nlp: Language) -> str:
    """Digest the names and the weights of all trained parameters.

    nlp (Language): The pipeline.
    RETURNS (str): SHA-256.
    """
    digest = hashlib.sha256()
    for name, parameter in parameters_by_name(nlp).items():
        digest.update(f"{name} {parameter.shape}\n".encode())
        digest.update(np.ascontiguousarray(to_numpy(parameter.get_weights())).tobytes())
    for name, component in nlp.pipeline:
        digest.update(f"{name} {getattr(component, 'labels', ())}\n".encode())
    return digest.hexdigest()
