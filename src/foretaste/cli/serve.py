"""``foretaste serve``: answer requests."""

from typing import Annotated

import typer

from foretaste.cli.options import Home, Pipeline
from foretaste.cli.output import note


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (API_PORT).", min=0, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes (WORKERS).", min=1)] = None,
    home: Home = None,
    pipeline: Pipeline = None,
) -> None:
    """Serve the live model over HTTP until interrupted; a newly trained one is taken up without a restart."""
    from foretaste.api.server import check_port
    from foretaste.api.server import serve as run
    from foretaste.settings import load_settings

    settings = load_settings(api_host=host, api_port=port, workers=workers, foretaste_home=home, pipeline_file=pipeline)
    check_port(settings.api_host, settings.api_port)
    note(f"http://{settings.api_host}:{settings.api_port}/  (documentation at /docs, stop with Ctrl-C)")
    run(settings)
