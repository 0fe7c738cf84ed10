"""The contract's rules for one field, in another language than the server's: what is said to a
value, given the field's row of the table. Contract 1."""

import json
import re
import unicodedata

BLANKS = " \t\n\v\f\r\u00a0\u3000"
PHONE = re.compile(r"1[3-9][0-9]{9}")
DIGITS = re.compile(r"-?[0-9]+")
VISIBLE = re.compile(r"[!-~]+")
INT64 = range(-2 ** 63 + 1, 2 ** 63)  # the least one stands for "absent" in the server


def trimmed(text):
    return text.strip(BLANKS)


def is_url(text):
    """http or https, no blanks, and a host."""
    if any(blank in text for blank in BLANKS):
        return False
    found = re.match(r"https?://", text, re.I | re.A)
    if not found:
        return False
    authority = re.split(r"[/?#\\]", text[found.end():], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    return host != "" and not host.startswith(":")


def text_error(field, text, low, high):
    """The reason for which a text is refused; None when it is sound. `text` is trimmed."""
    allowed = "\n\t" if field["multiline"] else ""
    if any(unicodedata.category(c) == "Cc" and c not in allowed for c in text):
        return "INVALID_TEXT"
    if high and len(text) > high:
        return "TOO_LONG"
    if field["choices"] and text not in field["choices"].split("|"):
        return "INVALID_VALUE"
    form = field["format"]
    if form == "url" and not is_url(text):
        return "INVALID_URL"
    if form == "visible" and not VISIBLE.fullmatch(text):
        return "INVALID_VALUE"
    if form == "digits" and not re.fullmatch("[0-9]+", text):
        return "INVALID_VALUE"
    if form == "date" and not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}", text):
        return "INVALID_BIRTHDAY"
    return "INVALID_VALUE" if len(text) < low else None


def number_error(field, value):
    if isinstance(value, str):
        if field["format"] == "phone" and not DIGITS.fullmatch(value):
            return "INVALID_PHONE"
        if not field["loose"] or not DIGITS.fullmatch(value):
            return "INVALID_TYPE"
        value = int(value)
        if not -2 ** 63 < value < 2 ** 63:
            return "INVALID_PHONE" if field["format"] == "phone" else "OUT_OF_RANGE"
    if isinstance(value, float):
        if abs(value) >= 2 ** 53:
            return "OUT_OF_RANGE"
        value = int(value) if value == int(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return "INVALID_TYPE"
    if field["format"] == "phone":
        return None if 13000000000 <= value <= 19999999999 else "INVALID_PHONE"
    low, high = field["min"], field["max"]
    if (low or high) and not low <= value <= high:
        return "OUT_OF_RANGE"
    return None if value in INT64 else "OUT_OF_RANGE"


def error_of(field, value):
    """The reason for which this value (as sent) must be refused, or None. null and texts of nothing
    but blanks count as not given."""
    kind = field["kind"]
    if isinstance(value, str):
        value = trimmed(value)
    if value is None or value == "":
        return "MISSING_FIELD" if field["required"] else None
    if kind == "oid":
        if not isinstance(value, str):
            return "INVALID_TYPE"
        return None if re.fullmatch("(?!0{24})[0-9a-f]{24}", value) else "INVALID_ID"
    if kind == "text":
        if not isinstance(value, str):
            return "INVALID_TYPE"
        return text_error(field, value, field["min"], field["max"])
    if kind == "number":
        return number_error(field, value)
    if kind == "bool":
        return None if isinstance(value, bool) else "INVALID_TYPE"
    return list_error(field, value)


def list_error(field, value):
    """Of the list itself; a text is a list if it holds one in JSON and the field is loose."""
    if isinstance(value, str) and field["loose"]:
        try:
            value = json.loads(value)
        except ValueError:
            pass
    if not isinstance(value, list):
        return "INVALID_TYPE"
    if field["max"] and len(value) > field["max"]:
        return "TOO_MANY"
    return "MISSING_FIELD" if field["required"] and not value else None
