"""Judges what sbom.py writes: by CycloneDX's own schema, and for what must and must not be in it. Called by lint.sh."""

import json
import sys

import sbom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

# C code that an advisory may be about, and a crate each of the product, of its build, and of its macros.
PRESENT = {"librdkafka", "openssl", "zstd", "zlib", "rdkafka", "cc", "serde_derive"}
# Crates of tests and benches.
ABSENT = {"criterion", "proptest", "assert_cmd", "sonic-rs"}


def findings(text):
    said = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if said:
        yield f"not of the schema: {said}"
    told = json.loads(text)
    names = {component["name"] for component in told["components"]}
    yield from (f"{name} is missing" for name in sorted(PRESENT - names))
    yield from (f"{name} is not in the binary" for name in sorted(ABSENT & names))
    for component in told["components"]:
        if not component.get("licenses"):
            yield f"{component['name']} has no licence"
        if component["purl"].startswith("pkg:cargo/") and "hashes" not in component:
            yield f"{component['name']} has no checksum"
    refs = {component["bom-ref"] for component in [told["metadata"]["component"], *told["components"]]}
    for dependency in told["dependencies"]:
        yield from (f"{ref} is no component" for ref in {dependency["ref"], *dependency.get("dependsOn", [])} - refs)


def broken(text, change):
    told = json.loads(text)
    change(told)
    return json.dumps(told)


def main():
    text = json.dumps(sbom.sbom(sbom.host()))
    found = list(findings(text))
    if text != json.dumps(sbom.sbom(sbom.host())):
        found.append("the same input gave other bytes")
    # What is broken must be found.
    first = json.loads(text)["components"][0]["name"]
    for change, wanted in [
        (lambda told: told.update(bomFormat="SPDX"), "not of the schema"),
        (lambda told: told.update(maker="us"), "not of the schema"),
        (lambda told: told["components"].pop(0), "is no component"),
        (lambda told: told["components"][0].pop("licenses"), f"{first} has no licence"),
        (lambda told: told["components"].append(told["components"][0] | {"name": "criterion"}), "criterion is not in"),
    ]:
        if not any(wanted in finding for finding in findings(broken(text, change))):
            found.append(f"nobody noticed: {wanted}")
    print("\n".join(found))
    sys.exit(bool(found))


main()
