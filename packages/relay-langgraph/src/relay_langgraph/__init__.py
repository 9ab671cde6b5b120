"""Relay for LangGraph: a plugin that understands graphs, nodes and interrupts."""
