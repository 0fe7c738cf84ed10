"""The record, and what is older than the retention periods."""


def an_empty_store_is_whole_and_each_change_adds_to_it(hospital):
    hospital.done("department", "add", "内科")
    first = hospital.done("audit", "verify")
    assert "2 rows in 1 chains" in first and "the record is whole" in first, first
    heads = hospital.write("heads.txt", first)
    hospital.done("department", "add", "外科")
    second = hospital.done("audit", "verify", "--against", heads)
    assert "4 rows in 2 chains" in second and second.count("\nhead ") == 2, second


def heads_that_are_not_there_are_found(hospital):
    hospital.done("department", "add", "内科")
    heads = hospital.write("heads.txt", "head 0123456789abcd 7 " + "0" * 64 + "\n")
    code, out, _ = hospital.run("audit", "verify", "--against", heads)
    assert code == 3 and "THE RECORD IS NOT WHOLE" in out and "cut off" in out, out
    broken = hospital.write("broken.txt", "head 0123 x\n")
    hospital.refused(2, "broken.txt:1", "audit", "verify", "--against", broken)
    empty = hospital.write("empty.txt", "nothing\n")
    hospital.refused(2, "empty.txt:1", "audit", "verify", "--against", empty)
    hospital.refused(2, "cannot read", "audit", "verify", "--against", "nowhere.txt")


def retention_goes_no_lower_than_the_floors(hospital):
    hospital.done("department", "add", "内科")
    for name, value, says in [("RECORD", "14", "must be from 15 to 1000"),
                              ("CHAT", "2", "must be from 3 to 1000"),
                              ("CHAT", "16", "must not be more than retention_record_years")]:
        variable = f"CONSULTD_RETENTION_{name}_YEARS"
        hospital.environment[variable] = value
        hospital.refused(2, says, "purge", "--yes")
        del hospital.environment[variable]
    assert "would be removed: 0 orders" in hospital.done("purge")
