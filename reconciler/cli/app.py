"""The command ``reconciler``: global options, commands, and error handling."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click

from reconciler import __version__
from reconciler.cli import DAEMON
from reconciler.cli.lazy import LazyGroup
from reconciler.cli.options import Globals, global_options
from reconciler.core.errors import ReconcilerError

COMMANDS = {
    DAEMON: ("run:run", "Run as a daemon: cycle after cycle until SIGTERM."),
    "once": ("once:once", "Run one cycle, or a backfill."),
    "plan": ("plan:plan", "Show what `once` would do; write nothing anywhere."),
    "apply": ("apply:apply", "Carry out a saved plan, if it is still what would be planned."),
    "simulate": ("simulate:simulate", "Show what this config would have made of the last days, and when."),
    "status": ("status:status", "Show cursors, lag, the last cycle, open links and holds."),
    "explain": ("explain:explain", "Tell the whole story of one link."),
    "holds": ("holds:holds", "Show what waits for a person; retry or ignore it."),
    "state": ("state.group:state", "Care of the database: backup, check, rebuild, prune."),
    "audit": ("audit.group:audit", "Prove what was done."),
    "check": ("check.command:check", "Validate the config; with --live, everything it needs out there."),
    "policy": ("policy.group:policy", "Try routes and policies on Cases before they act."),
    "init": ("init:init", "Write a commented config to start from."),
    "sandbox": ("sandbox.group:sandbox", "Both services simulated on loopback, for trying a config."),
    "demo": ("demo.command:demo", "Show the main job on the sandbox, with nothing to configure."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reconciler")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Keep Coralogix Cases and ServiceNow Incidents in step, forward only.

    Without --config, $RECONCILER_CONFIG, ./reconciler.toml and /etc/reconciler/reconciler.toml are tried in
    this order. The first three options are taken after the command, too.

    \b
    Exit codes: 0 done; 1 something failed and trying again may help; 2 wrong usage or config;
    3 refused on purpose, a person must look.
    """
    ctx.obj = ctx.obj or Globals()
    if DAEMON in sys.argv[1:] and ctx.invoked_subcommand != DAEMON:
        from reconciler.daemon.early import EARLY  # noqa: PLC0415 - loaded already, because of that word

        EARLY.let_go()


cli.params[:0] = global_options(outermost=True)


def run() -> None:
    """Run the command line and end the process with the exit code of the public contract."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that cannot be shown must not end a call
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _say("interrupted")
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ReconcilerError as error:
        _say(f"reconciler: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of the output is gone (`| head`)
        _write_no_more()
        sys.exit(1)
    except OSError as error:
        _say(f"reconciler: {error.filename or 'the system'}: {error.strerror or error}")
        _write_no_more()
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _open_closed_streams() -> None:
    """Open what the caller has closed (`>&-`), where Python has None, so that all that reads or writes may go on."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the end


def _write_no_more() -> None:
    """Let go of standard output, whose rest Python would write at exit: it would fail again, and end with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(words: str) -> None:
    from reconciler.cli.terminal import say  # noqa: PLC0415 - only an error needs it

    say(*words.split("\n"))
