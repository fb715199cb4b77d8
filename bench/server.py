"""Which W&B server there is and whether it answers: asked first, because the client waits longer and then says less."""

from __future__ import annotations

PATIENCE = 10  # seconds to wait for it


def address() -> str:
    """The server that the client asks: of the environment, of its settings, or W&B's own."""
    import wandb

    return wandb.setup().settings.base_url


def silence() -> str:
    """Why the server that the client would ask cannot be had; empty where it answers, whatever it says."""
    import requests

    url = address()
    try:
        requests.head(url, timeout=PATIENCE)
    except requests.exceptions.SSLError:
        return ""  # it does answer, and the client has certificates of its own
    except requests.Timeout:
        return f"{url} does not answer within {PATIENCE} s"
    except requests.RequestException:
        return f"{url} cannot be reached"
    return ""
