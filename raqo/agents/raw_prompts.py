"""What a model folder needs so that any chat server asks the rewriter with the very tokens of `LocalRewriter`.

A rewriter is taught on plain prompts. Chat servers fill a template and read special tokens out of the text; here is the
template that adds nothing, and the setting that keeps a query which spells ``<end>`` a text.
"""

from __future__ import annotations

from typing import Any

MARK = "{#- raqo: the prompt as it is -#}"


def use_raw_prompts(tokenizer: Any) -> None:
    """Replace the chat template by one that writes the messages one after the other and nothing else.

    Where the tokenizer opens every text with special tokens, the template writes them, for servers tokenise a filled
    template without. Such a tokenizer cannot also be told to leave special tokens unread: the template then parts the
    characters of those that a message spells.
    """
    opening = _opening(tokenizer)
    special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special] if opening else []
    inert = "".join(f" | replace({token!r}, {token[:1] + ' ' + token[1:]!r})" for token in special)
    parts = [MARK, *([f"{{{{ {opening!r} }}}}"] if opening else [])]
    parts.append(f"{{% for message in messages %}}{{{{ message['content']{inert} }}}}{{% endfor %}}")
    tokenizer.chat_template = "".join(parts)
    tokenizer.split_special_tokens = not opening
    tokenizer.init_kwargs["split_special_tokens"] = not opening  # only these are saved


def stop_ids(tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the end token, and the line break, for an answer is one line."""
    return [tokenizer.eos_token_id, *tokenizer("\n", add_special_tokens=False)["input_ids"][-1:]]


def _opening(tokenizer: Any) -> str:
    """The special tokens before every text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)
    return "".join(tokenizer.convert_ids_to_tokens(whole[:start]))
