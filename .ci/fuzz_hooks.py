"""Adds to the Runner API's document what `.ci/fuzz` needs and the document cannot say."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    require_key(raw_schema)
    restore_link_bodies(raw_schema)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lets triggers live for an hour: one that has expired is refused with 400, though the request is as
    documented."""
    body = case.body
    if case.operation.path.endswith("/trigger") and isinstance(body, dict):
        hours = body.get("ttl_hours")
        if isinstance(hours, (int, float)) and 0 < hours < 1:
            body["ttl_hours"] = 1


def require_key(raw_schema):
    """Requires a key everywhere: only public deployments accept requests without one, and none is used
    here. Otherwise `ignored_auth` would have nothing to check."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and {} in operation.get("security", []):
                operation["security"].remove({})


def restore_link_bodies(node):
    """Renames the `x-requestBody` of links, which client generators ignore, to `requestBody`."""
    if isinstance(node, dict):
        for link in node.get("links", {}).values():
            if "x-requestBody" in link:
                link["requestBody"] = link.pop("x-requestBody")
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            restore_link_bodies(child)
