"""What the API document promises."""

import json


async def test_every_reference_of_the_document_leads_somewhere(client):
    document = (await client.get("/openapi.json")).json()
    parts = document["components"]["schemas"]
    references = {text.split('"')[0] for text in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references
    assert references <= set(parts)


async def test_every_route_documents_its_errors_in_our_form(client):
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if status == "414":  # refused by the server, before the application is asked
                    assert "content" not in answer
                    continue
                if int(status) < 400 or (status == "503" and path.endswith(("health", "ready"))):
                    continue
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (path, method, status)


async def test_every_operation_is_described_and_named_once(client):
    document = (await client.get("/openapi.json")).json()
    operations = [op for methods in document["paths"].values() for op in methods.values()]
    names = [op["operationId"] for op in operations]
    assert len(names) == len(set(names))
    assert all(op.get("description") or op.get("summary") for op in operations)
    assert all(op.get("tags") for op in operations)


async def test_bodies_have_examples(client):
    parts = (await client.get("/openapi.json")).json()["components"]["schemas"]
    for name in ("Interaction", "HistoryRequest", "UsersRequest", "ItemFields", "Recommendations"):
        assert parts[name]["examples"], name
