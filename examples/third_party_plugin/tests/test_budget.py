"""The plugin in a runtime of the test's own: the fixture `relay_runtime` comes with Relay's testing kit."""

import pytest
from acme_relay_budget import Budget

from relay_core import ScopeType, SettingsError
from relay_core.testing import recording


def test_a_run_within_its_budget(relay_runtime, caplog):
    """A run that takes no more than it may is not worth a word."""
    relay = relay_runtime({"budget": Budget()}, plugins={"budget": {"limit": 100}})

    ask(relay, tokens=100)

    assert caplog.messages == []


def test_a_run_beyond_its_budget(relay_runtime, caplog):
    """The tokens of all models in a run are added up."""
    relay = relay_runtime({"budget": Budget()}, plugins={"budget": {"limit": 100}})

    ask(relay, tokens=60, times=2)

    assert caplog.messages == ["support took 120 tokens, 100 were allowed"]


def test_hides_fields(relay_runtime):
    """What others get to see has no e-mail addresses, at any depth; the application keeps its own."""
    relay = relay_runtime({"budget": Budget()})
    question = {"from": [{"email": "ada@example.org", "name": "Ada"}]}

    with recording(relay) as recorded, relay.scopes.scope("support", input=question):
        pass

    assert recorded.tree.one("support").input == {"from": [{"email": "[hidden]", "name": "Ada"}]}
    assert question["from"][0]["email"] == "ada@example.org"


def test_misspelt_settings(relay_runtime):
    """A setting that does not exist is an error that names the one that was meant."""
    with pytest.raises(SettingsError, match="did you mean 'limit'"):
        relay_runtime({"budget": Budget()}, plugins={"budget": {"limits": 1}})


def ask(relay, tokens, times=1):
    """Run an agent that calls a model a few times, and wait until every plugin has seen it."""
    profile = {"annotated_response": {"usage": {"total_tokens": tokens}}}
    with relay.scopes.scope("support", ScopeType.Agent):
        for _ in range(times):
            model = relay.scopes.start("model", ScopeType.Llm)
            relay.scopes.end(model, category_profile=profile)
    relay.subscribers.flush()
