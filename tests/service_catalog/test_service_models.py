"""botocore's models in the zip: only what is called, and of that everything but the prose."""

import copy
import json
import zipfile

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import ServiceModel
from function_zip import OUR_PACKAGES, ROOT, build, machine_architecture
from service_models import BY_BOTOCORE, folded, spoken, trimmed
from wheels import SERVICES

FULL = {service: botocore.session.get_session().get_service_model(service) for service in SERVICES}
RECORDED = json.loads((ROOT / "tests" / "iam" / "calls.json").read_text())

MODEL = {
    "metadata": {"serviceId": "Some"},
    "operations": {
        "PutThing": {
            "name": "PutThing",
            "input": {"shape": "In"},
            "errors": [{"shape": "Gone"}],
            "documentation": "...",
        },
        "GetThing": {"name": "GetThing", "output": {"shape": "Out"}},
        "ListThings": {"name": "ListThings", "input": {"shape": "Names"}},
    },
    "shapes": {
        "Zebra": {"type": "string", "documentation": "striped"},
        "In": {"type": "structure", "members": {"Z": {"shape": "Zebra"}, "documentation": {"shape": "Text"}}},
        "Out": {"type": "list", "member": {"shape": "Tree"}},
        "Tree": {"type": "structure", "members": {"Left": {"shape": "Tree"}}},
        "Text": {"type": "string"},
        "Gone": {"type": "structure", "members": {}, "exception": True},
        "Names": {"type": "list", "member": {"shape": "Name"}},
        "Name": {"type": "string"},
    },
    "documentation": "...",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    zipfile.ZipFile(build(machine_architecture())).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def shipped(unpacked):
    """The zip's models, by service."""
    session = botocore.session.Session()
    loader = botocore.loaders.Loader(
        extra_search_paths=[str(unpacked / "botocore" / "data")], include_default_search_paths=False
    )
    session.register_component("data_loader", loader)
    return {service: session.get_service_model(service) for service in SERVICES}


def test_what_a_wanted_operation_reaches_stays_in_its_order_and_nothing_else():
    small = trimmed(MODEL, "some", {"putthing", "getthing"})
    assert list(small["operations"]) == ["PutThing", "GetThing"]
    assert list(small["shapes"]) == ["Zebra", "In", "Out", "Tree", "Text", "Gone"]
    assert small["metadata"] == MODEL["metadata"]


def test_prose_goes_and_a_member_that_is_called_documentation_stays():
    small = trimmed(MODEL, "some", {"putthing"})
    assert small["shapes"]["In"] == MODEL["shapes"]["In"]
    assert small["shapes"]["Zebra"] == {"type": "string"}
    assert "documentation" not in small["operations"]["PutThing"]
    assert "documentation" not in small


def test_the_model_that_is_trimmed_is_left_as_it_was():
    before = copy.deepcopy(MODEL)
    trimmed(MODEL, "some", {"putthing"})
    assert before == MODEL


def test_every_attribute_counts_however_it_is_reached(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("x.get_thing(a)\nput = self._client.put_thing\n# y.list_things()\n'z.describe'\n")
    assert {"getthing", "putthing"} <= spoken([module])
    assert not {"listthings", "describe"} & spoken([module])


@pytest.mark.parametrize("service", SERVICES)
def test_python_s_and_the_service_s_name_of_an_operation_fold_alike(service):
    names = FULL[service].operation_names
    assert {folded(name) for name in names} == {folded(xform_name(name)) for name in names}
    assert len({folded(name) for name in names}) == len(names)


@pytest.mark.parametrize("service", SERVICES)
def test_an_operation_that_ships_is_the_whole_operation(shipped, service):
    small = shipped[service]
    assert small.metadata == FULL[service].metadata
    assert small.client_context_parameters == FULL[service].client_context_parameters
    for name in small.operation_names:
        assert described(small, name) == described(FULL[service], name)


def test_what_ships_is_what_the_modules_that_ship_call(shipped, unpacked):
    said = spoken(module for package in OUR_PACKAGES for module in (unpacked / package).rglob("*.py"))
    for service in SERVICES:
        called = {name for name in FULL[service].operation_names if folded(name) in said}
        assert set(shipped[service].operation_names) == called | set(BY_BOTOCORE.get(service, ()))


def test_every_call_that_was_recorded_end_to_end_ships(shipped):
    recorded = {tuple(each["operation"].split(":")) for each in RECORDED}
    assert {service for service, _ in recorded} == set(SERVICES)
    assert {(service, name) for service, name in recorded if name not in shipped[service].operation_names} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_what_botocore_calls_of_itself_is_an_operation_of_that_service(service):
    assert set(BY_BOTOCORE.get(service, ())) <= set(FULL[service].operation_names)


def described(model: ServiceModel, name: str):
    """An operation and every shape it reaches, without prose."""
    operation = model.operation_model(name)
    shapes, waiting = {}, [operation.input_shape, operation.output_shape, *operation.error_shapes]
    while waiting:
        shape = waiting.pop()
        if shape is None or shape.name in shapes:
            continue
        shapes[shape.name] = (
            shape.type_name,
            shape.serialization,
            {key: value for key, value in shape.metadata.items() if key != "documentation"},
            [(member, inner.name) for member, inner in getattr(shape, "members", {}).items()],
        )
        waiting += getattr(shape, "members", {}).values()
        waiting += [getattr(shape, inner) for inner in ("member", "key", "value") if hasattr(shape, inner)]
    http = (
        operation.http,
        operation.http_checksum,
        operation.auth_type,
        operation.endpoint,
        operation.static_context_parameters,
    )
    return http, operation.has_event_stream_output, [each.name for each in operation.error_shapes], shapes
