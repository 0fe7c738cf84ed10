"""Departments, reasons and questions."""


def what_is_added_is_listed_and_served(hospital):
    ids = {name: hospital.done("department", "add", name, "--weight", weight).strip()
           for name, weight in [("内科", "1"), ("外科", "3"), ("儿科", "2")]}
    listed = hospital.json("department", "list")
    assert [d["name"] for d in listed] == ["外科", "儿科", "内科"], listed
    assert {d["name"]: d["id"] for d in listed} == ids, listed
    hospital.done("reason", "add", "在线复诊")
    hospital.done("question", "add", "满意吗")
    hospital.done("question", "add", "还有什么想说的", "--type", "02", "--weight", "5")
    assert [r["reason"] for r in hospital.json("reason", "list")] == ["在线复诊"]
    assert [q["type"] for q in hospital.json("question", "list")] == ["02", "01"]
    assert "满意吗" in hospital.done("question", "list")
    server = hospital.serve()
    status, answer = server.call("/api/department/list")
    assert status == 200 and [d["name"] for d in answer["data"]] == ["外科", "儿科", "内科"], answer


def adding_again_is_refused_and_changes_nothing(hospital):
    for words in [("department", "内科"), ("reason", "其他"), ("question", "满意吗")]:
        hospital.done(words[0], "add", words[1])
        before = hospital.json(words[0], "list")
        hospital.refused(1, "it is there already", words[0], "add", words[1], "--weight", "9")
        assert hospital.json(words[0], "list") == before


def it_works_while_a_server_runs(hospital):
    server = hospital.serve("--demo")
    before = len(server.call("/api/department/list")[1]["data"])
    hospital.done("department", "add", "疼痛科")
    names = [d["name"] for d in server.call("/api/department/list")[1]["data"]]
    assert len(names) == before + 1 and "疼痛科" in names, names
    hospital.refused(1, "it is there already", "department", "add", "儿科")
    assert server.stop() == 0
