"""Holds the API's own documents against what is true:  check.py SERVER ASYNCAPI_SCHEMA ANSWERS

The documents are what `SERVER --print-openapi` and `--print-asyncapi` print. Each must be a valid
document of its kind, and each example in them must fit its own schema. Then everything that the
stories heard (ANSWERS, a JSON line each, written by `talk --answers`) must fit:

  * an answer's status is one that the endpoint lists, and it fits that schema, with no field that
    the schema does not name; so a failure's reason is one that the endpoint lists
  * what was accepted fits the request's schema, and what was refused for a field's form does not
  * over the socket, answers and events fit theirs

Prints what does not fit, and at last "N passed, N failed".
"""

import collections
import json
import subprocess
import sys

import jsonschema
import openapi_spec_validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

# Refusals that a schema cannot foresee: they look at several fields, or at the calendar.
BEYOND_SCHEMAS = {"INVALID_CERTIFICATE", "INVALID_BIRTHDAY", "MALFORMED_JSON", "MALFORMED_REQUEST",
                  "TOO_DEEP", "WRONG_ANSWER", "WRONG_MESSAGE_TYPE"}
# Texts are trimmed first (contract 1), which no schema says.
BLANKS = " \t\n\v\f\r\u00a0\u3000"
SHOWN = 400


class Document:
    """One API document, and validators for parts of it by JSON pointer."""

    def __init__(self, content):
        self.content = content
        self.registry = Registry().with_resource(
            "urn:document", Resource(contents=content, specification=DRAFT202012))
        self.validators = {}

    def at(self, pointer):
        part = self.content
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            part = part[int(step)] if isinstance(part, list) else part[step]
        return part

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.at(schema["$ref"].lstrip("#"))
        return schema

    def validator(self, pointer):
        if pointer not in self.validators:
            self.validators[pointer] = jsonschema.Draft202012Validator(
                {"$ref": f"urn:document#{pointer}"}, registry=self.registry,
                format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        return self.validators[pointer]

    def misfit(self, pointer, value):
        """Why the value does not fit the schema there; None if it does."""
        error = jsonschema.exceptions.best_match(self.validator(pointer).iter_errors(value))
        if error is not None:
            return f"{error.json_path}: {error.message[:SHOWN]}"
        name = self.unnamed([self.at(pointer)], value)
        return f"{name} is not in the schema" if name else None

    def unnamed(self, schemas, value):
        """The first member of the value that no schema names."""
        schemas = self.alternatives(schemas)
        if isinstance(value, dict):
            for name, member in value.items():
                inner = [schema["properties"][name] for schema in schemas
                         if name in schema.get("properties", {})]
                if not inner:
                    return name
                found = self.unnamed(inner, member)
                if found:
                    return f"{name}.{found}"
        if isinstance(value, list):
            inner = [schema["items"] for schema in schemas if "items" in schema]
            for member in value:
                found = self.unnamed(inner, member)
                if found:
                    return f"[].{found}"
        return None

    def alternatives(self, schemas):
        flat = []
        for schema in map(self.resolve, schemas):
            flat.append(schema)
            for keyword in ("allOf", "oneOf"):
                flat += self.alternatives(schema.get(keyword, []))
        return flat


def escape(step):
    return step.replace("~", "~0").replace("/", "~1")


def trimmed(value):
    if isinstance(value, dict):
        return {name: trimmed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [trimmed(member) for member in value]
    return value.strip(BLANKS) if isinstance(value, str) else value


class Check:
    def __init__(self, openapi, asyncapi):
        self.openapi, self.asyncapi = openapi, asyncapi
        self.passed = 0
        self.failures = collections.Counter()
        self.reasons = collections.defaultdict(set)

    def expect(self, what, misfit):
        if misfit is None:
            self.passed += 1
        else:
            self.failures[f"{what}: {misfit}"] += 1

    def content(self, path, status):
        """The pointer of what an endpoint answers with a status; None: not listed."""
        pointer = f"/paths/{escape(path)}/post/responses/{status}"
        try:
            response = self.openapi.at(pointer)
        except KeyError:
            return None
        if "$ref" in response:
            pointer = response["$ref"].lstrip("#")
        return pointer + "/content/application~1json"

    def examples(self):
        for path, item in self.openapi.content["paths"].items():
            for operation in item.values():
                self.examples_of(path, operation)
        for name, message in self.asyncapi.content["components"]["messages"].items():
            pointer = f"/components/messages/{name}/payload"
            for example in message["examples"]:
                self.expect(f"example of {name}", self.asyncapi.misfit(pointer, example["payload"]))

    def examples_of(self, path, operation):
        if "requestBody" not in operation:
            return
        pointer = f"/paths/{escape(path)}/post/requestBody/content/application~1json"
        self.expect(f"{path}: example of the request",
                    self.openapi.misfit(pointer + "/schema", self.openapi.at(pointer)["example"]))
        for status in operation["responses"]:
            media = self.content(path, status)
            content = self.openapi.at(media)
            values = {name: self.openapi.resolve(example)["value"]
                      for name, example in content.get("examples", {}).items()}
            values.update({"": content["example"]} if "example" in content else {})
            for name, value in values.items():
                self.expect(f"{path}: example {status} {name}",
                            self.openapi.misfit(media + "/schema", value))

    def rest(self, entry):
        path = entry["path"].split("?")[0]
        if path not in self.openapi.content["paths"] or entry["answer"] is None:
            return
        media = self.content(path, entry["status"])
        if media is None:
            self.expect(f"{path} in {entry['story']}", f"answers {entry['status']}, unlisted")
            return
        answer = entry["answer"]
        what = f"{path} {entry['status']} {answer.get('error', {}).get('reason', '')}"
        self.expect(f"{what} in {entry['story']}", self.openapi.misfit(media + "/schema", answer))
        self.request(path, entry)

    def request(self, path, entry):
        sent = entry["sent"]
        if sent is None or entry["status"] not in (200, 400):
            return
        error = entry["answer"].get("error", {})
        reason = error.get("reason")
        pointer = f"/paths/{escape(path)}/post/requestBody/content/application~1json/schema"
        fits = self.openapi.validator(pointer).is_valid
        shown = json.dumps(sent, ensure_ascii=False)[:SHOWN]
        if entry["status"] == 200:
            self.expect(f"{path} in {entry['story']}",
                        None if fits(sent) or fits(trimmed(sent)) else
                        f"accepts what its schema does not allow: {shown}")
        elif reason not in BEYOND_SCHEMAS and not self.is_conditional(pointer, error):
            self.expect(f"{path} in {entry['story']}",
                        f"refuses ({reason}) what its schema allows: {shown}"
                        if fits(sent) else None)

    def is_conditional(self, pointer, error):
        """Whether a field is missed that is needed only beside another one's value."""
        required = self.openapi.resolve(self.openapi.at(pointer)).get("required", [])
        return error["reason"] == "MISSING_FIELD" and error.get("field") not in required

    def socket(self, entry):
        answer = entry["answer"]
        if "event" in answer:
            name = f"event.{answer['event']}"
        elif "error" in answer:
            name = "failure"
            self.socket_reason(entry)
        else:
            name = "answer." + self.call_name(entry["path"])
        self.expect(f"socket: {name} in {entry['story']}",
                    self.asyncapi.misfit(f"/components/messages/{name}/payload", answer))

    def call_name(self, call):
        item = self.openapi.content["paths"].get(call)
        return item["post"]["operationId"] if item else call

    def socket_reason(self, entry):
        operation = self.asyncapi.content["operations"].get(self.call_name(entry["path"]))
        if operation is None:
            return  # a call that does not exist
        reason = entry["answer"]["error"]["reason"]
        self.expect(f"socket: {entry['path']} in {entry['story']}",
                    None if reason in operation["x-reasons"] else f"{reason} is not in x-reasons")


def main():
    server, asyncapi_schema, answers = sys.argv[1:]
    openapi, asyncapi = (json.loads(subprocess.run([server, flag], check=True,
                                                   stdout=subprocess.PIPE).stdout)
                         for flag in ("--print-openapi", "--print-asyncapi"))
    check = Check(Document(openapi), Document(asyncapi))
    try:
        openapi_spec_validator.validate(openapi)
        check.expect("openapi.json", None)
    except Exception as error:  # of many kinds
        check.expect("openapi.json is no OpenAPI document", str(error)[:SHOWN])
    with open(asyncapi_schema, encoding="utf-8") as file:
        schema = json.load(file)
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft7Validator(schema).iter_errors(asyncapi))
    check.expect("asyncapi.json is no AsyncAPI document",
                 None if error is None else f"{error.json_path}: {error.message[:SHOWN]}")
    check.examples()
    with open(answers, encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            (check.rest if entry["way"] == "rest" else check.socket)(entry)
    for failure, count in check.failures.most_common():
        print(f"{count} x {failure}")
    print(f"{check.passed} passed, {len(check.failures)} failed")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main())
