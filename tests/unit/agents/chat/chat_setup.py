"""What the tests of the chat client share."""

from __future__ import annotations

import asyncio
from typing import Any

from raqo.agents.chat.client import OpenAIChat
from raqo.agents.chat.settings import ChatSettings, FlowSettings
from raqo.errors import BudgetError
from raqo.protocols import ChatRequest, ChatResult, NoAnswerError
from raqo.testing_server import ChatServer

KEY = "sk-very-secret-0123456789"
QUICK = FlowSettings(max_attempts=3, max_wait_s=0.01)


class Purse:
    """A ledger in memory that keeps what happened."""

    def __init__(self, budget: float | None) -> None:
        self.budget = budget
        self.reserved: list[float] = []
        self.settled: dict[int, float] = {}

    @property
    def committed(self) -> float:
        """Rounded to billionths: a sum of floats depends on their order."""
        return round(sum(self.settled.get(number, amount) for number, amount in enumerate(self.reserved)), 9)

    def reserve(self, amount: float) -> int:
        if self.budget is not None and round(self.committed + amount, 9) > self.budget:
            raise BudgetError("budget: used up; resume with a larger --budget.")
        self.reserved.append(amount)
        return len(self.reserved) - 1

    def settle(self, reservation: int, amount: float) -> None:
        assert reservation not in self.settled
        self.settled[reservation] = amount


def chat_at(server: ChatServer, *, ledger: Purse | None = None, **changes: Any) -> OpenAIChat:
    settings = {"preset": "vllm", "model": "tiny", "base_url": server.base_url, "flow": QUICK} | changes
    return OpenAIChat(ChatSettings(**settings), ledger=ledger)


def request(text: str = "hello", **changes: Any) -> ChatRequest:
    return ChatRequest(messages=({"role": "user", "content": text},), **changes)


def answer(chat: OpenAIChat, asked: ChatRequest | None = None) -> list[ChatResult]:
    return asyncio.run(chat.complete(asked or request()))


def no_answer(chat: OpenAIChat, asked: ChatRequest | None = None) -> NoAnswerError:
    try:
        results = answer(chat, asked)
    except NoAnswerError as error:
        return error
    raise AssertionError(f"expected no answer, got {results}")
