"""What Schemathesis cannot know from the schema: real ids, and what the JSON parser refuses.

A schema says of any field that it does not name that it may hold anything. The server ignores such
fields, but only after it has read them, and its JSON has bounds that no schema can state: no NUL
character, no number beyond 64 bits or a double, 16 levels, 4,096 values, 64 KiB.
"""

import json
import os

import schemathesis

REAL = json.loads(os.environ["CONSULTD_TEST_IDS"])  # field -> id
DEPTH_MAX, VALUES_MAX, BODY_MAX = 16, 4096, 65536


def is_readable(value, depth=1):
    """Whether the server's JSON parser takes this value."""
    if depth > DEPTH_MAX:
        return False
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -2 ** 63 <= value < 2 ** 63
    if isinstance(value, dict):
        return all(is_readable(key) and is_readable(item, depth + 1) for key, item in value.items())
    if isinstance(value, list):
        return all(is_readable(item, depth + 1) for item in value)
    return True


def count_of(value):
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count_of, items))


@schemathesis.hook
def filter_body(context, body):
    if not isinstance(body, (dict, list, str)):
        return True
    return is_readable(body) and count_of(body) < VALUES_MAX // 2 and \
        len(json.dumps(body)) < BODY_MAX


@schemathesis.hook
def map_body(context, body):
    """Half of all ids are made real ones, so that more than 404 is answered."""
    if isinstance(body, dict):
        for name, real in REAL.items():
            value = body.get(name)
            if isinstance(value, str) and len(value) == 24 and value[-1] in "02468ace":
                try:
                    int(value, 16)
                except ValueError:
                    continue
                if value == value.lower():
                    body[name] = real
    return body
