"""An agent that uses tools, fails once, waits for a human and goes on: recorded by one handler, shown as a tree."""

import itertools
import sys
import time
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langchain.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from scripted_model import ScriptedModel, message

import relay_core
from relay_core.cli import show_files
from relay_core.jsonl import JsonlSink
from relay_langchain import RelayCallbackHandler

outages = itertools.chain([True], itertools.repeat(False))


@tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    relay_core.scope.event("cache-miss", data={"city": city})  # a mark, on the scope of this tool call
    time.sleep(0.02)
    if city == "Lisbon" and next(outages):
        raise ConnectionError("the weather service did not answer")
    return f"21 degrees in {city}"


@tool
def book_flight(city: str) -> str:
    """Book a flight, if a human agrees."""
    return f"booked to {city}" if interrupt(f"Book a flight to {city}?") == "yes" else "not booked"


def main(path: str = "quickstart.jsonl") -> None:
    """Run the agent until it asks the human, resume it with the answer, and show what was recorded."""
    relay_core.plugins.register(JsonlSink(path, mode="overwrite"), name="jsonl")
    script = [message(weather=["Lisbon", "Oslo"]), message(book_flight=["Lisbon"]), message("Have a nice trip!")]
    retry = ToolRetryMiddleware(max_retries=1, initial_delay=0)
    model = ScriptedModel(messages=iter(script))
    agent = create_agent(
        model, [weather, book_flight], middleware=[retry], checkpointer=InMemorySaver(), name="travel-agent"
    )
    config: Any = {"callbacks": [RelayCallbackHandler()], "configurable": {"thread_id": "trip-1"}}

    agent.invoke({"messages": [("user", "Somewhere warm, please.")]}, config)
    agent.invoke(Command(resume="yes"), config)

    relay_core.subscribers.flush()
    show_files(path)
    print(f"The events are in {path}: `relay show --data {path}`, `relay validate {path}`.")


if __name__ == "__main__":
    main(*sys.argv[1:])
