"""Holds what the program prints against the schema that it prints.

Arguments: the file of the schema, and one with what was printed, {"from": "...", "printed": ...} a line. No object may have a
member that the schema does not name, and each form in which something is printed must be met at least once. Prints what is
wrong, a line each, and exits with 1 if anything is.
"""

import json
import sys

from jsonschema import Draft202012Validator

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)


def close(part):
    """Allows an object no member that is not named."""
    if isinstance(part, dict):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
        for inner in part.values():
            close(inner)
    elif isinstance(part, list):
        for inner in part:
            close(inner)


close(schema)


def validator(part):
    return Draft202012Validator({**part, "$defs": schema["$defs"]})


def forms(part):
    """What each thing that is printed is one of: documents by their results, events by their names."""
    for form in part["oneOf"]:
        name = form.get("$ref", "").split("/")[-1]
        inner = schema["$defs"].get(name, form)
        if "oneOf" in inner:
            yield from forms(inner)
            continue
        results = inner.get("properties", {}).get("result", {}).get("anyOf", [])
        for result in results:
            document = {**inner, "properties": {**inner["properties"], "result": result}, "required": [*inner["required"], "result"]}
            yield f"{name} with {result['$ref'].split('/')[-1]}", validator(document)
        event = inner.get("properties", {}).get("event", {}).get("const")
        if not results:
            yield name or event, validator(inner)


whole = validator(schema)
# A question is declined on a terminal alone.
unmet = {name: form for name, form in forms(schema) if not name.endswith(" with Declined")}
wrong = []
for line in open(sys.argv[2]):
    record = json.loads(line)
    errors = list(whole.iter_errors(record["printed"]))
    if errors:
        # The form that fits best says what is wrong.
        closest = min((list(form.iter_errors(record["printed"])) for form in dict(forms(schema)).values()), key=len)
        wrong += [f"{record['from']}: {error.json_path}: {error.message[:300]}" for error in closest or errors]
    for name, form in list(unmet.items()):
        if form.is_valid(record["printed"]):
            del unmet[name]
wrong += [f"never printed: {name}" for name in unmet]
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
