#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Validates JSON documents against the installed schemas, more strictly than a user would: a key that no schema knows
is an error. schema_check.py SCHEMAS FOLDER KIND...: the files KIND.* in the folder (ndjson: each line of them)."""
import json
import pathlib
import sys
import warnings

import jsonschema


# Debian 12 has nothing newer than the resolver.
warnings.simplefilter("ignore", DeprecationWarning)


def strict(node):
    """Objects take no other keys than the schema has."""
    if isinstance(node, dict):
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            strict(value)
    elif isinstance(node, list):
        for value in node:
            strict(value)
    return node


def check(validator, file, lines):
    bad = 0
    text = file.read_text()
    for number, part in enumerate(text.splitlines() if lines else [text], 1):
        for error in list(validator.iter_errors(json.loads(part)))[:3]:
            where = "/".join(str(p) for p in error.absolute_path)
            print(f"{file}:{number}: {where}: {error.message[:300]}")
            bad = 1
    return bad


def main():
    schemas, folder, kinds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    store = {}
    for path in schemas.glob("*.json"):
        schema = json.loads(path.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        store[schema["$id"]] = strict(schema)
    bad = 0
    for kind in kinds:
        schema = next(s for i, s in store.items() if i.endswith("/" + kind + ".json"))
        validator = jsonschema.Draft202012Validator(
            schema, resolver=jsonschema.RefResolver(schema["$id"], schema, store=store))
        files = sorted(folder.glob(kind + ".*"))
        if not files:
            print(f"no {kind} document")
            bad = 1
        for file in files:
            bad |= check(validator, file, kind == "ndjson")
    return bad


sys.exit(main())
