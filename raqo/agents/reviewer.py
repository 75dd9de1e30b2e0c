"""The teacher of MPADE (RAQO, Figure 3): a multimodal chat model that sees what was retrieved and what was wanted.

Prompt: ``prompts/review.md``, in the figure's three steps. It sees ground truth, so it belongs to mining only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.chat.event_loop import run_all
from raqo.agents.pictures import data_url
from raqo.agents.plain_text import plain_line
from raqo.agents.prompts import one_line, prompt_hash, template
from raqo.errors import DataError
from raqo.protocols import Chat, ReviewCase, Reviewed
from raqo.records import Document, Failure, FailureKind, Review


class ReviewAnswer(BaseModel):
    """The JSON that the prompt asks for."""

    model_config = ConfigDict(extra="ignore")

    difference: str
    weakness: str
    concepts: list[str]
    rewrites: list[str]


@dataclass(frozen=True, kw_only=True)
class ReviewerSettings:
    """How the chat model is asked. The paper names neither model nor prompts; these are our choices.

    Attributes:
        shown: retrieved documents shown beside the target.
        samples: rewrites asked for.
        temperature: of the answers.
        max_side: pixels of the longer side of a shown image.
        max_tokens: of one answer.
        seed: of the answers.
    """

    shown: int = 5
    samples: int = 2
    temperature: float = 0.7
    max_side: int = 448
    max_tokens: int = 1024
    seed: int = 0


class ChatReviewer:
    """Reviews with a chat model. Implements `raqo.protocols.Reviewer`.

    Args:
        chat: a multimodal model, or a text model where all documents are texts.
        documents: every document of the gallery by id.
        settings: how to ask.
    """

    def __init__(
        self, *, chat: Chat, documents: Mapping[str, Document], settings: ReviewerSettings | None = None
    ) -> None:
        self._chat = chat
        self._documents = documents
        self._settings = settings or ReviewerSettings()

    @property
    def name(self) -> str:
        """The chat model's name, for provenance."""
        return f"chat:{self._chat.model}"

    @property
    def prompt_hash(self) -> str:
        """Hash of ``prompts/review.md``."""
        return prompt_hash("review")

    def review(self, cases: Sequence[ReviewCase]) -> list[Reviewed]:
        """Review each case; an answer that stays unreadable after one more try is a typed failure."""
        # pictures are decoded and shrunk here: not on the loop that keeps the servers busy
        rendered = [self._rendered(case) for case in cases]
        return run_all(self._review(case, messages) for case, messages in zip(cases, rendered, strict=True))

    def _rendered(self, case: ReviewCase) -> list[dict[str, Any]] | Failure:
        try:
            return self.messages(case)
        except DataError as error:
            return Failure(FailureKind.TRANSPORT, f"cannot show a document: {error}", case.round)

    async def _review(self, case: ReviewCase, messages: list[dict[str, Any]] | Failure) -> Reviewed:
        if isinstance(messages, Failure):
            return Reviewed(messages)
        settings = self._settings
        asked = await ask(
            self._chat,
            messages,
            ReviewAnswer,
            temperature=settings.temperature,
            seed=settings.seed + case.round,  # a wording reviewed again shall get new proposals
            max_tokens=settings.max_tokens,
            round_=case.round,
        )
        return Reviewed(_review(asked.answer, case), asked.cost)

    def messages(self, case: ReviewCase) -> list[dict[str, Any]]:
        """The conversation for a case, in the OpenAI form.

        Raises:
            DataError: an image cannot be read.
        """
        hits = [hit.doc_id for hit in case.ranking.hits if hit.doc_id != case.target][: self._settings.shown]
        asked = quoted(
            original_query=one_line(case.original_text),
            current_query=one_line(case.query.text),
            rewrites_wanted=self._settings.samples,
        )
        parts = [_text(asked), *self._shown("target", case.target)]
        for place, doc_id in enumerate(hits, start=1):
            parts += self._shown(f"retrieved {place}", doc_id)
        return [{"role": "system", "content": template("review")}, {"role": "user", "content": parts}]

    def _shown(self, label: str, doc_id: str) -> list[dict[str, Any]]:
        document = self._documents[doc_id]
        parts = [_text(quoted(document=label, text=one_line(document.text or "")))]
        if document.image:
            url = data_url(document.image, max_side=self._settings.max_side)
            parts.append({"type": "image_url", "image_url": {"url": url}})
        return parts


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _review(answer: ReviewAnswer | Failure, case: ReviewCase) -> Review | Failure:
    if isinstance(answer, Failure):
        return answer
    rewrites = tuple(dict.fromkeys(text for raw in answer.rewrites if (text := plain_line(raw))))
    if not rewrites:
        return Failure(FailureKind.EMPTY, "the review proposes no rewrite", case.round)
    concepts = tuple(dict.fromkeys(text for raw in answer.concepts if (text := plain_line(raw))))
    return Review(plain_line(answer.difference), plain_line(answer.weakness), concepts, rewrites)
