"""Check ``[notify]`` for ``check``, and send its test message."""

from __future__ import annotations

from dataclasses import replace

from reconciler.config.model import Config
from reconciler.config.secrets import Secret
from reconciler.core.errors import ConfigError
from reconciler.core.findings import Code
from reconciler.preflight.probes import Finding, ProbedSide

SIDE = ProbedSide(name="notify")
ADVICE = "look at the address, and at the network and proxy between here and there"


def check_notify(config: Config, *, is_asked: bool) -> None:
    """Raise ConfigError where messages cannot be sent at all: nothing is configured though asked for, or no Apprise."""
    if is_asked and not (config.notify.urls or config.notify.heartbeat):
        raise ConfigError(["--notify: there is neither urls nor heartbeat_url in [notify], so there is nothing to try"])
    if config.notify.urls:
        from reconciler.telemetry.notifications import require_apprise  # noqa: PLC0415 - only where it is asked for

        require_apprise()


def send_tests(config: Config) -> tuple[Finding, ...]:
    """Send a test message to each address and call the heartbeat; raise ConfigError for an invalid address."""
    from reconciler.cli.telling.messages import source_of  # noqa: PLC0415 - only where it is asked for
    from reconciler.telemetry.notifications import (  # noqa: PLC0415 - only where it is asked for
        HeartbeatSender,
        Message,
        Severity,
        apprise_delivery,
    )

    body = f"Messages of the reconciler arrive here.\n\n{source_of(config.source)}"
    message = Message(title="Reconciler: a test", body=body, severity=Severity.INFO)
    ways = [(secret, apprise_delivery(secret.source, secret.reveal())) for secret in config.notify.urls]
    found = [_finding("test message", secret, is_sent=deliver(message)) for secret, deliver in ways]
    if config.notify.heartbeat is not None:
        heartbeat = HeartbeatSender(config.notify.heartbeat.reveal())
        found.append(_finding("heartbeat", config.notify.heartbeat, is_sent=heartbeat.call()))
        heartbeat.close()
    return tuple(found)


def _finding(probe: str, secret: Secret, *, is_sent: bool) -> Finding:
    if is_sent:
        return SIDE.passed(probe, f"sent to the address in {secret.source}")
    words = f"the address in {secret.source} refused it or did not answer"
    return replace(SIDE.failed(probe, words, ADVICE, code=Code.MESSAGE), may_pass=True)
