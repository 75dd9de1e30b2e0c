"""ReViz's dual encoder: ViLT reads question and picture, BERT reads passages, their inner product is the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from raqo.retrievers.dual.vilt_patches import embed_patches


class DualEncoder(nn.Module):
    """Two encoders into one space (Luo et al. 2023; QueryFormer, *Model Architecture*).

    Args:
        query: a `ViltModel` with its pooler: tanh of a projection of the first token.
        knowledge: a `BertModel` of the same width, without a pooler.
    """

    def __init__(self, query: Any, knowledge: Any) -> None:
        super().__init__()
        self.query = query
        self.knowledge = knowledge

    def encode_questions(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Z_q of questions with or without pictures, made by `DualInputs.questions`: (B, d), each value in (-1, 1)."""
        patches, mask = embed_patches(self.query, inputs["pixel_values"], inputs["pixel_mask"])
        pooled: Tensor = self.query(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            image_embeds=patches,
            pixel_mask=mask,
        ).pooler_output
        return pooled

    def encode_passages(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Z_k of passages, the last state of their first token: (B, d)."""
        states: Tensor = self.knowledge(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        ).last_hidden_state
        return states[:, 0]

    def forward(self, questions: Mapping[str, Tensor], passages: Mapping[str, Tensor]) -> Tensor:
        """Scores of every question with every passage: (B, P), in float32 and without temperature."""
        return self.encode_questions(questions).float() @ self.encode_passages(passages).float().T

    def activation_checkpointing_enable(self, **options: Any) -> None:
        """Keep no activations inside the layers while training; the trainer asks for it by this name."""
        for part in (self.query, self.knowledge):
            part.activation_checkpointing_enable(**options)
