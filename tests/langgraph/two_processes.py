"""One half of an interrupted run, for a process of its own: `python two_processes.py DATABASE EVENTS ask|answer`."""

import sys

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from tests.langgraph.support import EMPTY, asks, builder

from relay_core import plugins
from relay_core.installation import install
from relay_core.jsonl import JsonlSink
from relay_langchain import RelayCallbackHandler


def main(database: str, events: str, half: str, way: str) -> None:
    """Ask or answer, with a handler in the config or without."""
    plugins.register(JsonlSink(events, mode="append"), name="jsonl")
    if way == "installed":
        install()
    config = {"configurable": {"thread_id": "order-7"}}
    if way == "handler":
        config["callbacks"] = [RelayCallbackHandler()]
    with SqliteSaver.from_conn_string(database) as saver:
        graph = builder("a", "ask", "z", ask=asks()).compile(name="G", checkpointer=saver)
        graph.invoke(EMPTY if half == "ask" else Command(resume="yes"), config)


if __name__ == "__main__":
    main(*sys.argv[1:])
