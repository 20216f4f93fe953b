"""Writes what the binary is made of: every crate and every C library in it, as CycloneDX 1.6 JSON, to stdout.

From the repository's root, with the crates already fetched:

    python3 deploy/sbom.py [TARGET] > sbom.cdx.json

Enters: what cargo says of Cargo.lock for the target triple and the default features. Leaves: the crates that are linked into
the binary or make it (build scripts, macros), not those of tests; with versions, checksums, licences, and what depends on
what. C libraries have no entry in Cargo.lock: they come inside `-sys` crates, and are found here by the crate that brings
them. One of those that is not known here is an error, so that none is forgotten. The same input gives the same bytes.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

# C sources inside crates: the library, its licence, whose it is, and how the crate tells its version.
BUNDLED = {
    "rdkafka-sys": ("librdkafka", "BSD-2-Clause", "pkg:github/confluentinc/librdkafka@v{}", r"\+(.+)"),
    "openssl-src": ("openssl", "Apache-2.0", "pkg:github/openssl/openssl@openssl-{}", r"\+(.+)"),
    "zstd-sys": ("zstd", "BSD-3-Clause", "pkg:github/facebook/zstd@v{}", r"\+zstd\.(.+)"),
    "libz-sys": ("zlib", "Zlib", "pkg:github/madler/zlib@v{}", Path("src/zlib/zlib.h")),
}
# Crates that name a C library to the linker, and bring none.
BRINGS_NONE = {"openssl-sys": "openssl-src brings it", "rayon-core": "not C: a guard against two versions"}


def metadata(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def linked(nodes, root):
    """The packages that the binary is built from, and of each what it needs."""
    needs, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in needs:
            continue
        kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}
        needs[package] = sorted(d["pkg"] for d in nodes[package]["deps"] if kinds(d) - {"dev"})
        waiting += needs[package]
    return needs


def bundled(package):
    """The C library inside a crate, if there is one."""
    name, version = package["name"], package["version"]
    if name not in BUNDLED:
        if package["links"] and name not in BRINGS_NONE:
            sys.exit(f"sbom.py: {name} links {package['links']}: say in BUNDLED what C code it brings, or in BRINGS_NONE why none")
        return None
    library, licence, purl, where = BUNDLED[name]
    if isinstance(where, Path):
        header = (Path(package["manifest_path"]).parent / where).read_text(errors="replace")
        found = re.search(r'#define ZLIB_VERSION "([\d.]+)"', header)
    else:
        found = re.search(where, version)
    if not found:
        sys.exit(f"sbom.py: {name} {version} does not tell the version of {library}")
    purl = purl.format(found[1])
    return {
        "type": "library",
        "bom-ref": purl,
        "name": library,
        "version": found[1],
        "licenses": [{"license": {"id": licence}}],
        "purl": purl,
    }


def purl_of(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package, checksums):
    made = {
        "type": "library",
        "bom-ref": purl_of(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl_of(package),
    }
    if package["license"]:
        # A few crates still write `A/B` for `A OR B`.
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def sbom(target):
    lock = Path("Cargo.lock").read_text()
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in tomllib.loads(lock)["package"]}
    told = metadata(target)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    root = told["resolve"]["root"]
    needs = linked(nodes, root)
    components, dependencies = [], []
    for package_id in needs:
        package = packages[package_id]
        depends_on = [purl_of(packages[needed]) for needed in needs[package_id]]
        if package_id != root:
            components.append(component(package, checksums))
            library = bundled(package)
            if library:
                components.append(library)
                depends_on.append(library["bom-ref"])
                dependencies.append({"ref": library["bom-ref"]})
        dependencies.append({"ref": purl_of(package), "dependsOn": sorted(depends_on)})
    main = component(packages[root], checksums) | {"type": "application"}
    serial = uuid.UUID(bytes=hashlib.sha256(f"{target}\n{lock}".encode()).digest()[:16], version=4)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": main, "properties": [{"name": "dockside:target", "value": target}]},
        "components": sorted(components, key=lambda c: c["bom-ref"]),
        "dependencies": sorted(dependencies, key=lambda d: d["ref"]),
    }


def host():
    said = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return re.search(r"host: (\S+)", said)[1]


if __name__ == "__main__":
    json.dump(sbom(sys.argv[1] if len(sys.argv) > 1 else host()), sys.stdout, indent=1)
    print()
