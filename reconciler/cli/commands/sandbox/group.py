"""The command ``sandbox``: its subcommands by name, each imported only when it is used."""

from __future__ import annotations

from reconciler.cli.lazy import LazyGroup

sandbox = LazyGroup(
    name="sandbox",
    help="""Both services simulated over real HTTP on loopback, for trying a config.

    `serve` runs them; the others make their people act, and find them at --url or $RECONCILER_SANDBOX_URL.
    """,
    lazy={
        "serve": ("sandbox.serve:serve", "Serve both, and print a config that is ready to use."),
        "list": ("sandbox.control:show", "Show every Case with its records, on both sides."),
        "case": ("sandbox.control:case", "Create a Case, or act on one."),
        "incident": ("sandbox.control:incident", "Act on an Incident."),
        "fault": ("sandbox.control:fault", "Make the services misbehave."),
    },
)
