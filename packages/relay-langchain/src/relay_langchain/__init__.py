"""Relay for LangChain: callbacks and middleware become scopes."""
