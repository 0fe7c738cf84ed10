"""Words, options, --help and exit codes of all subcommands."""

import re
import subprocess


def printed(hospital, *words):
    return subprocess.run([hospital.program, *words], env=hospital.environment, check=False,
                          cwd=hospital.folder, capture_output=True, text=True)


def subcommands(hospital):
    """As `consultd --help` lists them."""
    said = printed(hospital, "--help").stdout.split("Subcommands", 1)[1]
    return re.findall(r"^  ([a-z-]+(?: [a-z-]+)?) {2,}\S", said, re.MULTILINE)


def help_of_the_program_lists_every_subcommand_and_each_explains_itself(hospital):
    listed = subcommands(hospital)
    assert len(listed) >= 7 and len(set(listed)) == len(listed), listed
    for words in listed:
        said = printed(hospital, *words.split(), "--help")
        assert said.returncode == 0 and said.stderr == "", said
        assert said.stdout.startswith(f"  consultd {words}") and "Exit codes:" in said.stdout, said
        assert all(len(line) <= 96 for line in said.stdout.splitlines()), said.stdout
        for option in re.findall(r"--[a-z-]+", said.stdout.split("\n\n")[0]):
            assert re.search(rf"^  {option}\b.* \S+", said.stdout, re.MULTILINE), (words, option)


def help_of_a_group_lists_its_subcommands(hospital):
    said = printed(hospital, "department", "--help").stdout
    assert "department add" in said and "department list" in said and "reason" not in said, said


def words_that_are_no_subcommand_are_refused(hospital):
    for words, says in [(["frobnicate"], "there is no subcommand frobnicate"),
                        (["department"], "nothing is no subcommand"),
                        (["department", "frobnicate"], "frobnicate is no subcommand"),
                        (["department", "ad"], "ad is no subcommand")]:
        said = printed(hospital, *words)
        assert (said.returncode, said.stdout) == (2, "") and says in said.stderr, said


def options_are_held_to_their_rules(hospital):
    refused = hospital.refused
    refused(2, "name is needed", "department", "add")
    refused(2, "there is no such flag", "department", "add", "内科", "--frobnicate")
    refused(2, "there is no such argument", "department", "add", "内科", "外科")
    said = printed(hospital, "department", "add", "内科", "--weight")
    assert said.returncode == 2 and "--weight needs a value" in said.stderr, said
    refused(2, "--weight must be a whole number", "department", "add", "内科", "--weight", "many")
    refused(2, "--weight is out of range", "department", "add", "内科", "--weight=-1")
    refused(2, "--weight is given twice", "department", "add", "内科", "--weight=1", "--weight=2")
    refused(2, "name is too long", "department", "add", "内" * 65)
    refused(2, "must not hold control characters", "department", "add", "a\tb")
    refused(2, "--json takes no value", "department", "list", "--json=yes")
    refused(2, "--type is not one of its values", "question", "add", "满意吗", "--type", "03")
    refused(2, "must be valid UTF-8", "department", "add", b"\xff\xfe")
    refused(2, "none of the --print and --check flags", "department", "list", "--print-config")


def the_store_is_found_like_the_servers(hospital):
    config = hospital.write("c.conf", f"[server]\nstore = {hospital.store}\n")
    said = printed(hospital, "department", "add", "内科", "--config", config)
    assert said.returncode == 0, said
    assert [d["name"] for d in hospital.json("department", "list")] == ["内科"]
    said = printed(hospital, "department", "list", "--config", hospital.path("none.conf"))
    assert said.returncode == 2 and "cannot be read" in said.stderr, said


def a_store_that_is_not_there_is_made_by_what_adds_and_by_nothing_else(hospital):
    if not hospital.is_sqlite:
        return
    hospital.refused(1, "there is no store at", "department", "list")
    hospital.refused(1, "cannot open", "department", "add", "内科",
                     store=f"sqlite:{hospital.folder}/none/x.db")
    hospital.done("department", "add", "内科")
    hospital.done("department", "list")


def a_mongodb_that_does_not_answer_is_trouble(hospital):
    hospital.environment["CONSULTD_STORE_TIMEOUT_SECONDS"] = "1"
    complaint = hospital.refused(1, "", "department", "list",
                                 store="mongodb://root:hidden@127.0.0.1:1/x")
    assert "hidden" not in complaint, complaint


def keys_for_tokens_are_random_and_long(hospital):
    keys = {printed(hospital, "token-key", "generate").stdout for _ in range(3)}
    assert len(keys) == 3 and all(re.fullmatch(r"[0-9a-f]{64}\n", key) for key in keys), keys
