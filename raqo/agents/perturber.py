"""Rare wordings for queries that the retriever understands (RAQO, 'Unambiguous Query Perturbation'; EchoPrompt).

`LexicalPerturber` needs no language model; `ChatPerturber` asks one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from raqo.agents.asking import ask, quoted
from raqo.agents.edits import SYNONYM_COSINE
from raqo.agents.prompts import template
from raqo.agents.spans import Span, Word, is_content, replace_span, words_of
from raqo.agents.vocabulary import Neighbour, Vocabulary
from raqo.agents.wordnet import WordNet
from raqo.protocols import Chat, Perturbation
from raqo.records import Failure


@dataclass(frozen=True, kw_only=True)
class PerturberSettings:
    """How far the lexical perturber goes. Our choices.

    Attributes:
        neighbours: phrases looked up for each word.
        rareness_weight: what a phrase's rarity counts beside its cosine.
        min_cosine: a phrase with a smaller cosine to the word means something else.
        rare_share: a rare phrase is at most this often as frequent as the word it replaces.
        variants: perturbations returned; the first replaces two words where it can, the others one.
    """

    neighbours: int = 24
    rareness_weight: float = 0.2
    min_cosine: float = 0.45
    rare_share: float = 0.25
    variants: int = 4


class LexicalPerturber:
    """Replaces one or two content words by rarer phrases near in meaning. Implements `raqo.protocols.Perturber`.

    Args:
        vocabulary: phrases of the corpus; rare is what is rare in it.
        wordnet: synonyms, where installed; those outside the corpus are the rarest.
        settings: how far to go.
    """

    def __init__(
        self, *, vocabulary: Vocabulary, wordnet: WordNet | None = None, settings: PerturberSettings | None = None
    ) -> None:
        self._vocabulary = vocabulary
        self._wordnet = wordnet
        self._settings = settings or PerturberSettings()

    def perturb(self, texts: Sequence[str]) -> list[list[Perturbation]]:
        """Propose variants of each text, the one that replaces most first."""
        words = [words_of(text) for text in texts]
        rare = self._rare({word.form for found in words for word in found if is_content(word.form)})
        return [self._variants(text, found, rare) for text, found in zip(texts, words, strict=True)]

    def _rare(self, forms: set[str]) -> dict[str, list[Neighbour]]:
        ordered = sorted(forms)
        settings = self._settings
        rows = self._vocabulary.neighbours(ordered, k=settings.neighbours, commonness=-settings.rareness_weight)
        return {form: self._rarer(form, list(row)) for form, row in zip(ordered, rows, strict=True)}

    def _rarer(self, form: str, row: list[Neighbour]) -> list[Neighbour]:
        near = [found for found in row if found.cosine >= self._settings.min_cosine]
        if self._wordnet:
            known = {found.text for found in row}
            synonyms = [text for text in self._wordnet.synonyms(form) if text not in known]
            near += [Neighbour(text, SYNONYM_COSINE, SYNONYM_COSINE, self._vocabulary.count(text)) for text in synonyms]
        limit = self._settings.rare_share * self._vocabulary.count(form)
        rare = [found for found in near if found.count <= limit and not _related(form, found.text)]
        return sorted(rare, key=lambda found: (-found.score, found.text))

    def _variants(self, text: str, words: list[Word], rare: dict[str, list[Neighbour]]) -> list[Perturbation]:
        """Two words, then single words, from places and wordings drawn by a hash of the text: data want variety."""
        places = [at for at, word in enumerate(words) if rare.get(word.form)]
        if not places:
            return []
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
        places = places[draw % len(places) :] + places[: draw % len(places)]
        edits = [(at, _drawn(rare[words[at].form], draw)) for at in places]
        variants = [_replaced(text, sorted(edits[:2])), *(_replaced(text, [edit]) for edit in edits)]
        return list(dict.fromkeys(variants))[: self._settings.variants]


def _drawn(found: Sequence[Neighbour], draw: int) -> str:
    """One of the first four."""
    return found[draw % min(len(found), 4)].text


def _related(form: str, phrase: str) -> bool:
    """Whether a phrase holds the word itself or an inflection of it ("snow", "snowy")."""
    return any(word.startswith(form) or form.startswith(word) for word in phrase.split())


def _replaced(text: str, edits: Sequence[tuple[int, str]]) -> Perturbation:
    for at, wording in reversed(edits):  # from the right, so that places stay what they are
        text = replace_span(text, words_of(text), Span(at, at + 1), wording)
    return Perturbation(text, tuple(wording for _, wording in edits))


class _Variant(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str
    concepts: list[str]


class _Variants(BaseModel):
    model_config = ConfigDict(extra="ignore")

    variants: list[_Variant]


class ChatPerturber:
    """Asks a chat model for rare wordings (``prompts/perturb.md``). A failed answer gives no variant.

    Args:
        chat: the model.
        temperature: of the answers.
        seed: of the answers.
        concurrency: conversations at a time.
    """

    def __init__(self, chat: Chat, *, temperature: float = 0.7, seed: int = 0, concurrency: int = 8) -> None:
        self._chat = chat
        self._temperature = temperature
        self._seed = seed
        self._concurrency = concurrency

    def perturb(self, texts: Sequence[str]) -> list[list[Perturbation]]:
        """Propose variants of each text, in the order the model gives them."""
        with ThreadPoolExecutor(self._concurrency) as pool:
            return list(pool.map(self._perturb, texts))

    def _perturb(self, text: str) -> list[Perturbation]:
        messages = [
            {"role": "system", "content": template("perturb")},
            {"role": "user", "content": quoted(query=text)},
        ]
        answer = ask(self._chat, messages, _Variants, temperature=self._temperature, seed=self._seed).answer
        if isinstance(answer, Failure):
            return []
        return [
            Perturbation(variant.text, tuple(found))
            for variant in answer.variants
            if variant.text.strip() and (found := _present(variant))
        ]


def _present(variant: _Variant) -> list[str]:
    """The rare words that really stand in the variant."""
    return [
        concept for concept in variant.concepts if concept.strip() and concept.casefold() in variant.text.casefold()
    ]
