"""A run folder: its layout, its resolved configuration, and what happens when it is there already."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from raqo import config_loader
from raqo.config import IfExists, RunConfig
from raqo.errors import ConfigError, RunFolderError, message
from raqo.files import write_text
from raqo.workflows.times import TIMES


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    def save(self, config: RunConfig) -> None:
        """Write the resolved configuration."""
        write_text(self.config, config_loader.dump(config))

    def begin(self, config: RunConfig) -> None:
        """Write the resolved configuration into a new folder; in one that is there, stages that end well do."""
        if not self.config.exists():
            self.save(config)

    @property
    def retriever(self) -> Path:
        """Fingerprints of the retriever that was mined."""
        return self.path / "retriever.json"

    @property
    def lexicon(self) -> Path:
        """What the retriever prefers to be told, phrase by phrase."""
        return self.path / "lexicon.json"

    @property
    def traces(self) -> Path:
        """The trace log of mining."""
        return self.path / "traces.jsonl"

    @property
    def spending(self) -> Path:
        """What chat models were paid, call by call."""
        return self.path / "spend.jsonl"

    @property
    def mining(self) -> Path:
        """What mining took and gave."""
        return self.path / "mining.json"

    @property
    def data(self) -> Path:
        """The preference data."""
        return self.path / "data"

    @property
    def models(self) -> Path:
        """One folder per training stage."""
        return self.path / "models"

    @property
    def ablation(self) -> Path:
        """Stages trained for comparison only."""
        return self.path / "ablation"

    @property
    def gate(self) -> Path:
        """The calibrated gate."""
        return self.path / "gate.json"

    @property
    def evaluation(self) -> Path:
        """TREC runs and per-query changes."""
        return self.path / "evaluation"

    @property
    def evaluated(self) -> Path:
        """What the evaluation was made from and what came out."""
        return self.evaluation / "manifest.json"

    @property
    def report(self) -> Path:
        """The report's JSON."""
        return self.path / "report.json"


def open_run(path: Path, if_exists: IfExists) -> RunFolder:
    """Make sure that a run folder can be made, or gone on with. A new one is not made before it has content.

    Args:
        path: of the folder.
        if_exists: ``fail``; ``resume`` (go on; finished parts are checked one by one and reused where their inputs are
            the same); ``replace`` (as resume, but parts with other inputs are made anew).

    Raises:
        RunFolderError: the folder cannot be made or written, holds something else, or is in the way.
    """
    folder = RunFolder(path)
    if os.path.exists(path) and not path.is_dir():
        raise RunFolderError(message(str(path), "is a file", "give --out a folder"))
    # a first start that is stopped before it mines anything leaves its times
    if os.path.isdir(path) and any(entry.name != TIMES for entry in path.iterdir()):
        if not folder.config.exists():
            problem = "holds files that are not a run's"
            raise RunFolderError(message(str(path), problem, "give --out an empty or new folder"))
        if if_exists == "fail":
            raise RunFolderError(message(str(path), "is there already", "give --if-exists resume or another --out"))
    _require_writable(path)
    return folder


def _require_writable(path: Path) -> None:
    """Write a file and delete it, where the folder is or will be."""
    there = next(place for place in (path, *path.absolute().parents) if os.path.exists(place))
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"raqo")
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise RunFolderError(message(str(path), problem, "free the disk or choose another folder")) from error


def find_run(path: Path) -> tuple[RunFolder, RunConfig]:
    """Open a finished run for reading.

    Raises:
        ConfigError: the folder is not a run.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise ConfigError(message(str(path), "is not a run folder (no config.yaml)", "give the folder of a run"))
    return folder, config_loader.load(RunConfig, folder.config)
