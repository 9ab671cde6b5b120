"""How LangChain's own types are recorded: one projection per class, found by class name so that nothing is imported.

What a framework injects into a tool or a node (runtime, store, callbacks, runnables) is recorded by its type alone.
A projection returns plain data as far as it can: that is encoded in one pass.
"""

from collections.abc import Callable
from typing import Any, Final

from relay_langchain import plans

__all__ = ["PlainProjection", "document", "payload_encoder", "tool_definition"]

Projection = Callable[[Any], object]

_kind_of: Callable[[object], type[Any]] = type


class PlainProjection:
    """Turns values of a class into what is plain data as a rule: the payload encoder need not walk it."""

    __slots__ = ("_project", "plan")

    def __init__(self, project: Projection, plan: Any = None) -> None:
        """Project single values with `project`; `plan` says the same to the native encoder."""
        self._project = project
        self.plan = plan

    def __call__(self, value: Any) -> object:
        """Turn one value into plain data."""
        return self._project(value)

    def project_list(self, values: list[Any]) -> list[Any]:
        """Turn a whole list, the first item of which is of the class; what is of another one stays as it is."""
        project, kind = self._project, _kind_of(values[0])
        return [project(value) if _kind_of(value) is kind else value for value in values]


def payload_encoder(kind: type) -> Projection | None:
    """Return what turns values of the class into plain data, or None for a class that is not LangChain's."""
    for base in kind.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name == _MESSAGE:
            from relay_langchain.messages import message_projection  # a message exists, so this imports nothing new

            return message_projection(kind)
        if (projection := _PROJECTIONS.get(name)) is not None:
            return projection if projection not in _PLAIN else PlainProjection(projection, _PLANS.get(projection))
    return None


def document(value: Any) -> dict[str, object]:
    """Return a retrieved document: content, metadata, and the score and the id where they are known."""
    fields = value.__dict__
    metadata: dict[str, Any] = fields.get("metadata") or {}
    projected: dict[str, object] = {"content": fields.get("page_content"), "metadata": metadata}
    for key in _SCORES:
        if (score := metadata.get(key)) is not None:
            projected["score"] = score
            break
    if (document_id := fields.get("id")) is not None:
        projected["id"] = document_id
    return projected


def _chat_prompt(value: Any) -> dict[str, object]:
    from relay_langchain.messages import chat_messages

    return {"messages": chat_messages(value.__dict__["messages"])}


def _text_prompt(value: Any) -> object:
    return value.__dict__["text"]


def _image_prompt(value: Any) -> dict[str, object]:
    return {"image_url": value.__dict__["image_url"]}


def _agent_action(value: Any) -> dict[str, object]:
    fields = value.__dict__
    return {"tool": fields.get("tool"), "tool_input": fields.get("tool_input"), "log": fields.get("log")}


def _agent_finish(value: Any) -> dict[str, object]:
    fields = value.__dict__
    return {"return_values": fields.get("return_values"), "log": fields.get("log")}


def _agent_step(value: Any) -> dict[str, object]:
    fields = value.__dict__
    return {"action": _agent_action(fields["action"]), "observation": fields.get("observation")}


def _llm_result(value: Any) -> object:
    from relay_langchain.model_response import read_response

    return read_response(value).completion


def _generation(value: Any) -> object:
    from relay_langchain.messages import chat_messages

    fields = value.__dict__
    return chat_messages([fields["message"]])[0] if "message" in fields else {"text": fields.get("text")}


def tool_definition(value: Any) -> dict[str, object]:
    """Return a tool as the model sees it, in OpenAI's shape, without the arguments that are injected."""
    parameters: Any = value.tool_call_schema
    if not isinstance(parameters, dict):
        of_pydantic_1 = not hasattr(parameters, "model_json_schema")
        parameters = parameters.schema() if of_pydantic_1 else parameters.model_json_schema()
    return {
        "type": "function",
        "function": {"name": value.name, "description": value.description, "parameters": parameters},
    }


def _by_type(value: object) -> dict[str, str]:
    kind = type(value)
    return {"$type": f"{kind.__module__}.{kind.__qualname__}"}


_MESSAGE: Final = "langchain_core.messages.base.BaseMessage"

_SCORES: Final = ("score", "relevance_score", "_score", "similarity_score")
"""Where vector stores and rerankers leave a document's score."""

_PLAIN: Final = frozenset({document, _chat_prompt, _llm_result, _generation, tool_definition})
"""Those whose results are plain data as a rule."""

_PLANS: Final[dict[Projection, Any]] = {_chat_prompt: plans.CHAT_PROMPT}
"""What the native encoder writes them by."""

_PROJECTIONS: Final[dict[str, Projection]] = {
    "langchain_core.documents.base.Document": document,
    "langchain_core.prompt_values.ChatPromptValue": _chat_prompt,
    "langchain_core.prompt_values.StringPromptValue": _text_prompt,
    "langchain_core.prompt_values.ImagePromptValue": _image_prompt,
    "langchain_core.agents.AgentAction": _agent_action,
    "langchain_core.agents.AgentFinish": _agent_finish,
    "langchain_core.agents.AgentStep": _agent_step,
    "langchain_core.outputs.llm_result.LLMResult": _llm_result,
    "langchain_core.outputs.generation.Generation": _generation,
    "langchain_core.tools.base.BaseTool": tool_definition,
    "langchain_core.runnables.base.Runnable": _by_type,
    "langchain_core.callbacks.base.BaseCallbackHandler": _by_type,
    "langchain_core.callbacks.base.BaseCallbackManager": _by_type,
    "langchain_core.callbacks.manager.BaseRunManager": _by_type,
    "langchain_core.stores.BaseStore": _by_type,
    "langgraph.prebuilt.tool_node.ToolRuntime": _by_type,
    "langgraph.runtime.Runtime": _by_type,
    "langgraph.store.base.BaseStore": _by_type,
}
