"""What the server says when it starts."""

WARNING = "payments are played: no money moves"


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
