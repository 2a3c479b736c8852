"""``protem demo``: watch the main job happen on this machine, on embedded parts."""

from __future__ import annotations

import signal
import sys
import time
from importlib.util import find_spec
from types import FrameType

import click

from protem.domain.errors import InvalidError


@click.command()
def command() -> None:
    """Debug a real PostgreSQL with a privilege that did not exist a second before.

    Starts a private PostgreSQL and a private control plane on loopback, plays nine scenes, checks
    each, and removes everything. Exits 0 only if all of it really happened.
    """
    absent = [name for name in ("fastapi", "psycopg") if find_spec(name) is None]
    if absent:
        raise InvalidError(
            f"the demo needs what is not installed here: {', '.join(absent)}",
            next_step="pip install 'protem[demo]'",
        )
    from protem.entrypoints.demo.stage import StageError, built  # heavy
    from protem.entrypoints.demo.story import StoryError, tell
    from protem.testing.postgresql_server import ServerUnavailableError

    # A terminated demo strikes its stage as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    click.echo("Setting the stage: a PostgreSQL with a small shop in it, and a control plane …")
    try:
        with built() as stage:
            click.echo(f"   ready after {time.monotonic() - started:.1f} s, in {stage.folder}")
            tell(stage)
    except (StoryError, StageError, ServerUnavailableError) as error:
        click.echo(click.style(f"\nThe story broke off: {error}", fg="red"), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; everything that was started has been stopped.", err=True)
        sys.exit(130)
    took = time.monotonic() - started
    click.echo(f"\nAll of it happened, in {took:.0f} s. Nothing is left running.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
