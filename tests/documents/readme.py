"""Runs the examples of a README:  readme.py README ADDRESS

The shell blocks that follow the line `<!-- a test runs this -->` are run as one script against the
demo server at ADDRESS. Each line that they print must be as the comment that shows it (`# {…}`),
where … stands for anything. The last line is "N passed, N failed".
"""

import re
import subprocess
import sys

MARK = "<!-- a test runs this -->"
BLOCK = re.compile(re.escape(MARK) + r"\n```sh\n(.*?)```", re.DOTALL)
SHOWN_ADDRESS = "http://127.0.0.1:8080"
SECONDS = 60


def is_like(shown, printed):
    pattern = ".*".join(re.escape(piece) for piece in shown.split("…"))
    return re.fullmatch(pattern, printed) is not None


def main():
    readme, address = sys.argv[1:]
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    script = "".join(BLOCK.findall(text))
    shown = [line[2:] for line in script.splitlines() if line.startswith("# {")]
    if text.count(MARK) != len(BLOCK.findall(text)) or not shown or SHOWN_ADDRESS not in script:
        print(f"{readme} has no examples, or a mark without one")
        print("0 passed, 1 failed")
        return 1
    done = subprocess.run(["bash", "-eu", "-o", "pipefail"], text=True, timeout=SECONDS,
                          input=script.replace(SHOWN_ADDRESS, address), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    printed = done.stdout.splitlines()
    failed = 0
    for number in range(max(len(shown), len(printed))):
        expected = shown[number] if number < len(shown) else "nothing more"
        got = printed[number] if number < len(printed) else "nothing"
        if not is_like(expected, got):
            print(f"{readme} shows {expected}\n    but it is {got}")
            failed += 1
    if done.returncode != 0:
        print(f"{readme}: the examples end with {done.returncode}: {done.stderr}")
        failed += 1
    print(f"{len(shown) - min(failed, len(shown))} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
