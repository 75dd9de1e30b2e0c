"""A miniature run of the whole loop on the sample world, made once."""

from pathlib import Path

import pytest

from raqo.cli import main

CONFIG = """
data:
  train: {{path: sample, split: train, limit: 64}}
  evaluate:
    test: {{path: sample, split: test, limit: 48}}
retriever: {{model: sample}}
mining: {{max_rounds: 2, batch_size: 16}}
training:
  model: sample
  ccd: {{learning_rate: 1e-3, max_steps: 2, batch_size: 8, max_length: 192, save_steps: 0}}
  qre: {{learning_rate: 1e-3, max_steps: 2, batch_size: 8, max_length: 192, save_steps: 0}}
  pro: {{learning_rate: 1e-4, max_steps: 2, batch_size: 4, max_length: 192, save_steps: 0}}
evaluation: {{depth: 20, permutations: 200, examples: 2}}
wordnet: null
directions: [t2i, i2t]
ablations: true
cache_dir: {cache}
"""


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    path = folder / "mini.yaml"
    path.write_text(CONFIG.format(cache=folder / "cache"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def run_folder(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mini"
    assert main(["run", "--config", str(config), "--out", str(folder)]) == 0
    return folder
