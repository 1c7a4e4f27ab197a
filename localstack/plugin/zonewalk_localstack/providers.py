"""A provider for each service: every operation of the service's model, and for every one moto's answer."""

from localstack.aws.api import handler
from localstack.aws.spec import load_service
from localstack.services.plugins import Service, aws_provider


def _conform(value, shape):
    """The answer with strings where the model has strings: typed clients refuse a number in their place."""
    if value is None or shape is None:
        return value
    if shape.type_name == "structure":
        return {name: _conform(member, shape.members.get(name)) for name, member in value.items()}
    if shape.type_name == "list":
        return [_conform(member, shape.member) for member in value]
    if shape.type_name == "map":
        return {key: _conform(member, shape.value) for key, member in value.items()}
    if shape.type_name == "string" and not isinstance(value, str):
        return str(value)
    return value


def _operation(name):
    from localstack.services.moto import call_moto

    def ask_moto(self, context, request):
        return _conform(call_moto(context), context.operation.output_shape)

    ask_moto.__name__ = name  # by which LocalStack finds it again
    return handler(name, expand=False)(ask_moto)


def _provider(service_name):
    model = load_service(service_name)
    operations = {name: _operation(name) for name in model.operation_names}
    provider = type("Provider", (), {"service": service_name, "version": model.api_version, **operations})
    return Service.for_provider(provider())


@aws_provider()
def autoscaling():
    return _provider("autoscaling")


@aws_provider()
def ecs():
    from moto.moto_api import state_manager

    # By default a task of moto's moves to its next state each time it is looked at, and so stops by being watched.
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1_000_000_000})
    return _provider("ecs")


@aws_provider()
def elbv2():
    return _provider("elbv2")


@aws_provider()
def servicediscovery():
    return _provider("servicediscovery")
