#!/usr/bin/env python3
"""check.py SCHEMA FILE... — exit 1 and say where, when a JSON file does not follow the schema."""
import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as f:
    validator = jsonschema.Draft7Validator(json.load(f))
status = 0
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as f:
        document = json.load(f)
    for error in validator.iter_errors(document):
        print(f"{name}: {'/'.join(str(p) for p in error.absolute_path)}: {error.message}")
        status = 1
sys.exit(status)
