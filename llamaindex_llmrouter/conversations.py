"""The messages that a call is about, and what of them the user said."""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock

__all__ = ["as_said", "conversation"]

_BEGINNINGS = (
    "Error while parsing the output: ",
    "FAILURE: Your previous response was empty.",
    "Result of executing the code given:\n",
)
"""How LlamaIndex's agents begin when they speak in the user's name: the `ReActAgent` to ask for an
answer once more, the `CodeActAgent` to tell what its code gave."""

_STATE, _MESSAGE = "Current state:\n", "\n\nCurrent message:\n"
"""What an agent with a state puts before the user's message."""


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


def as_said(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    r"""The messages as the user said them.

    What an agent says in the user's name is put among the answers: a complaint about the answer's
    form, or what its code gave, is no new question, and would else be routed as one. The agent's
    state is taken away from before the user's message.

    Example:
        >>> asked_again = [
        ...     ChatMessage("Rain today?"),
        ...     ChatMessage("It pours.", role="assistant"),
        ...     ChatMessage("Error while parsing the output: no thought"),
        ... ]
        >>> [message.role.value for message in as_said(asked_again)]
        ['user', 'assistant', 'assistant']
        >>> stated = ChatMessage("Current state:\n{'a': 1}\n\nCurrent message:\nRain today?\n")
        >>> as_said([stated])[0].content
        'Rain today?'
    """
    read: list[ChatMessage] = []
    for message in messages:
        said = (message.content or "") if message.role == MessageRole.USER else ""
        answered = bool(read) and read[-1].role == MessageRole.ASSISTANT
        update = (
            {"role": MessageRole.ASSISTANT} if answered and said.startswith(_BEGINNINGS) else {}
        )
        read.append(_without_state(message.model_copy(update=update), said))
    return read


def _without_state(message: ChatMessage, said: str) -> ChatMessage:
    state, found, asked = said.partition(_MESSAGE)
    if not found or not state.startswith(_STATE):
        return message
    rest = [block for block in message.blocks if not isinstance(block, TextBlock)]
    return message.model_copy(update={"blocks": [TextBlock(text=asked.strip()), *rest]})
