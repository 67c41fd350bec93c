"""Messages in a graph's state, under LangGraph's names."""

from nbflow.writing.messages import (
    REMOVE_ALL_MESSAGES,
    Message,
    MessagesState,
    RemoveMessage,
    add_messages,
)

__all__ = ["REMOVE_ALL_MESSAGES", "Message", "MessagesState", "RemoveMessage", "add_messages"]
