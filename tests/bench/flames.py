"""Flame graphs from what perf has sampled: stacks are folded (equal ones counted) and drawn as SVG.

Width is the share of samples, the caller is below the called; a box's words are its title, too, for
where it is too narrow to show them.
"""

import collections
import html
import os
import re
import zlib

WIDTH, ROW, MARGIN, HEAD = 1600, 17, 10, 46
CHARACTER = 6.6  # of the font, about
NARROWEST = 0.3  # of a box that is drawn
# What libraries' functions begin with.
LIBRARIES = (r"\[|_*sqlite3|__|EVP|OPENSSL|SHA|lws|ev_|mem(cpy|set|move|cmp|chr)|"
             r"str(len|n?cmp|n?cpy|chr)|malloc|c?free|realloc|_int_|sysmalloc|unlink_chunk")
KERNEL = "[kernel.kallsyms]"


def _name(symbol, place):
    """What a frame is called; functions without a name go by their library."""
    if place == KERNEL:
        return symbol + "_[k]"
    if symbol == "[unknown]":
        return f"[{re.sub(r'[.]so.*', '', os.path.basename(place.strip('[]')))}]"
    return symbol.partition("@@")[0]


def fold(text):
    """Of `perf script -F pid,tid,ip,sym,dso`: {(pid, tid): {stack from the root: samples}}."""
    threads = collections.defaultdict(collections.Counter)
    thread, frames = None, []
    for line in text.splitlines() + [""]:
        head = re.match(r"\s*(\d+)/(\d+)\s*$", line)
        frame = re.match(r"\s+[0-9a-f]+ (.*) \((.*)\)$", line)
        if head:
            thread, frames = (int(head.group(1)), int(head.group(2))), []
        elif frame:
            name = _name(*frame.groups())
            if not frames or name != frames[-1] or not name.startswith("["):
                frames.append(name)  # a row of nameless ones is one
        elif thread and frames:
            threads[thread][tuple(reversed(frames))] += 1
            thread, frames = None, []
    return threads


def folded_text(stacks):
    """A line for each stack, as other tools take it."""
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items()))


def own_time(stacks, most):
    """[(function, share of the samples in which it was the one that ran)], the largest first."""
    own = collections.Counter()
    for stack, count in stacks.items():
        own[stack[-1]] += count
    return [(name, count / own.total()) for name, count in own.most_common(most)]


def _tree(stacks):
    root = {"count": 0, "below": {}}
    for stack, count in stacks.items():
        at = root
        at["count"] += count
        for name in stack:
            at = at["below"].setdefault(name, {"count": 0, "below": {}})
            at["count"] += count
    return root


def _depth(node):
    return 1 + max(map(_depth, node["below"].values()), default=0)


def _colour(name):
    """Blue for the kernel, yellow for libraries, red for the program, each name its own shade."""
    shade = zlib.crc32(name.encode()) % 40
    if name.endswith("_[k]"):
        return f"hsl(210, 55%, {62 + shade % 20}%)"
    if re.match(LIBRARIES, name):
        return f"hsl({40 + shade % 12}, 80%, {58 + shade % 16}%)"
    return f"hsl({4 + shade % 22}, 75%, {60 + shade % 14}%)"


def _boxes(node, left, scale, bottom, total):
    """The boxes of what is called from the node, which begins at `left`."""
    for name, child in sorted(node["below"].items()):
        width = child["count"] * scale
        if width >= NARROWEST:
            words = html.escape(f"{name}: {child['count']:,} samples, "
                                f"{100 * child['count'] / total:.2f} %")
            shown = name if len(name) * CHARACTER < width else name[:max(0, int(width / CHARACTER) - 1)]
            label = f'<text x="{left + 2:.1f}" y="{bottom - 4}">{html.escape(shown)}</text>' \
                if len(shown) > 2 else ""
            yield (f'<g><title>{words}</title><rect x="{left:.1f}" y="{bottom - ROW + 1}" '
                   f'width="{max(width - 0.3, 0.2):.1f}" height="{ROW - 1}" '
                   f'fill="{_colour(name)}"/>{label}</g>')
            yield from _boxes(child, left, scale, bottom - ROW, total)
        left += width


def svg(title, stacks):
    """The picture as text."""
    root = _tree(stacks)
    height = HEAD + _depth(root) * ROW + MARGIN
    scale = (WIDTH - 2 * MARGIN) / root["count"]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
        '<rect width="100%" height="100%" fill="#fffdf6"/>',
        f'<text x="{MARGIN}" y="20" font-size="14">{html.escape(title)}</text>',
        f'<text x="{MARGIN}" y="38">{root["count"]:,} samples of processor time; red: the program, '
        'yellow: libraries, blue: the kernel</text>',
        *_boxes(root, MARGIN, scale, height - MARGIN, root["count"]), "</svg>", ""])
