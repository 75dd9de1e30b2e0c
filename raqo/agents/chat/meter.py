"""What the calls of one chat model take: reserved before each call, settled after it, added up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from raqo.agents.chat.settings import ChatSettings
from raqo.agents.chat.wire import Tokens
from raqo.errors import BudgetError, ConfigError, message


class Spending(Protocol):
    """Where money is reserved before a call and settled after it (`raqo.agents.ledger.Ledger`)."""

    @property
    def budget(self) -> float | None:
        """The most that may be spent; `None` for no limit."""
        ...

    def reserve(self, amount: float) -> int:
        """Set an amount aside; raises `BudgetError` where that would pass the budget."""
        ...

    def settle(self, reservation: int, amount: float) -> None:
        """Replace what was set aside by what was spent."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What a chat model has taken so far.

    Attributes:
        calls: HTTP requests that were answered.
        attempts: HTTP requests made, with those that failed.
        money: by the price table; lost calls count in full, as they may have been paid for.
    """

    calls: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0


class Meter:
    """Prices, ledger and sums of one chat model; belongs to one event loop.

    Raises:
        ConfigError: the ledger has a budget and the model has no price.
    """

    def __init__(self, settings: ChatSettings, ledger: Spending | None) -> None:
        self.usage = Usage()
        self._price = settings.price
        self._ledger = ledger
        self._open = 0
        self._settled = asyncio.Event()
        if ledger is not None and ledger.budget is not None and self._price is None:
            problem = f"a budget is given, and chat.prices has no {settings.model!r}"
            raise ConfigError(message("chat", problem, "write its price per million tokens, prompt and completion"))

    async def reserve(self, bound: Tokens) -> int:
        """Set aside the most that a call can cost, and give the number to settle it by.

        Where the budget does not allow it while others are open, they are awaited: most of them will cost much less.

        Raises:
            BudgetError: the budget would be passed, and nothing is open.
        """
        if self._ledger is None:
            return 0
        while True:
            try:
                reservation = self._ledger.reserve(self._cost(bound))
            except BudgetError:
                if not self._open:
                    raise
                await self._settled.wait()
            else:
                self._open += 1
                return reservation

    def settle(self, reservation: int, used: Tokens, *, answered: bool) -> None:
        """Write down what a call took."""
        cost, before = self._cost(used), self.usage
        self.usage = Usage(
            calls=before.calls + answered,
            attempts=before.attempts + 1,
            prompt_tokens=before.prompt_tokens + used.prompt * answered,
            completion_tokens=before.completion_tokens + used.completion * answered,
            money=before.money + cost,
        )
        if self._ledger is not None:
            self._ledger.settle(reservation, cost)
            self._open -= 1
            self._settled.set()
            self._settled = asyncio.Event()

    def _cost(self, tokens: Tokens) -> float:
        if self._price is None:
            return 0.0
        return (tokens.prompt * self._price.prompt + tokens.completion * self._price.completion) / 1e6
