"""The messages that a call is about, and what of them the user said."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole

__all__ = ["conversation", "without_retries"]

_BEGINNINGS = (
    "Error while parsing the output: ",
    "FAILURE: Your previous response was empty.",
    "Result of executing the code given:\n",
)
"""How LlamaIndex's agents begin when they speak in the user's name: the `ReActAgent` to ask for an
answer once more, the `CodeActAgent` to tell what its code gave."""


def conversation(
    user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None
) -> list[ChatMessage]:
    """The messages that a call with tools is about.

    Example:
        >>> [message.content for message in conversation("And now?", [ChatMessage("Hello.")])]
        ['Hello.', 'And now?']
    """
    if isinstance(user_msg, str):
        user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
    return [*(chat_history or ()), *([] if user_msg is None else [user_msg])]


def without_retries(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages, with what an agent says in the user's name put among the answers.

    A complaint about the answer's form, or what its code gave, is no new question, and would else
    be routed as one.

    Example:
        >>> asked_again = [
        ...     ChatMessage("Rain today?"),
        ...     ChatMessage("It pours.", role="assistant"),
        ...     ChatMessage("Error while parsing the output: no thought"),
        ... ]
        >>> [message.role.value for message in without_retries(asked_again)]
        ['user', 'assistant', 'assistant']
    """
    read: list[ChatMessage] = []
    for message in messages:
        said = (message.content or "") if message.role == MessageRole.USER else ""
        answered = bool(read) and read[-1].role == MessageRole.ASSISTANT
        update = (
            {"role": MessageRole.ASSISTANT} if answered and said.startswith(_BEGINNINGS) else {}
        )
        read.append(message.model_copy(update=update))
    return read
