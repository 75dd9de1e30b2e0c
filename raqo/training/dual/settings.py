"""Settings of the dual encoder's training. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from raqo.errors import ConfigError, message
from raqo.training.settings import OptimiserSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DualShape:
    """Sizes of a dual encoder that is made from scratch; the defaults train on a CPU in minutes.

    Attributes:
        hidden: width of both encoders and of their vectors.
        layers: of each encoder.
        heads: of each layer; must divide `hidden`.
        image_size: pixels of the shorter side of a picture.
        patch_size: pixels of a patch's side; must divide `image_size`.
        vocabulary: word pieces: all characters, and the most frequent words of the texts that are trained on.
        question_length: tokens read of a question.
        passage_length: tokens read of a passage.
    """

    hidden: int = 96
    layers: int = 2
    heads: int = 4
    image_size: int = 64
    patch_size: int = 16
    vocabulary: int = 2_000
    question_length: int = 40
    passage_length: int = 64

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "heads", "image_size", "patch_size", "vocabulary"):
            if getattr(self, name) < 1:
                raise _wrong(f"shape.{name}", "at least 1", getattr(self, name))
        for name in ("question_length", "passage_length"):
            if getattr(self, name) < 3:
                raise _wrong(f"shape.{name}", "at least 3", getattr(self, name))
        if self.hidden % self.heads:
            raise _wrong("shape.heads", f"a divisor of hidden {self.hidden}", self.heads)
        if self.image_size % self.patch_size:
            raise _wrong("shape.patch_size", f"a divisor of image_size {self.image_size}", self.patch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DualRunSettings(OptimiserSettings):
    """One run over questions and passages; `batch_size` counts questions.

    In-batch negatives are those of one part of a batch: with `accumulation` there are fewer of them.
    `gradient_checkpointing` saves memory and keeps them all.

    Attributes:
        temperature: divides the scores; the paper has none (1).
    """

    learning_rate: float = 2e-3
    epochs: float = 10.0
    batch_size: int = 64
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    bf16: bool = False
    temperature: float = 1.0

    def __post_init__(self) -> None:
        OptimiserSettings.__post_init__(self)
        if self.temperature <= 0:
            raise _wrong("temperature", "more than 0", self.temperature)
        if self.batch_size // self.accumulation < 2:
            raise _wrong("batch_size", "two or more questions in each part", self.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DualSettings:
    """What a dual encoder is made from, and how.

    Attributes:
        query: ViLT to start from: a folder or a Hugging Face name; empty for one of `shape` with random weights.
        knowledge: BERT to start from, likewise; both or neither.
        shape: of the encoders made from scratch.
        pretrain: the VL-ICT run before; None leaves it out.
        train: the run on questions.
        hard_negatives: take one passage from ranks 50 to 70 of a first retrieval for each question, beside the others
            of the batch.
    """

    query: str = ""
    knowledge: str = ""
    shape: DualShape = field(default_factory=DualShape)
    pretrain: DualRunSettings | None = field(default_factory=DualRunSettings)
    train: DualRunSettings = field(default_factory=DualRunSettings)
    hard_negatives: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if bool(self.query) != bool(self.knowledge):
            given = self.query or self.knowledge
            problem = f"one of query and knowledge is given ({given!r})"
            raise ConfigError(message("dual", problem, "give both models to start from, or none"))


def _wrong(name: str, expected: str, got: object) -> ConfigError:
    return ConfigError(message(f"dual.{name}", f"expected {expected}, got {got}", "correct the value"))
