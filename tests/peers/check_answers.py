"""Holds raw answers of the local cloud against botocore's models of the services.

Standard input: a JSON object a line, {"service", "operation", "status", "protocol": "json"|"xml", "body"}. An answer may
have no member that the model does not know, must have every required one, and values must be of the model's types;
an error needs a code and a message, and of a JSON service the code must be one that the operation's model, or AWS's list of
errors common to all, has. Then botocore's own parser has to take it. Prints what is wrong, a line each, and exits with 1
if anything is.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime

import botocore.parsers
import botocore.session

NAMES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
# "Common Error Types" of the JSON services' API references, and what every one of them answers when it is too much.
COMMON_ERRORS = {
    "AccessDeniedException", "ExpiredTokenException", "IncompleteSignature", "InternalFailure", "MalformedHttpRequestException",
    "NotAuthorized", "OptInRequired", "RequestAbortedException", "RequestEntityTooLargeException", "RequestExpired",
    "RequestTimeoutException", "SerializationException", "ServiceUnavailable", "ThrottlingException",
    "UnknownOperationException", "UnrecognizedClientException", "ValidationError", "ValidationException",
}
# What AWS answers, though the models' enums lack it: an attached gateway's state (EC2 API Reference, "InternetGatewayAttachment"),
# and what IAM calls a policy in a simulation (localstack/localstack, `test_iam.snapshot.json`).
BEYOND_ENUMS = {("AttachmentStatus", "available"), ("PolicySourceType", "IAM Policy")}
session = botocore.session.get_session()
models = {}


def model(service):
    if service not in models:
        models[service] = session.get_service_model(NAMES.get(service, service))
    return models[service]


class Checker:
    def __init__(self, place):
        self.place = place
        self.wrong = []

    def complain(self, path, what):
        self.wrong.append(f"{self.place} {path}: {what}")

    def required(self, shape, present, path):
        for name in shape.required_members:
            if name not in present:
                self.complain(path, f"required member {name} is missing")

    # AWS JSON and CBOR: trees.

    def tree(self, shape, value, path):
        kind = shape.type_name
        if kind == "structure":
            if not isinstance(value, dict):
                return self.complain(path, f"{value!r} is no structure")
            known = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
            for key, item in value.items():
                if key not in known:
                    self.complain(path, f"unknown member {key}")
                else:
                    self.tree(known[key][1], item, f"{path}.{key}")
            self.required(shape, {known[key][0] for key in value if key in known}, path)
        elif kind == "list":
            if not isinstance(value, list):
                return self.complain(path, f"{value!r} is no list")
            for index, item in enumerate(value):
                self.tree(shape.member, item, f"{path}[{index}]")
        elif kind == "map":
            if not isinstance(value, dict):
                return self.complain(path, f"{value!r} is no map")
            for key, item in value.items():
                self.tree(shape.value, item, f"{path}.{key}")
        else:
            types = {
                "string": str, "character": str, "boolean": bool, "integer": int, "long": int,
                "float": (int, float), "double": (int, float), "timestamp": (int, float), "blob": str,
            }
            if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean"):
                self.complain(path, f"{value!r} is no {kind}")
            elif shape.enum if kind == "string" else False:
                if not is_of_enum(shape, value):
                    self.complain(path, f"{value!r} is none of {shape.enum}")

    # Query and EC2: XML elements.

    def element(self, shape, node, path):
        kind = shape.type_name
        children = list(node)
        if kind == "structure":
            known = {}
            for name, member in shape.members.items():
                wire = member.serialization.get("name", name)
                if member.type_name == "list" and member.serialization.get("flattened"):
                    wire = member.member.serialization.get("name", wire)
                known[wire] = (name, member)
            for child in children:
                key = local_name(child)
                if key not in known:
                    self.complain(path, f"unknown member {key}")
                    continue
                member = known[key][1]
                if member.type_name == "list" and member.serialization.get("flattened"):
                    self.element(member.member, child, f"{path}.{key}")
                else:
                    self.element(member, child, f"{path}.{key}")
            names = [local_name(child) for child in children]
            for name in set(names):
                flattened = name in known and known[name][1].serialization.get("flattened")
                if names.count(name) > 1 and not flattened:
                    self.complain(path, f"member {name} is there {names.count(name)} times")
            self.required(shape, {known[name][0] for name in names if name in known}, path)
        elif kind == "list":
            wire = shape.member.serialization.get("name", "member")
            for index, child in enumerate(children):
                if local_name(child) != wire:
                    self.complain(path, f"list item {local_name(child)}, not {wire}")
                self.element(shape.member, child, f"{path}[{index}]")
        elif kind == "map":
            for child in children:
                if local_name(child) != "entry":
                    self.complain(path, f"map entry {local_name(child)}")
        elif children:
            self.complain(path, f"a {kind} with elements in it")
        else:
            self.scalar(shape, node.text or "", path)

    def scalar(self, shape, text, path):
        kind = shape.type_name
        try:
            if kind in ("integer", "long"):
                int(text)
            elif kind in ("float", "double"):
                float(text)
            elif kind == "timestamp":
                datetime.fromisoformat(text.replace("Z", "+00:00"))
            elif kind == "boolean" and text not in ("true", "false"):
                raise ValueError
            elif kind == "string" and shape.enum and not is_of_enum(shape, text):
                raise ValueError
        except ValueError:
            self.complain(path, f"{text!r} is no {kind}" + (f" of {shape.enum}" if getattr(shape, "enum", None) else ""))


def is_of_enum(shape, value):
    return value in shape.enum or (shape.name, value) in BEYOND_ENUMS


def local_name(node):
    return node.tag.rsplit("}", 1)[-1]


def xml_protocol(service):
    """A service may speak Query beside the protocol that its model prefers, as CloudWatch does."""
    return "ec2" if service.metadata["protocol"] == "ec2" else "query"


def check_success(checker, service, operation, record):
    shape = operation.output_shape
    if record["protocol"] == "json":
        value = json.loads(record["body"] or "{}")
        if shape is None:
            for key in value:
                checker.complain("answer", f"unknown member {key}")
        else:
            checker.tree(shape, value, "answer")
        return
    root = ElementTree.fromstring(record["body"])
    if local_name(root) != f"{operation.name}Response":
        checker.complain("answer", f"root element {local_name(root)}")
    bookkeeping = ("ResponseMetadata", "requestId")
    if xml_protocol(service) == "query":
        results = [child for child in root if local_name(child) == f"{operation.name}Result"]
        node = results[0] if results else ElementTree.Element("none")
        for child in root:
            if child is not node and local_name(child) not in bookkeeping:
                checker.complain("answer", f"unknown element {local_name(child)}")
    else:
        node = root
        for child in [child for child in root if local_name(child) in bookkeeping]:
            root.remove(child)
    if shape is None:
        for child in node:
            checker.complain("answer", f"unknown member {local_name(child)}")
    else:
        checker.element(shape, node, "answer")


def error_codes(operation):
    return {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}


def parse_as_botocore(checker, service, operation, record):
    protocol = xml_protocol(service) if record["protocol"] == "xml" else "json"
    parser = botocore.parsers.create_parser(protocol)
    response = {"status_code": record["status"], "headers": {}, "body": record["body"].encode()}
    parsed = parser.parse(response, operation.output_shape)
    if record["status"] >= 400:
        error = parsed.get("Error", {})
        if not error.get("Code") or not error.get("Message"):
            checker.complain("error", f"no code or no message: {error}")
        elif record["protocol"] == "json" and error["Code"] not in COMMON_ERRORS | error_codes(operation):
            checker.complain("error", f"code {error['Code']} is none of the operation's: {sorted(error_codes(operation))}")


def main():
    wrong = []
    count = 0
    for line in sys.stdin:
        record = json.loads(line)
        count += 1
        service = model(record["service"])
        operation = service.operation_model(record["operation"])
        checker = Checker(f"{record['service']}:{record['operation']}")
        if record["status"] < 400:
            check_success(checker, service, operation, record)
        parse_as_botocore(checker, service, operation, record)
        wrong += checker.wrong
    for complaint in sorted(set(wrong)):
        print(complaint)
    print(f"{count} answers checked", file=sys.stderr)
    sys.exit(1 if wrong or not count else 0)


main()
