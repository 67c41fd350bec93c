"""Which certificate authorities an HTTPS connection trusts; knows nothing of who connects."""

from __future__ import annotations

import functools
import os
import ssl

from nbflow.errors import ModelError

VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
"""Where people say which file of authorities their network needs."""


@functools.cache
def trusted() -> ssl.SSLContext:
    """The machine's authorities and the environment's, read once: reading them takes 20 ms.

    Raises:
        ModelError: there are none.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    named = [os.environ[name] for name in VARIABLES if os.path.isfile(os.environ.get(name, ""))]  # noqa: PTH113 - an empty name is no path
    for path in named:
        context.load_verify_locations(path)
    if not (named or context.get_ca_certs() or paths.cafile or paths.capath):
        context.load_verify_locations(_bundled())
    return context


def _bundled() -> str:
    """Certifi's file, for a Python that finds none on its machine (macOS, some containers)."""
    try:
        import certifi  # noqa: PLC0415 - optional, and few need it
    except ImportError as error:
        raise ModelError(
            "this Python trusts no certificate authority; pip install certifi, or set "
            "SSL_CERT_FILE to a file of them."
        ) from error
    return certifi.where()
