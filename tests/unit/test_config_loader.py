import contextlib
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raqo.config_loader import dump, load
from raqo.errors import ConfigError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Stage:
    learning_rate: float = 1e-5
    epochs: int = 3
    betas: tuple[float, float] = (0.9, 0.999)
    targets: tuple[str, ...] = ()
    precision: Literal["bf16", "fp32"] = "bf16"


@dataclass(frozen=True, kw_only=True)
class Training:
    pro: Stage = field(default_factory=Stage)
    warm: Stage | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    name: str
    out: Path = Path("runs")
    limit: int | None = None
    shuffle: bool = True
    colour: Colour = Colour.RED
    weights: dict[str, float] = field(default_factory=dict)
    either: int | str = 0
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if self.limit == 0:
            raise ValueError("limit cannot be 0")


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_overrides_become_typed_values(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nout: x/y\ntraining:\n  pro:\n    epochs: 4\n    targets: [q, v]\n")
    run = load(Run, path, ["training.pro.learning_rate=1e-4", "colour=blue", "limit=7", "training.warm.epochs=1e3"])
    assert run.training.pro == Stage(learning_rate=1e-4, epochs=4, targets=("q", "v"))
    assert isinstance(run.training.pro.learning_rate, float)
    assert (run.out, run.colour, run.limit) == (Path("x/y"), Colour.BLUE, 7)
    assert run.training.warm == Stage(epochs=1000)


def test_later_override_wins_and_the_mapping_given_stays_as_it_was() -> None:
    given_mapping = {"name": "a", "training": {"pro": {"epochs": 1}}}
    run = load(Run, given_mapping, ["training.pro.epochs=2", "training.pro.epochs=5", "limit=3", "limit=null"])
    assert (run.training.pro.epochs, run.limit) == (5, None)
    assert given_mapping == {"name": "a", "training": {"pro": {"epochs": 1}}}


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        ("name: a\ntraining:\n  pro:\n    epoch: 4\n", [], r"run.yaml:4 training.pro.epoch: unknown key .*'epochs'"),
        ("name: a\n", ["training.pro.lerning_rate=1"], r"override .*unknown key \(did you mean 'learning_rate'\?\)"),
        ("name: a\nlimit: 1\nlimit: 2\n", [], r"run.yaml:3: key 'limit' is given twice \(first at .*run.yaml:2\)"),
        ("limit: 1\n", [], "missing name"),
        ("name: 12\n", [], r"run.yaml:1 name: expected text \(in quotes\), got 12"),
        ("name: a\nlimit: 1.5\n", [], r"run.yaml:2 limit: expected a whole number, got 1.5"),
        ("name: a\nlimit: true\n", [], "limit: expected a whole number, got True"),
        ("name: a\nshuffle: 1\n", [], "shuffle: expected true or false, got 1"),
        ("name: a\ncolour: rad\n", [], r"'red' or 'blue' \(did you mean 'red'\?\), got 'rad'"),
        ("name: a\n", ["training.pro.precision=bf61"], r"'bf16' or 'fp32' \(did you mean 'bf16'\?\)"),
        ("name: a\n", ["training.pro.betas=[0.1]"], "a list of 2 values"),
        ("name: a\n", ["training.pro.betas=[0.1, x]"], r"training.pro.betas\[1\]: expected a number, got 'x'"),
        ("name: a\n", ["training.pro.learning_rate=.nan"], "expected a number"),
        ("name: a\n", ["training.pro.targets=q"], "expected a list, got 'q'"),
        ("name: a\n", ["training=3"], "expected a mapping of settings, got 3"),
        ("name: a\n", ["limit"], "name.of.setting=value"),
        ("name: a\n", ["limit=0"], "limit cannot be 0"),
        ("name: a\n", ["limit=[1"], "not valid YAML"),
        ("name: [a\n", [], r"run.yaml:2: not valid YAML"),
        ("- a\n", [], "expected a mapping of settings"),
        ("name: !!python/object/apply:os.system [ls]\n", [], "not valid YAML"),
    ],
)
def test_errors_say_where_and_what(tmp_path: Path, text: str, overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load(Run, write(tmp_path, text), overrides)


def test_missing_and_unreadable_files_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Run, tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Run, tmp_path / "bad.yaml")


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(Training, write(tmp_path, "# nothing yet\n")) == Training()


def test_merge_keys_work(tmp_path: Path) -> None:
    text = "pro: &p {epochs: 9, precision: fp32}\nwarm:\n  <<: *p\n  epochs: 2\n"
    assert load(Training, write(tmp_path, text)).warm == Stage(epochs=2, precision="fp32")


numbers = st.floats(allow_nan=False)
texts = st.text(max_size=12)
stages = st.builds(
    Stage,
    learning_rate=numbers,
    epochs=st.integers(),
    betas=st.tuples(numbers, numbers),
    targets=st.lists(texts, max_size=3).map(tuple),
    precision=st.sampled_from(["bf16", "fp32"]),
)
runs = st.builds(
    Run,
    name=texts,
    out=texts.filter(lambda text: "\0" not in text).map(Path),
    limit=st.none() | st.integers(min_value=1),
    shuffle=st.booleans(),
    colour=st.sampled_from(Colour),
    weights=st.dictionaries(texts, numbers, max_size=3),
    either=st.integers() | texts,
    training=st.builds(Training, pro=stages, warm=st.none() | stages),
)


@settings(deadline=None, max_examples=60)
@given(runs)
@example(Run(name="\x85"))
@example(Run(name=" a\u2028\n\rb\ufeff "))
def test_dump_and_load_round_trip(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(dump(run), encoding="utf-8", newline="\n")
    assert load(Run, path) == run


@settings(deadline=None, max_examples=60)
@given(st.recursive(st.none() | st.integers() | numbers | texts, lambda x: st.lists(x) | st.dictionaries(texts, x)))
def test_any_value_gives_a_config_or_a_config_error(value: Any) -> None:
    for key in ("name", "out", "limit", "shuffle", "colour", "weights", "either", "training"):
        with contextlib.suppress(ConfigError):
            load(Run, {"name": "a", key: value})


def test_import_is_light() -> None:
    code = "import sys, raqo.config_loader; assert not {'torch', 'pydantic', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_section_in_part_keeps_what_its_own_default_says_beside_it() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Chain:
        first: Stage = field(default_factory=lambda: Stage(epochs=9, targets=("q",)))

    assert load(Chain, {"first": {"learning_rate": 1}}).first == Stage(learning_rate=1.0, epochs=9, targets=("q",))
    assert load(Chain, {}, ["first.epochs=2"]).first == Stage(epochs=2, targets=("q",))
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        load(Chain, {"first": {"epoch": 2}})


def test_one_setting_of_a_training_stage_can_be_given_alone() -> None:
    from raqo.training.settings import TrainingSettings

    default = TrainingSettings()
    changed = load(TrainingSettings, {}, ["ccd.epochs=1", "qre.learning_rate=1e-4", "pro.max_steps=3"])
    assert (changed.ccd.epochs, changed.ccd.learning_rate) == (1.0, default.ccd.learning_rate)
    assert (changed.qre.learning_rate, changed.qre.replay) == (1e-4, default.qre.replay)
    assert (changed.pro.max_steps, changed.pro.replay) == (3, default.pro.replay)
