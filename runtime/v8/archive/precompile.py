#!/usr/bin/env python3
"""Makes a precompiled header for each large group of V8's files. Run in the build folder, after ninja generated V8's
own sources.

Nearly all the time of a V8 build goes into parsing the same headers two thousand times. For each group this asks the
compiler what a sample of the group's files includes, writes a header that includes what most of them share, and
precompiles it with the group's own command line; compiler.sh then puts it in front of each file of the group.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time

GROUPS = {
    "initializers": ("obj/v8/torque_generated_initializers/", "obj/v8/v8_initializers/"),
    "compiler": ("obj/v8/v8_compiler/",),
    "base": ("obj/v8/v8_base_without_compiler/",),
}
# Files of a group that the compiler is asked about: enough to tell the common headers from the rare ones.
SAMPLE = 12
# A header goes in when this share of the sample includes it. A file that does not need it only pays a little.
SHARE = 0.6
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
GUARD = re.compile(r"^\s*#\s*(ifndef\s+\w+_H_?\w*|pragma\s+once)", re.MULTILINE)


def commands():
    """Every compile command of the group's files, by output."""
    text = subprocess.run(["ninja", "-t", "compdb", "cxx"], check=True, capture_output=True, text=True).stdout
    found = {entry["output"]: shlex.split(entry["command"]) for entry in json.loads(text)}
    for name, folders in GROUPS.items():
        group = {output: words for output, words in found.items() if output.startswith(folders)}
        if not group:
            sys.exit(f"[v8] error: no files under {folders}: V8's targets have other names now; see GROUPS in {__file__}")
        yield name, group


def without_output(words):
    """The command without the names of what it reads and writes; the caller adds its own."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-c"):
            skip = True
        elif word not in ("-MD", "-MMD"):
            kept.append(word)
    return kept


def includes_of(words):
    """What the compiler itself says that a file includes, as paths relative to the build folder."""
    source = words[words.index("-c") + 1]
    text = subprocess.run([*without_output(words), "-MM", source], check=True, capture_output=True, text=True).stdout
    # "object: source header header \"; system headers are left out by -MM.
    return [os.path.normpath(path) for path in text.replace("\\\n", " ").split(":", 1)[1].split()[1:]]


def common_headers(group):
    sample = list(group.values())[:: max(1, len(group) // SAMPLE)][:SAMPLE]
    counts = {}
    for words in sample:
        for path in includes_of(words):
            counts[path] = counts.get(path, 0) + 1
    enough = SHARE * len(sample)
    return [path for path, count in counts.items() if count >= enough and path.endswith(".h")]


def outermost(paths):
    """The headers that no other one of them brings along: including these includes them all."""
    texts = {path: open(path, encoding="utf-8", errors="replace").read() for path in paths}
    # Some headers are written to be included many times (macros that another header takes back): never directly.
    guarded = {path for path, text in texts.items() if GUARD.search(text)}
    by_end = {}
    for path in paths:
        parts = path.split(os.sep)
        for start in range(len(parts)):
            by_end.setdefault("/".join(parts[start:]), path)
    brought, kept = set(), []
    for path in reversed(paths):
        if path not in guarded or path in brought:
            continue
        kept.append(path)
        reach = [path]
        while reach:
            for name in INCLUDE.findall(texts[reach.pop()]):
                inner = by_end.get(name)
                # Headers that bring each other along: the first of them stays.
                if inner and inner != path and inner not in brought:
                    brought.add(inner)
                    reach.append(inner)
    return [path for path in reversed(kept) if path not in brought]


def precompile(name, group):
    header, product = f"precompiled/{name}.h", f"precompiled/{name}.pch"
    if os.path.exists(product):
        return
    since = time.monotonic()
    try:
        headers = outermost(common_headers(group))
    except subprocess.CalledProcessError as error:
        not_precompiled(name, group, error.stderr)
        return
    with open(header, "w", encoding="utf-8") as file:
        for path in headers:
            print(f'#include "{os.path.join(os.pardir, path)}"', file=file)
    first = next(iter(group.values()))
    command = [*without_output(first), "-Xclang", "-fno-pch-timestamp", "-x", "c++-header", header, "-o", product + ".new"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        not_precompiled(name, group, done.stderr)
        return
    os.rename(product + ".new", product)
    print(f"[v8] precompiled the headers of {name} for {len(group)} files in {time.monotonic() - since:.0f} s", flush=True)


def not_precompiled(name, group, errors):
    """Not worth a failed build: without it the group only takes longer."""
    first = next((line for line in errors.splitlines() if "error" in line), errors[:200])
    print(f"[v8] the headers of {name} cannot be precompiled, its {len(group)} files will take longer: {first}", flush=True)


def main():
    os.makedirs("precompiled", exist_ok=True)
    for name, group in commands():
        precompile(name, group)
    open("precompiled/done", "w", encoding="utf-8").close()


main()
