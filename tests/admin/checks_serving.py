"""What the server says when it starts."""

WARNING = "payments are played: no money moves"
NO_PAGE = "no page is served: web_root cannot be read"


def a_server_that_plays_payments_says_so(hospital):
    server = hospital.serve()
    assert server.address
    server.stop()
    assert server.said().count(WARNING) == 1, server.said()


def the_demo_plays_payments_without_a_warning(hospital):
    server = hospital.serve("--demo")
    assert server.address
    server.stop()
    assert WARNING not in server.said(), server.said()


def a_page_that_cannot_be_read_is_told_by_the_check_as_by_the_start(hospital):
    for web_root, why in ((hospital.path("nowhere"), "No such file or directory"),
                          (hospital.write("file", "no folder"), "Not a directory")):
        hospital.environment["CONSULTD_WEB_ROOT"] = web_root
        code, out, complaint = hospital.run("--check-config")
        server = hospital.serve()
        server.stop()
        for said in (complaint, server.said()):
            assert said.count(NO_PAGE) == 1 and web_root in said and why in said, said
        assert (code, out) == (0, "the options are good\n"), (code, out)
    hospital.environment["CONSULTD_WEB_ROOT"] = hospital.folder
    hospital.done("--check-config")
