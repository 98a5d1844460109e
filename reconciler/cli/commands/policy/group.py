"""The command ``policy``: its subcommands by name, each imported only when it is used."""

from __future__ import annotations

from reconciler.cli.lazy import LazyGroup

policy = LazyGroup(
    name="policy",
    help="""Try routes and policies before they act. Nothing is sent and nothing is written.""",
    lazy={
        "test": ("policy.test:test", "Show what routes and policies make of one Case."),
        "replay": ("policy.replay:replay", "Show what another config would have done differently."),
    },
)
