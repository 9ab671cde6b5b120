"""Finding and loading installed plugins."""

import sys

import pytest
from tests.core.distributions import Distributions

from relay_core.discovery import FoundPlugin, find_plugins, unknown_names
from relay_core.errors import PluginError
from relay_core.settings import Settings

PLUGIN = """
from relay_core import hookimpl

class Plugin:
    @hookimpl
    def relay_mark(self, event): ...

plugin = Plugin()

@hookimpl
def relay_mark(event): ...

def function(): ...
"""


def find(*names: str, **settings: object) -> list[FoundPlugin]:
    """Look for plugins, among the given names only: others may be installed here."""
    found = find_plugins(Settings.model_validate(settings), ())
    return [it for it in found if it.name in names]


@pytest.mark.parametrize(("value", "kind"), [("acme:plugin", "Plugin"), ("acme:Plugin", "Plugin"), ("acme", "module")])
def test_what_an_entry_point_may_name(distributions: Distributions, value: str, kind: str) -> None:
    """An entry point names a plugin object, a class, which is instantiated, or a module."""
    distributions.install("acme-relay", {"acme": value}, {"acme": PLUGIN})
    (found,) = find("acme")

    assert (kind, None, []) == (type(found.plugin).__name__, found.refused, found.notes)
    assert f"acme-relay 1.0 ({value})" == found.origin


def test_nothing_is_loaded_twice(distributions: Distributions) -> None:
    """A name that is registered already is left alone."""
    distributions.install("acme-relay", {"acme": "acme:plugin"}, {"acme": PLUGIN})

    assert "acme" not in [it.name for it in find_plugins(Settings(), ["acme"])]
    assert "acme" not in sys.modules


def test_order(distributions: Distributions) -> None:
    """Plugins are found in the order of their names, whatever the order in which they were installed."""
    distributions.install("z", {"b": "acme:Plugin", "d": "acme:Plugin"}, {"acme": PLUGIN})
    distributions.install("a", {"c": "acme:Plugin", "a": "acme:Plugin"}, {})

    assert ["a", "b", "c", "d"] == [it.name for it in find("a", "b", "c", "d")]


def test_disabled(distributions: Distributions) -> None:
    """With `disable_autoload` nothing is looked for."""
    distributions.install("acme-relay", {"acme": "acme:plugin"}, {"acme": PLUGIN})

    assert [] == find_plugins(Settings(disable_autoload=True), ())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"plugins_block": ["acme-one"]}, "named in plugins_block"),
        ({"plugins_block": ["ACME_ONE"]}, "named in plugins_block"),
        ({"plugins_allow": ["other"]}, "not named in plugins_allow"),
        ({"plugins_allow": []}, "not named in plugins_allow"),
        ({"plugins_allow": ["acme-one"], "plugins_block": ["acme-one"]}, "named in plugins_block"),
        ({"plugins_allow": ["acme_one"]}, None),
        ({"plugins_block": ["acme"]}, None),
    ],
)
def test_allow_and_block(distributions: Distributions, settings: dict[str, object], reason: str | None) -> None:
    """A blocked plugin is found and not imported; blocking wins; `-` and `_` are the same."""
    distributions.install("acme-relay", {"acme-one": "acme:plugin"}, {"acme": PLUGIN})
    (found,) = find("acme-one", **settings)

    assert (reason, reason is not None) == (found.blocked, "acme" not in sys.modules)


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import nowhere_to_be_found", "acme", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("1 +", "acme", "SyntaxError"),
        ("raise SystemExit(3)", "acme", "SystemExit: 3"),
        ("class Boom(BaseException): ...\nraise Boom('x')", "acme", "Boom: x"),
        (PLUGIN, "acme:missing", "AttributeError"),
        ("class Plugin:\n    def __init__(self, url): ...", "acme:Plugin", "TypeError"),
        (PLUGIN, "acme:function", "names a function, not a plugin object, module or class"),
    ],
)
def test_broken_plugin(
    distributions: Distributions, caplog: pytest.LogCaptureFixture, source: str, value: str, reason: str
) -> None:
    """A plugin that cannot be loaded is refused and logged with its name and the reason; the next one is loaded."""
    distributions.install("acme-relay", {"acme": value}, {"acme": source})
    distributions.install("other-relay", {"other": "other:plugin"}, {"other": PLUGIN})
    broken, other = find("acme", "other")

    assert (None, True) == (broken.plugin, other.plugin is not None)
    assert "plugin 'acme'" in str(broken.refused)
    assert reason in str(broken.refused)
    assert f"left out acme-relay 1.0 ({value}): plugin 'acme'" in caplog.text


def test_traceback(distributions: Distributions) -> None:
    """Where the plugin's own code raised, the traceback is kept as text."""
    distributions.install("acme-relay", {"acme": "acme"}, {"acme": "def f():\n    1 / 0\nf()\n"})
    (found,) = find("acme")

    assert "acme.py" in str(found.traceback)
    assert "ZeroDivisionError" in str(found.traceback)


def test_interrupt(distributions: Distributions) -> None:
    """Ctrl-C while a plugin is imported is the user's."""
    distributions.install("acme-relay", {"acme": "acme"}, {"acme": "raise KeyboardInterrupt"})

    with pytest.raises(KeyboardInterrupt):
        find("acme")


def test_two_distributions_one_name(distributions: Distributions) -> None:
    """Of two plugins of one name the one of the first distribution by name is loaded, the other one refused."""
    distributions.install("b-relay", {"acme": "acme:plugin"}, {"acme": PLUGIN})
    distributions.install("a-relay", {"acme": "acme:plugin"}, {})
    first, second = find("acme")

    assert ("a-relay 1.0 (acme:plugin)", None) == (first.origin, first.refused)
    assert ("b-relay 1.0 (acme:plugin)", True) == (second.origin, "already exists" in str(second.refused))


def test_damaged_distribution(distributions: Distributions) -> None:
    """A distribution without metadata still has its plugin; entry points that cannot be read are reported."""
    distributions.install("acme-relay", {"acme": "acme:plugin"}, {"acme": PLUGIN})
    (distributions.folder / "acme_relay-1.0.dist-info" / "METADATA").unlink()
    (found,) = find("acme")
    (distributions.folder / "acme_relay-1.0.dist-info" / "entry_points.txt").write_text("[relay]\nno equals sign\n")
    (unreadable,) = find("entry points")

    assert found.plugin is not None
    assert "plugin 'entry points': cannot be read" in str(unreadable.refused)


def test_framework_import(
    distributions: Distributions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A plugin whose loading imports a framework is loaded, with a note that names both."""
    monkeypatch.delitem(sys.modules, "haystack", raising=False)
    distributions.install(
        "acme-relay",
        {"acme": "acme:plugin", "other": "other:plugin"},
        {"haystack": "", "acme": f"import haystack\n{PLUGIN}", "other": f"import haystack\n{PLUGIN}"},
    )
    acme, other = find("acme", "other")

    assert (True, []) == (acme.plugin is not None, other.notes)
    assert "loading it imported haystack" in acme.notes[0]
    assert "plugin 'acme': loading it imported haystack" in caplog.text


def test_refusing_keeps_no_exception() -> None:
    """What became of a plugin is kept as text: an exception would keep the frames of the plugin's code alive."""
    found = FoundPlugin("acme", "somewhere", plugin=object())
    found.refuse(PluginError("is broken", plugin="acme"))

    assert (None, "plugin 'acme': is broken", None) == (found.plugin, found.refused, found.traceback)


def test_unknown_names() -> None:
    """A name in the settings that no plugin has is pointed out: a misspelt block list blocks nothing."""
    settings = Settings(plugins_allow=("acme", "othr"), plugins_block=("acne",), plugins={"acme-two": {}, "acme": {}})

    assert [
        "plugins_allow names 'othr', but there is no plugin of this name; did you mean 'other'?",
        "plugins_block names 'acne', but there is no plugin of this name; did you mean 'acme'?",
        "plugins names 'acme_two', but there is no plugin of this name; did you mean 'acme'?",
    ] == unknown_names(settings, ["acme", "other"])
