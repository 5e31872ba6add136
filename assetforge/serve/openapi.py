"""The description of the API by OpenAPI 3.1, and a page of it, made of the table of endpoints."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import assetforge
from assetforge.serve.endpoints.call import BASE, Endpoint
from assetforge.serve.endpoints.table import ENDPOINTS

_PROBLEM = {
    "description": "What is wrong, by RFC 9457.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in ("type", "title", "detail", "instead")},
                    "status": {"type": "integer"},
                },
            }
        }
    },
}


def plain_path(endpoint: Endpoint) -> str:
    """Return the path of an endpoint as OpenAPI spells it."""
    return BASE + re.sub(r":\w+\}", "}", endpoint.path)


def document() -> dict[str, Any]:
    """Return the whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(plain_path(endpoint), {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "AssetForge", "version": assetforge.__version__},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": _PROBLEM},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)", endpoint.path)
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ] + [{"name": name, "in": "query", "schema": dict(schema)} for name, schema in endpoint.query.items()],
        "responses": {
            str(endpoint.status): {"description": "It is so.", **_content(endpoint)},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }  # fmt: skip
    if endpoint.waits:
        seconds = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which to ask again."}}
        operation["responses"]["202"] = {"description": "It is being made.", "headers": seconds}
    if endpoint.body is not None:
        media = endpoint.body if isinstance(endpoint.body, str) else "application/json"
        schema = {} if isinstance(endpoint.body, str) else endpoint.body
        operation["requestBody"] = {"required": True, "content": {media: {"schema": schema}}}
    if endpoint.right is None:
        operation["security"] = []
    return operation


def _content(endpoint: Endpoint) -> dict[str, Any]:
    return {} if endpoint.status == 204 else {"content": {endpoint.media: {"schema": {}}}}


def page() -> str:
    """Return a page for people: all endpoints, each with what it takes."""
    rows = "".join(
        f"<tr><td>{one.method}</td><td><code>{escape(plain_path(one))}{escape(_query(one))}</code></td>"
        f"<td>{escape(one.summary)}</td><td>{one.right or ''}</td></tr>"
        for one in ENDPOINTS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>AssetForge API</title>'
        '<meta name="viewport" content="width=device-width"><script src="/static/theme.js"></script>'
        '<link rel="stylesheet" href="/static/viewer.css">'
        '<link rel="stylesheet" href="/static/app.css"></head><body class="docs"><main><h1>AssetForge API</h1>'
        "<p>Send <code>Authorization: Bearer TOKEN</code>; <code>assetforge serve --new-token NAME</code> makes one. "
        'All of it as <a href="/openapi.json">OpenAPI</a>.</p><table><thead><tr><th>Method</th><th>Path</th>'
        f"<th></th><th>Right</th></tr></thead><tbody>{rows}</tbody></table></main></body></html>"
    )


def _query(endpoint: Endpoint) -> str:
    return "?" + "&".join(f"{name}=" for name in endpoint.query) if endpoint.query else ""
