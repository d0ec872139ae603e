"""Carries out calls of the official SDKs: one JSON object per line in, one per line out.

In: `package`, `operation` (the method of the generated client), `config` (arguments of its `Config`), `headers` (further ones
for every request), `request` (arguments of the request model; absent where the operation has none) and `body` (absent, or
`json`: ask for the answer's body where the generated client drops it). Out: `answer`, or `error` with what the exception says.
"""

import importlib
import json
import sys

from alibabacloud_tea_openapi import models as openapi


def request_model(package, operation):
    models = importlib.import_module(package + ".models")
    wanted = operation.replace("_", "") + "request"
    return next(getattr(models, name) for name in dir(models) if name.lower() == wanted)


def with_body(client, operation):
    """The same call with another body type, as programs that need the login of the Personal Edition make it."""
    plain = type(client).call_api

    def call_api(params, request, runtime):
        params.body_type = "json"
        client.answered = plain(client, params, request, runtime)
        return client.answered

    client.call_api = call_api
    getattr(client, operation)()
    return client.answered["body"]


def carry_out(call):
    package, operation = call["package"], call["operation"]
    config = openapi.Config(**call["config"])
    if "headers" in call:
        config.global_parameters = openapi.GlobalParameters(headers=call["headers"])
    client = importlib.import_module(package + ".client").Client(config)
    if call.get("body") == "json":
        return with_body(client, operation)
    if call.get("request") is None:
        return getattr(client, operation)().to_map()
    request = request_model(package, operation)(**call["request"])
    return getattr(client, operation)(request).body.to_map()


def described(error):
    names = ["code", "message", "status_code", "retry_after", "access_denied_detail", "data"]
    found = {name: getattr(error, name, None) for name in names}
    found["data"] = {str(key): str(value) for key, value in (found["data"] or {}).items()}
    return {"kind": type(error).__name__, "text": str(error), **found}


for line in sys.stdin:
    try:
        result = {"answer": carry_out(json.loads(line))}
    except Exception as error:  # whatever the SDK raises is what is asked for
        result = {"error": described(error)}
    print(json.dumps(result), flush=True)
