"""`raqo doctor`: what is installed, what it runs on, which servers answer, and how to mend what is not well."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from raqo import __version__
from raqo.agents.chat.settings import Capabilities, ChatSettings
from raqo.serving.probing import Probed, probe
from raqo.workflows.findings import Finding
from raqo.workflows.installation import examine_installation
from raqo.workflows.machine import examine_machine


def examine(servers: Sequence[str] = (), *, api_key_env: str | None = None, images: bool = False) -> list[Finding]:
    """Look at everything.

    Args:
        servers: chat servers, as ``URL`` or ``PRESET=URL``; with a preset, what it declares is held against what the
            server does.
        api_key_env: environment variable with the servers' key; the preset's by default.
        images: whether to send the servers a picture too.

    Raises:
        ConfigError: an address or preset is wrong.
    """
    declared = [_declared(server, api_key_env) for server in servers]
    found = [Finding("python", "ok", sys.version.split()[0]), Finding("raqo", "ok", __version__)]
    found += [*examine_installation(), *examine_machine()]
    for preset, settings in declared:
        probed = probe(settings.url, key=os.environ.get(settings.key_env, ""), images=images)
        found += _server(settings.url, probed, settings.can if preset else None, preset)
    return found


def _declared(server: str, api_key_env: str | None) -> tuple[str, ChatSettings]:
    preset, found, url = server.partition("=")
    if not found or "/" in preset:
        preset, url = "", server
    return preset, ChatSettings(model="any", preset=preset or "vllm", base_url=url, api_key_env=api_key_env)


def _server(url: str, probed: Probed, declared: Capabilities | None, preset: str) -> Iterator[Finding]:
    name = f"server {url}"
    if probed.problem:
        yield Finding(name, "bad", probed.problem, "start it, or correct address, key (--api-key-env) or model")
        return
    yield Finding(name, "ok", f"models: {', '.join(probed.models) or 'not listed'}")
    for capability, does in probed.does.items():
        line, found = f"  {capability}", "yes" if does else "no"
        says = getattr(declared, capability) if declared else does
        if says == does:
            yield Finding(line, "ok", found)
        elif says:
            yield Finding(
                line, "bad", f"no, but preset {preset} declares it", f"set chat.capabilities.{capability}: false"
            )
        else:
            fix = f"set chat.capabilities.{capability}: true to use it"
            yield Finding(line, "warn", f"yes, but preset {preset} does not declare it", fix)
