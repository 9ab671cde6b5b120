"""Writes docs/plugins/hooks.md from the declarations of the hooks. A test compares the two; run this when it fails.

python docs/generate_hooks.py
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from relay_core import hookspecs
from relay_langchain import hookspecs as langchain_hookspecs

PAGE = Path(__file__).parent / "plugins" / "hooks.md"

INTRODUCTION = """\
# Hooks

<!-- Written by docs/generate_hooks.py from the declarations. Change those, not this page. -->

A plugin is an object whose methods carry `@hookimpl`. Each method is named like the hook that it implements:

```python
from relay_core import hookimpl


class SlowTools:
    @hookimpl
    def relay_scope_end(self, event):
        if event.category == "tool":
            print(event.name, event.outcome)
```

What holds for every hook:

- **Arguments.** An implementation takes those of the hook's arguments that it names, and may leave the others out.
  A name that the hook does not have, `*args` and `**kwargs` are refused when the plugin is registered.
- **Plain functions.** `async def`, `yield` and pluggy's wrappers are refused when the plugin is registered: nobody
  would await or resume them.
- **Isolation.** Implementations are called one by one. What one of them raises is caught, logged and counted under the
  plugin's name (`relay_core.statistics().failed`), and the next one is called.
- **Order.** `@hookimpl(tryfirst=True)` comes first, `@hookimpl(trylast=True)` last, and the others between them in the
  order of registration. Installed plugins are registered in the alphabetical order of their entry points.
- **Names.** A method that implements a hook which does not exist is refused, with the nearest name that does. A hook of
  another distribution, which may not be installed, is implemented with `@hookimpl(optionalhook=True)`.
"""

SECTIONS = {
    "lifecycle": "A plugin comes, works and goes.",
    "observe": "Events, after the fact, on the delivery thread. Nothing here changes or delays the application.",
    "integration": "A framework's package answers the core's questions.",
}


def page() -> str:
    """Return the whole page."""
    parts = [INTRODUCTION, "\n".join(_table()), ""]
    for section, meaning in SECTIONS.items():
        parts.append(f"## {section.capitalize()}\n\n{meaning}\n")
        parts += [_hook(hookspecs, name) for name in hookspecs.SECTIONS[section]]
    parts.append("## Declared by relay-langchain\n")
    parts.append(
        "For packages that understand a framework on top of LangChain. Mark implementations `optionalhook=True`.\n"
    )
    parts += [_hook(langchain_hookspecs, name) for name in _langchain_hooks()]
    return "\n".join(parts)


def _langchain_hooks() -> list[str]:
    return [name for name in langchain_hookspecs.__all__ if name.startswith("relay_")]


def _table() -> Iterator[str]:
    yield "| hook | what |"
    yield "|---|---|"
    for module, names in [
        *((hookspecs, hookspecs.SECTIONS[section]) for section in SECTIONS),
        (langchain_hookspecs, _langchain_hooks()),
    ]:
        for name in names:
            summary = (getattr(module, name).__doc__ or "").split("\n", 1)[0]
            yield f"| [`{name}`](#{_heading(module, name).lower().translate(_ANCHOR)}) | {summary} |"


_ANCHOR = str.maketrans({" ": "-", **dict.fromkeys("(),`", "")})


def _heading(module: ModuleType, name: str) -> str:
    annotations = getattr(module, name).__annotations__
    return f"{name}({', '.join(argument for argument in annotations if argument != 'return')})"


def _hook(module: ModuleType, name: str) -> str:
    function = getattr(module, name)
    summary, _, rest = textwrap.dedent(_indented(function.__doc__)).strip().partition("\n\n")
    body, _, arguments = rest.partition("Args:\n")
    items = [_item(label, text) for label, text in _labelled(body, r"^([A-Z]\w+): ")]
    items += [
        f"- **`{argument}`**, `{function.__annotations__[argument]}`. {_sentence(text)}"
        for argument, text in _labelled(textwrap.dedent(arguments), r"^(\w+): ")
    ]
    returned = function.__annotations__["return"]
    items = [it.replace("**Returns.**", f"**Returns** `{returned}`.") if returned != "None" else it for it in items]
    wrap = textwrap.TextWrapper(120, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
    wrapped = [wrap.fill(it) for it in items]
    return "\n".join([f"### `{_heading(module, name)}`", "", summary.replace("\n", " "), "", *wrapped, ""])


def _item(label: str, text: str) -> str:
    return f"- **{label}** {text}" if text.startswith("is ") else f"- **{label}.** {_sentence(text)}"


def _indented(doc: str | None) -> str:
    return f"    {doc or ''}"


def _labelled(text: str, label: str) -> Iterator[tuple[str, str]]:
    parts = re.split(label, text, flags=re.MULTILINE)[1:]
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        yield name, " ".join(content.split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
