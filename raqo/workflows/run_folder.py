"""A run folder: its layout, its resolved configuration, and what happens when it is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from raqo import config_loader
from raqo.config import IfExists, RunConfig
from raqo.errors import ConfigError, RunFolderError, message
from raqo.files import write_text


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
    def report(self) -> Path:
        """The report's JSON."""
        return self.path / "report.json"


def open_run(path: Path, config: RunConfig, if_exists: IfExists) -> RunFolder:
    """Create a run folder or go on in one.

    Args:
        path: of the folder.
        config: written as ``config.yaml`` into a new folder; in one that is there, a stage that ends well writes it.
        if_exists: ``fail``; ``resume`` (go on; finished parts are checked one by one and reused where their inputs are
            the same); ``replace`` (as resume, but parts with other inputs are made anew).

    Raises:
        RunFolderError: the folder cannot be made or written, holds something else, or is in the way.
    """
    folder = RunFolder(path)
    if path.exists() and not path.is_dir():
        raise RunFolderError(message(str(path), "is a file", "give --out a folder"))
    if path.exists() and any(path.iterdir()):
        if not folder.config.exists():
            problem = "holds files that are not a run's"
            raise RunFolderError(message(str(path), problem, "give --out an empty or new folder"))
        if if_exists == "fail":
            raise RunFolderError(message(str(path), "is there already", "give --if-exists resume or another --out"))
    if not folder.config.exists():
        folder.save(config)
    return folder


def find_run(path: Path) -> tuple[RunFolder, RunConfig]:
    """Open a finished run for reading.

    Raises:
        ConfigError: the folder is not a run.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise ConfigError(message(str(path), "is not a run folder (no config.yaml)", "give the folder of a run"))
    return folder, config_loader.load(RunConfig, folder.config)
