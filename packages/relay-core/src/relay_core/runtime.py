"""The composition root: one `Relay` owns settings, plugins, scopes, payload encoder and delivery, and wires them."""

import logging
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from relay_core.acceleration import accelerate
from relay_core.audience import Audience
from relay_core.chains import ChainSet
from relay_core.counters import Statistics
from relay_core.delivery import Delivery, Item
from relay_core.dispatcher import Dispatcher, QueueLimits
from relay_core.event_queue import LOSS_DEPTH
from relay_core.handles import MarkIdentity, ScopeHandle
from relay_core.isolation import Isolation
from relay_core.json_values import is_object
from relay_core.payload import PayloadEncoder, PayloadLimits
from relay_core.redaction import Redactor
from relay_core.registry import PluginRegistry
from relay_core.scopes import Scopes
from relay_core.settings import Settings
from relay_core.startup import Startup
from relay_core.subscriptions import Subscriptions
from relay_core.surroundings import CurrentRun
from relay_core.trajectory_collector import TrajectoryCollector
from relay_core.transform import Transform
from relay_core.vocabulary import ScopeType

if TYPE_CHECKING:
    from relay_core.control import Control, EventMetadata, Guardrails, Intercepts, LlmCalls, ToolCalls

__all__ = ["Relay", "default", "statistics"]

_logger = logging.getLogger("relay_core")

accelerate()


class Relay:
    """One runtime. The module functions speak to `default()`; tests and embedders may make their own.

    Making one starts nothing and reads nothing: the first scope, mark or registration does.
    """

    def __init__(self) -> None:  # noqa: PLR0915 - one line for each part
        """Wire the parts together."""
        self.failures = Isolation(_logger)
        """What plugins and subscribers raised."""
        self.own_errors = Isolation(_logger)
        """Relay's own errors, caught inside framework callbacks."""
        self.settings = Settings()
        """The settings in force; the defaults until the first use."""
        self.encoder = PayloadEncoder(PayloadLimits(), self._payload_encoder)
        """Turns payloads into JSON bytes."""
        self.chains = ChainSet(self._refresh)
        """Injectors, sanitizers, guardrails and intercepts of the whole runtime."""
        self.trajectories = TrajectoryCollector(self.failures, self.own_errors)
        """Gathers the events of each root, where a plugin wants them."""
        self._delivery = Delivery(
            isolation=self.failures,
            own_errors=self.own_errors,
            transform=Transform(self.failures.record),
            collect=self.trajectories.collect,
        )
        self.dispatcher = Dispatcher(
            self._delivery,
            own_errors=self.own_errors,
            has_buffers=lambda: bool(self.registry.impls("relay_flush")),
            flush_plugins=self._flush_plugins,
            end_plugins=self._end_plugins,
            loss_mark=self._loss_mark,
        )
        """Delivers events."""
        self.scopes = Scopes(
            emit=self.dispatcher.emit,
            encode=self.encoder.encode,
            first_use=self.ensure_ready,
            failed=self.failures.record,
        )
        """Starts and ends scopes, emits marks."""
        self.registry = PluginRegistry(
            on_change=self._refresh, on_error=self.failures.record, drain=self.dispatcher.barriers.drain
        )
        """The plugins."""
        self.subscribers = Subscriptions(self)
        """Registers subscribers and waits for delivery."""
        self._control: list[Control] = []
        self.startup = Startup(self, self.registry, apply=self.apply)
        """Reads settings and discovers plugins, once."""
        self.dispatcher.forked += [
            self.scopes.after_fork,
            self.chains.after_fork,
            self.registry.after_fork,
            self.subscribers.after_fork,
            self.startup.after_fork,
            self.trajectories.after_fork,
        ]

    @property
    def root(self) -> ScopeHandle:
        """The implicit root; as `handle=` it means top level."""
        return self.scopes.root

    @property
    def control(self) -> "Control":
        """Managed calls, guardrails, intercepts, the registries of sanitizers and injectors; made when asked for."""
        if not self._control:
            from relay_core.control import Control  # a third of the import, which observing can do without

            made = Control(
                self.scopes, self.chains, first_use=self.ensure_ready, wants=self.wants, suppress=self.suppress
            )
            self._control.append(made)  # of two threads, the first one's is for both
        return self._control[0]

    @property
    def tools(self) -> "ToolCalls":
        """Managed tool calls."""
        return self.control.tools

    @property
    def llm(self) -> "LlmCalls":
        """Managed LLM calls."""
        return self.control.llm

    @property
    def guardrails(self) -> "Guardrails":
        """Registers guardrails and sanitizers."""
        return self.control.guardrails

    @property
    def intercepts(self) -> "Intercepts":
        """Registers intercepts."""
        return self.control.intercepts

    @property
    def event_metadata(self) -> "EventMetadata":
        """Registers metadata injectors."""
        return self.control.event_metadata

    # First use --------------------------------------------------------------------------------------------------------

    def ensure_ready(self) -> None:
        """Read settings, discover and configure plugins, unless that is done. Any thread; others wait.

        Wrong settings and broken plugins are logged, and Relay works without them: this may run inside a callback of
        a framework. `install()` raises them, and so does strict mode.

        Raises:
            DiscoveryError: Strict mode, and a plugin cannot be used.
        """
        if not self.scopes.ready:
            self.dispatcher.arm()  # first: the process may be forked meanwhile
            self.startup.ensure()
            self.scopes.ready = self.startup.ready

    def apply(self, settings: Settings) -> None:
        """Take over `settings`; called at first use and by `install()`, before any event."""
        self.settings = settings
        self.dispatcher.arm()
        if settings.log_level is not None:
            _logger.setLevel(settings.log_level)
        queue, payload = settings.queue, settings.payload
        self.dispatcher.queue.limits = QueueLimits(queue.max_events, queue.max_bytes, queue.full_wait)
        self.dispatcher.exit_timeout = settings.exit_timeout
        self._delivery.scrubber = Redactor(settings.redact_keys) if settings.redact_keys else None
        self.trajectories.limits = settings.trajectory
        self.encoder.limits = PayloadLimits(payload.max_bytes, payload.max_depth, payload.max_items)
        self.scopes.uncaptured = frozenset(ScopeType(name) for name, wanted in settings.capture.items() if not wanted)
        self.scopes.sampling = settings.sampling
        self._refresh()

    # What integrations ask --------------------------------------------------------------------------------------------

    def wants(self, scope_type: ScopeType) -> bool:
        """Say whether a payload of that category is worth building: somebody listens, and it is captured."""
        return (self.scopes.audience is not None or self.scopes.has_local) and scope_type not in self.scopes.uncaptured

    def redact(self, document: bytes) -> bytes:
        """Return a JSON document without what the settings call credentials, as events have it; any thread.

        Args:
            document: What `encoder` returned. Never raises an `Exception`.
        """
        scrubber = self._delivery.scrubber
        return document if scrubber is None else scrubber.redact(document)

    def suppress(self, error: BaseException, where: str) -> None:
        """Count and log one of our own errors that was caught inside a framework callback; never raises.

        Args:
            error: The error; not kept.
            where: Which callback it was caught in.
        """
        self.own_errors.record("relay", where, error)

    def statistics(self) -> Statistics:
        """Return what this runtime has done so far. Cheap enough to scrape; any thread."""
        dispatcher = self.dispatcher
        return Statistics(
            emitted=dispatcher.emitted,
            delivered=dispatcher.delivered,
            dropped=dispatcher.dropped,
            failed=self.failures.counts(),
            queued=dispatcher.queued,
            queued_bytes=dispatcher.queued_bytes,
            open_scopes=self.scopes.open_count,
            truncated_payloads=self.encoder.truncated,
            suppressed_errors=self.own_errors.total,
        )

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver what is queued and stop the delivery thread; runs at exit by itself. For embedders and tests.

        Args:
            timeout: Seconds to wait at the most; by default the setting `exit_timeout`.

        Returns:
            Whether everything was delivered.
        """
        return self.dispatcher.shutdown(timeout)

    # Wiring -----------------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Take new snapshots of who listens, after plugins or chains have changed."""
        audience = Audience(self.registry, self.chains.snapshot)
        self.scopes.audience = audience if self.settings.enabled and audience.wants_any else None
        self.scopes.current_runs = tuple(
            _current_run(plugin, function) for plugin, function in self.registry.impls("relay_current_scope")
        )
        self.scopes.classifiers = self.registry.impls("relay_classify_outcome")
        self.encoder.reset_cache()

    def _payload_encoder(self, kind: type) -> Callable[[Any], object] | None:
        answer = self.registry.first("relay_payload_encoder", kind)
        return cast("Callable[[Any], object]", answer) if callable(answer) else None

    def _flush_plugins(self, timeout: float) -> bool:
        before = self.failures.total
        if not self.registry.impls("relay_trajectory"):
            self.trajectories.discard()
        self.registry.call("relay_flush", timeout)
        return self.failures.total == before

    def _end_plugins(self, timeout: float) -> None:
        self.trajectories.finish()
        self.registry.call("relay_shutdown", timeout)

    def _loss_mark(self, reason: str, count: int) -> Item | None:
        scopes, audience = self.scopes, self.scopes.audience
        if audience is None:
            return None
        identity = MarkIdentity("relay.events_dropped", None, scopes.new_uuid())
        data = self.encoder.encode({"count": count, "reason": reason})
        return identity, None, scopes.time_ns() // 1000, data, None, None, None, None, audience, None, LOSS_DEPTH, 0


def _current_run(plugin: str, function: Callable[..., object]) -> CurrentRun:
    running = getattr(getattr(function, "__self__", None), "open_runs", None)
    return plugin, cast("Callable[[], ScopeHandle | None]", function), running if is_object(running) else None


@cache
def default() -> Relay:
    """Return the runtime that the module functions speak to."""
    return Relay()


def statistics() -> Statistics:
    """Return what the default runtime has done so far. Cheap enough to scrape; any thread."""
    return default().statistics()
