"""Holds what the local cloud's operations take against botocore's models of the services.

Standard input: a JSON object a line, {"service", "operation", "read", "parameters"} or {"service", "structure", "members"}. The
model must have the operation and each parameter, and each parameter that the model requires must be taken; each structure that
comes in what is taken must be told of, and have the members that are told. Prints what is wrong, a line each, and exits with 1
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


class Service:
    def __init__(self, name):
        self.name = name
        self.model = session.get_service_model(NAMES.get(name, name))
        self.protocol = self.model.metadata["protocol"]
        # The members that are heeded, by the structure's name, and those that the model has in all structures of the name.
        self.structures = {}
        self.members = {}

    def members_of(self, shape):
        return {wire_name(self.protocol, name, member): member for name, member in shape.members.items()}

    def check(self, operation, taken):
        place = f"{self.name}:{operation}"
        if operation not in self.model.operation_names:
            return [f"{place}: no such operation"]
        shape = self.model.operation_model(operation).input_shape
        members = {} if shape is None else self.members_of(shape)
        required = [] if shape is None else shape.required_members
        required = [wire_name(self.protocol, name, shape.members[name]) for name in required]
        wrong = [f"{place}: takes {name}, which it does not have" for name in taken if name not in members]
        wrong += [f"{place}: takes {name} twice" for name in set(taken) if taken.count(name) > 1]
        wrong += [f"{place}: does not take {name}, which it requires" for name in required if name not in taken]
        for name in taken:
            if name in members:
                wrong += self.check_below(place, name, members[name], ())
        return wrong

    def check_below(self, place, name, shape, above):
        """The structures in a parameter, or in a member that is heeded."""
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name != "structure" or shape.name in above:
            return []
        members = self.members_of(shape)
        self.members.setdefault(name, set()).update(members)
        if name not in self.structures:
            return [f"{place}: does not tell what it heeds of {name}"]
        heeded = {member: below for member, below in members.items() if member in self.structures[name]}
        above = (*above, shape.name)
        return [wrong for member, below in heeded.items() for wrong in self.check_below(place, member, below, above)]

    def check_structures(self):
        """A map is no structure of the model: its keys may be told of, too."""
        return [
            f"{self.name}: {name} has no {member}"
            for name, members in self.structures.items()
            if name in self.members
            for member in members
            if member not in self.members[name]
        ]


def main():
    records = [json.loads(line) for line in sys.stdin]
    services = {record["service"]: Service(record["service"]) for record in records}
    operations = [record for record in records if "operation" in record]
    for record in records:
        if "structure" in record:
            services[record["service"]].structures[record["structure"]] = record["members"]
    wrong = []
    for record in operations:
        wrong += services[record["service"]].check(record["operation"], record["parameters"])
    for service in services.values():
        wrong += service.check_structures()
    for complaint in wrong:
        print(complaint)
    print(f"{len(operations)} operations checked", file=sys.stderr)
    sys.exit(1 if wrong or not operations else 0)


main()
