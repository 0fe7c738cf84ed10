"""Keys of the hospital's other systems."""

import re


def create(hospital, name):
    key = hospital.done("service-key", "create", name).strip()
    assert re.fullmatch(r"sk_[0-9a-f]{64}", key), key
    return key


def reason(server, key):
    """How a call for services is refused: for what it says when the key is good."""
    return server.call("/system/message/create", {}, key)[1]["error"]["reason"]


def a_key_is_shown_once_and_good_until_it_is_disabled(hospital):
    server = hospital.serve("--demo")
    key = create(hospital, "处方系统")
    assert reason(server, key) == "MISSING_FIELD"
    assert reason(server, "sk_" + "0" * 64) == "NOT_SIGNED_IN"
    listed = hospital.done("service-key", "list") + str(hospital.json("service-key", "list"))
    assert "处方系统" in listed and key not in listed and "hash" not in listed, listed
    hospital.done("service-key", "disable", "处方系统")
    assert reason(server, key) == "NOT_SIGNED_IN"
    disabled = [k["name"] for k in hospital.json("service-key", "list") if k.get("disabled")]
    assert disabled == ["处方系统"], disabled
    assert key not in server.said()


def a_name_has_one_key_for_ever(hospital):
    create(hospital, "检验系统")
    hospital.refused(1, "there is a key of this name", "service-key", "create", "检验系统")
    hospital.done("service-key", "disable", "检验系统")
    hospital.refused(1, "there is a key of this name", "service-key", "create", "检验系统")
    hospital.refused(1, "there is no key", "service-key", "disable", "无")
    hospital.refused(2, "name is needed", "service-key", "create")
    assert create(hospital, "检查系统") != create(hospital, "影像系统")
