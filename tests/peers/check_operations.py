"""Holds what the local cloud's operations take against botocore's models of the services.

Standard input: a JSON object a line, {"service", "operation", "read", "parameters"}. The model must have the operation and
each parameter, and each parameter that the model requires must be taken. Prints what is wrong, a line each, and exits with 1
if anything is.
"""

import json
import sys

import botocore.session

NAMES = {"elasticloadbalancing": "elbv2", "servicequotas": "service-quotas"}
session = botocore.session.get_session()


def wire_name(protocol, name, member):
    """The name of a parameter on the wire: of EC2's own protocol it begins with a capital letter."""
    serialized = member.serialization.get("name", name)
    if protocol == "ec2":
        serialized = member.serialization.get("queryName", serialized)
        return serialized[0].upper() + serialized[1:]
    return serialized


def check(record):
    service = session.get_service_model(NAMES.get(record["service"], record["service"]))
    place = f"{record['service']}:{record['operation']}"
    if record["operation"] not in service.operation_names:
        return [f"{place}: no such operation"]
    shape = service.operation_model(record["operation"]).input_shape
    protocol = service.metadata["protocol"]
    members = {} if shape is None else shape.members
    known = {name: wire_name(protocol, name, member) for name, member in members.items()}
    required = [] if shape is None else [known[name] for name in shape.required_members]
    taken = record["parameters"]
    wrong = [f"{place}: takes {name}, which it does not have" for name in taken if name not in known.values()]
    wrong += [f"{place}: takes {name} twice" for name in set(taken) if taken.count(name) > 1]
    wrong += [f"{place}: does not take {name}, which it requires" for name in required if name not in taken]
    return wrong


def main():
    records = [json.loads(line) for line in sys.stdin]
    wrong = [complaint for record in records for complaint in check(record)]
    for complaint in wrong:
        print(complaint)
    print(f"{len(records)} operations checked", file=sys.stderr)
    sys.exit(1 if wrong or not records else 0)


main()
