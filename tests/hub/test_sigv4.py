"""Signatures against the examples that AWS publishes: "Examples: Signature Calculations" of the S3 API reference."""

import hashlib

import pytest

from hub.backup.targets.sigv4 import Key, Request, authorization

KEY = Key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
EMPTY = hashlib.sha256(b"").hexdigest()
WELCOME = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
HOST = {"host": "examplebucket.s3.amazonaws.com", "x-amz-date": "20130524T000000Z"}
EXAMPLES = {
    "get object": (
        Request("GET", "/test.txt", {}, HOST | {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY}, EMPTY),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put object": (
        Request(
            "PUT",
            "/test$file.text",
            {},
            HOST
            | {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "x-amz-content-sha256": WELCOME,
            },
            WELCOME,
        ),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get bucket lifecycle": (
        Request("GET", "/", {"lifecycle": ""}, HOST | {"x-amz-content-sha256": EMPTY}, EMPTY),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list objects": (
        Request("GET", "/", {"prefix": "J", "max-keys": "2"}, HOST | {"x-amz-content-sha256": EMPTY}, EMPTY),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_published_examples_are_signed_as_published(name: str) -> None:
    request, signature = EXAMPLES[name]
    said = authorization(request, KEY)
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,")
    assert said.endswith(f"Signature={signature}")


def test_a_secret_is_in_nothing_that_is_printed() -> None:
    assert KEY.secret not in repr(KEY)
