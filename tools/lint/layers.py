#!/usr/bin/env python3
"""Fails when an #include line crosses a layer boundary or a third-party library is used outside its owner.

The rules are the arrows of the architecture: what a folder may include besides itself. Nothing else is allowed.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMON = ["services/common/base", "services/common/log", "services/common/store", "services/common/blob",
          "services/common/rpc", "services/common/runtime"]
SHARED = COMMON + ["services/readiness", "services/archive", "services/membership", "services/plugin_host", "services/sandbox",
                   "services/loadgen", "assay/", "google/rpc/"]

# Folder -> what it may include, longest prefix first. Generated protos are named by their import path.
ALLOWED = {
    "services/common/base": [],
    "services/common/log": ["services/common/base", "assay/"],
    "services/common/store": ["services/common/base", "assay/"],
    "services/common/blob": ["services/common/base", "assay/"],
    "services/common/rpc": ["services/common/base", "assay/", "google/rpc/"],
    "services/common/runtime": ["services/common/base", "services/common/rpc", "assay/"],
    "services/readiness": ["services/common/base", "assay/"],
    "services/archive": ["services/common/base", "services/sandbox", "assay/"],
    "services/sandbox": ["services/common/base", "services/archive", "assay/"],
    "services/loadgen": ["services/common/base", "services/sandbox", "assay/", "assay/plugin.h"],
    "services/plugin_host": ["services/common/base", "services/archive", "services/sandbox", "assay/"],
    "services/membership": ["services/common/base", "services/common/log", "assay/"],
    "services/gateway": SHARED,
    "services/aggregator": SHARED,
    "services/evaluator": SHARED,
    "services/calibrator": SHARED,
    "services/console": SHARED,
    # Besides the servers it composes, the interface between two of them that it bridges in process.
    "services/standalone": SHARED + ["services/gateway/server.h", "services/gateway/shards.h",
                                     "services/gateway/limits.h",
                                     "services/aggregator/server.h", "services/aggregator/shard.h", "services/aggregator/accounting_metrics.h",
                                     "services/evaluator/framework_documents.h", "services/evaluator/server.h"],
    "plugins/sdk": ["assay/plugin.h", "assay/plugin.hpp", "assay/plugin_types.hpp", "assay/json.hpp"],
    "plugins/code_analysis": ["plugins/sdk", "assay/plugin.h", "assay/plugin.hpp", "assay/plugin_types.hpp", "assay/json.hpp"],
    "plugins/load_test": ["plugins/sdk", "assay/plugin.h", "assay/plugin.hpp", "assay/plugin_types.hpp", "assay/json.hpp"],
    "plugins/rubric": ["plugins/sdk", "assay/plugin.h", "assay/plugin.hpp", "assay/plugin_types.hpp", "assay/json.hpp"],
    "tools": ["services/common/base", "services/common/rpc", "plugins/sdk", "assay/", "google/rpc/"],
    "tests": ["services/", "plugins/", "assay/", "google/", "tools/"],
}

# Header pattern -> folders that own the library.
OWNERS = {
    r"^rocksdb/": ["services/common/store", "services/common/log"],
    r"^librdkafka/": ["services/common/log"],
    r"^dlfcn\.h$": ["services/plugin_host"],
    r"^prometheus/": ["services/common/runtime"],
    r"^tree_sitter/": ["plugins/code_analysis"],
    r"^archive(_entry)?\.h$": ["services/archive", "services/common/base"],
    r"^seccomp\.h$": ["services/sandbox"],
    r"^grpc(pp)?/": ["services/common/rpc", "services/common/runtime", "services/gateway", "services/standalone",
                     "services/evaluator/server", "services/aggregator/process", "services/aggregator/shard_rpc", "tools/assay"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    best = ""
    for folder in ALLOWED:
        if path.startswith(folder + "/") and len(folder) > len(best):
            best = folder
    return best


def is_test(path):
    return path.startswith("tests/") or "/testing/" in path or re.search(r"_(test|fuzz|benchmark)\.(cc|h|c)$", path)


def problems_in(path):
    layer = layer_of(path)
    if not layer:
        yield 0, "no layer is known for this folder; add it to tools/lint/layers.py"
        return
    # A test may use any fake, and its own layer's concrete neighbours; it still owns no third-party library.
    allowed = ALLOWED[layer] + ([p for p in ALLOWED["tests"]] if is_test(path) else [])
    for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        for pattern, owners in OWNERS.items():
            if re.search(pattern, header) and not is_test(path) and not any(path.startswith(o) for o in owners):
                yield number, f"includes <{header}>, which only {', '.join(owners)} may"
        ours = header.startswith(("services/", "plugins/", "tools/", "tests/", "assay/", "google/rpc/"))
        if not ours or header.startswith(layer + "/"):
            continue
        if not any(header == a or header.startswith(a if a.endswith("/") else a + "/") for a in allowed):
            yield number, f"includes \"{header}\", which {layer} may not; allowed: {', '.join(allowed) or 'nothing'}"


def main():
    failed = 0
    files = [p.relative_to(ROOT).as_posix() for folder in ("services", "plugins", "tools", "tests")
             for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".hpp", ".c", ".cc")]
    for path in files:
        if path.startswith("tests/testdata/"):
            continue
        for line, problem in problems_in(path):
            print(f"{path}:{line}: {problem}")
            failed += 1
    if not files:
        print("no source files found: this check looked in the wrong place")
        return 1
    print(f"{len(files)} files, {failed} forbidden includes")
    return 1 if failed else 0


sys.exit(main())
