"""The OpenAPI document: valid, complete, made of the structs that validate. Real answers are held against it in every test."""

import json
from typing import Annotated, Any

import jsonschema
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.api.openapi import openapi
from hub.api.problems import Problem
from hub.api.routing import Call, Reply, Route
from hub.api.selling.sales import SaleRequest
from hub.api.server import routes
from hub.store.model import SaleAnswer


async def nothing(_: Call) -> Reply:
    """Be a route's handler."""
    raise AssertionError("never called")


def without(struct: type[msgspec.Struct], field: str) -> type[msgspec.Struct]:
    """Return the struct as it would be declared without a field."""
    kept = [info for info in msgspec.structs.fields(struct) if info.name != field]
    fields = [
        (info.name, info.type)
        if info.required
        else (info.name, info.type, info.default if info.default is not msgspec.NODEFAULT else info.default_factory())
        for info in kept
    ]
    return msgspec.defstruct(struct.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def described(*table: Route) -> dict[str, Any]:
    return openapi(table, version="0")


def test_the_document_is_valid_openapi_3_1(contract: Any) -> None:
    OpenAPIV31SpecValidator(contract.document).validate()


def test_every_route_is_in_the_document(contract: Any) -> None:
    paths = contract.document["paths"]

    assert {(r.method.lower(), r.path) for r in routes()} == {(m, path) for path, ops in paths.items() for m in ops}


def test_operation_ids_are_unique(contract: Any) -> None:
    ids = [op["operationId"] for ops in contract.document["paths"].values() for op in ops.values()]

    assert len(set(ids)) == len(ids)


def test_every_schema_is_valid_json_schema(contract: Any) -> None:
    for schema in contract.document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("field", ["rounding", "cashier_id", "lines", "print"])
def test_a_field_deleted_from_a_body_vanishes_from_the_document(field: str) -> None:
    def document(body: type[msgspec.Struct]) -> dict[str, Any]:
        return described(Route("POST", "/v1/sales", nothing, "Sell", frozenset({"till"}), SaleAnswer, body=body))

    whole = document(SaleRequest)["components"]["schemas"]["SaleRequest"]["properties"]
    cut = document(without(SaleRequest, field))["components"]["schemas"]["SaleRequest"]["properties"]

    assert set(whole) - set(cut) == {field}


@pytest.mark.parametrize("field", ["receipt_no", "stock", "warnings"])
def test_a_field_deleted_from_an_answer_vanishes_from_the_document(field: str) -> None:
    answer = without(SaleAnswer, field)
    document = described(Route("GET", "/v1/x", nothing, "X", frozenset({"till"}), answer))

    assert field not in document["components"]["schemas"]["SaleAnswer"]["properties"]


def test_a_deleted_route_vanishes_from_the_document() -> None:
    table = [route for route in routes() if route.path != "/v1/stock/movements"]

    assert "/v1/stock/movements" not in described(*table)["paths"]


def test_a_query_parameter_is_described_with_its_bounds() -> None:
    class Query(msgspec.Struct, kw_only=True):
        limit: Annotated[int, msgspec.Meta(ge=1, le=7)] = 5
        must: str

    route = Route("GET", "/v1/x/{name}", nothing, "X", frozenset({"till"}), Problem, query=Query)
    parameters = {p["name"]: p for p in described(route)["paths"]["/v1/x/{name}"]["get"]["parameters"]}

    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 7, "default": 5}
    assert [(p["in"], p["required"]) for p in parameters.values()] == [
        ("path", True),
        ("query", False),
        ("query", True),
    ]


def test_no_pattern_is_of_python_alone(contract: Any) -> None:
    """`\\Z` is an end to Python and the letter Z to ECMA-262, which is what the standard says patterns are of."""
    assert r"\\Z" not in json.dumps(contract.document)


def test_texts_are_described_without_u0000_as_they_are_read(contract: Any) -> None:
    schemas = contract.document["components"]["schemas"]

    for said in ("a\0b", "\0"):
        assert not jsonschema.Draft202012Validator(schemas["Problem"]["properties"]["detail"]).is_valid(said)
        assert not jsonschema.Draft202012Validator(schemas["Name"]).is_valid({said: 1})


def test_a_tag_is_asked_for_where_it_chooses_and_nowhere_else(contract: Any) -> None:
    schemas = contract.document["components"]["schemas"]

    assert "kind" not in schemas["ListPriceIn"]["required"] and "type" in schemas["Rule"]["required"]


async def test_the_served_document_is_this_one(hub: Any, till: Any, contract: Any) -> None:
    assert (await till.get("/openapi.json")).json == contract.document


async def test_the_contract_would_notice_a_wrong_answer(hub: Any, till: Any, contract: Any) -> None:
    """The judge judged: a field of another type and an undeclared status are found."""
    answer = await till.get("/v1/products/TEA-01")
    answer.body = answer.body.replace(b'"on_hand":20', b'"on_hand":"20"')
    with pytest.raises(jsonschema.ValidationError):
        contract.check("GET", "/v1/products/TEA-01", answer)

    answer.status = 418
    with pytest.raises(AssertionError):
        contract.check("GET", "/v1/products/TEA-01", answer)
